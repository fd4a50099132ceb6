/** The official driver through the proxy to a server, as applications use them. */
import { MongoClient } from 'mongodb';
import type { MongoClientOptions } from 'mongodb';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { startMongoServer } from '../../test/fixtures/mongo-server.ts';
import type { MongoServer } from '../../test/fixtures/mongo-server.ts';
import { startCarriedProxy } from '../../test/fixtures/tcp-proxy.ts';
import type { CarriedProxy } from '../../test/fixtures/tcp-proxy.ts';
import { createFakeHost } from '../../src/host/fake-host.ts';
import type { MongoConfig } from '../../src/policies/mongo/config.ts';
import { MongoTraffic } from './traffic.ts';

let server: MongoServer;
const closing: (() => Promise<void> | void)[] = [];

beforeAll(async () => {
  server = await startMongoServer();
}, 360_000);
afterAll(() => server.close());
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

interface Setup {
  readonly proxy: CarriedProxy;
  readonly traffic: MongoTraffic;
  readonly client: MongoClient;
}

async function setup(
  config: Partial<MongoConfig> = {},
  options: MongoClientOptions = {},
): Promise<Setup> {
  const traffic = new MongoTraffic(createFakeHost());
  const proxy = await startCarriedProxy({
    ports: [server.port],
    mongo: traffic,
    listener: {
      application: 'MONGO',
      filters: [
        {
          kind: 'mongo',
          config: { policy: 'edge/db', faults: [], routes: [], ...config },
          yields: true,
        },
      ],
    },
  });
  closing.push(() => proxy.close());
  const client = new MongoClient(`mongodb://127.0.0.1:${proxy.port}/?directConnection=true`, {
    serverSelectionTimeoutMS: 5000,
    ...options,
  });
  closing.push(() => client.close());
  await client.connect();
  return { proxy, traffic, client };
}

test('writes, reads and walks a cursor of many batches', async () => {
  const { client, traffic } = await setup();
  const orders = client.db('shop').collection<{ _id: number; pad: string }>('orders');
  const documents = Array.from({ length: 2500 }, (_, i) => ({ _id: i, pad: 'x'.repeat(200) }));
  await orders.insertMany(documents);
  const found = await orders.find({}, { batchSize: 500 }).sort({ _id: 1 }).toArray();
  expect(found).toEqual(documents);
  await orders.updateOne({ _id: 1 }, { $set: { pad: 'y' } });
  expect(await orders.countDocuments({ pad: 'y' })).toBe(1);
  const { commands, collections, unread, lost } = traffic.stats();
  expect(unread).toBe(0);
  expect(lost).toBe(0);
  expect(commands['insert']?.operations).toBeGreaterThanOrEqual(1);
  expect(commands['find']?.operations).toBe(1);
  expect(commands['getMore']?.operations).toBeGreaterThanOrEqual(4);
  expect(commands['update']?.operations).toBe(1);
  expect(collections['shop.orders']?.replyBytes).toBeGreaterThan(500_000);
  await orders.drop();
}, 60_000);

test('errors of the server are counted under their codes', async () => {
  const { client, traffic } = await setup();
  const orders = client.db('shop').collection<{ _id: number }>('twice');
  await orders.insertOne({ _id: 1 });
  await expect(orders.insertOne({ _id: 1 })).rejects.toMatchObject({ code: 11_000 });
  await expect(client.db('shop').command({ noSuchThing: 1 })).rejects.toThrow();
  expect(traffic.stats().collections['shop.twice']?.errors).toEqual({ 11000: 1 });
  expect(Object.keys(traffic.stats().commands['other']?.errors ?? {})).toHaveLength(1);
  await orders.drop();
});

test('16 MiB pass both ways as they are, with faults in force and without', async () => {
  for (const faults of [[], [{ operations: ['drop'], delay: { percent: 100, ms: 1 } }]]) {
    const { client, traffic } = await setup({ faults });
    const blobs = client.db('shop').collection<{ _id: number; data: string }>('blobs');
    const data = 'abcdefgh'.repeat(1_900_000);
    await blobs.insertOne({ _id: 1, data });
    const found = await blobs.findOne({ _id: 1 });
    expect(found?.data === data).toBe(true);
    const { commands, unread } = traffic.stats();
    expect(unread).toBe(0);
    expect(commands['insert']?.requestBytes).toBeGreaterThan(15_000_000);
    expect(commands['find']?.replyBytes).toBeGreaterThan(15_000_000);
    await blobs.drop();
  }
}, 60_000);

test('a refusal reaches the application as the server’s own', async () => {
  const refusal = { code: 50, codeName: 'MaxTimeMSExpired', message: 'rehearsed' };
  const { client, traffic } = await setup({
    faults: [
      { operations: ['find'], collections: ['shop.orders'], refuse: { percent: 100, refusal } },
    ],
  });
  const shop = client.db('shop');
  await expect(shop.collection('orders').findOne({})).rejects.toMatchObject({
    code: 50,
    codeName: 'MaxTimeMSExpired',
    errmsg: 'rehearsed',
  });
  expect(await shop.collection('others').findOne({})).toBeNull();
  expect(traffic.stats()).toMatchObject({ refused: 1 });
});

test('a delay is waited for', async () => {
  const { client, traffic } = await setup({
    faults: [{ operations: ['find'], delay: { percent: 100, ms: 300 } }],
  });
  const begun = performance.now();
  await client.db('shop').collection('orders').findOne({});
  expect(performance.now() - begun).toBeGreaterThan(290);
  expect(traffic.stats().delayed).toBe(1);
});

test('a client that asks for compression is carried whatever the server makes of it', async () => {
  const { client, traffic } = await setup({}, { compressors: ['zlib'] });
  await client.db('shop').collection('orders').findOne({});
  expect(traffic.stats()).toMatchObject({ unread: 0, lost: 0 });
  expect(traffic.stats().commands['find']?.operations).toBe(1);
});
