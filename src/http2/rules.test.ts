/** What a client may not send, as bytes, and what it is told: after h2spec's cases and RFC 9113's own words. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as h2 from '../../test/fixtures/http2-frames.ts';

const { DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY } = h2;
const { WINDOW_UPDATE, CONTINUATION, END_STREAM, ACK, END_HEADERS, PADDED, WITH_PRIORITY } = h2;
const { frame, headers, literals, setting, uint32, GET, POST } = h2;

type Row = readonly [name: string, bytes: readonly number[], expected: string | readonly string[]];

/** A request whose body is still to come. */
const open = headers(1, POST, END_HEADERS);
const without = (name: string): typeof GET => GET.filter(([other]) => other !== name);
const plus = (...fields: readonly (readonly [string, string])[]): number[] =>
  headers(1, [...GET, ...fields]);
const withBody = (length: string): number[] =>
  headers(1, [...POST, ['content-length', length]], END_HEADERS);

const framing: readonly Row[] = [
  ['a frame of an unknown type', frame(0xbe, 0xff, 0, 'hello'), []],
  ['an unknown flag of PING', frame(PING, 0xfe, 0, new Uint8Array(8)), 'PONG'],
  ['the reserved bit of a stream id', frame(PING, 0, 0x8000_0000, new Uint8Array(8)), 'PONG'],
  ['a frame above 16384', [0, 0x40, 1, DATA, 0, 0, 0, 0, 1], 'GOAWAY FRAME_SIZE_ERROR'],
  ['DATA on stream 0', frame(DATA, END_STREAM, 0, 'x'), 'GOAWAY PROTOCOL_ERROR'],
  ['DATA on an idle stream', frame(DATA, END_STREAM, 1, 'x'), 'GOAWAY PROTOCOL_ERROR'],
  [
    'DATA padded beyond its end',
    [...open, ...frame(DATA, PADDED, 1, [9, 1, 2])],
    'GOAWAY PROTOCOL_ERROR',
  ],
  ['DATA without its pad length', [...open, ...frame(DATA, PADDED, 1)], 'GOAWAY FRAME_SIZE_ERROR'],
  ['HEADERS on stream 0', frame(HEADERS, END_HEADERS, 0, literals(GET)), 'GOAWAY PROTOCOL_ERROR'],
  ['HEADERS on an even stream', headers(2), 'GOAWAY PROTOCOL_ERROR'],
  ['HEADERS on a lower stream', [...headers(5), ...headers(3)], 'GOAWAY PROTOCOL_ERROR'],
  [
    'HEADERS padded beyond its end',
    frame(HEADERS, END_HEADERS | END_STREAM | PADDED, 1, [200, ...literals(GET)]),
    'GOAWAY PROTOCOL_ERROR',
  ],
  [
    'HEADERS with a priority that is cut',
    frame(HEADERS, END_HEADERS | WITH_PRIORITY, 1, [0, 0]),
    'GOAWAY FRAME_SIZE_ERROR',
  ],
  ['PRIORITY on stream 0', frame(PRIORITY, 0, 0, new Uint8Array(5)), 'GOAWAY PROTOCOL_ERROR'],
  ['PRIORITY of 4 bytes', frame(PRIORITY, 0, 1, new Uint8Array(4)), 'GOAWAY FRAME_SIZE_ERROR'],
  ['PRIORITY on an idle stream', frame(PRIORITY, 0, 9, new Uint8Array(5)), []],
  ['RST_STREAM on stream 0', frame(RST_STREAM, 0, 0, uint32(8)), 'GOAWAY PROTOCOL_ERROR'],
  ['RST_STREAM on an idle stream', frame(RST_STREAM, 0, 1, uint32(8)), 'GOAWAY PROTOCOL_ERROR'],
  [
    'RST_STREAM of 3 bytes',
    [...open, ...frame(RST_STREAM, 0, 1, 'abc')],
    'GOAWAY FRAME_SIZE_ERROR',
  ],
  ['SETTINGS on a stream', frame(SETTINGS, 0, 1), 'GOAWAY PROTOCOL_ERROR'],
  ['SETTINGS of 5 bytes', frame(SETTINGS, 0, 0, 'abcde'), 'GOAWAY FRAME_SIZE_ERROR'],
  ['an ACK with a payload', frame(SETTINGS, ACK, 0, setting(3, 1)), 'GOAWAY FRAME_SIZE_ERROR'],
  [
    'an ACK of nothing',
    [...frame(SETTINGS, ACK, 0), ...frame(SETTINGS, ACK, 0)],
    'GOAWAY PROTOCOL_ERROR',
  ],
  ['ENABLE_PUSH of 2', frame(SETTINGS, 0, 0, setting(2, 2)), 'GOAWAY PROTOCOL_ERROR'],
  [
    'INITIAL_WINDOW_SIZE above 2^31-1',
    frame(SETTINGS, 0, 0, setting(4, 0x8000_0000)),
    'GOAWAY FLOW_CONTROL_ERROR',
  ],
  [
    'MAX_FRAME_SIZE below 16384',
    frame(SETTINGS, 0, 0, setting(5, 16_383)),
    'GOAWAY PROTOCOL_ERROR',
  ],
  [
    'MAX_FRAME_SIZE above 2^24-1',
    frame(SETTINGS, 0, 0, setting(5, 2 ** 24)),
    'GOAWAY PROTOCOL_ERROR',
  ],
  ['an unknown setting', frame(SETTINGS, 0, 0, setting(0xff, 1)), 'ACK'],
  [
    'PUSH_PROMISE of a client',
    frame(PUSH_PROMISE, END_HEADERS, 1, uint32(2)),
    'GOAWAY PROTOCOL_ERROR',
  ],
  ['PING on a stream', frame(PING, 0, 1, new Uint8Array(8)), 'GOAWAY PROTOCOL_ERROR'],
  ['PING of 6 bytes', frame(PING, 0, 0, new Uint8Array(6)), 'GOAWAY FRAME_SIZE_ERROR'],
  ['an answer to no PING', frame(PING, ACK, 0, new Uint8Array(8)), []],
  ['GOAWAY on a stream', frame(GOAWAY, 0, 1, new Uint8Array(8)), 'GOAWAY PROTOCOL_ERROR'],
  ['GOAWAY of 4 bytes', frame(GOAWAY, 0, 0, new Uint8Array(4)), 'GOAWAY FRAME_SIZE_ERROR'],
  ['WINDOW_UPDATE of 0', frame(WINDOW_UPDATE, 0, 0, uint32(0)), 'GOAWAY PROTOCOL_ERROR'],
  ['WINDOW_UPDATE of 3 bytes', frame(WINDOW_UPDATE, 0, 0, 'abc'), 'GOAWAY FRAME_SIZE_ERROR'],
  [
    'WINDOW_UPDATE on an idle stream',
    frame(WINDOW_UPDATE, 0, 1, uint32(1)),
    'GOAWAY PROTOCOL_ERROR',
  ],
  [
    'WINDOW_UPDATE of 0 on a stream',
    [...open, ...frame(WINDOW_UPDATE, 0, 1, uint32(0))],
    'RST 1 PROTOCOL_ERROR',
  ],
  [
    'a window above 2^31-1',
    frame(WINDOW_UPDATE, 0, 0, uint32(0x7fff_ffff)),
    'GOAWAY FLOW_CONTROL_ERROR',
  ],
  [
    'a stream window above 2^31-1',
    [...open, ...frame(WINDOW_UPDATE, 0, 1, uint32(0x7fff_ffff))],
    'RST 1 FLOW_CONTROL_ERROR',
  ],
  [
    'a setting that makes a window too large',
    [
      ...open,
      ...frame(WINDOW_UPDATE, 0, 1, uint32(100)),
      ...frame(SETTINGS, 0, 0, setting(4, 0x7fff_ffff)),
    ],
    'GOAWAY FLOW_CONTROL_ERROR',
  ],
  ['CONTINUATION of nothing', frame(CONTINUATION, END_HEADERS, 1), 'GOAWAY PROTOCOL_ERROR'],
  [
    'CONTINUATION of another stream',
    [...frame(HEADERS, END_STREAM, 1, literals(GET)), ...frame(CONTINUATION, END_HEADERS, 3)],
    'GOAWAY PROTOCOL_ERROR',
  ],
  [
    'another frame within a block',
    [...frame(HEADERS, END_STREAM, 1, literals(GET)), ...frame(PING, 0, 0, new Uint8Array(8))],
    'GOAWAY PROTOCOL_ERROR',
  ],
  [
    'DATA within a block',
    [...frame(HEADERS, 0, 1, literals(POST)), ...frame(DATA, 0, 1, 'x')],
    'GOAWAY PROTOCOL_ERROR',
  ],
];

