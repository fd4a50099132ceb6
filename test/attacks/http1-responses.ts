/** Responses that two parsers may read differently, by class: what a backend sends, and what a client gets to see. */
import type { Misbehaviour } from './backend.ts';

export interface ResponseAttack extends Misbehaviour {
  readonly name: string;
  /** @default a GET */
  readonly request?: (target: string) => string;
  /** Sent when the client has seen an answer. */
  readonly later?: string;
  /** All that the client sees, but for dates. */
  readonly sees: string | RegExp;
  /** The proxy closes the client's connection. */
  readonly closes?: boolean;
  /** The connection to the backend carries on. @default false */
  readonly keeps?: boolean;
}

const HOST = 'Host: shop.test\r\n';
const OK = 'HTTP/1.1 200 OK\r\n';
/** What a client must never take for an answer. */
export const EVIL = 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil';
const hello = 'Content-Length: 5\r\n\r\nhello';

const FAILED = /^HTTP\/1\.1 502 (?!.*evil)[^]*protocol error$/;

/** The backend broke the protocol before anything was passed on. */
const failed = (name: string, ...pieces: string[]): ResponseAttack => ({
  name,
  pieces,
  sees: FAILED,
});

const passed = (name: string, bytes: string, sees = bytes): ResponseAttack => ({
  name,
  pieces: [bytes],
  sees,
  keeps: true,
});

/** The client got a beginning, and is told that there is no end. */
const cut = (name: string, pieces: readonly string[], sees: string): ResponseAttack => ({
  name,
  pieces,
  sees,
  closes: true,
});

const asking =
  (method: string, fields = '', version = '1.1') =>
  (target: string): string =>
    `${method} ${target} HTTP/${version}\r\n${HOST}${fields}\r\n`;

const CHUNKED = 'Transfer-Encoding: chunked\r\n';
const upgrading = asking('GET', 'Connection: Upgrade\r\nUpgrade: websocket\r\n');

const framing: readonly ResponseAttack[] = [
  failed('both framings', `${OK}Content-Length: 5\r\n${CHUNKED}\r\n0\r\n\r\n${EVIL}`),
  failed('both framings, the other way', `${OK}${CHUNKED}Content-Length: 5\r\n\r\n0\r\n\r\n`),
  failed('two lengths', `${OK}Content-Length: 5\r\nContent-Length: 4\r\n\r\nhello`),
  failed('one length twice', `${OK}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello`),
  failed('a list of lengths', `${OK}Content-Length: 5, 5\r\n\r\nhello`),
  failed('a negative length', `${OK}Content-Length: -1\r\n\r\nhello`),
  failed('a signed length', `${OK}Content-Length: +5\r\n\r\nhello`),
  failed('a hexadecimal length', `${OK}Content-Length: 0x5\r\n\r\nhello`),
  failed('a length of nothing', `${OK}Content-Length:\r\n\r\nhello`),
  failed('two codings', `${OK}${CHUNKED}${CHUNKED}\r\n0\r\n\r\n`),
  failed('an unknown coding', `${OK}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`),
  failed('an identity coding', `${OK}Transfer-Encoding: identity\r\n\r\nhello`),
  failed('a coding with a vertical tab', `${OK}Transfer-Encoding: \vchunked\r\n\r\n0\r\n\r\n`),
  failed('a coding in HTTP/1.0', `HTTP/1.0 200 OK\r\n${CHUNKED}\r\n0\r\n\r\n`),
  failed('a folded length', `${OK}Content-Length:\r\n 5\r\n\r\nhello`),
  failed('a length with a space before the colon', `${OK}Content-Length : 5\r\n\r\nhello`),
  cut(
    'a chunk with an extension',
    [`${OK}${CHUNKED}\r\n`, '5;a\r\nhello\r\n0\r\n\r\n'],
    `${OK}${CHUNKED}\r\n`,
  ),
  cut('a chunk without size', [`${OK}${CHUNKED}\r\n`, '\r\n\r\n'], `${OK}${CHUNKED}\r\n`),
  cut(
    'a chunk without end',
    [`${OK}${CHUNKED}\r\n5\r\nhello`, `5\r\nworld\r\n0\r\n\r\n`],
    `${OK}${CHUNKED}\r\n5\r\nhello\r\n`,
  ),
  cut(
    'a trailer that frames',
    [`${OK}${CHUNKED}\r\n5\r\nhello\r\n`, `0\r\nContent-Length: 0\r\n\r\n`],
    `${OK}${CHUNKED}\r\n5\r\nhello\r\n`,
  ),
  cut(
    'a trailer that sets a cookie',
    [`${OK}${CHUNKED}\r\n5\r\nhello\r\n`, `0\r\nSet-Cookie: a=b\r\n\r\n`],
    `${OK}${CHUNKED}\r\n5\r\nhello\r\n`,
  ),
  passed(
    'a chunk that looks like a response',
    `${OK}${CHUNKED}\r\n${EVIL.length.toString(16)}\r\n${EVIL}\r\n0\r\n\r\n`,
  ),
  passed('a body that looks like a response', `${OK}Content-Length: ${EVIL.length}\r\n\r\n${EVIL}`),
  passed('trailers', `${OK}${CHUNKED}\r\n0\r\nX-Sum: 1\r\n\r\n`),
];

