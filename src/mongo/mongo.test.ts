import { randomBytes } from 'node:crypto';
import { deflateSync, inflateSync } from 'node:zlib';
import fc from 'fast-check';
import { BSON } from 'mongodb';
import { describe, expect, test } from 'vitest';
import {
  compressed,
  message,
  opMsg,
  opQuery,
  opReply,
} from '../../test/fixtures/mongo-messages.ts';
import type { MongoOperationKind } from '../model/mongo.ts';
import { unpack } from './envelope.ts';
import type { Decompress } from './envelope.ts';
import { Framing, readHeader } from './framing.ts';
import type { FramingLimits, MessageHeader } from './framing.ts';
import { mismatchOf, readGreeting } from './greeting.ts';
import type { Greeting } from './greeting.ts';
import { kindOf } from './kind.ts';
import { refusalMessage } from './refusal.ts';
import { readReply } from './reply.ts';
import type { MongoReply } from './reply.ts';
import { readRequest } from './request.ts';
import type { MongoRequest } from './request.ts';
import { unsnappy } from './snappy.ts';
import { View } from './view.ts';

const decompress: Decompress = (compressor, payload, bytes) => {
  if (compressor === 'snappy') return unsnappy(payload, bytes);
  if (compressor !== 'zlib') return undefined;
  try {
    return inflateSync(payload, { maxOutputLength: Math.max(1, bytes) });
  } catch {
    return undefined;
  }
};

interface Read {
  readonly header: MessageHeader;
  readonly request: MongoRequest | undefined;
  readonly reply: MongoReply | undefined;
}

function readAll(
  pieces: readonly Uint8Array[],
  limits?: FramingLimits,
): { readonly read: Read[]; readonly isLost: boolean } {
  const read: Read[] = [];
  let isLost = false;
  const framing = new Framing(
    {
      onMessage(header, view) {
        const unpacked = unpack(header, view, decompress, 1_000_000);
        read.push({
          header,
          request: unpacked && readRequest(unpacked),
          reply: unpacked && readReply(unpacked),
        });
      },
      onLost() {
        isLost = true;
      },
    },
    limits,
  );
  for (const piece of pieces) framing.push(piece, 0, piece.length);
  return { read, isLost };
}

const requestOf = (bytes: Buffer, limits?: FramingLimits): MongoRequest | undefined =>
  readAll([bytes], limits).read[0]?.request;
const replyOf = (bytes: Buffer, limits?: FramingLimits): MongoReply | undefined =>
  readAll([bytes], limits).read[0]?.reply;

