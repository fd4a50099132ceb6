import { connect, createServer } from 'node:net';
import type { Socket } from 'node:net';
import { deflateSync, zstdCompressSync } from 'node:zlib';
import { BSON } from 'mongodb';
import { afterEach, describe, expect, test } from 'vitest';
import {
  compressed,
  message,
  opMsg,
  opQuery,
  opReply,
} from '../../test/fixtures/mongo-messages.ts';
import { cluster, clusterName } from '../../test/fixtures/snapshots.ts';
import { startCarriedProxy } from '../../test/fixtures/tcp-proxy.ts';
import type { CarriedProxy } from '../../test/fixtures/tcp-proxy.ts';
import { createFakeHost } from '../../src/host/fake-host.ts';
import type { MongoConfig } from '../../src/policies/mongo/config.ts';
import { MongoTraffic } from './traffic.ts';

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

type Answer = (request: Buffer) => Buffer | undefined;

const idOf = (bytes: Buffer): number => bytes.readInt32LE(4);
const ok: Answer = (request) => opMsg({ ok: 1 }, { responseTo: idOf(request), requestId: 9000 });

interface FakeServer {
  readonly port: number;
  readonly messages: Buffer[];
  /** Bytes that came, whether they are messages or not. */
  readonly bytes: () => Buffer;
}

/** Answers every message that comes whole. */
async function mongoServer(answer: Answer = ok): Promise<FakeServer> {
  const messages: Buffer[] = [];
  const all: Buffer[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    let rest = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      all.push(chunk);
      rest = Buffer.concat([rest, chunk]);
      while (rest.length >= 16 && rest.length >= rest.readInt32LE(0)) {
        const length = rest.readInt32LE(0);
        if (length < 16) return;
        const whole = rest.subarray(0, length);
        rest = rest.subarray(length);
        messages.push(whole);
        const reply = answer(whole);
        if (reply !== undefined) socket.write(reply);
      }
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  closing.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return { port, messages, bytes: () => Buffer.concat(all) };
}

interface Watched {
  readonly proxy: CarriedProxy;
  readonly traffic: MongoTraffic;
}

async function watched(
  ports: readonly number[],
  config?: Partial<MongoConfig>,
  others: Parameters<typeof startCarriedProxy>[0]['others'] = [],
): Promise<Watched> {
  const traffic = new MongoTraffic(createFakeHost());
  const whole = { policy: 'edge/db', faults: [], routes: [], ...config };
  const proxy = await startCarriedProxy({
    ports,
    others,
    mongo: traffic,
    listener: {
      application: 'MONGO',
      filters: config === undefined ? [] : [{ kind: 'mongo', config: whole, yields: true }],
    },
  });
  closing.push(() => proxy.close());
  return { proxy, traffic };
}

/** Sends in pieces and collects what comes. */
class Client {
  readonly socket: Socket;
  #bytes = Buffer.alloc(0);

  constructor(port: number) {
    this.socket = connect({ host: '127.0.0.1', port, noDelay: true });
    this.socket.on('error', () => undefined);
    this.socket.on('data', (chunk: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk]);
    });
    closing.push(() => this.socket.destroy());
  }

  get bytes(): Buffer {
    return this.#bytes;
  }

  async ask(request: Buffer, cuts: readonly number[] = []): Promise<Buffer> {
    const before = this.#bytes.length;
    await this.send(request, cuts);
    await until(() => {
      const rest = this.#bytes.subarray(before);
      return rest.length >= 16 && rest.length >= rest.readInt32LE(0);
    });
    return this.#bytes.subarray(before);
  }

  async send(request: Buffer, cuts: readonly number[] = []): Promise<void> {
    let at = 0;
    for (const cut of [...cuts, request.length]) {
      this.socket.write(request.subarray(at, cut));
      at = cut;
      if (cuts.length > 0)
        await new Promise((resolve) => {
          setTimeout(resolve, 2);
        });
    }
  }
}

