/** What a server may not send, as bytes, and what its client makes of it. */
import { describe, expect, test } from 'vitest';
import * as h2 from '../../test/fixtures/http2-frames.ts';
import { ClientConnection, ClientStreamBase } from './client-connection.ts';
import { PREFACE } from './connection.ts';
import type { ConnectionFault } from './errors.ts';
import type { Http2ResponseHead } from './head.ts';

const { DATA, HEADERS, RST_STREAM, SETTINGS, PUSH_PROMISE, GOAWAY, WINDOW_UPDATE } = h2;
const { END_STREAM, END_HEADERS, frame, headers, setting, uint32 } = h2;

class RecordedAttempt extends ClientStreamBase {
  readonly heard: string[] = [];
  /** However its body was cut. */
  whole(): string[] {
    const text = this.heard.join('\n').replace('body 1\nbody 1', 'body 2');
    return text === '' ? [] : text.split('\n');
  }
  override onInform(head: Http2ResponseHead): void {
    this.heard.push(`inform ${head.status}`);
  }
  override onResponse(head: Http2ResponseHead, isEnd: boolean): void {
    this.heard.push(`head ${head.status}${isEnd ? ' end' : ''}`);
  }
  override onBody(_bytes: Uint8Array, start: number, end: number): void {
    this.heard.push(`body ${end - start}`);
  }
  override onEnd(trailers: readonly (readonly [string, string])[]): void {
    this.heard.push(`end ${JSON.stringify(trailers)}`);
  }
  override onReset(cause: string): void {
    this.heard.push(cause);
  }
  override onDrain(): void {
    this.heard.push('drain');
  }
}

class Rig {
  readonly connection: ClientConnection;
  readonly attempts: RecordedAttempt[] = [];
  fault: ConnectionFault | undefined;

  constructor() {
    const nothing = (): void => undefined;
    this.connection = new ClientConnection(
      {
        onOutput: nothing,
        onStreamClosed: nothing,
        onGoaway: nothing,
        onPingAck: nothing,
        onSettings: nothing,
        onFailed: (fault) => {
          this.fault = fault;
        },
      },
      { nowMs: () => 0 },
    );
    this.give(frame(SETTINGS, 0, 0));
    for (let i = 0; i < 2; i++) this.open();
    this.taken();
  }

  open(isHead = false): RecordedAttempt {
    const attempt = new RecordedAttempt();
    attempt.isHead = isHead;
    const { connection } = this;
    connection.open(attempt);
    connection.sender.beginBlock();
    connection.sender.text(':method', isHead ? 'HEAD' : 'GET');
    connection.sender.endBlock(attempt, true);
    this.attempts.push(attempt);
    return attempt;
  }

  give(bytes: readonly number[]): void {
    this.connection.read(Uint8Array.from(bytes), 0, bytes.length);
  }

  taken(): string[] {
    const { out } = this.connection.sender;
    const bytes = out.bytes.slice(0, out.length);
    out.length = 0;
    this.connection.onFlushed(0);
    const isFirst = String.fromCharCode(...bytes.subarray(0, 24)) === PREFACE;
    return h2.verdicts(h2.framesIn(isFirst ? bytes.slice(24) : bytes));
  }
}

const status = (value: string): (readonly [string, string])[] => [[':status', value]];
const head = (value: string, flags = END_HEADERS): number[] => headers(1, status(value), flags);
const ends = END_HEADERS | END_STREAM;

type Row = readonly [
  name: string,
  bytes: readonly number[],
  heard: readonly string[],
  verdict?: string,
];

