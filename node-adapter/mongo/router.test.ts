/** Operations routed one by one, over sockets, between clients and servers that say their messages byte by byte. */
import { deflateSync } from 'node:zlib';
import { BSON } from 'mongodb';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { compressed, message, opMsg, opQuery } from '../../test/fixtures/mongo-messages.ts';
import { MongoWorld, documentOf, idOf, until } from '../../test/fixtures/mongo-peers.ts';
import type {
  Answer,
  MessageClient,
  MessageServer,
  Watched,
} from '../../test/fixtures/mongo-peers.ts';
import { cluster, clusterName } from '../../test/fixtures/snapshots.ts';
import type { MongoConfig } from '../../src/policies/mongo/config.ts';

const world = new MongoWorld();
afterEach(() => world.close());

const coldCluster = cluster('shop', { subset: 'cold' });
const toCold = { subset: 'cold' } as const;

type Document = Record<string, unknown>;

const GREETING = { ok: 1, minWireVersion: 0, maxWireVersion: 21, maxBsonObjectSize: 16_777_216 };

/** Says its name, and opens the cursors that it is told to. */
function answers(name: string, greeting: Document = {}, cursor = 0): Answer {
  return (request) => {
    const isOld = request.readInt32LE(12) !== 2013;
    const asked = isOld ? {} : documentOf(request);
    const parts = { responseTo: idOf(request), requestId: 9000 + idOf(request) };
    if ((request.readUInt32LE(16) & 2) !== 0) return undefined;
    if ('hello' in asked) return opMsg({ ...GREETING, from: name, ...greeting }, parts);
    const opens = 'find' in asked || 'getMore' in asked;
    const id = BSON.Long.fromNumber(cursor);
    return opMsg(
      { ok: 1, from: name, ...(opens ? { cursor: { firstBatch: [], id } } : {}) },
      parts,
    );
  };
}

const hello = (more: Document = {}, requestId = 1): Buffer =>
  opMsg({ hello: 1, client: { driver: { name: 'x' } }, ...more, $db: 'admin' }, { requestId });

let nextId = 100;
const ask = (document: Document, parts: Parameters<typeof opMsg>[1] = {}): Buffer =>
  opMsg(document, { requestId: nextId++, ...parts });

interface Setup extends Watched {
  readonly hot: MessageServer;
  readonly cold: MessageServer;
  client(more?: Document): Promise<MessageClient>;
}

interface Wishes {
  readonly config?: Partial<MongoConfig>;
  readonly hot?: Answer;
  readonly cold?: Answer;
}

const archiveToCold = [{ databases: ['archive'], target: toCold }];

async function setup({
  config = { routes: archiveToCold },
  ...given
}: Wishes = {}): Promise<Setup> {
  const hot = await world.server(given.hot ?? answers('hot'));
  const cold = await world.server(given.cold ?? answers('cold'));
  const watched = await world.watched([hot.port], config, [
    { cluster: coldCluster, ports: [cold.port] },
  ]);
  return {
    ...watched,
    hot,
    cold,
    async client(more = {}) {
      const client = world.client(watched.proxy.port);
      await client.ask(hello(more));
      return client;
    },
  };
}

async function said(client: MessageClient, request: Buffer, cuts?: number[]): Promise<Document> {
  const reply = await client.ask(request, cuts);
  expect(reply.readInt32LE(8)).toBe(idOf(request));
  return documentOf(reply);
}

beforeEach(() => {
  nextId = 100;
});

