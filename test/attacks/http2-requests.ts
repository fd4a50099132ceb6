/**
 * What an attacker says over HTTP/2 so that a request is another one behind the gateway, most of all where HTTP/1.1 is
 * spoken there: bytes of one connection, behind preface and SETTINGS.
 */
import * as h2 from '../fixtures/http2-frames.ts';

type Field = readonly [name: string, value: string];

export interface Http2Attack {
  readonly name: string;
  readonly bytes: readonly number[];
  /** What a backend of HTTP/1.1 gets; absent = no backend gets anything. */
  readonly forwards?: RegExp;
}

export const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: shop.test\r\n\r\n';
const OPEN = h2.END_HEADERS;

const refused = (name: string, bytes: readonly number[]): Http2Attack => ({ name, bytes });
const passes = (name: string, bytes: readonly number[], forwards: RegExp): Http2Attack => ({
  name,
  bytes,
  forwards,
});

/** A GET with further fields. */
const withFields = (name: string, ...fields: readonly Field[]): Http2Attack =>
  refused(name, h2.headers(1, [...h2.GET, ...fields]));

/** A GET with other pseudo fields; undefined = left out. */
function withPseudo(
  name: string,
  changed: Readonly<Record<string, string | undefined>>,
): Http2Attack {
  const fields = h2.GET.flatMap(([field, value]): Field[] => {
    if (!Object.hasOwn(changed, field)) return [[field, value]];
    const other = changed[field];
    return other === undefined ? [] : [[field, other]];
  });
  return refused(name, h2.headers(1, fields));
}

const values: readonly Http2Attack[] = [
  withFields('a value with a whole request behind a line break', ['x', `a\r\n\r\n${SMUGGLED}`]),
  withFields('a value with CR LF', ['x', 'a\r\nx-role: admin']),
  withFields('a value with a bare line feed', ['x', 'a\nx-role: admin']),
  withFields('a value with a bare carriage return', ['x', 'a\rx-role: admin']),
  withFields('a value with NUL', ['x', 'a\0b']),
  withFields('a value that begins with a space', ['x', ' a']),
  withFields('a value that ends with a tab', ['x', 'a\t']),
  withFields('a line break in a crumb of cookies', ['cookie', 'a=1'], ['cookie', 'b=2\r\nx: y']),
  withFields('a line break in a user agent', ['user-agent', 'curl\r\nhost: evil.test']),
  withFields('a line break in a referer', ['referer', 'http://a\r\n\r\n']),
];

const names: readonly Http2Attack[] = [
  withFields('an upper-case name', ['X-Role', 'admin']),
  withFields('a name with one upper-case letter', ['x-rolE', 'admin']),
  withFields('a name with a space', ['x role', 'admin']),
  withFields('a name that ends with a space', ['x-role ', 'admin']),
  withFields('a name with a colon', ['x:role', 'admin']),
  withFields('a name that ends with a colon', ['x-role:', 'admin']),
  withFields('a name with a whole field', ['x: 1\r\nhost', 'evil.test']),
  withFields('a name with a line feed', ['x\nhost', 'evil.test']),
  withFields('a name with NUL', ['x\0', '1']),
  withFields('an empty name', ['', '1']),
  withFields('a name with a tab', ['x\t', '1']),
  withFields('a name beyond ASCII', ['x-ro\u00eee', '1']),
  withFields('a name in brackets', ['[x]', '1']),
  withFields('a name in quotes', ['"x"', '1']),
  withFields('content-length with a space behind', ['content-length ', '5']),
  withFields('transfer-encoding with a line break before', ['\r\ntransfer-encoding', 'chunked']),
];