const states: readonly Row[] = [
  ['DATA behind END_STREAM', [...headers(1), ...frame(DATA, 0, 1, 'x')], 'RST 1 STREAM_CLOSED'],
  ['HEADERS behind END_STREAM', [...headers(1), ...headers(1)], 'RST 1 STREAM_CLOSED'],
  [
    'DATA behind RST_STREAM',
    [...open, ...frame(RST_STREAM, 0, 1, uint32(8)), ...frame(DATA, 0, 1, 'x')],
    'RST 1 STREAM_CLOSED',
  ],
  [
    'HEADERS behind RST_STREAM',
    [...open, ...frame(RST_STREAM, 0, 1, uint32(8)), ...headers(1)],
    'GOAWAY STREAM_CLOSED',
  ],
  [
    'WINDOW_UPDATE and RST_STREAM behind RST_STREAM',
    [
      ...open,
      ...frame(RST_STREAM, 0, 1, uint32(8)),
      ...frame(WINDOW_UPDATE, 0, 1, uint32(1)),
      ...frame(RST_STREAM, 0, 1, uint32(8)),
    ],
    [],
  ],
  [
    'trailers that do not end',
    [...open, ...headers(1, [['x-a', '1']], END_HEADERS)],
    'RST 1 PROTOCOL_ERROR',
  ],
  [
    'trailers with a pseudo-header',
    [...open, ...headers(1, [[':path', '/']])],
    'RST 1 PROTOCOL_ERROR',
  ],
  [
    'trailers of the connection',
    [...open, ...headers(1, [['connection', 'x']])],
    'RST 1 PROTOCOL_ERROR',
  ],
  ['trailers', [...open, ...headers(1, [['x-a', '1']])], []],
];