describe('operations', () => {
  test('go where their database is, with their bytes as they came', async () => {
    const { client, hot, cold, traffic, proxy } = await setup();
    const one = await client();
    const toHot = ask({ find: 'orders', $db: 'shop' });
    const away = ask({ insert: 'old', $db: 'archive' }, { sequences: { documents: [{ a: 1 }] } });
    expect(await said(one, toHot)).toMatchObject({ from: 'hot' });
    expect(cold.messages).toHaveLength(0);
    expect(await said(one, away)).toMatchObject({ from: 'cold' });
    expect(await said(one, away)).toMatchObject({ from: 'cold' });
    expect(await said(one, ask({ ping: 1, $db: 'admin' }))).toMatchObject({ from: 'hot' });
    expect(cold.bytes().equals(Buffer.concat([hello(), away, away]))).toBe(true);
    expect(hot.messages.slice(0, 2)).toEqual([hello(), toHot]);
    expect(one.messages).toHaveLength(5);
    expect(traffic.stats()).toMatchObject({
      unroutable: 0,
      routed: { [clusterName('shop')]: 3, [coldCluster.name]: 2 },
    });
    one.socket.destroy();
    const lines = [await proxy.line(0), await proxy.line(1)];
    expect(lines.map((line) => line['cluster'])).toEqual([coldCluster.name, clusterName('shop')]);
    expect(lines[0]).toMatchObject({ bytes_received: 2 * away.length });
    const { clusters, listeners } = proxy.plane.connections.stats();
    expect(clusters[coldCluster.name]).toMatchObject({ active: 0 });
    const bytes = (name: string): number => clusters[name]?.bytesSent ?? 0;
    expect(listeners['tcp.80']?.bytesSent).toBe(
      bytes(coldCluster.name) + bytes(clusterName('shop')),
    );
  });

  test('are told apart cut at every byte', async () => {
    const { client, cold, hot } = await setup();
    const one = await client();
    const away = ask({ count: 'old', $db: 'archive' });
    for (let cut = 1; cut < away.length; cut++)
      expect(await said(one, away, [cut])).toMatchObject({ from: 'cold' });
    const single = Array.from(away.subarray(1), (_, at) => at + 1);
    expect(await said(one, away, single)).toMatchObject({ from: 'cold' });
    expect(cold.messages.slice(1).every((got) => got.equals(away))).toBe(true);
    expect(hot.messages).toHaveLength(1);
  });

  test('go by collection and by what they do', async () => {
    const { client } = await setup({
      config: {
        routes: [
          { collections: ['shop.audit'], operations: ['distinct'], target: toCold },
          {
            databases: ['shop'],
            operations: ['read'],
            collections: ['shop.orders'],
            target: toCold,
          },
        ],
      },
    });
    const one = await client();
    const from = async (document: Document): Promise<unknown> =>
      (await said(one, ask({ ...document, $db: 'shop' })))['from'];
    expect(await from({ find: 'orders' })).toBe('cold');
    expect(await from({ aggregate: 'orders', pipeline: [{ $match: {} }] })).toBe('cold');
    expect(await from({ aggregate: 'orders', pipeline: [{ $match: {} }, { $out: 'x' }] })).toBe(
      'hot',
    );
    expect(await from({ insert: 'orders', documents: [] })).toBe('hot');
    expect(await from({ distinct: 'audit' })).toBe('cold');
    expect(await from({ find: 'audit' })).toBe('hot');
  });

  test('are read to their database, wherever it stands and however they are packed', async () => {
    const { client, cold, hot } = await setup();
    const one = await client();
    const documents = Array.from({ length: 400 }, (_, i) => ({ i, pad: 'x'.repeat(1000) }));
    const inside = ask({ insert: 'old', documents, $db: 'archive' });
    const before = ask(
      { insert: 'old', $db: 'archive' },
      { sequences: { documents }, sequencesFirst: true },
    );
    const packed = compressed(inside, 2, (bytes) => deflateSync(bytes, { level: 0 }));
    for (const request of [inside, before, packed]) {
      expect(request.length).toBeGreaterThan(400_000);
      const cuts = Array.from({ length: 20 }, (_, i) => (i + 1) * 20_000);
      expect(await said(one, request, cuts)).toMatchObject({ from: 'cold' });
      expect(cold.messages.at(-1)?.equals(request)).toBe(true);
    }
    expect(hot.messages).toHaveLength(1);
  });

  test('that nobody answers go on without waiting', async () => {
    const { client, cold, hot } = await setup();
    const one = await client();
    const write = ask({ insert: 'old', $db: 'archive' }, { flags: 2 });
    const other = ask({ insert: 'new', $db: 'shop' }, { flags: 2 });
    await one.send(Buffer.concat([write, other, write]));
    await until(() => cold.messages.length === 3 && hot.messages.length === 2);
    expect(await said(one, ask({ ping: 1, $db: 'archive' }))).toMatchObject({ from: 'cold' });
  });

  test('sent ahead keep the order of their answers, whoever is slow', async () => {
    const slowly: Answer = (request, socket) => {
      setTimeout(() => socket.write(answers('cold')(request, socket) as Buffer), 60);
      return undefined;
    };
    const { client, cold, hot } = await setup({ cold: slowly });
    const one = await client();
    const away = (): Buffer => ask({ ping: 1, $db: 'archive' });
    const near = (): Buffer => ask({ ping: 1, $db: 'shop' });
    const all = [away(), away(), near(), away(), near()];
    await one.send(Buffer.concat(all));
    await until(() => cold.messages.length === 3);
    expect(hot.messages).toHaveLength(1);
    await until(() => one.messages.length === 6);
    expect(one.messages.slice(1).map((reply) => reply.readInt32LE(8))).toEqual(
      all.map((request) => idOf(request)),
    );
  });

  test('answered many times are waited for to the last', async () => {
    const many: Answer = (request, socket) => {
      const asked = documentOf(request);
      if (!('getMore' in asked)) return answers('cold', {}, 7)(request, socket);
      const pieces = [
        opMsg({ ok: 1 }, { responseTo: idOf(request), requestId: 500, flags: 2 }),
        opMsg({ ok: 1 }, { responseTo: 500, requestId: 501, flags: 2 }),
        opMsg({ ok: 1, last: true }, { responseTo: 501, requestId: 502 }),
      ];
      for (const [index, piece] of pieces.entries())
        setTimeout(() => socket.write(piece), 30 * (index + 1));
      return undefined;
    };
    const { client } = await setup({ cold: many });
    const one = await client();
    await said(one, ask({ find: 'old', $db: 'archive' }));
    const id = BSON.Long.fromNumber(7);
    const more = ask({ getMore: id, collection: 'old', $db: 'archive' }, { flags: 65_536 });
    await one.send(Buffer.concat([more, ask({ ping: 1, $db: 'shop' })]));
    await until(() => one.messages.length === 6);
    const ends = one.messages.slice(-2).map((reply) => documentOf(reply));
    expect(ends).toMatchObject([{ last: true }, { from: 'hot' }]);
  });

  test('with names of several clusters are refused, and go where they name one', async () => {
    const { client, cold, traffic } = await setup();
    const one = await client();
    const bulk = (...names: string[]): Buffer =>
      ask(
        { bulkWrite: 1, $db: 'admin' },
        { sequences: { ops: [{ insert: 0 }], nsInfo: names.map((ns) => ({ ns })) } },
      );
    expect(await said(one, bulk('archive.a', 'archive.b'))).toMatchObject({ from: 'cold' });
    expect(await said(one, bulk('archive.a', 'shop.b'))).toMatchObject({ ok: 0, code: 20 });
    expect(await said(one, bulk('shop.b'))).toMatchObject({ from: 'hot' });
    const rename = { renameCollection: 'archive.a', to: 'archive.b', $db: 'admin' };
    expect(await said(one, ask(rename))).toMatchObject({ from: 'cold' });
    expect(await said(one, ask({ ...rename, to: 'shop.a' }))).toMatchObject({ code: 20 });
    expect(cold.messages).toHaveLength(3);
    expect(traffic.stats()).toMatchObject({ unroutable: 2, refused: 0 });
  });

  test('meet their faults first', async () => {
    const refusal = { code: 189, codeName: 'PrimarySteppedDown', message: 'rehearsed' };
    const { client, cold } = await setup({
      config: {
        routes: archiveToCold,
        faults: [
          { operations: ['insert'], refuse: { percent: 100, refusal } },
          { operations: ['find'], delay: { percent: 100, ms: 50 } },
        ],
      },
    });
    const one = await client();
    expect(await said(one, ask({ insert: 'a', $db: 'archive' }))).toMatchObject({ code: 189 });
    expect(cold.messages).toHaveLength(0);
    const begun = performance.now();
    expect(await said(one, ask({ find: 'a', $db: 'archive' }))).toMatchObject({ from: 'cold' });
    expect(performance.now() - begun).toBeGreaterThan(45);
  });
});

