/** The official driver through the proxy to a server, as applications use them. */
import { BSON, MongoClient } from 'mongodb';
import type { MongoClientOptions } from 'mongodb';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { cluster, clusterName } from '../../test/fixtures/snapshots.ts';
import { startMongoServer } from '../../test/fixtures/mongo-server.ts';
import type { MongoServer } from '../../test/fixtures/mongo-server.ts';
import { startCarriedProxy } from '../../test/fixtures/tcp-proxy.ts';
import type { CarriedProxy } from '../../test/fixtures/tcp-proxy.ts';
import { createFakeHost } from '../../src/host/fake-host.ts';
import type { MongoConfig } from '../../src/policies/mongo/config.ts';
import { MongoTraffic } from './traffic.ts';

let server: MongoServer;
/** Of cluster `cold`. */
let other: MongoServer;
const closing: (() => Promise<void> | void)[] = [];

beforeAll(async () => {
  server = await startMongoServer();
  other = await startMongoServer();
}, 360_000);
afterAll(() => {
  server.close();
  other.close();
});
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

const coldCluster = cluster('shop', { subset: 'cold' });
const archiveToCold = [{ databases: ['archive'], target: { subset: 'cold' } }];

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
    others: [{ cluster: coldCluster, ports: [other.port] }],
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

describe('routes', () => {
  interface Numbered {
    readonly _id: number;
    readonly pad?: string;
  }

  /** Asks a server without the proxy. */
  async function directly(at: MongoServer): Promise<MongoClient> {
    const client = new MongoClient(`mongodb://127.0.0.1:${at.port}/?directConnection=true`);
    closing.push(() => client.close());
    await client.connect();
    return client;
  }

  test('lead the operations of each database to its cluster', async () => {
    const { client, traffic } = await setup({ routes: archiveToCold });
    const old = client.db('archive').collection<Numbered>('old');
    const young = client.db('shop').collection<Numbered>('young');
    await Promise.all(
      Array.from({ length: 100 }, async (_, i) => {
        await old.insertOne({ _id: i });
        await young.insertOne({ _id: i });
        expect(await old.findOne({ _id: i })).toEqual({ _id: i });
        expect(await young.findOne({ _id: i })).toEqual({ _id: i });
      }),
    );
    const [hot, cold] = [await directly(server), await directly(other)];
    expect(await cold.db('archive').collection('old').countDocuments()).toBe(100);
    expect(await hot.db('archive').collection('old').countDocuments()).toBe(0);
    expect(await hot.db('shop').collection('young').countDocuments()).toBe(100);
    expect(await cold.db('shop').collection('young').countDocuments()).toBe(0);
    const { routed, unroutable, unread, lost } = traffic.stats();
    expect({ unroutable, unread, lost }).toEqual({ unroutable: 0, unread: 0, lost: 0 });
    expect(routed[coldCluster.name]).toBe(200);
    expect(routed[clusterName('shop')]).toBeGreaterThanOrEqual(200);
    await old.drop();
    await young.drop();
  }, 60_000);

  test('walk cursors of many batches where they were opened, many at a time', async () => {
    const { client, traffic } = await setup({ routes: archiveToCold });
    const documents = Array.from({ length: 1000 }, (_, i) => ({ _id: i, pad: 'x'.repeat(100) }));
    const of = (database: string) => client.db(database).collection<Numbered>('many');
    for (const database of ['archive', 'shop']) await of(database).insertMany(documents);
    const walks = Array.from({ length: 8 }, async (_, i) => {
      const found: Numbered[] = [];
      const options = { batchSize: 20 };
      const database = i % 2 === 0 ? 'archive' : 'shop';
      for await (const one of of(database).find({}, options).sort({ _id: 1 })) found.push(one);
      expect(found).toEqual(documents);
    });
    await Promise.all(walks);
    expect(traffic.stats().commands['getMore']?.errors).toEqual({});
    expect(traffic.stats().commands['getMore']?.operations).toBeGreaterThanOrEqual(8 * 49);
    const opened = of('archive').find({}, { batchSize: 10 });
    await opened.next();
    await opened.close();
    expect(traffic.stats().commands['killCursors']?.operations).toBe(1);
    for (const database of ['archive', 'shop']) await of(database).drop();
  }, 60_000);

  test('keep a cursor where only its opening was routed', async () => {
    const { client } = await setup({
      routes: [{ operations: ['aggregate'], target: { subset: 'cold' } }],
    });
    const direct = (await directly(other)).db('shop').collection<Numbered>('walked');
    const documents = Array.from({ length: 100 }, (_, i) => ({ _id: i }));
    await direct.insertMany(documents);
    const walked = client.db('shop').collection<Numbered>('walked');
    const stages = [{ $sort: { _id: 1 } }];
    expect(await walked.aggregate(stages, { batchSize: 5 }).toArray()).toEqual(documents);
    expect(await walked.find().toArray()).toEqual([]);
    await direct.drop();
  });

  test('carry 16 MiB to another cluster as they are', async () => {
    const { client } = await setup({ routes: archiveToCold });
    const blobs = client.db('archive').collection<{ _id: number; data: string }>('blobs');
    const data = 'abcdefgh'.repeat(1_900_000);
    await blobs.insertOne({ _id: 1, data });
    const found = await blobs.findOne({ _id: 1 });
    expect(found?.data === data).toBe(true);
    const cold = (await directly(other)).db('archive').collection('blobs');
    expect(await cold.countDocuments()).toBe(1);
    await blobs.drop();
  }, 60_000);

  test('keep a transaction in its cluster', async () => {
    const { client, traffic } = await setup({ routes: archiveToCold });
    const [old, young] = [client.db('archive'), client.db('shop')];
    // The server has neither sessions nor commits, so the driver begins none by itself.
    const id = BSON.Binary.createFromHexString('000102030405060708090a0b0c0d0e0f', 4);
    const inside = { lsid: { id }, txnNumber: BSON.Long.fromNumber(1), autocommit: false };
    const insert = { insert: 'paid', documents: [{ _id: 1 }], ...inside };
    expect(await old.command({ ...insert, startTransaction: true })).toMatchObject({ n: 1 });
    await expect(young.command(insert)).rejects.toMatchObject({ code: 263 });
    const find = { find: 'paid', ...inside };
    expect(await old.command(find)).toMatchObject({ cursor: { firstBatch: [{ _id: 1 }] } });
    const before = traffic.stats().routed[coldCluster.name] ?? 0;
    const commit = client.db('admin').command({ commitTransaction: 1, ...inside });
    await expect(commit).rejects.toThrow('no such command');
    expect(traffic.stats().routed[coldCluster.name]).toBe(before + 1);
    expect(await (await directly(server)).db('shop').collection('paid').countDocuments()).toBe(0);
    await old.collection('paid').drop();
  });

  test('refuse an operation whose cluster is away, and leave the others alone', async () => {
    const { client } = await setup({
      routes: [{ databases: ['archive'], target: { subset: 'nowhere' } }],
    });
    await expect(client.db('archive').collection('a').findOne({})).rejects.toMatchObject({
      code: 6,
      codeName: 'HostUnreachable',
    });
    expect(await client.db('shop').collection('a').findOne({})).toBeNull();
  });
});