describe('a request', () => {
  test('says command, database and collection', () => {
    expect(requestOf(opMsg({ find: 'orders', filter: { a: 1 }, $db: 'shop' }))).toMatchObject({
      command: 'find',
      collection: 'orders',
      database: 'shop',
      moreToCome: false,
      cursor: '',
      session: '',
    });
    expect(requestOf(opMsg({ aggregate: 1, pipeline: [], $db: 'admin' }))).toMatchObject({
      command: 'aggregate',
      collection: '',
    });
    expect(
      requestOf(opMsg({ explain: { count: 'orders' }, verbosity: 'x', $db: 'shop' })),
    ).toMatchObject({ command: 'explain', collection: 'orders' });
  });

  test('says what comes in sections of its own, before or behind, with a checksum', () => {
    const sequences = { documents: [{ _id: 1, find: 'x', $db: 'wrong' }, { _id: 2 }] };
    const document = { insert: 'orders', ordered: true, $db: 'shop' };
    for (const sequencesFirst of [false, true])
      for (const flags of [0, 1])
        expect(requestOf(opMsg(document, { sequences, sequencesFirst, flags }))).toMatchObject({
          command: 'insert',
          collection: 'orders',
          database: 'shop',
        });
  });

  test('says that nobody answers, and that several may', () => {
    expect(requestOf(opMsg({ insert: 'a', $db: 'b' }, { flags: 2 }))?.moreToCome).toBe(true);
    expect(requestOf(opMsg({ getMore: 1n, $db: 'b' }, { flags: 65_536 }))?.exhaustAllowed).toBe(
      true,
    );
  });

  test('says cursor, session and transaction', () => {
    const id = BSON.Binary.createFromHexString('000102030405060708090a0b0c0d0e0f', 4);
    const request = requestOf(
      opMsg({
        getMore: BSON.Long.fromString('81985529216486895'),
        collection: 'orders',
        lsid: { id },
        txnNumber: BSON.Long.fromNumber(7),
        startTransaction: true,
        autocommit: false,
        $db: 'shop',
      }),
    );
    expect(request).toMatchObject({
      command: 'getMore',
      collection: 'orders',
      cursor: 81_985_529_216_486_895n.toString(16).padStart(16, '0'),
      session: '000102030405060708090a0b0c0d0e0f',
      transaction: '0000000000000007',
      startsTransaction: true,
    });
  });

  test('says whether it is part of a transaction, and whether it was read to its end', () => {
    const whole = { find: 'a', autocommit: false, $db: 'b' };
    expect(requestOf(opMsg(whole))).toMatchObject({ inTransaction: true, isWhole: true });
    expect(requestOf(opMsg({ find: 'a', autocommit: true, $db: 'b' }))?.inTransaction).toBe(false);
    const big = opMsg({ insert: 'a', documents: [{ pad: 'x'.repeat(9000) }], $db: 'b' });
    const limits = { headBytes: 1000, tailBytes: 20, compressedBytes: 1000 };
    const cuts = [0, 500, 3000, big.length - 10, big.length];
    const pieces = cuts.slice(1).map((end, i) => big.subarray(cuts[i], end));
    expect(readAll(pieces, limits).read[0]?.request).toMatchObject({
      database: 'b',
      isWhole: true,
    });
    const head = new View(big, 0, big.length, [1000, big.length]);
    expect(readRequest({ opCode: 2013, body: head, compressor: undefined })).toMatchObject({
      command: 'insert',
      database: '',
      isWhole: false,
    });
  });

  test('says what it writes, of several collections too', () => {
    const aggregate = (...pipeline: object[]): MongoRequest | undefined =>
      requestOf(opMsg({ aggregate: 'a', pipeline, $db: 'b' }));
    expect(aggregate({ $match: {} })?.writesResult).toBe(false);
    expect(aggregate({ $match: {} }, { $merge: { into: 'x' } })?.writesResult).toBe(true);
    const nsInfo = [{ ns: 'a.b' }, { x: 1, ns: 'c.d.e' }, { ns: 'a.b' }];
    const bulk = { bulkWrite: 1, ops: [], $db: 'admin' };
    for (const request of [opMsg({ ...bulk, nsInfo }), opMsg(bulk, { sequences: { nsInfo } })])
      expect(requestOf(request)).toMatchObject({ namespaces: ['a.b', 'c.d.e'], isWhole: true });
    expect(
      requestOf(opMsg({ renameCollection: 'a.b', to: 'c.d', $db: 'admin' }))?.namespaces,
    ).toEqual(['a.b', 'c.d']);
  });

  test('is read no further than a server would read it', () => {
    const nsInfo = Array.from({ length: 100_001 }, (_, i) => ({ ns: `a.${i}` }));
    const bulk = { bulkWrite: 1, ops: [], $db: 'admin' };
    for (const request of [opMsg({ ...bulk, nsInfo }), opMsg(bulk, { sequences: { nsInfo } })])
      expect(requestOf(request)?.namespaces).toHaveLength(100_000);
    const crowd = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`x${i}`, 1]));
    expect(requestOf(opMsg({ ...bulk, nsInfo: [{ ...crowd, ns: 'a.b' }] }))?.namespaces).toEqual([
      '',
    ]);
    const pipeline = Array.from({ length: 1001 }, () => ({ $match: {} }));
    expect(requestOf(opMsg({ aggregate: 'a', pipeline, $db: 'b' }))?.writesResult).toBe(true);
    const client = { ...crowd, driver: { name: 'x' }, application: { ...crowd, name: 'x' } };
    expect(requestOf(opMsg({ hello: 1, client, $db: 'admin' }))?.hello).toMatchObject({
      application: '',
      driver: '',
    });
  });

  test.each<[object, MongoOperationKind]>([
    [{ find: 'a' }, 'read'],
    [{ getMore: 1 }, 'read'],
    [{ aggregate: 'a', pipeline: [] }, 'read'],
    [{ aggregate: 'a', pipeline: [{ $out: 'x' }] }, 'write'],
    [{ findandmodify: 'a' }, 'write'],
    [{ bulkWrite: 1 }, 'write'],
    [{ ping: 1 }, 'other'],
  ])('%o is a %s', (document, kind) => {
    const request = requestOf(opMsg({ ...document, $db: 'b' }));
    expect(request === undefined ? undefined : kindOf(request)).toBe(kind);
  });

  test('says who greets, in the new protocol and the old one', () => {
    const hello = {
      hello: 1,
      helloOk: true,
      client: { application: { name: 'till' }, driver: { name: 'nodejs', version: '7.9.0' } },
      compression: ['zstd', 'snappy'],
      loadBalanced: true,
      saslSupportedMechs: 'shop.joe',
    };
    const said = {
      application: 'till',
      driver: 'nodejs 7.9.0',
      loadBalanced: true,
      authDatabase: 'shop',
      compression: ['zstd', 'snappy'],
    };
    expect(requestOf(opMsg({ ...hello, $db: 'admin' }))).toMatchObject({
      command: 'hello',
      database: 'admin',
      hello: said,
    });
    const { hello: _, ...fields } = hello;
    expect(requestOf(opQuery('admin.$cmd', { ismaster: 1, ...fields }))).toMatchObject({
      command: 'ismaster',
      database: 'admin',
      collection: '',
      hello: said,
    });
    const speculative = { ...hello, speculativeAuthenticate: { saslStart: 1, db: 'orders' } };
    expect(requestOf(opMsg({ ...speculative, $db: 'admin' }))?.hello?.authDatabase).toBe('orders');
  });

  test('of the old protocol', () => {
    expect(requestOf(opQuery('shop.orders', { a: 1 }))).toMatchObject({
      command: 'query',
      database: 'shop',
      collection: 'orders',
    });
    expect(requestOf(opQuery('shop.$cmd', { $query: { count: 'a.b' }, $x: 1 }))).toMatchObject({
      command: 'count',
      database: 'shop',
      collection: 'a.b',
    });
    const body = Buffer.concat([Buffer.alloc(4), Buffer.from('shop.a.b\0'), Buffer.alloc(12)]);
    body.writeUInt8(7, body.length - 8);
    expect(requestOf(message(2005, body))).toMatchObject({
      command: 'getMore',
      collection: 'a.b',
      cursor: '0000000000000007',
    });
    expect(requestOf(message(2002, body))).toMatchObject({ command: 'insert', moreToCome: true });
  });

  test('that is wrapped ten thousand times, or unknown, says nothing', () => {
    let nested: Buffer = Buffer.from(BSON.serialize({ find: 'x' }));
    for (let i = 0; i < 5000; i++) {
      const head = Buffer.from([0, 0, 0, 0, 3, ...Buffer.from('query\0')]);
      nested = Buffer.concat([head, nested, Buffer.from([0])]);
      nested.writeInt32LE(nested.length, 0);
    }
    const head = Buffer.concat([Buffer.alloc(4), Buffer.from('shop.$cmd\0'), Buffer.alloc(8)]);
    expect(() => requestOf(message(2004, Buffer.concat([head, nested])))).not.toThrow();
    expect(requestOf(message(2010, Buffer.from('whatever')))).toBeUndefined();
    expect(requestOf(opMsg({ find: 'x' }, { flags: 4 }))).toBeUndefined();
  });
});