describe('cursors', () => {
  const reads = [{ operations: ['find'], collections: ['shop.orders'], target: toCold }];

  test('are continued where they were opened, over another connection too', async () => {
    const { client, cold, hot } = await setup({
      config: { routes: [{ operations: ['count', 'aggregate'], target: toCold }] },
      cold: (request, socket) =>
        'aggregate' in documentOf(request)
          ? opMsg(
              { ok: 1, cursor: { firstBatch: [], id: BSON.Long.fromNumber(77) } },
              { responseTo: idOf(request) },
            )
          : answers('cold', {}, 77)(request, socket),
    });
    const one = await client();
    const two = await client();
    const more = { getMore: BSON.Long.fromNumber(77), collection: 'orders', $db: 'shop' };
    expect(await said(two, ask(more))).toMatchObject({ from: 'hot' });
    await said(one, ask({ aggregate: 'orders', pipeline: [], $db: 'shop' }));
    for (const client_ of [one, two, one])
      expect(await said(client_, ask(more))).toMatchObject({ from: 'cold' });
    const kill = { killCursors: 'orders', cursors: [BSON.Long.fromNumber(77)], $db: 'shop' };
    expect(await said(two, ask(kill))).toMatchObject({ from: 'cold' });
    expect(await said(two, ask(more))).toMatchObject({ from: 'hot' });
    // Each connection greeted both.
    expect(cold.messages.length + hot.messages.length).toBe(2 + 2 + 7);
  });

  test('that nobody knows go where a find would', async () => {
    const { client } = await setup({ config: { routes: reads } });
    const one = await client();
    const more = { getMore: BSON.Long.fromNumber(5), $db: 'shop' };
    expect(await said(one, ask({ ...more, collection: 'orders' }))).toMatchObject({ from: 'cold' });
    expect(await said(one, ask({ ...more, collection: 'others' }))).toMatchObject({ from: 'hot' });
  });
});