const heads: readonly ResponseAttack[] = [
  failed('no head at all', 'hello\r\n\r\n'),
  failed('HTTP/0.9', '<html>hello</html>\r\n\r\n'),
  failed('HTTP/2', 'HTTP/2 200\r\n\r\n'),
  failed('HTTP/1.2', `HTTP/1.2 200 OK\r\n${hello}`),
  failed('ICY', `ICY 200 OK\r\n${hello}`),
  failed('an empty line in front', `\r\n${OK}${hello}`),
  failed('status of two digits', `HTTP/1.1 20 OK\r\n${hello}`),
  failed('status of four digits', `HTTP/1.1 2000 OK\r\n${hello}`),
  failed('status of letters', `HTTP/1.1 abc OK\r\n${hello}`),
  failed('status 099', `HTTP/1.1 099 OK\r\n${hello}`),
  failed('status 600', `HTTP/1.1 600 OK\r\n${hello}`),
  failed('two spaces before the status', `HTTP/1.1  200 OK\r\n${hello}`),
  failed('a bare LF', `HTTP/1.1 200 OK\n${hello}`),
  failed('a field before a bare LF', `${OK}X-A: b\nX-B: c\r\n${hello}`),
  failed('a bare CR in a field', `${OK}X-A: b\rX-B: c\r\n${hello}`),
  failed('a bare CR in the reason', `HTTP/1.1 200 O\rK\r\n${hello}`),
  failed('a NUL in a field', `${OK}X-A: \0\r\n${hello}`),
  failed('a NUL in the reason', `HTTP/1.1 200 O\0K\r\n${hello}`),
  failed('a folded field', `${OK}X-A: b\r\n c\r\n${hello}`),
  failed('a space before a colon', `${OK}X-A : b\r\n${hello}`),
  failed('a line without a colon', `${OK}nothing\r\n${hello}`),
  failed('too many fields', `${OK}${'X-A: b\r\n'.repeat(101)}${hello}`),
  failed('too long a field', `${OK}X-A: ${'a'.repeat(17_000)}\r\n${hello}`),
  failed('too long a status line', `HTTP/1.1 200 ${'a'.repeat(17_000)}\r\n${hello}`),
  failed('a head without end', `${OK}${'X-A: b\r\n'.repeat(10_000)}`),
  passed('no reason', `HTTP/1.1 200\r\n${hello}`, `HTTP/1.1 200 \r\n${hello}`),
  passed('an empty reason', `HTTP/1.1 200 \r\n${hello}`),
  passed(
    'fields of the hop',
    `${OK}Connection: X-Hop, keep-alive\r\nX-Hop: a\r\nKeep-Alive: timeout=5\r\nUpgrade: h2c\r\nX-A: b\r\n${hello}`,
    `${OK}X-A: b\r\n${hello}`,
  ),
  passed(
    'a connection that names the length',
    `${OK}Connection: content-length\r\n${hello}`,
    `${OK}${hello}`,
  ),
  passed(
    'a connection that names the coding',
    `${OK}Connection: transfer-encoding\r\n${CHUNKED}\r\n0\r\n\r\n`,
    `${OK}${CHUNKED}\r\n0\r\n\r\n`,
  ),
  failed(
    'a switch that nobody asked for',
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n${EVIL}`,
  ),
  {
    name: 'interim heads without end',
    pieces: ['HTTP/1.1 102 Processing\r\n\r\n'.repeat(101)],
    sees: /^(?:HTTP\/1\.1 102 Processing\r\n\r\n){100}HTTP\/1\.1 502 [^]*protocol error$/,
  },
];

const bodiless: readonly ResponseAttack[] = [
  {
    ...passed('HEAD with a body', `${OK}${hello}`, `${OK}Content-Length: 5\r\n\r\n`),
    request: asking('HEAD'),
    keeps: false,
  },
  { ...passed('HEAD with a length', `${OK}Content-Length: 5\r\n\r\n`), request: asking('HEAD') },
  { ...passed('HEAD with a coding', `${OK}${CHUNKED}\r\n`), request: asking('HEAD') },
  {
    ...passed(
      'HEAD with a response behind',
      `${OK}Content-Length: 5\r\n\r\n${EVIL}`,
      `${OK}Content-Length: 5\r\n\r\n`,
    ),
    request: asking('HEAD'),
    keeps: false,
  },
  {
    ...passed('204 with a body', `HTTP/1.1 204 None\r\n${hello}`, 'HTTP/1.1 204 None\r\n\r\n'),
    keeps: false,
  },
  passed(
    '204 with a length',
    'HTTP/1.1 204 None\r\nContent-Length: 5\r\n\r\n',
    'HTTP/1.1 204 None\r\n\r\n',
  ),
  passed('204 with a coding', `HTTP/1.1 204 None\r\n${CHUNKED}\r\n`, 'HTTP/1.1 204 None\r\n\r\n'),
  {
    ...passed(
      '304 with a body',
      `HTTP/1.1 304 Same\r\n${hello}`,
      'HTTP/1.1 304 Same\r\nContent-Length: 5\r\n\r\n',
    ),
    keeps: false,
  },
  passed('304 with a length', 'HTTP/1.1 304 Same\r\nContent-Length: 5\r\n\r\n'),
  { ...passed('interim heads', `HTTP/1.1 103 Hints\r\nLink: a\r\n\r\n${OK}${hello}`) },
  passed(
    'an interim head with a length',
    `HTTP/1.1 103 Hints\r\nContent-Length: 60\r\nConnection: close\r\n\r\n${OK}${hello}`,
    `HTTP/1.1 103 Hints\r\n\r\n${OK}${hello}`,
  ),
  passed(
    'an interim head with a coding',
    `HTTP/1.1 103 Hints\r\n${CHUNKED}\r\n${OK}${hello}`,
    `HTTP/1.1 103 Hints\r\n\r\n${OK}${hello}`,
  ),
  {
    name: 'an interim head with a body',
    pieces: [`HTTP/1.1 102 Processing\r\n${hello}${OK}${hello}`],
    sees: /^HTTP\/1\.1 102 Processing\r\n\r\nHTTP\/1\.1 502 [^]*protocol error$/,
  },
  passed(
    'a 100 that nobody waits for',
    `HTTP/1.1 100 Continue\r\n\r\n${OK}${hello}`,
    `${OK}${hello}`,
  ),
  {
    ...passed(
      'an interim head for HTTP/1.0',
      `HTTP/1.1 103 Hints\r\n\r\n${OK}${hello}`,
      `${OK}${hello.replace('\r\n', '\r\nconnection: close\r\n')}`,
    ),
    request: asking('GET', '', '1.0'),
    closes: true,
  },
];

const behind: readonly ResponseAttack[] = [
  {
    ...passed('a response behind the response', `${OK}${hello}${EVIL}`, `${OK}${hello}`),
    keeps: false,
  },
  { ...passed('one byte behind the response', `${OK}${hello}!`, `${OK}${hello}`), keeps: false },
  {
    ...passed(
      'a response behind the last chunk',
      `${OK}${CHUNKED}\r\n0\r\n\r\n${EVIL}`,
      `${OK}${CHUNKED}\r\n0\r\n\r\n`,
    ),
    keeps: false,
  },
  { name: 'a response later', pieces: [`${OK}${hello}`, EVIL], sees: `${OK}${hello}` },
  {
    name: 'an interim head later',
    pieces: [`${OK}${hello}`, 'HTTP/1.1 100 Continue\r\n\r\n'],
    sees: `${OK}${hello}`,
  },
  {
    name: 'a connection that closes',
    pieces: [`${OK}Connection: close\r\n${hello}`],
    sees: `${OK}${hello}`,
  },
  {
    name: 'a connection of HTTP/1.0',
    pieces: [`HTTP/1.0 200 OK\r\n${hello}`],
    sees: `${OK}${hello}`,
  },
  {
    name: 'an end behind the response',
    pieces: [`${OK}${hello}`],
    ends: 'end',
    sees: `${OK}${hello}`,
  },
  {
    name: 'an answer before the body is there',
    request: (target) => `POST ${target} HTTP/1.1\r\n${HOST}Content-Length: 10\r\n\r\nhello`,
    early: true,
    pieces: [`${OK}${hello}`],
    // Five bytes are owed: what comes now is body, whatever it looks like.
    later: `GET /smuggled HTTP/1.1\r\n${HOST}\r\n`,
    sees: `${OK}${hello}`,
    closes: true,
  },
  {
    name: 'a switch before the body is there',
    request: (target) =>
      `POST ${target} HTTP/1.1\r\n${HOST}Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 10\r\n\r\nhello`,
    early: true,
    pieces: ['HTTP/1.1 101 Sure\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'],
    sees: FAILED,
    closes: true,
  },
  {
    name: 'a switch answered by 200',
    request: upgrading,
    pieces: [`${OK}${hello}`],
    later: '',
    sees: `${OK}${hello}`,
    keeps: true,
  },
];

const ends: readonly ResponseAttack[] = [
  {
    ...cut(
      'in the body',
      [`${OK}Content-Length: 9\r\n\r\nhello`],
      `${OK}Content-Length: 9\r\n\r\nhello`,
    ),
    ends: 'end',
  },
  {
    ...cut(
      'by a reset in the body',
      [`${OK}Content-Length: 9\r\n\r\nhello`],
      `${OK}Content-Length: 9\r\n\r\nhello`,
    ),
    ends: 'destroy',
  },
  {
    ...cut('in a chunk', [`${OK}${CHUNKED}\r\n9\r\nhello`], `${OK}${CHUNKED}\r\n5\r\nhello\r\n`),
    ends: 'end',
  },
  {
    ...cut(
      'behind a chunk',
      [`${OK}${CHUNKED}\r\n5\r\nhello\r\n`],
      `${OK}${CHUNKED}\r\n5\r\nhello\r\n`,
    ),
    ends: 'end',
  },
  {
    ...cut(
      'in the trailers',
      [`${OK}${CHUNKED}\r\n5\r\nhello\r\n0\r\nX-A`],
      `${OK}${CHUNKED}\r\n5\r\nhello\r\n`,
    ),
    ends: 'end',
  },
  {
    name: 'of a body without length',
    pieces: [`${OK}\r\nhello`],
    ends: 'end',
    sees: `${OK}transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
  },
  {
    name: 'in the head',
    pieces: ['HTTP/1.1 200 OK\r\nX'],
    ends: 'end',
    sees: /^HTTP\/1\.1 50[23] [^]*reset/,
  },
  {
    name: 'behind an interim head',
    pieces: ['HTTP/1.1 103 Hints\r\n\r\n'],
    ends: 'end',
    sees: /^HTTP\/1\.1 103 Hints\r\n\r\nHTTP\/1\.1 50[23] [^]*reset/,
  },
  { name: 'without a word', pieces: [], ends: 'destroy', sees: /^HTTP\/1\.1 50[23] [^]*reset/ },
];

export const RESPONSES: Readonly<Record<string, readonly ResponseAttack[]>> = {
  framing,
  heads,
  'without a body': bodiless,
  'and what is behind': behind,
  ends,
};