const pseudo: readonly Http2Attack[] = [
  withPseudo('no method', { ':method': undefined }),
  withPseudo('no path', { ':path': undefined }),
  withPseudo('no scheme', { ':scheme': undefined }),
  withPseudo('no authority and no host', { ':authority': undefined }),
  withPseudo('an empty method', { ':method': '' }),
  withPseudo('an empty path', { ':path': '' }),
  withPseudo('an empty authority', { ':authority': '' }),
  withPseudo('a method that is a request line', {
    ':method': 'GET /smuggled HTTP/1.1\r\nhost: shop.test\r\n\r\nGET',
  }),
  withPseudo('a method with a space', { ':method': 'GET /smuggled' }),
  withPseudo('a method with a tab', { ':method': 'GET\t' }),
  withPseudo('a method in parentheses', { ':method': '(GET)' }),
  withPseudo('a path that is a request line', {
    ':path': '/ HTTP/1.1\r\nhost: shop.test\r\n\r\nGET /smuggled',
  }),
  withPseudo('a path with a space', { ':path': '/a HTTP/1.1' }),
  withPseudo('a path with a tab', { ':path': '/a\tb' }),
  withPseudo('a path with a line feed', { ':path': '/a\nx: y' }),
  withPseudo('a path with NUL', { ':path': '/a\0b' }),
  withPseudo('a path with an encoded NUL', { ':path': '/a%00b' }),
  withPseudo('a path that is no path', { ':path': 'smuggled' }),
  withPseudo('a path that names another host', { ':path': 'http://evil.test/a' }),
  withPseudo('an asterisk for a GET', { ':path': '*' }),
  withPseudo('a scheme with a separator', { ':scheme': 'http://evil.test/?' }),
  withPseudo('a scheme with a line break', { ':scheme': 'http\r\nx: y' }),
  withPseudo('an empty scheme', { ':scheme': '' }),
  withPseudo('a host with user information', { ':authority': 'user@shop.test' }),
  withPseudo('a host with a path', { ':authority': 'shop.test/smuggled' }),
  withPseudo('a host with a line break', { ':authority': 'shop.test\r\nx: y' }),
  withPseudo('a host with a space', { ':authority': 'shop.test evil.test' }),
  withPseudo('two hosts with a comma', { ':authority': 'shop.test,evil.test' }),
  withPseudo('a host with a query', { ':authority': 'shop.test?a' }),
  withPseudo('a host with a fragment', { ':authority': 'shop.test#a' }),
  withPseudo('a host with a backslash', { ':authority': 'evil.test\\shop.test' }),
  withPseudo('a host with a port that is no number', { ':authority': 'shop.test:80a' }),
  withPseudo('a host with an empty port', { ':authority': 'shop.test:' }),
  withPseudo('a host with a port out of range', { ':authority': 'shop.test:65536' }),
  ...h2.GET.map(([name, value]) =>
    refused(`two of ${name}`, h2.headers(1, [...h2.GET, [name, value]])),
  ),
  refused(
    'a pseudo field behind others',
    h2.headers(1, [...h2.GET.slice(0, 3), ['x', '1'], [':authority', 'shop.test']]),
  ),
  withFields('a pseudo field that nobody knows', [':role', 'admin']),
  withFields('a status in a request', [':status', '200']),
  withFields('a host that is another one', ['host', 'evil.test']),
  withFields('two hosts', ['host', 'shop.test'], ['host', 'evil.test']),
  withFields('a protocol without CONNECT', [':protocol', 'websocket']),
];

const CONNECT: readonly Field[] = [
  [':method', 'CONNECT'],
  [':authority', 'shop.test:443'],
];