describe('transactions', () => {
  const id = BSON.Binary.createFromHexString('000102030405060708090a0b0c0d0e0f', 4);
  const inside = (document: Document, number: number, more: Document = {}): Document => ({
    ...document,
    lsid: { id },
    txnNumber: BSON.Long.fromNumber(number),
    autocommit: false,
    ...more,
  });
  const starts = { startTransaction: true };

  test('stay where they began, commit included, over another connection too', async () => {
    const { client } = await setup();
    const one = await client();
    const two = await client();
    const from = async (over: MessageClient, document: Document): Promise<unknown> =>
      (await said(over, ask(document)))['from'];
    expect(await from(one, inside({ insert: 'a', $db: 'archive' }, 1, starts))).toBe('cold');
    expect(await from(two, inside({ find: 'a', $db: 'archive' }, 1))).toBe('cold');
    expect(await from(two, inside({ commitTransaction: 1, $db: 'admin' }, 1))).toBe('cold');
    expect(await from(one, inside({ commitTransaction: 1, $db: 'admin' }, 1))).toBe('cold');
    expect(await from(one, inside({ insert: 'a', $db: 'shop' }, 2, starts))).toBe('hot');
    expect(await from(one, inside({ commitTransaction: 1, $db: 'admin' }, 1))).toBe('hot');
    expect(await from(one, inside({ abortTransaction: 1, $db: 'admin' }, 2))).toBe('hot');
  });

  test('can’t span clusters', async () => {
    const { client, cold, hot } = await setup();
    const one = await client();
    await said(one, ask(inside({ insert: 'a', $db: 'shop' }, 1, starts)));
    const away = ask(inside({ insert: 'a', $db: 'archive' }, 1));
    expect(await said(one, away)).toMatchObject({ ok: 0, code: 263 });
    expect(cold.messages).toHaveLength(0);
    expect(hot.messages).toHaveLength(2);
  });

  test('are where they write, whatever they begin with', async () => {
    const { client } = await setup({
      config: { routes: [{ operations: ['read', 'find', 'insert'], target: toCold }] },
    });
    const one = await client();
    expect(await said(one, ask({ find: 'a', $db: 'shop' }))).toMatchObject({ from: 'cold' });
    const find = inside({ find: 'a', $db: 'shop' }, 1, starts);
    expect(await said(one, ask(find))).toMatchObject({ from: 'hot' });
    const insert = inside({ insert: 'a', $db: 'shop' }, 1);
    expect(await said(one, ask(insert))).toMatchObject({ from: 'hot' });
  });
});