describe('a greeting', () => {
  const greetingOf = (bytes: Buffer): Greeting | undefined =>
    readGreeting({
      opCode: bytes.readInt32LE(12),
      body: new View(bytes, 0, bytes.length),
      compressor: undefined,
    });
  const said = { ok: 1, minWireVersion: 0, maxWireVersion: 21, maxWriteBatchSize: 1000 };

  test('says what its server can', () => {
    const more = { ...said, compression: ['zlib'], setName: 'rs0' };
    for (const bytes of [opMsg(more), opReply(more)])
      expect(greetingOf(bytes)).toEqual({
        isOk: true,
        minWireVersion: 0,
        maxWireVersion: 21,
        maxBsonObjectSize: undefined,
        maxMessageSizeBytes: undefined,
        maxWriteBatchSize: 1000,
        isMember: true,
        isRouter: false,
        compression: ['zlib'],
      });
    expect(greetingOf(opMsg({ ...said, msg: 'isdbgrid' }))?.isRouter).toBe(true);
    expect(greetingOf(message(2004, Buffer.alloc(40)))).toBeUndefined();
    expect(greetingOf(opMsg(said).subarray(0, 40))).toBeUndefined();
  });

  test('of another server is no worse where all that was told holds there too', () => {
    const told = greetingOf(opMsg(said)) as Greeting;
    const other = (more: object): string | undefined =>
      mismatchOf(told, greetingOf(opMsg({ ...said, ...more })) as Greeting);
    expect(other({})).toBeUndefined();
    expect(other({ maxWireVersion: 25, maxWriteBatchSize: 2000, setName: 'a' })).toBeUndefined();
    expect(other({ maxWireVersion: 17 })).toContain('0 to 17');
    expect(other({ maxWriteBatchSize: 10 })).toContain('maxWriteBatchSize is 10');
  });
});