const malformed: readonly Row[] = [
  ['an upper-case name', plus(['X-A', '1']), 'RST 1 PROTOCOL_ERROR'],
  ['an empty name', plus(['', '1']), 'RST 1 PROTOCOL_ERROR'],
  ['a blank in a name', plus(['x a', '1']), 'RST 1 PROTOCOL_ERROR'],
  ['a colon in a name', plus(['x:a', '1']), 'RST 1 PROTOCOL_ERROR'],
  ['a byte beyond ASCII in a name', plus(['x\xe9', '1']), 'RST 1 PROTOCOL_ERROR'],
  ['a line feed in a value', plus(['x-a', '1\nx-b: 2']), 'RST 1 PROTOCOL_ERROR'],
  ['a carriage return in a value', plus(['x-a', '1\r']), 'RST 1 PROTOCOL_ERROR'],
  ['a zero in a value', plus(['x-a', '1\0']), 'RST 1 PROTOCOL_ERROR'],
  ['a blank around a value', plus(['x-a', ' 1']), 'RST 1 PROTOCOL_ERROR'],
  ['a pseudo-header of nobody', headers(1, [...GET, [':x', '1']]), 'RST 1 PROTOCOL_ERROR'],
  [
    'a pseudo-header of responses',
    headers(1, [...GET, [':status', '200']]),
    'RST 1 PROTOCOL_ERROR',
  ],
  [
    'a late pseudo-header',
    headers(1, [...without(':path'), ['x-a', '1'], [':path', '/']]),
    'RST 1 PROTOCOL_ERROR',
  ],
  ...GET.map(([name, value]): Row => [
    `${name} twice`,
    headers(1, [...GET, [name, value]]),
    'RST 1 PROTOCOL_ERROR',
  ]),
  ...[':method', ':scheme', ':path'].map((name): Row => [
    `no ${name}`,
    headers(1, without(name)),
    'RST 1 PROTOCOL_ERROR',
  ]),
  ['an empty path', headers(1, [...without(':path'), [':path', '']]), 'RST 1 PROTOCOL_ERROR'],
  ['a relative path', headers(1, [...without(':path'), [':path', 'a']]), 'RST 1 PROTOCOL_ERROR'],
  [
    'a blank in the path',
    headers(1, [...without(':path'), [':path', '/a b']]),
    'RST 1 PROTOCOL_ERROR',
  ],
  ['an asterisk of GET', headers(1, [...without(':path'), [':path', '*']]), 'RST 1 PROTOCOL_ERROR'],
  [
    'an unknown scheme',
    headers(1, [...without(':scheme'), [':scheme', 'ftp']]),
    'RST 1 PROTOCOL_ERROR',
  ],
  [
    'a method that is no token',
    headers(1, [...without(':method'), [':method', 'G T']]),
    'RST 1 PROTOCOL_ERROR',
  ],
];