async function until(holds: () => boolean): Promise<void> {
  for (let i = 0; i < 1000 && !holds(); i++)
    await new Promise((resolve) => {
      setTimeout(resolve, 5);
    });
  expect(holds()).toBe(true);
}

const documentOf = (reply: Buffer): unknown => BSON.deserialize(reply.subarray(21));

describe('operations', () => {
  test('are counted by command and collection, with bytes, times and errors', async () => {
    const failing: Answer = (request) =>
      idOf(request) === 3
        ? opMsg({ ok: 0, code: 50, codeName: 'MaxTimeMSExpired' }, { responseTo: 3 })
        : ok(request);
    const { port } = await mongoServer(failing);
    const { proxy, traffic } = await watched([port]);
    const client = new Client(proxy.port);
    const find = (requestId: number): Buffer =>
      opMsg({ find: 'orders', $db: 'shop' }, { requestId });
    await client.ask(opMsg({ hello: 1, $db: 'admin' }, { requestId: 1 }));
    const reply = await client.ask(find(2));
    await client.ask(find(3));
    const { commands, collections, connections } = traffic.stats();
    expect(connections).toBe(1);
    expect(commands['hello']?.operations).toBe(1);
    expect(commands['find']).toMatchObject({
      operations: 2,
      requestBytes: 2 * find(2).length,
      errors: { 50: 1 },
    });
    expect(commands['find']?.replyBytes).toBeGreaterThan(reply.length);
    const times = Object.values(commands['find']?.latencyMs ?? {});
    expect(times.reduce((sum, count) => sum + count, 0)).toBe(2);
    expect(collections).toMatchObject({ 'shop.orders': { operations: 2 } });
    expect(Object.keys(collections)).toEqual(['shop.orders']);
  });

  test('are read out of every compressor, and out of the old protocol', async () => {
    const { port } = await mongoServer((request) =>
      request.readInt32LE(12) === 2004
        ? opReply({ ok: 1, ismaster: true }, { responseTo: idOf(request) })
        : ok(request),
    );
    const { proxy, traffic } = await watched([port]);
    const client = new Client(proxy.port);
    const count = opMsg({ count: 'orders', $db: 'shop' }, { requestId: 2 });
    const literal = (bytes: Buffer): Buffer =>
      Buffer.concat([Buffer.from([bytes.length, 60 << 2, bytes.length - 1]), bytes]);
    await client.ask(opQuery('admin.$cmd', { ismaster: 1 }, { requestId: 1 }));
    await client.ask(compressed(count, 1, literal));
    await client.ask(compressed(count, 2, (bytes) => deflateSync(bytes)));
    await client.ask(compressed(count, 3, (bytes) => zstdCompressSync(bytes)));
    const { commands, compressed: by, unread } = traffic.stats();
    expect(commands['isMaster']?.operations).toBe(1);
    expect(commands['count']?.operations).toBe(3);
    expect(by).toEqual({ snappy: 1, zlib: 1, zstd: 1 });
    expect(unread).toBe(0);
  });

  test('answered many times are timed once; those that nobody answers are not waited for', async () => {
    const { port } = await mongoServer((request) => {
      if (request.readInt32LE(16) === 2) return undefined;
      const more = { flags: 2 };
      return Buffer.concat([
        opMsg({ ok: 1 }, { responseTo: idOf(request), requestId: 500, ...more }),
        opMsg({ ok: 1 }, { responseTo: 500, requestId: 501, ...more }),
        opMsg({ ok: 1 }, { responseTo: 501, requestId: 502 }),
      ]);
    });
    const { proxy, traffic } = await watched([port]);
    const client = new Client(proxy.port);
    await client.send(opMsg({ insert: 'a', $db: 'b' }, { requestId: 1, flags: 2 }));
    await client.ask(opMsg({ getMore: 1, collection: 'a', $db: 'b' }, { requestId: 2 }));
    await until(() => (traffic.stats().commands['getMore']?.replyBytes ?? 0) > 100);
    const { commands } = traffic.stats();
    expect(Object.values(commands['getMore']?.latencyMs ?? {})).toEqual([1]);
    expect(commands['insert']).toMatchObject({ operations: 1, replyBytes: 0 });
    proxy.connections[0]?.drain();
    expect(await proxy.line()).toMatchObject({ details: 'drained' });
  });

  test('of made-up names share one count', async () => {
    const { port } = await mongoServer();
    const { proxy, traffic } = await watched([port]);
    const client = new Client(proxy.port);
    for (let i = 0; i < 300; i++)
      await client.send(opMsg({ [`x${i}`]: `c${i}`, $db: 'd' }, { requestId: i }));
    await until(() => traffic.stats().commands['other']?.operations === 300);
    const names = Object.keys(traffic.stats().collections);
    expect(names.length).toBeLessThan(203);
    expect(names).toContain('other');
  });
});

