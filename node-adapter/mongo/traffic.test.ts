import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { deflateSync, zstdCompressSync } from 'node:zlib';
import { afterEach, describe, expect, test } from 'vitest';
import {
  compressed,
  message,
  opMsg,
  opQuery,
  opReply,
} from '../../test/fixtures/mongo-messages.ts';
import { MongoWorld, answerOk, documentOf, idOf, until } from '../../test/fixtures/mongo-peers.ts';
import type { Answer } from '../../test/fixtures/mongo-peers.ts';
import { cluster, clusterName } from '../../test/fixtures/snapshots.ts';
import type { MongoConfig } from '../../src/policies/mongo/config.ts';

const world = new MongoWorld();
afterEach(() => world.close());

describe('operations', () => {
  test('are counted by command and collection, with bytes, times and errors', async () => {
    const failing: Answer = (request) =>
      idOf(request) === 3
        ? opMsg({ ok: 0, code: 50, codeName: 'MaxTimeMSExpired' }, { responseTo: 3 })
        : answerOk(request);
    const { port } = await world.server(failing);
    const { proxy, traffic } = await world.watched([port]);
    const client = world.client(proxy.port);
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
    const { port } = await world.server((request) =>
      request.readInt32LE(12) === 2004
        ? opReply({ ok: 1, ismaster: true }, { responseTo: idOf(request) })
        : answerOk(request),
    );
    const { proxy, traffic } = await world.watched([port]);
    const client = world.client(proxy.port);
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
    const { port } = await world.server((request) => {
      if (request.readInt32LE(16) === 2) return undefined;
      const more = { flags: 2 };
      return Buffer.concat([
        opMsg({ ok: 1 }, { responseTo: idOf(request), requestId: 500, ...more }),
        opMsg({ ok: 1 }, { responseTo: 500, requestId: 501, ...more }),
        opMsg({ ok: 1 }, { responseTo: 501, requestId: 502 }),
      ]);
    });
    const { proxy, traffic } = await world.watched([port]);
    const client = world.client(proxy.port);
    await client.send(opMsg({ insert: 'a', $db: 'b' }, { requestId: 1, flags: 2 }));
    await client.ask(opMsg({ getMore: 1, collection: 'a', $db: 'b' }, { requestId: 2 }));
    await until(() => (traffic.stats().commands['getMore']?.replyBytes ?? 0) > 100);
    const { commands } = traffic.stats();
    expect(Object.values(commands['getMore']?.latencyMs ?? {})).toEqual([1]);
    expect(commands['insert']).toMatchObject({ operations: 1, replyBytes: 0 });
    proxy.connections[0]?.drain();
    expect(await proxy.line()).toMatchObject({ details: 'drained' });
  });

  test('are answered whole when connections drain, however slowly clients read', async () => {
    const { port } = await world.server((request) =>
      opMsg({ ok: 1, pad: 'x'.repeat(12_000_000) }, { responseTo: idOf(request) }),
    );
    const { proxy } = await world.watched([port]);
    const clients = Array.from({ length: 8 }, () => world.client(proxy.port));
    const got = clients.map(async ({ socket }) => {
      socket.removeAllListeners('data').pause();
      socket.write(opMsg({ find: 'a', $db: 'b' }, { requestId: 7 }));
      await until(() => socket.readableLength > 0);
      let length = 0;
      for await (const chunk of socket as AsyncIterable<Buffer>) {
        length += chunk.length;
        await sleep(1);
      }
      return length;
    });
    await until(() => clients.every(({ socket }) => socket.readableLength > 0));
    for (const connection of proxy.connections) connection.drain();
    expect(new Set(await Promise.all(got))).toEqual(new Set([12_000_044]));
    for (let i = 0; i < clients.length; i++)
      expect(await proxy.line(i)).toMatchObject({ details: 'drained' });
  });

  test('of made-up names share one count', async () => {
    const { port } = await world.server();
    const { proxy, traffic } = await world.watched([port]);
    const client = world.client(proxy.port);
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
    const server = await world.server(() => undefined);
    const faults = hasFaults ? [{ delay: { percent: 100, ms: 20 } }] : [];
    const { proxy, traffic } = await world.watched([server.port], { faults });
    const client = world.client(proxy.port);
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
    const { port } = await world.server(() => noise);
    const { proxy, traffic } = await world.watched([port]);
    const client = world.client(proxy.port);
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
    const server = await world.server();
    const { proxy, traffic } = await world.watched([server.port], refuseFind);
    const find = opMsg({ find: 'orders', $db: 'shop' }, { requestId: 5 });
    const client = world.client(proxy.port);
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

  test('go behind an answer of the server’s that has begun, and don’t tear it', async () => {
    const count = opMsg({ count: 'orders', $db: 'shop' }, { requestId: 4 });
    const counted = answerOk(count);
    const sockets: Socket[] = [];
    const { port } = await world.server((request, socket) => {
      sockets.push(socket);
      return answerOk(request).subarray(0, 20);
    });
    const { proxy } = await world.watched([port], refuseFind);
    const client = world.client(proxy.port);
    await client.send(count);
    await until(() => client.bytes.length === 20);
    const find = (requestId: number): Buffer =>
      opMsg({ find: 'orders', $db: 'shop' }, { requestId });
    await client.send(opMsg({ insert: 'a', $db: 'b' }, { flags: 2 }));
    await client.send(Buffer.concat([find(5), find(6)]));
    await new Promise((resolve) => {
      setTimeout(resolve, 30);
    });
    expect(client.bytes).toHaveLength(20);
    sockets[0]?.write(counted.subarray(20));
    await until(() => client.messages.length === 3);
    expect(client.messages[0]?.equals(counted)).toBe(true);
    expect(client.messages.map((one) => one.readInt32LE(8))).toEqual([4, 5, 6]);
  });

  test('drop a write that nobody answers, and a large one, whole', async () => {
    const server = await world.server();
    const { proxy } = await world.watched([server.port], refuseFind);
    const client = world.client(proxy.port);
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
    const server = await world.server();
    const { proxy, traffic } = await world.watched([server.port], {
      faults: [{ operations: ['find'], delay: { percent: 100, ms: 150 } }],
    });
    const client = world.client(proxy.port);
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
    const server = await world.server();
    const { proxy } = await world.watched([server.port], {
      faults: [{ delay: { percent: 100, ms: 100 } }],
    });
    const client = world.client(proxy.port);
    client.socket.end(opMsg({ ping: 1, $db: 'admin' }));
    await until(() => server.messages.length === 1);
    await proxy.line();
  });
});

describe('routes', () => {
  test('go by the database that a client authenticates against', async () => {
    const hot = await world.server();
    const cold = await world.server();
    const coldCluster = cluster('shop', { subset: 'cold' });
    const { proxy } = await world.watched(
      [hot.port],
      {
        routes: [
          { databases: ['archive'], operations: ['read'], target: { subset: 'nowhere' } },
          { databases: ['archive'], target: { subset: 'cold' } },
        ],
      },
      [{ cluster: coldCluster, ports: [cold.port] }],
    );
    const hello = (db: string): Buffer =>
      opMsg({ hello: 1, speculativeAuthenticate: { saslStart: 1, db }, $db: 'admin' });
    const archive = world.client(proxy.port);
    await archive.ask(hello('archive'), [10, 30]);
    await archive.ask(opMsg({ ping: 1, $db: 'archive' }));
    expect(cold.messages).toHaveLength(2);
    expect(hot.messages).toHaveLength(0);
    await world.client(proxy.port).ask(hello('shop'));
    await world.client(proxy.port).ask(opMsg({ ping: 1, $db: 'archive' }));
    expect(hot.messages).toHaveLength(1);
    expect(cold.messages).toHaveLength(3);
    archive.socket.destroy();
    expect(await proxy.line()).toMatchObject({ cluster: coldCluster.name, attempts: 1 });
    const { clusters } = proxy.plane.connections.stats();
    expect(clusters[clusterName('shop')]?.active).toBe(1);
  });

  test('that lead to no cluster close the connection', async () => {
    const hot = await world.server();
    const { proxy } = await world.watched([hot.port], {
      routes: [{ databases: ['gone'], target: { subset: 'nowhere' } }],
    });
    const client = world.client(proxy.port);
    await client.send(opMsg({ saslStart: 1, $db: 'gone' }));
    expect(await proxy.line()).toMatchObject({ flags: 'NC', details: 'cluster_not_found' });
    expect(hot.messages).toHaveLength(0);
  });
});