const fields: readonly Row[] = [
  ['connection', plus(['connection', 'keep-alive']), 'RST 1 PROTOCOL_ERROR'],
  ['transfer-encoding', plus(['transfer-encoding', 'chunked']), 'RST 1 PROTOCOL_ERROR'],
  ['upgrade', plus(['upgrade', 'h2c']), 'RST 1 PROTOCOL_ERROR'],
  ['keep-alive', plus(['keep-alive', '1']), 'RST 1 PROTOCOL_ERROR'],
  ['proxy-connection', plus(['proxy-connection', 'x']), 'RST 1 PROTOCOL_ERROR'],
  ['te but trailers', plus(['te', 'trailers, deflate']), 'RST 1 PROTOCOL_ERROR'],
  ['te of trailers', plus(['te', 'trailers']), []],
  ['a host that differs', plus(['host', 'other.test']), 'RST 1 PROTOCOL_ERROR'],
  ['two hosts', plus(['host', 'shop.test'], ['host', 'shop.test']), 'RST 1 PROTOCOL_ERROR'],
  ['a host in other letters', plus(['host', 'SHOP.test']), []],
  ['two lengths', plus(['content-length', '0'], ['content-length', '0']), 'RST 1 PROTOCOL_ERROR'],
  ['a length that is none', plus(['content-length', '+1']), 'RST 1 PROTOCOL_ERROR'],
  ['a length without a body', plus(['content-length', '1']), 'RST 1 PROTOCOL_ERROR'],
  ['more than the length', [...withBody('1'), ...frame(DATA, 0, 1, 'ab')], 'RST 1 PROTOCOL_ERROR'],
  ['less than the length', [...withBody('3'), ...frame(DATA, 1, 1, 'ab')], 'RST 1 PROTOCOL_ERROR'],
  [
    'less than the length before trailers',
    [...withBody('3'), ...frame(DATA, 0, 1, 'ab'), ...headers(1, [['x-a', '1']])],
    'RST 1 PROTOCOL_ERROR',
  ],
  ['the length', [...withBody('2'), ...frame(DATA, 1, 1, 'ab')], []],
  [
    'CONNECT with a path',
    headers(1, [[':method', 'CONNECT'], ...GET.slice(1)], END_HEADERS),
    'RST 1 PROTOCOL_ERROR',
  ],
  [
    'CONNECT',
    headers(
      1,
      [
        [':method', 'CONNECT'],
        [':authority', 'a:1'],
      ],
      END_HEADERS,
    ),
    [],
  ],
  ['a protocol of GET', headers(1, [...GET, [':protocol', 'websocket']]), 'RST 1 PROTOCOL_ERROR'],
  [
    'an unknown protocol of CONNECT',
    headers(1, [[':method', 'CONNECT'], ...GET.slice(1), [':protocol', 'x']], END_HEADERS),
    'RST 1 PROTOCOL_ERROR',
  ],
  ['index 0', frame(HEADERS, END_HEADERS | END_STREAM, 1, [0x80]), 'GOAWAY COMPRESSION_ERROR'],
  [
    'a table too large',
    frame(HEADERS, END_HEADERS | END_STREAM, 1, [0x3f, 0xe2, 0x1f]),
    'GOAWAY COMPRESSION_ERROR',
  ],
];