describe('what isn’t understood', () => {
  const strange = message(2010, Buffer.from('who knows'), { requestId: 7 });

  test.each([false, true])('passes as it came, with faults: %s', async (hasFaults) => {
    const server = await mongoServer(() => undefined);
    const faults = hasFaults ? [{ delay: { percent: 100, ms: 20 } }] : [];
    const { proxy, traffic } = await watched([server.port], { faults });
    const client = new Client(proxy.port);
    const whole = opMsg({ ping: 1, $db: 'admin' }, { requestId: 8 });
    const noise = Buffer.from('\x00\x00\x00\x00 and nothing of MongoDB');
    const all = Buffer.concat([strange, whole, strange, noise]);
    await client.send(all, [5, 20, 40, 70]);
    await until(() => server.bytes().length === all.length);
    expect(server.bytes().equals(all)).toBe(true);
    await until(() => traffic.stats().lost === 1);
    expect(traffic.stats()).toMatchObject({ unread: 2, delayed: hasFaults ? 1 : 0 });
  });

  test('of a server passes too', async () => {
    const noise = Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n');
    const { port } = await mongoServer(() => noise);
    const { proxy, traffic } = await watched([port]);
    const client = new Client(proxy.port);
    await client.send(opMsg({ ping: 1, $db: 'admin' }));
    await until(() => client.bytes.equals(noise));
    expect(traffic.stats().lost).toBe(1);
  });
});