describe('a client', () => {
  const away = (): Buffer => ask({ ping: 1, $db: 'archive' });

  test('of a replica set isn’t led elsewhere, unless it is known to be a direct one', async () => {
    const hot = answers('hot', { setName: 'rs0', hosts: ['a:1'] });
    const cold = answers('cold', { setName: 'rs1', hosts: ['b:1'] });
    const plain = await setup({ hot, cold });
    expect(await said(await plain.client(), away())).toMatchObject({ from: 'hot' });
    const balanced = await plain.client({ loadBalanced: true });
    expect(await said(balanced, away())).toMatchObject({ from: 'cold' });
    const config = { routes: archiveToCold, directConnection: true };
    const direct = await setup({ hot, cold, config });
    expect(await said(await direct.client(), away())).toMatchObject({ from: 'cold' });
  });

  test('that agreed on a compressor that can’t be undone isn’t either', async () => {
    const { client } = await setup({ hot: answers('hot', { compression: ['snappy', 'lz9'] }) });
    expect(await said(await client(), away())).toMatchObject({ from: 'hot' });
  });

  test('that authenticates stays where its database is', async () => {
    const { client, cold, hot } = await setup();
    const one = await client();
    const other = { ping: 1, $db: 'shop' };
    expect(await said(one, ask(other))).toMatchObject({ from: 'hot' });
    const sasl = ask({ saslStart: 1, mechanism: 'SCRAM-SHA-256', $db: 'archive' });
    expect(await said(one, sasl)).toMatchObject({ from: 'cold' });
    expect(await said(one, ask({ saslContinue: 1, $db: 'archive' }))).toMatchObject({
      from: 'cold',
    });
    expect(await said(one, ask(other))).toMatchObject({ from: 'cold' });
    const strange = message(2010, Buffer.from('who knows'), { requestId: 7 });
    await one.send(strange);
    await until(() => cold.messages.at(-1)?.equals(strange) === true);
    expect(hot.messages).toHaveLength(2);
    expect(cold.bytes().subarray(0, hello().length).equals(hello())).toBe(true);
  });

  test('that shows credentials at once, or doesn’t greet, goes whole', async () => {
    const { proxy, cold, hot } = await setup();
    const one = world.client(proxy.port);
    await said(one, hello({ saslSupportedMechs: 'archive.joe' }));
    expect(await said(one, ask({ ping: 1, $db: 'shop' }))).toMatchObject({ from: 'cold' });
    const two = world.client(proxy.port);
    expect(await said(two, ask({ find: 'a', $db: 'archive' }))).toMatchObject({ from: 'cold' });
    expect(await said(two, ask({ find: 'a', $db: 'shop' }))).toMatchObject({ from: 'cold' });
    expect(hot.messages).toHaveLength(0);
    expect(cold.messages).toHaveLength(4);
  });

  test('that greets in the old protocol is routed too', async () => {
    const greets =
      (name: string): Answer =>
      (request, socket) =>
        request.readInt32LE(12) === 2004
          ? opMsg({ ...GREETING, from: name }, { responseTo: idOf(request) })
          : answers(name)(request, socket);
    const { proxy } = await setup({ hot: greets('hot'), cold: greets('cold') });
    const one = world.client(proxy.port);
    await one.ask(opQuery('admin.$cmd', { ismaster: 1, helloOk: true }, { requestId: 4 }));
    expect(await said(one, away())).toMatchObject({ from: 'cold' });
  });

  test('that says what isn’t understood stays with its own server from there on', async () => {
    const { client, hot, cold } = await setup();
    const one = await client();
    expect(await said(one, away())).toMatchObject({ from: 'cold' });
    const strange = message(2010, Buffer.from('who knows'), { requestId: 7 });
    await one.send(strange, [3, 17]);
    expect(await said(one, away())).toMatchObject({ from: 'hot' });
    const noise = Buffer.from('\x00\x00\x00\x00 and nothing of MongoDB');
    const before = hot.bytes().length;
    await one.send(noise, [5]);
    await until(() => hot.bytes().length === before + noise.length);
    expect(hot.bytes().subarray(before).equals(noise)).toBe(true);
    expect(cold.messages).toHaveLength(2);
  });

  test('that is done hears the last answer of whoever it asked', async () => {
    const slowly: Answer = (request, socket) => {
      setTimeout(() => socket.write(answers('cold')(request, socket) as Buffer), 80);
      return undefined;
    };
    const { client, proxy } = await setup({ cold: slowly });
    const one = await client();
    one.socket.end(away());
    await until(() => one.messages.length === 2);
    expect(documentOf(one.messages[1] as Buffer)).toMatchObject({ from: 'cold' });
    await until(() => proxy.lines.length === 2);
    expect(proxy.lines[1]?.['flags']).toBeUndefined();
  });

  test('that drains goes when nothing is under way', async () => {
    const { client, proxy } = await setup();
    const one = await client();
    await said(one, away());
    proxy.connections[0]?.drain();
    await until(() => proxy.lines.length === 2);
    expect(proxy.lines[1]).toMatchObject({ details: 'drained' });
  });
});