const hops: readonly Http2Attack[] = [
  withFields('connection', ['connection', 'close']),
  withFields('connection that names a trust header', ['connection', 'x-forwarded-for']),
  withFields('keep-alive', ['keep-alive', 'timeout=5']),
  withFields('proxy-connection', ['proxy-connection', 'keep-alive']),
  withFields('transfer-encoding: chunked', ['transfer-encoding', 'chunked']),
  withFields('transfer-encoding: identity', ['transfer-encoding', 'identity']),
  withFields('an upgrade', ['upgrade', 'h2c']),
  withFields('te that is not trailers', ['te', 'gzip']),
  refused('transfer-encoding over a body that is chunks', [
    ...h2.headers(1, [...h2.POST, ['transfer-encoding', 'chunked']], OPEN),
    ...h2.frame(h2.DATA, h2.END_STREAM, 1, `0\r\n\r\n${SMUGGLED}`),
  ]),
  refused('CONNECT with a path', h2.headers(1, [...CONNECT, [':path', '/']], OPEN)),
  refused('CONNECT with a scheme', h2.headers(1, [...CONNECT, [':scheme', 'http']], OPEN)),
  refused('CONNECT without an authority', h2.headers(1, [[':method', 'CONNECT']], OPEN)),
];

/** A POST that says a length, and what comes behind. */
const withLength = (name: string, body: string, ...lengths: readonly string[]): Http2Attack =>
  refused(name, [
    ...h2.headers(1, [...h2.POST, ...lengths.map((one): Field => ['content-length', one])], OPEN),
    ...h2.frame(h2.DATA, h2.END_STREAM, 1, body),
  ]);

const lengths: readonly Http2Attack[] = [
  withLength('a length that is negative', 'hello', '-1'),
  withLength('a length with a sign', 'hello', '+5'),
  withLength('a length in hexadecimal', 'hello', '0x5'),
  withLength('a length with an exponent', 'hello', '5e0'),
  withLength('a length with a fraction', 'hello', '5.0'),
  withLength('an empty length', 'hello', ''),
  withLength('a length that is a list', 'hello', '5, 5'),
  withLength('a length beyond numbers', 'hello', '18446744073709551621'),
  withLength('two lengths that differ', 'hello', '5', '0'),
  refused('a length over no body', h2.headers(1, [...h2.POST, ['content-length', '5']])),
];

/** They come in time to be told the backend, which must be left without the end that it waits for. */
const cutShort: readonly Http2Attack[] = [
  passes(
    'a body that is shorter than it says',
    [
      ...h2.headers(1, [...h2.POST, ['content-length', '50']], OPEN),
      ...h2.frame(h2.DATA, h2.END_STREAM, 1, SMUGGLED.slice(0, 20)),
    ],
    /^(?:POST \/ HTTP\/1\.1\r\n(?:[^\r\n]+\r\n)*content-length: 50\r\n(?:[^\r\n]+\r\n)*\r\n.{0,49})?$/s,
  ),
  passes(
    'a body that is longer than it says',
    [
      ...h2.headers(1, [...h2.POST, ['content-length', '5']], OPEN),
      ...h2.frame(h2.DATA, h2.END_STREAM, 1, `hello${SMUGGLED}`),
    ],
    /^(?:POST \/ HTTP\/1\.1\r\n(?:[^\r\n]+\r\n)*content-length: 5\r\n(?:[^\r\n]+\r\n)*\r\n.{0,4})?$/s,
  ),
];

/** A body with trailers behind. */
const withTrailers = (name: string, ...fields: readonly Field[]): Http2Attack =>
  passes(
    name,
    [
      ...h2.headers(1, h2.POST, OPEN),
      ...h2.frame(h2.DATA, 0, 1, 'hello'),
      ...h2.headers(1, fields),
    ],
    // Whatever of the body had gone, its end never comes: the connection is closed.
    /^(?:POST \/ HTTP\/1\.1\r\n(?:[^\r\n]+\r\n)+\r\n(?:5\r\nhello\r\n)?)?$/,
  );

const trailers: readonly Http2Attack[] = [
  withTrailers('a pseudo field in trailers', [':path', '/smuggled']),
  withTrailers('an upper-case name in trailers', ['X', '1']),
  withTrailers('a line break in trailers', ['x', `1\r\n\r\n${SMUGGLED}`]),
  withTrailers('a line break in the name of a trailer', ['x\r\n\r\nGET', '1']),
  withTrailers('connection in trailers', ['connection', 'close']),
  withTrailers('transfer-encoding in trailers', ['transfer-encoding', 'chunked']),
];