describe('faults', () => {
  const refuseFind: Partial<MongoConfig> = {
    faults: [
      {
        operations: ['find', 'insert'],
        refuse: {
          percent: 100,
          refusal: { code: 189, codeName: 'PrimarySteppedDown', message: 'rehearsed' },
        },
      },
    ],
  };

  test('answer in the server’s place, cut at every byte', async () => {
    const server = await mongoServer();
    const { proxy, traffic } = await watched([server.port], refuseFind);
    const find = opMsg({ find: 'orders', $db: 'shop' }, { requestId: 5 });
    const client = new Client(proxy.port);
    const cuts = [0, 1, 3, 4, 15, 16, 17, 25, find.length - 1];
    for (const cut of cuts) {
      const reply = await client.ask(find, [cut]);
      expect(reply.readInt32LE(8)).toBe(5);
      expect(documentOf(reply)).toEqual({
        ok: 0,
        errmsg: 'rehearsed',
        code: 189,
        codeName: 'PrimarySteppedDown',
      });
    }
    const ping = opMsg({ ping: 1, $db: 'admin' }, { requestId: 6 });
    for (let cut = 0; cut < ping.length; cut += 7)
      expect(documentOf(await client.ask(ping, [cut]))).toEqual({ ok: 1 });
    expect(server.messages.every((one) => one.equals(ping))).toBe(true);
    expect(traffic.stats()).toMatchObject({
      refused: cuts.length,
      commands: { find: { operations: cuts.length, errors: { 189: cuts.length } } },
    });
  });

  test('drop a write that nobody answers, and a large one, whole', async () => {
    const server = await mongoServer();
    const { proxy } = await watched([server.port], refuseFind);
    const client = new Client(proxy.port);
    await client.send(opMsg({ insert: 'a', $db: 'b' }, { flags: 2 }));
    const documents = Array.from({ length: 300 }, (_, i) => ({ i, pad: 'x'.repeat(1000) }));
    const large = opMsg({ insert: 'a', $db: 'b' }, { requestId: 3, sequences: { documents } });
    expect(documentOf(await client.ask(large))).toMatchObject({ code: 189 });
    const ping = opMsg({ ping: 1, $db: 'admin' });
    await client.ask(ping);
    expect(server.messages).toHaveLength(1);
    expect(server.messages[0]?.equals(ping)).toBe(true);
    const passing = opMsg({ update: 'a', $db: 'b' }, { requestId: 4, sequences: { documents } });
    await client.ask(passing);
    expect(server.messages[1]?.equals(passing)).toBe(true);
  });

  test('delay an operation and what comes behind it, in order', async () => {
    const server = await mongoServer();
    const { proxy, traffic } = await watched([server.port], {
      faults: [{ operations: ['find'], delay: { percent: 100, ms: 150 } }],
    });
    const client = new Client(proxy.port);
    const find = opMsg({ find: 'orders', $db: 'shop' }, { requestId: 1 });
    const again = opMsg({ find: 'orders', $db: 'shop' }, { requestId: 3 });
    const ping = opMsg({ ping: 1, $db: 'admin' }, { requestId: 2 });
    const begun = performance.now();
    await client.send(Buffer.concat([find, ping, again, ping]));
    await client.send(ping);
    await until(() => server.messages.length === 5);
    expect(performance.now() - begun).toBeGreaterThan(290);
    expect(server.messages.map((one) => idOf(one))).toEqual([1, 2, 3, 2, 2]);
    expect(traffic.stats().delayed).toBe(2);
    await until(() => (traffic.stats().commands['find']?.latencySumMs ?? 0) > 280);
  });

  test('held when the client is done still go out before the end', async () => {
    const server = await mongoServer();
    const { proxy } = await watched([server.port], {
      faults: [{ delay: { percent: 100, ms: 100 } }],
    });
    const client = new Client(proxy.port);
    client.socket.end(opMsg({ ping: 1, $db: 'admin' }));
    await until(() => server.messages.length === 1);
    await proxy.line();
  });
});

describe('routes', () => {
  test('go by the database that a client authenticates against', async () => {
    const hot = await mongoServer();
    const cold = await mongoServer();
    const coldCluster = cluster('shop', { subset: 'cold' });
    const { proxy } = await watched(
      [hot.port],
      {
        routes: [
          { databases: ['archive'], target: { subset: 'cold' } },
          { databases: ['gone'], target: { subset: 'nowhere' } },
        ],
      },
      [{ cluster: coldCluster, ports: [cold.port] }],
    );
    const hello = (db: string): Buffer =>
      opMsg({ hello: 1, speculativeAuthenticate: { saslStart: 1, db }, $db: 'admin' });
    const archive = new Client(proxy.port);
    await archive.ask(hello('archive'), [10, 30]);
    await archive.ask(opMsg({ ping: 1, $db: 'archive' }));
    expect(cold.messages).toHaveLength(2);
    expect(hot.messages).toHaveLength(0);
    for (const db of ['shop', 'gone']) await new Client(proxy.port).ask(hello(db));
    await new Client(proxy.port).ask(opMsg({ ping: 1, $db: 'archive' }));
    expect(hot.messages).toHaveLength(3);
    archive.socket.destroy();
    expect(await proxy.line()).toMatchObject({ cluster: coldCluster.name, attempts: 1 });
    const { clusters } = proxy.plane.connections.stats();
    expect(clusters[clusterName('shop')]?.active).toBe(3);
  });
});
