/** What is cheap to send and dear to take is bounded, each by a name. */
import { describe, expect, test } from 'vitest';
import * as h2 from '../../test/fixtures/http2-frames.ts';

const { DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, WINDOW_UPDATE, CONTINUATION } = h2;
const { END_HEADERS, END_STREAM, frame, headers, literals, uint32, GET, POST } = h2;

const ping = frame(PING, 0, 0, new Uint8Array(8));

/** Gives what `make` says until the connection is closed, reading all that it says; how often that was. */
function until(
  server: h2.RecordedServer,
  make: (i: number) => readonly number[],
  max = 20_000,
): number {
  server.give(h2.HELLO);
  for (let i = 0; i < max; i++) {
    server.give(make(i));
    server.taken();
    if (server.fault !== undefined) return i;
  }
  return max;
}

const post = headers(1, POST, END_HEADERS);
const floods: readonly (readonly [
  reason: string,
  limit: number,
  make: (i: number) => readonly number[],
])[] = [
  [
    'reset_flood',
    500,
    (i) => [...headers(i * 2 + 1), ...frame(RST_STREAM, 0, i * 2 + 1, uint32(8))],
  ],
  // The server is made to reset: a window that can't be, on each stream.
  [
    'reset_flood',
    500,
    (i) => [...headers(i * 2 + 1), ...frame(WINDOW_UPDATE, 0, i * 2 + 1, uint32(0))],
  ],
  ['reset_flood', 500, (i) => headers(i * 2 + 1, [...GET, ['X', '1']])],
  ['ping_flood', 500, () => ping],
  ['settings_flood', 99, () => frame(SETTINGS, 0, 0)],
  ['empty_data_flood', 500, (i) => (i === 0 ? [...post, ...frame(DATA, 0, 1)] : frame(DATA, 0, 1))],
  ['ignored_frame_flood', 2000, () => frame(PRIORITY, 0, 1, new Uint8Array(5))],
  ['ignored_frame_flood', 2000, () => frame(0x77, 0, 0)],
  ['window_update_flood', 2000, () => frame(WINDOW_UPDATE, 0, 0, uint32(1))],
];

describe('floods', () => {
  test.each(floods)('%s above %i', (reason, limit, make) => {
    const server = new h2.RecordedServer();
    expect(until(server, make)).toBe(limit);
    expect([server.fault?.reason, server.fault?.code]).toEqual([reason, 11]);
  });

  test.each(floods)('%s above %i is no flood where it takes long', (_reason, limit, make) => {
    const server = new h2.RecordedServer();
    const slowly = (i: number): readonly number[] => {
      server.nowMs += 15_000 / limit;
      return make(i);
    };
    expect(until(server, slowly, 3000)).toBe(3000);
  });

  test('streams that were answered may be reset', () => {
    const server = new h2.RecordedServer();
    server.onRequest = (stream) => {
      stream.hasResponse = true;
    };
    expect(until(server, floods[0]?.[2] ?? (() => []), 5000)).toBe(5000);
  });

  test('window updates that answer DATA are none', () => {
    const server = new h2.RecordedServer();
    server.onRequest = (stream) => {
      const { sender } = server.connection;
      sender.beginBlock();
      sender.text(':status', '200');
      sender.endBlock(stream, false);
    };
    const bytes = new Uint8Array(10);
    const rounds = until(
      server,
      (i) => {
        if (i === 0) return headers(1);
        const [stream] = server.streams;
        if (stream !== undefined) server.connection.sender.data(stream, bytes, 0, 10);
        return [
          ...frame(WINDOW_UPDATE, 0, 0, uint32(10)),
          ...frame(WINDOW_UPDATE, 0, 1, uint32(10)),
        ];
      },
      10_000,
    );
    expect(rounds).toBe(10_000);
  });
});