const rows: readonly Row[] = [
  [
    'a whole answer',
    [...head('200'), ...frame(DATA, 1, 1, 'ab')],
    ['head 200', 'body 2', 'end []'],
  ],
  ['an answer without a body', head('204', ends), ['head 204 end']],
  [
    'interim ones before it',
    [...head('103'), ...head('100'), ...head('200', ends)],
    ['inform 103', 'inform 100', 'head 200 end'],
  ],
  ['trailers', [...head('200'), ...headers(1, [['x-a', '1']])], ['head 200', 'end [["x-a","1"]]']],
  ['a reset', frame(RST_STREAM, 0, 1, uint32(8)), ['peer']],
  ['a refusal', frame(RST_STREAM, 0, 1, uint32(7)), ['refused']],
  [
    'a reset within a body',
    [...head('200'), ...frame(DATA, 0, 1, 'a'), ...frame(RST_STREAM, 0, 1, uint32(0))],
    ['head 200', 'body 1', 'peer'],
  ],
  [
    'a reset behind the end',
    [...head('200', ends), ...frame(RST_STREAM, 0, 1, uint32(0))],
    ['head 200 end'],
  ],
  ['a body before the head', frame(DATA, 0, 1, 'a'), ['protocol'], 'RST 1 PROTOCOL_ERROR'],
  ['no status', headers(1, [['x-a', '1']]), ['protocol'], 'RST 1 PROTOCOL_ERROR'],
  [
    'two statuses',
    headers(1, [...status('200'), ...status('200')]),
    ['protocol'],
    'RST 1 PROTOCOL_ERROR',
  ],
  ['a status of two digits', head('20', ends), ['protocol'], 'RST 1 PROTOCOL_ERROR'],
  ['a status of 600', head('600', ends), ['protocol'], 'RST 1 PROTOCOL_ERROR'],
  ['a switch of protocols', head('101'), ['protocol'], 'RST 1 PROTOCOL_ERROR'],
  ['an interim one that ends', head('103', ends), ['protocol'], 'RST 1 PROTOCOL_ERROR'],
  [
    'a method',
    headers(1, [...status('200'), [':method', 'GET']]),
    ['protocol'],
    'RST 1 PROTOCOL_ERROR',
  ],
  [
    'connection',
    headers(1, [...status('200'), ['connection', 'close']]),
    ['protocol'],
    'RST 1 PROTOCOL_ERROR',
  ],
  [
    'a line feed',
    headers(1, [...status('200'), ['x-a', 'a\nb']]),
    ['protocol'],
    'RST 1 PROTOCOL_ERROR',
  ],
  [
    'a length that is not kept',
    [
      ...headers(1, [...status('200'), ['content-length', '3']], END_HEADERS),
      ...frame(DATA, 1, 1, 'ab'),
    ],
    ['head 200', 'body 2', 'protocol'],
    'RST 1 PROTOCOL_ERROR',
  ],
  [
    'a length without a body',
    headers(1, [...status('200'), ['content-length', '3']]),
    ['protocol'],
    'RST 1 PROTOCOL_ERROR',
  ],
  ['304 with a length', headers(1, [...status('304'), ['content-length', '3']]), ['head 304 end']],
  [
    '204 with a body',
    [...head('204'), ...frame(DATA, 1, 1, 'ab')],
    ['head 204', 'protocol'],
    'RST 1 PROTOCOL_ERROR',
  ],
  ['a stream that nobody opened', headers(9, status('200')), ['protocol'], 'GOAWAY PROTOCOL_ERROR'],
  ['a stream of its own', headers(2, status('200')), ['protocol'], 'GOAWAY PROTOCOL_ERROR'],
  ['a push', frame(PUSH_PROMISE, END_HEADERS, 1, uint32(2)), ['protocol'], 'GOAWAY PROTOCOL_ERROR'],
  [
    'a setting that allows pushes',
    frame(SETTINGS, 0, 0, setting(2, 1)),
    ['protocol'],
    'GOAWAY PROTOCOL_ERROR',
  ],
  ['a broken block', frame(HEADERS, ends, 1, [0x80]), ['protocol'], 'GOAWAY COMPRESSION_ERROR'],
  ['GOAWAY before both', frame(GOAWAY, 0, 0, [...uint32(0), ...uint32(0)]), ['refused']],
  [
    'GOAWAY behind the first, and its answer',
    [...frame(GOAWAY, 0, 0, [...uint32(1), ...uint32(0)]), ...head('200', ends)],
    ['head 200 end'],
  ],
  ['a window of 0', frame(WINDOW_UPDATE, 0, 1, uint32(0)), ['protocol'], 'RST 1 PROTOCOL_ERROR'],
];

const cases = rows.map(([name, bytes, heard, verdict]) => ({ name, bytes, heard, verdict }));

describe('an answer', () => {
  test.each(cases)('$name', ({ name, bytes, heard, verdict }) => {
    for (const size of [bytes.length, 1]) {
      const rig = new Rig();
      for (let at = 0; at < bytes.length; at += size) rig.give(bytes.slice(at, at + size));
      const [first, second] = rig.attempts as [RecordedAttempt, RecordedAttempt];
      expect(first.whole()).toEqual(heard);
      expect(rig.taken().filter((one) => one !== 'ACK')).toEqual(
        verdict === undefined ? [] : [verdict],
      );
      if (name.startsWith('GOAWAY')) expect(second.heard).toEqual(['refused']);
    }
  });
});

test('an answer to HEAD may declare a length, and bring no body', () => {
  const rig = new Rig();
  const attempt = rig.open(true);
  rig.give(headers(5, [...status('200'), ['content-length', '3']]));
  expect(attempt.heard).toEqual(['head 200 end']);
});

test('interim answers are bounded', () => {
  const rig = new Rig();
  for (let i = 0; i < 101; i++) rig.give(head('103'));
  expect(rig.attempts[0]?.heard.at(-1)).toBe('protocol');
});

test('what was given up is ignored when it still comes', () => {
  const rig = new Rig();
  const [first] = rig.attempts as [RecordedAttempt];
  rig.connection.reset(first, 8);
  rig.taken();
  rig.give([...head('200'), ...frame(DATA, 1, 1, 'ab')]);
  expect([rig.fault, first.heard, rig.taken()]).toEqual([undefined, [], []]);
});

test('a lost connection is heard by each attempt once', () => {
  const rig = new Rig();
  rig.connection.onLost();
  rig.connection.onLost();
  expect(rig.attempts.map(({ heard }) => heard)).toEqual([['lost'], ['lost']]);
  expect(rig.connection.isOpen).toBe(false);
});