const open = h2.headers(1, h2.POST, OPEN);

const frames: readonly Http2Attack[] = [
  refused('DATA on stream 0', h2.frame(h2.DATA, h2.END_STREAM, 0, 'x')),
  refused('HEADERS on stream 0', h2.headers(0)),
  refused('HEADERS on an even stream', h2.headers(2)),
  refused('DATA on a stream that was never opened', h2.frame(h2.DATA, 0, 5, 'x')),
  refused('CONTINUATION without HEADERS', h2.frame(h2.CONTINUATION, OPEN, 1, 'x')),
  refused('PUSH_PROMISE of a client', h2.frame(h2.PUSH_PROMISE, OPEN, 1, h2.uint32(2))),
  refused('a header block cut by another frame', [
    ...h2.frame(h2.HEADERS, h2.END_STREAM, 1, h2.literals(h2.GET)),
    ...h2.frame(h2.PING, 0, 0, '12345678'),
  ]),
  refused('a header block that goes on on another stream', [
    ...h2.frame(h2.HEADERS, h2.END_STREAM, 1, h2.literals(h2.GET)),
    ...h2.frame(h2.CONTINUATION, OPEN, 3, h2.literals([['x', '1']])),
  ]),
  refused(
    'padding that is longer than its frame',
    h2.frame(h2.HEADERS, OPEN | h2.PADDED, 1, [255, 0]),
  ),
  refused(
    'a stream that depends on itself',
    h2.frame(h2.PRIORITY, 0, 1, [...h2.uint32(1), 1]).concat(h2.frame(h2.DATA, 0, 0, 'x')),
  ),
  refused('a window that grows by nothing', [...h2.frame(h2.WINDOW_UPDATE, 0, 0, h2.uint32(0))]),
  refused('a reset of an idle stream', h2.frame(h2.RST_STREAM, 0, 7, h2.uint32(8))),
  refused('SETTINGS of five bytes', h2.frame(h2.SETTINGS, 0, 0, '12345')),
  refused('SETTINGS on a stream', h2.frame(h2.SETTINGS, 0, 1)),
  refused('PING of seven bytes', h2.frame(h2.PING, 0, 0, '1234567')),
  refused('a frame that is larger than allowed', [
    ...h2.uint32(0x10_0001).slice(1),
    h2.DATA,
    0,
    0,
    0,
    0,
    1,
  ]),
  refused(
    'HPACK: an index that is in no table',
    h2.frame(h2.HEADERS, OPEN | h2.END_STREAM, 1, [0xff, 0xff, 0x03]),
  ),
  refused('HPACK: index 0', h2.frame(h2.HEADERS, OPEN | h2.END_STREAM, 1, [0x80])),
  refused(
    'HPACK: a table that is larger than allowed',
    h2.frame(h2.HEADERS, OPEN | h2.END_STREAM, 1, [0x3f, 0xff, 0xff, 0xff, 0x07]),
  ),
  refused(
    'HPACK: a text that ends behind its block',
    h2.frame(h2.HEADERS, OPEN | h2.END_STREAM, 1, [0, 0x7f, 0xff, 0x01, 0x61]),
  ),
  refused(
    'HPACK: a number without end',
    h2.frame(
      h2.HEADERS,
      OPEN | h2.END_STREAM,
      1,
      Array.from({ length: 64 }, () => 0xff),
    ),
  ),
  refused(
    'HPACK: Huffman with its end inside',
    h2.frame(h2.HEADERS, OPEN | h2.END_STREAM, 1, [0, 0x84, 0xff, 0xff, 0xff, 0xff, 0]),
  ),
  refused(
    'a thousand fields',
    h2.headers(1, [...h2.GET, ...Array.from({ length: 1000 }, (_, i): Field => [`x${i}`, '1'])]),
  ),
  refused('a field that is larger than a head may be', [
    ...h2.frame(h2.HEADERS, h2.END_STREAM, 1, h2.literals(h2.GET)),
    ...Array.from({ length: 7 }, (_, i) =>
      h2.frame(
        h2.CONTINUATION,
        i === 6 ? OPEN : 0,
        1,
        h2.literals([[`x${i}`, 'a'.repeat(16_000)]]),
      ),
    ).flat(),
  ]),
  refused('another preface in the middle', [...h2.bytesOf('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')]),
  refused('a request of HTTP/1.1 in the middle', [...h2.bytesOf(SMUGGLED)]),
];