describe('a reply', () => {
  test('says whether it worked, and why not', () => {
    expect(replyOf(opMsg({ ok: 1, n: 3 }))).toMatchObject({ isOk: true, code: 0, cursor: '' });
    expect(
      replyOf(opMsg({ ok: 0, errmsg: 'no', code: 26, codeName: 'NamespaceNotFound' })),
    ).toMatchObject({ isOk: false, code: 26, codeName: 'NamespaceNotFound' });
    expect(
      replyOf(opMsg({ ok: 1, n: 0, writeErrors: [{ index: 0, code: 11_000, errmsg: 'dup' }] })),
    ).toMatchObject({ isOk: true, code: 11_000 });
    expect(replyOf(opMsg({ ok: 1, writeConcernError: { code: 64 } }))?.code).toBe(64);
  });

  test('says which cursor is open', () => {
    const id = BSON.Long.fromString('4660');
    const open = { cursor: { firstBatch: [{ a: 1 }], id, ns: 'shop.orders' }, ok: 1 };
    expect(replyOf(opMsg(open))?.cursor).toBe('0000000000001234');
    expect(replyOf(opMsg({ cursor: { id: 0, firstBatch: [] }, ok: 1 }))?.cursor).toBe('');
  });

  test('of the old protocol', () => {
    expect(replyOf(opReply({ ismaster: true, ok: 1 }))).toMatchObject({ isOk: true });
    expect(replyOf(opReply({ $err: 'no', code: 5 }, { flags: 2 }))).toMatchObject({
      isOk: false,
      code: 5,
    });
  });

  test('of many megabytes is told by its ends', () => {
    const big = Array.from({ length: 3000 }, (_, i) => ({ i, pad: 'x'.repeat(1000) }));
    const id = BSON.Long.fromString('4660');
    const bytes = opMsg({ cursor: { firstBatch: big, id, ns: 'a.b' }, ok: 1, operationTime: 5 });
    expect(bytes.length).toBeGreaterThan(3_000_000);
    for (const size of [1000, 65_536, 1_000_000]) {
      const pieces: Buffer[] = [];
      for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.subarray(at, at + size));
      const { read } = readAll(pieces);
      expect(read[0]?.reply).toMatchObject({ isOk: true, cursor: '0000000000001234' });
    }
  });
});

describe('compression', () => {
  const plain = opMsg({ find: 'orders', filter: { a: 'x'.repeat(500) }, $db: 'shop' });

  test('is undone by what the caller gives', () => {
    const zlib = requestOf(compressed(plain, 2, (bytes) => deflateSync(bytes)));
    expect(zlib).toMatchObject({ command: 'find', database: 'shop', compressor: 'zlib' });
    const noop = requestOf(compressed(plain, 0, (bytes) => bytes));
    expect(noop).toMatchObject({ command: 'find', compressor: 'noop' });
  });

  test('that nobody knows, or that lies about its size, says nothing', () => {
    expect(requestOf(compressed(plain, 9, (bytes) => bytes))).toBeUndefined();
    const lying = compressed(plain, 2, () => deflateSync(Buffer.alloc(10)));
    expect(requestOf(lying)).toBeUndefined();
    const bomb = compressed(plain, 2, () => deflateSync(Buffer.alloc(10_000_000)));
    expect(requestOf(bomb)).toBeUndefined();
    const huge = compressed(plain, 2, (bytes) => deflateSync(bytes));
    huge.writeInt32LE(47_000_000, 20);
    expect(requestOf(huge)).toBeUndefined();
  });

  test('by snappy, literals and copies of all kinds', () => {
    const bytes = (...parts: (string | number[])[]): Uint8Array =>
      Buffer.concat(parts.map((part) => Buffer.from(part as string)));
    const text = (packed: Uint8Array): string | undefined => {
      const out = unsnappy(packed, 1000);
      return out === undefined ? undefined : Buffer.from(out).toString();
    };
    expect(text(bytes([5], [4 << 2], 'hello'))).toBe('hello');
    expect(text(bytes([10], [1 << 2], 'ab', [((8 - 4) << 2) | 1, 2]))).toBe('ababababab');
    expect(text(bytes([8], [3 << 2], 'abcd', [(3 << 2) | 2, 4, 0]))).toBe('abcdabcd');
    expect(text(bytes([8], [3 << 2], 'abcd', [(3 << 2) | 3, 4, 0, 0, 0]))).toBe('abcdabcd');
    expect(text(bytes([200, 1], [60 << 2, 199], 'x'.repeat(200)))).toBe('x'.repeat(200));
    expect(text(bytes([5], [4 << 2], 'hell'))).toBeUndefined();
    expect(text(bytes([4], [(3 << 2) | 2, 1, 0]))).toBeUndefined();
    expect(text(bytes([255, 255, 255, 255, 15], [0], 'x'))).toBeUndefined();
    expect(text(bytes([]))).toBeUndefined();
  });
});