function answered(bytes: readonly number[], pieces = 0): string[] {
  const server = new h2.RecordedServer();
  server.give(h2.HELLO);
  server.taken();
  if (pieces === 0) server.give(bytes);
  else for (let at = 0; at < bytes.length; at += pieces) server.give(bytes.slice(at, at + pieces));
  return h2.verdicts(server.taken());
}

describe.each([
  ['frames', framing],
  ['states', states],
  ['heads', malformed],
  ['fields', fields],
] as const)('%s', (_name, rows) => {
  test.each(rows)('%s', (_case, bytes, expected) => {
    const wanted = typeof expected === 'string' ? [expected] : expected;
    expect(answered(bytes)).toEqual(wanted);
    expect(answered(bytes, 1), 'byte by byte').toEqual(wanted);
  });
});

describe('the beginning', () => {
  test.each([
    ['HTTP/1.1', 'GET / HTTP/1.1\r\n\r\n'],
    ['a preface that goes wrong late', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\rX'],
  ])('%s is no preface', (_name, text) => {
    const server = new h2.RecordedServer();
    server.give(h2.bytesOf(text));
    expect(h2.verdicts(server.taken())).toEqual(['GOAWAY PROTOCOL_ERROR']);
  });

  test('a request before SETTINGS is refused', () => {
    const server = new h2.RecordedServer();
    server.give([...h2.HELLO.slice(0, 24), ...headers(1)]);
    expect(h2.verdicts(server.taken())).toEqual(['GOAWAY PROTOCOL_ERROR']);
  });
});

const cuts = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 60 });

test('cuts between reads change nothing', () => {
  const bytes = [
    ...h2.HELLO,
    ...headers(1, [...POST, ['content-length', '5']], END_HEADERS),
    ...frame(DATA, PADDED, 1, [3, ...h2.bytesOf('hel'), 0, 0, 0]),
    ...frame(PING, 0, 0, '12345678'),
    ...frame(DATA, END_STREAM, 1, 'lo'),
    ...frame(HEADERS, END_STREAM | WITH_PRIORITY, 3, [
      0,
      0,
      0,
      0,
      9,
      ...literals(GET).slice(0, 20),
    ]),
    ...frame(CONTINUATION, END_HEADERS, 3, literals(GET).slice(20)),
    ...headers(5, [...GET, ['cookie', 'a=1'], ['x-a', '1'], ['cookie', 'b=2']]),
  ];
  fc.assert(
    fc.property(cuts, (sizes) => {
      const server = new h2.RecordedServer();
      for (let at = 0, i = 0; at < bytes.length; i++) {
        const size = sizes[i % sizes.length] as number;
        server.give(bytes.slice(at, at + size));
        at += size;
      }
      expect(server.fault).toBeUndefined();
      expect(server.streams.map(({ body }) => body)).toEqual(['hello', '', '']);
      expect(server.streams[2]?.head.get('cookie')).toBe('a=1; b=2');
      expect(h2.verdicts(server.taken())).toEqual(['ACK', 'PONG']);
    }),
  );
});

const anyFrame = fc
  .tuple(
    fc.integer({ min: 0, max: 10 }),
    fc.integer({ min: 0, max: 255 }),
    fc.integer({ min: 0, max: 9 }),
    fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc.constantFrom(literals(GET), literals(POST), uint32(1), uint32(65_535), setting(4, 10)),
    ),
  )
  .map(([type, flags, id, payload]) => frame(type, flags, id, payload));

test('whatever comes, it is read or refused', () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(anyFrame, fc.uint8Array({ maxLength: 20 })), { maxLength: 30 }),
      (all) => {
        const server = new h2.RecordedServer();
        server.onRequest = (stream) => {
          const { sender } = server.connection;
          sender.beginBlock();
          sender.text(':status', '200');
          sender.endBlock(stream, false);
          sender.data(stream, new Uint8Array(100), 0, 100);
          if (stream.id % 3 === 0) sender.end(stream, []);
        };
        server.give(h2.HELLO);
        for (const bytes of all) server.give(bytes);
        for (const { heard } of server.streams)
          expect(heard.filter((word) => word !== 'drain').length).toBeLessThan(2);
      },
    ),
    { numRuns: 3000 },
  );
});