const meansOneThing: readonly Http2Attack[] = [
  passes('te: trailers', h2.headers(1, [...h2.GET, ['te', 'trailers']]), /^GET \/ HTTP\/1\.1\r\n/),
  passes(
    'a host that says the same',
    h2.headers(1, [...h2.GET, ['host', 'shop.test']]),
    /^GET \/ HTTP\/1\.1\r\n(?:(?!host:)[^\r\n]+\r\n)*host: shop\.test\r\n(?:(?!host:)[^\r\n]+\r\n)*\r\n$/i,
  ),
  passes(
    'crumbs of cookies, as one field',
    h2.headers(1, [...h2.GET, ['cookie', 'a=1'], ['cookie', 'b=2']]),
    /\r\ncookie: a=1; b=2\r\n/i,
  ),
  passes(
    'a request in a body with a length, as a body',
    [
      ...h2.headers(1, [...h2.POST, ['content-length', String(SMUGGLED.length)]], OPEN),
      ...h2.frame(h2.DATA, h2.END_STREAM, 1, SMUGGLED),
    ],
    new RegExp(
      `\r\ncontent-length: ${SMUGGLED.length}\r\n[^]*\r\n${SMUGGLED.replaceAll('.', '\\.')}$`,
      'i',
    ),
  ),
  passes(
    'chunks in a body without a length, as a chunk',
    [...open, ...h2.frame(h2.DATA, h2.END_STREAM, 1, `0\r\n\r\n${SMUGGLED}`)],
    /\r\ntransfer-encoding: chunked\r\n[^]*\r\n30\r\n0\r\n\r\nGET \/smuggled [^]*\r\n\r\n\r\n0\r\n\r\n$/i,
  ),
  passes(
    'a path beyond ASCII, encoded',
    withPseudo('', { ':path': '/\u00e9' }).bytes,
    /^GET \/%E9 /,
  ),
  passes('a frame that nobody knows', [...h2.frame(0xfa, 0, 0, 'x'), ...h2.headers(1)], /^GET \/ /),
  passes(
    'padding',
    h2.frame(h2.HEADERS, OPEN | h2.END_STREAM | h2.PADDED, 1, [3, ...h2.literals(h2.GET), 0, 0, 0]),
    /^GET \/ HTTP\/1\.1\r\n/,
  ),
  passes(
    'trust headers, without them',
    h2.headers(1, [
      ...h2.GET,
      ['x-envoy-retry-on', '5xx'],
      ['x-forwarded-client-cert', 'URI=spiffe://a/ns/b/sa/c'],
      ['x-lateen-identity', 'a'],
    ]),
    /^GET \/ HTTP\/1\.1\r\n(?:(?!x-envoy-retry|x-forwarded-client|x-lateen)[^\r\n]+\r\n)+\r\n$/i,
  ),
];

export const HTTP2_REQUESTS: Readonly<Record<string, readonly Http2Attack[]>> = {
  'values of fields': values,
  'names of fields': names,
  'pseudo fields': pseudo,
  'fields of one hop': hops,
  lengths,
  'lengths that turn out wrong': cutShort,
  trailers,
  frames,
  'what means one thing': meansOneThing,
};