test('a refusal reads as MongoDB’s own errors do', () => {
  const refusal = { code: 50, codeName: 'MaxTimeMSExpired', message: 'é late' };
  const asked = opMsg({ find: 'a', $db: 'b' }, { requestId: 77 });
  const header = readHeader(new View(asked, 0, asked.length));
  if (header === undefined) throw new Error('no header');
  const answer = Buffer.from(refusalMessage(header, 2013, refusal));
  expect(replyOf(answer)).toMatchObject({ isOk: false, code: 50, codeName: 'MaxTimeMSExpired' });
  expect(answer.readInt32LE(8)).toBe(77);
  expect(BSON.deserialize(answer.subarray(21))).toEqual({
    ok: 0,
    errmsg: 'é late',
    code: 50,
    codeName: 'MaxTimeMSExpired',
  });
  const old = Buffer.from(refusalMessage(header, 2004, refusal));
  expect(replyOf(old)).toMatchObject({ isOk: false, code: 50 });
});

describe('whatever comes', () => {
  const stream = Buffer.concat([
    opQuery('admin.$cmd', { ismaster: 1, client: { driver: { name: 'x' } } }, { requestId: 1 }),
    opMsg({ find: 'orders', $db: 'shop' }, { requestId: 2 }),
    message(2010, Buffer.from('unknown'), { requestId: 3 }),
    compressed(opMsg({ count: 'orders', $db: 'shop' }, { requestId: 4 }), 2, (one) =>
      deflateSync(one),
    ),
    opMsg(
      { insert: 'orders', $db: 'shop' },
      { requestId: 5, flags: 1, sequences: { documents: [{ pad: 'y'.repeat(300) }] } },
    ),
    message(2004, Buffer.alloc(0), { requestId: 6 }),
  ]);
  const limits = { headBytes: 200, tailBytes: 64, compressedBytes: 4096 };
  const told = ({ read }: ReturnType<typeof readAll>): unknown[] =>
    read.map(({ header, request }) => [header.requestId, request?.command]);
  const wanted = [
    [1, 'ismaster'],
    [2, 'find'],
    [3, undefined],
    [4, 'count'],
    [5, 'insert'],
    [6, undefined],
  ];

  test('is the same cut at every byte, and in single bytes', () => {
    expect(told(readAll([stream]))).toEqual(wanted);
    for (let at = 0; at <= stream.length; at++)
      expect(told(readAll([stream.subarray(0, at), stream.subarray(at)], limits))).toEqual(wanted);
    const single = Array.from(stream, (_, at) => stream.subarray(at, at + 1));
    expect(told(readAll(single, limits))).toEqual(wanted);
  });

  test('never throws and never hangs: noise, and messages with bytes turned', () => {
    for (let i = 0; i < 2000; i++) readAll([randomBytes(i % 300)]);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(stream.length - 1), fc.nat(255)), { maxLength: 6 }),
        fc.nat(stream.length),
        (turned, cut) => {
          const bytes = Buffer.from(stream);
          for (const [at, value] of turned) bytes[at] = value;
          readAll([bytes.subarray(0, cut), bytes.subarray(cut)], limits);
        },
      ),
      { numRuns: 5000 },
    );
  });

  test('of packed noise, snappy makes nothing or what it says', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const out = unsnappy(bytes, 100_000);
        expect(out === undefined || out.length <= 100_000).toBe(true);
      }),
      { numRuns: 5000 },
    );
  });

  test('is given up when no message can begin so', () => {
    expect(readAll([Buffer.from('GET / HTTP/1.1\r\n\r\n')]).isLost).toBe(true);
    expect(readAll([Buffer.from('PING')]).isLost).toBe(true);
    expect(readAll([Buffer.from([15, 0, 0, 0])]).isLost).toBe(true);
    expect(readAll([Buffer.from([0, 0, 0, 0x7f])]).isLost).toBe(true);
  });
});