describe('header blocks', () => {
  const cut = frame(HEADERS, END_STREAM, 1, literals(GET));

  test('eight CONTINUATION frames are read, nine are not', () => {
    const more = frame(CONTINUATION, 0, 1);
    const eight = Array.from({ length: 7 }, () => more).flat();
    const server = new h2.RecordedServer();
    server.give([...h2.HELLO, ...cut, ...eight, ...frame(CONTINUATION, END_HEADERS, 1)]);
    expect([server.fault, server.streams.length]).toEqual([undefined, 1]);
    const other = new h2.RecordedServer();
    expect(until(other, (i) => (i === 0 ? cut : more))).toBe(9);
    expect(other.fault?.reason).toBe('continuation_flood');
  });

  test('a block is bounded before it is whole', () => {
    const server = new h2.RecordedServer();
    const full = frame(CONTINUATION, 0, 1, new Uint8Array(16_384));
    until(server, (i) => (i === 0 ? cut : full));
    expect(server.fault?.reason).toBe('header_block_too_large');
  });

  test('a head beyond the limits is answered with 431, and the connection goes on', () => {
    const server = new h2.RecordedServer({ fields: 10 });
    const many = Array.from({ length: 11 }, (_, i) => [`x-${i}`, '1'] as const);
    server.give([...h2.HELLO, ...headers(1, [...GET, ...many]), ...headers(3)]);
    expect([server.refused, server.streams.length, server.fault]).toEqual([
      ['head_too_large'],
      1,
      undefined,
    ]);
    const answer = server.taken().find(({ type }) => type === HEADERS);
    expect([answer?.id, answer?.flags]).toEqual([1, END_HEADERS | END_STREAM]);
    expect(String.fromCharCode(...(answer?.payload ?? []))).toContain('431');
  });

  test('crumbs of a cookie are no fields of their own, and bounded', () => {
    const crumbs = (count: number): (readonly [string, string])[] =>
      Array.from({ length: count }, (_, i) => ['cookie', `c=${i}`]);
    const server = new h2.RecordedServer();
    server.give([
      ...h2.HELLO,
      ...frame(HEADERS, END_STREAM | END_HEADERS, 1, literals([...GET, ...crumbs(400)])),
    ]);
    expect(server.streams[0]?.head.get('cookie')?.split('; ')).toHaveLength(400);
    server.give(frame(HEADERS, END_STREAM | END_HEADERS, 3, literals([...GET, ...crumbs(501)])));
    expect([server.refused, server.streams.length]).toEqual([['too_many_cookie_crumbs'], 1]);
    server.give(
      frame(
        HEADERS,
        END_STREAM | END_HEADERS,
        5,
        literals(
          [...GET, ...crumbs(1000).map(([name]) => [name, 'x'.repeat(60)] as const)].slice(0, 200),
        ),
      ),
    );
    expect(server.fault).toBeUndefined();
  });
});

test('more streams than allowed are refused, and surely not begun', () => {
  const server = new h2.RecordedServer({ maxStreams: 2 });
  server.give([...h2.HELLO, ...headers(1), ...headers(3), ...headers(5)]);
  expect(server.streams).toHaveLength(2);
  expect(h2.verdicts(server.taken())).toContain('RST 5 REFUSED_STREAM');
  server.give([...frame(RST_STREAM, 0, 1, uint32(8)), ...headers(7)]);
  expect(server.streams).toHaveLength(3);
});

test('answers that a peer does not read are bounded', () => {
  const server = new h2.RecordedServer({ pings: 100_000 });
  server.give(h2.HELLO);
  let i = 0;
  while (server.fault === undefined && i < 5000) {
    server.give(ping);
    i++;
  }
  expect([server.fault?.reason, i]).toEqual(['unread_controls', 1000]);
});

test('a frame that never comes takes no memory in advance', () => {
  const server = new h2.RecordedServer();
  server.give([...h2.HELLO, 0, 0x40, 0, HEADERS, 0, 0, 0, 0, 1]);
  expect([server.connection.isWithinHead, server.fault]).toEqual([true, undefined]);
});