describe('a further server', () => {
  const away = (): Buffer => ask({ ping: 1, $db: 'archive' });
  const near = (): Buffer => ask({ ping: 1, $db: 'shop' });

  test.each<[Document, Document, string]>([
    [{}, { ok: 0 }, 'refuses the hello'],
    [{}, { maxWireVersion: 20 }, 'wire versions are 0 to 20'],
    [{}, { minWireVersion: 22, maxWireVersion: 25 }, 'wire versions are 22 to 25'],
    [{ compression: ['zlib'] }, { compression: [] }, 'take zlib'],
    [{}, { maxBsonObjectSize: 1000 }, 'maxBsonObjectSize is 1000'],
    [{ msg: 'isdbgrid' }, {}, 'retryable writes'],
  ])('that isn’t as the client was told gets nothing: %o and %o', async (told, other, reason) => {
    const { client, cold, traffic } = await setup({
      hot: answers('hot', told),
      cold: answers('cold', other),
    });
    const one = await client();
    const refused = await said(one, away());
    expect(refused).toMatchObject({ ok: 0, code: 6, codeName: 'HostUnreachable' });
    expect(refused['errmsg']).toContain(reason);
    expect(cold.messages).toEqual([hello()]);
    expect(await said(one, near())).toMatchObject({ from: 'hot' });
    expect(traffic.stats()).toMatchObject({ unroutable: 1 });
    await until(() => cold.sockets.size === 0);
  });

  test('that says more than its greeting gets nothing, though it says but a part of it', async () => {
    const part = opMsg({ ok: 1 }, { requestId: 77 }).subarray(0, 10);
    const { client, cold } = await setup({
      cold: (request, socket) => Buffer.concat([answers('cold')(request, socket) ?? part, part]),
    });
    const one = await client();
    expect((await said(one, away()))['errmsg']).toContain('answers more than the hello');
    expect(cold.messages).toEqual([hello()]);
    expect(await said(one, near())).toMatchObject({ from: 'hot' });
  });

  test('that can’t be reached costs the operation, not the connection', async () => {
    const hot = await world.server(answers('hot'));
    const { proxy } = await world.watched(
      [hot.port],
      {
        routes: [
          { databases: ['archive'], target: toCold },
          { databases: ['gone'], target: { subset: 'nowhere' } },
        ],
      },
      [{ cluster: coldCluster, ports: [1] }],
    );
    const one = world.client(proxy.port);
    await one.ask(hello());
    for (let i = 0; i < 12; i++) expect(await said(one, away())).toMatchObject({ ok: 0, code: 6 });
    const lost = await said(one, ask({ find: 'a', $db: 'gone' }));
    expect(lost['errmsg']).toContain('cluster_not_found');
    expect(await said(one, near())).toMatchObject({ from: 'hot' });
    expect(proxy.lines[0]).toMatchObject({ cluster: coldCluster.name, flags: 'UF,URX' });
    expect(proxy.faults).toEqual([]);
  });

  test.each([
    ['no message', Buffer.from('\x00\x00\x00\x00 and nothing of MongoDB')],
    ['not understood', message(2010, Buffer.from('who knows'), { requestId: 7 })],
  ])(
    'that can’t be reached ends a connection of its own that says what is %s',
    async (_, strange) => {
      const hot = await world.server(answers('hot'));
      const { proxy } = await world.watched([hot.port], { routes: archiveToCold }, [
        { cluster: coldCluster, ports: [1] },
      ]);
      const one = world.client(proxy.port);
      await one.ask(hello());
      const login = ask({ saslStart: 1, $db: 'archive' });
      expect(await said(one, login)).toMatchObject({ ok: 0, code: 6 });
      await one.send(strange);
      await until(() => proxy.lines.some(({ details }) => details === 'mongo_unroutable'));
      expect(proxy.lines.at(-1)).toMatchObject({ flags: 'UF', cluster: clusterName('shop') });
    },
  );

  test('that goes while nothing is asked of it is opened again', async () => {
    const { client, cold } = await setup();
    const one = await client();
    for (let i = 0; i < 12; i++) {
      expect(await said(one, away())).toMatchObject({ from: 'cold' });
      for (const socket of cold.sockets) socket.end();
      await until(() => cold.sockets.size === 0);
    }
    expect(await said(one, near())).toMatchObject({ from: 'hot' });
  });

  test('that goes before it answered takes the connection along', async () => {
    const { client, proxy } = await setup({
      cold(request, socket) {
        if ('hello' in documentOf(request)) return answers('cold')(request, socket);
        socket.destroy();
        return undefined;
      },
    });
    const one = await client();
    await one.send(away());
    await until(() => proxy.lines.length === 2);
    expect(proxy.lines.map((line) => line['flags'])).toEqual(['UC', 'UC']);
    await until(() => one.socket.readableEnded || one.socket.destroyed);
  });

  test('that says what nobody asked takes the connection along', async () => {
    const { client, cold, proxy } = await setup();
    const one = await client();
    await said(one, away());
    for (const socket of cold.sockets) socket.write('and besides');
    await until(() => proxy.lines.length === 2);
    expect(proxy.lines.map((line) => line['details'])).toContain('mongo_unasked_answer');
    expect(one.messages).toHaveLength(2);
    expect(one.bytes.includes('besides')).toBe(false);
  });
});
