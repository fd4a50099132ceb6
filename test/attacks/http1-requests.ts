/**
 * Requests that two parsers may read differently, by class: what a client sends, what it is answered, and what a
 * backend gets to see, byte for byte.
 */
export interface Attack {
  readonly name: string;
  readonly bytes: string;
  /** Sent when the backend has seen what came before. */
  readonly later?: string;
  /** Statuses that the client gets, in order. */
  readonly answers: readonly number[];
  /** The proxy closes the connection, without being asked to by an end of the client's side. */
  readonly closes: boolean;
  /** All that reaches a backend, without the lines that the proxy adds. */
  readonly forwards: string;
}

/** What the second message of an attack asks for. No backend may ever see it. */
export const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: shop.test\r\n\r\n';

const HOST = 'Host: shop.test\r\n';

const post = (fields: string, body = '', version = '1.1'): string =>
  `POST /a HTTP/${version}\r\n${HOST}${fields}\r\n${body}`;
const get = (target = '/a', fields = HOST): string => `GET ${target} HTTP/1.1\r\n${fields}\r\n`;

/** Answered by the proxy; the connection ends, and nothing behind counts. */
const refused = (name: string, bytes: string, status = 400): Attack => ({
  name,
  bytes: bytes + SMUGGLED,
  answers: [status],
  closes: true,
  forwards: '',
});

/** Refused for what it asks, not for how it is framed: the connection goes on. */
const denied = (name: string, bytes: string, status = 400): Attack => ({
  name,
  bytes: bytes + get('/next'),
  answers: [status, 200],
  closes: false,
  forwards: get('/next'),
});

/** Means one thing, and is forwarded as that. */
const passes = (name: string, bytes: string, forwards = bytes, answers = [200]): Attack => ({
  name,
  bytes,
  answers,
  closes: false,
  forwards,
});

const CHUNKED = 'Transfer-Encoding: chunked\r\n';
const hidden = `0\r\n\r\n${SMUGGLED}`;

const lengths: readonly Attack[] = [
  ...[
    ['negative', '-1'],
    ['signed', '+5'],
    ['hexadecimal', '0x5'],
    ['with an exponent', '5e0'],
    ['with a fraction', '5.0'],
    ['a list of one value twice', '5, 5'],
    ['a list of two values', '5, 0'],
    ['a list with an empty member', '5,'],
    ['empty', ''],
    ['with a blank inside', '5 5'],
    ['with an underscore', '1_0'],
    ['in quotes', '"5"'],
    ['with a suffix', '5abc'],
    ['larger than any number', '99999999999999999999'],
    ['of 2^64 + 5', '18446744073709551621'],
    ['of 2^32 + 5 in sixteen digits', '0000004294967301'],
    ['in Arabic digits', '\xd9\xa5'],
    ['with a no-break space', '\xa05'],
    ['of a word', 'five'],
  ].map(([name, value]) =>
    refused(`length ${name}`, post(`Content-Length: ${value}\r\n`, 'hello')),
  ),
  refused('length with a vertical tab', post('Content-Length: \v5\r\n', 'hello')),
  refused('length with a form feed', post('Content-Length: 5\f\r\n', 'hello')),
  refused('length with a NUL', post('Content-Length: 5\0\r\n', 'hello')),
  refused('length with a bare CR', post('Content-Length: 5\r \r\n', 'hello')),
  refused('length twice, equal', post('Content-Length: 5\r\nContent-Length: 5\r\n', 'hello')),
  refused('length twice, different', post('Content-Length: 5\r\nContent-Length: 6\r\n', 'hello')),
  refused(
    'length twice, in two cases',
    post('Content-Length: 5\r\ncontent-length: 0\r\n', 'hello'),
  ),
  refused(
    'length twice, apart',
    post('Content-Length: 0\r\nX-A: 1\r\nContent-Length: 5\r\n', 'hello'),
  ),
  refused('length twice, one empty', post('Content-Length:\r\nContent-Length: 5\r\n', 'hello')),
  refused('length with a space before the colon', post('Content-Length : 5\r\n', 'hello')),
  refused('length with a tab before the colon', post('Content-Length\t: 5\r\n', 'hello')),
  refused('length on a folded line', post('Content-Length:\r\n 5\r\n', 'hello')),
  refused('length folded behind another field', post('X-A: b\r\n Content-Length: 5\r\n', 'hello')),
  passes('length with zeros in front', post('Content-Length: 0005\r\n', 'hello')),
  passes('length behind a tab', post('Content-Length:\t5\t\r\n', 'hello')),
  passes(
    'length of none with a body that is the next request',
    post('Content-Length: 0\r\n') + get('/b'),
    undefined,
    [200, 200],
  ),
  passes('length of a GET', `GET /a HTTP/1.1\r\n${HOST}Content-Length: 5\r\n\r\nhello`),
  passes(
    'length of a body that looks like a request',
    post(`Content-Length: ${SMUGGLED.length}\r\n`, SMUGGLED),
  ),
];

const coding = (name: string, line: string, status = 400): Attack =>
  refused(`coding ${name}`, post(`${line}\r\n`, hidden), status);

const codings: readonly Attack[] = [
  refused('CL.TE', post(`Content-Length: ${hidden.length}\r\n${CHUNKED}`, hidden)),
  refused('TE.CL', post(`${CHUNKED}Content-Length: 4\r\n`, `5c\r\n${SMUGGLED}0\r\n\r\n`)),
  refused('CL.TE with a length of none', post(`Content-Length: 0\r\n${CHUNKED}`, hidden)),
  refused(
    'CL and an unknown coding',
    post(`Content-Length: 5\r\nTransfer-Encoding: x\r\n`, 'hello'),
  ),
  refused('TE.TE, chunked twice', post(`${CHUNKED}${CHUNKED}`, hidden)),
  refused('TE.TE, the second unknown', post(`${CHUNKED}Transfer-Encoding: cow\r\n`, hidden)),
  refused('TE.TE, the first unknown', post(`Transfer-Encoding: cow\r\n${CHUNKED}`, hidden), 501),
  refused('TE.TE, identity behind', post(`${CHUNKED}Transfer-Encoding: identity\r\n`, hidden)),
  refused('TE.TE, in two cases', post(`${CHUNKED}tRANSFER-ENCODING: chunked\r\n`, hidden)),
  coding('unknown', 'Transfer-Encoding: cow', 501),
  coding('identity', 'Transfer-Encoding: identity', 501),
  coding('gzip alone', 'Transfer-Encoding: gzip', 501),
  coding('gzip, chunked', 'Transfer-Encoding: gzip, chunked', 501),
  coding('chunked, gzip', 'Transfer-Encoding: chunked, gzip', 501),
  coding('chunked, chunked', 'Transfer-Encoding: chunked, chunked', 501),
  coding('chunked, identity', 'Transfer-Encoding: chunked, identity', 501),
  coding('identity, chunked', 'Transfer-Encoding: identity, chunked', 501),
  coding('xchunked', 'Transfer-Encoding: xchunked', 501),
  coding('chunkedx', 'Transfer-Encoding: chunkedx', 501),
  coding('with a comma behind', 'Transfer-Encoding: chunked,'),
  coding('with a comma in front', 'Transfer-Encoding: ,chunked'),
  coding('with a parameter', 'Transfer-Encoding: chunked;q=1'),
  coding('in quotes', 'Transfer-Encoding: "chunked"'),
  coding('with a blank inside', 'Transfer-Encoding: chun ked'),
  coding('empty', 'Transfer-Encoding:'),
  coding('with a vertical tab in front', 'Transfer-Encoding: \vchunked'),
  coding('with a vertical tab behind', 'Transfer-Encoding: chunked\v'),
  coding('with a form feed', 'Transfer-Encoding: \fchunked'),
  coding('with a NUL', 'Transfer-Encoding: chunked\0'),
  coding('with a no-break space', 'Transfer-Encoding: \xa0chunked'),
  coding('with a next-line character', 'Transfer-Encoding: \x85chunked'),
  coding('with a bare CR', 'Transfer-Encoding: chunked\r'),
  coding('with a bare CR in front', 'Transfer-Encoding: \rchunked'),
  coding('behind a bare LF', 'X-A: b\nTransfer-Encoding: chunked'),
  coding('behind a bare CR', 'X-A: b\rTransfer-Encoding: chunked'),
  coding('with a space before the colon', 'Transfer-Encoding : chunked'),
  coding('with a tab before the colon', 'Transfer-Encoding\t: chunked'),
  coding('with a space in front', ' Transfer-Encoding: chunked'),
  coding('folded', 'Transfer-Encoding:\r\n chunked'),
  coding('folded by a tab', 'Transfer-Encoding:\r\n\tchunked'),
  coding('folded into another field', 'X-A: b\r\n Transfer-Encoding: chunked'),
  coding('with a NUL in the name', 'Transfer-Encoding\0: chunked'),
  coding('with a high byte in the name', 'Transfer-Encoding\xff: chunked'),
  coding('with no colon', 'Transfer-Encoding chunked'),
  coding('with a semicolon for the colon', 'Transfer-Encoding; chunked'),
  coding('in a dotless i', 'Transfer-Encod\xc4\xb1ng: chunked'),
  refused('coding of HTTP/1.0', post(CHUNKED, hidden, '1.0')),
  refused(
    'coding of HTTP/1.0 that is kept alive',
    post(`Connection: keep-alive\r\n${CHUNKED}`, hidden, '1.0'),
  ),
  passes(
    'coding in capitals',
    post('Transfer-Encoding: CHUNKED\r\n', '5\r\nhello\r\n0\r\n\r\n'),
    post('transfer-encoding: chunked\r\n', '5\r\nhello\r\n0\r\n\r\n'),
  ),
  passes('coding behind tabs', post('Transfer-Encoding:\t chunked \t\r\n', '0\r\n\r\n')),
  passes(
    'coding under another name',
    post('Transfer_Encoding: chunked\r\nContent-Length: 3\r\n', '0\r\n'),
  ),
  passes(
    'coding in a value',
    post(`X-A: Transfer-Encoding: chunked\r\nContent-Length: 2\r\n`, 'hi'),
  ),
];

const chunks = (name: string, body: string, status = 400): Attack => ({
  name: `chunk ${name}`,
  bytes: post(CHUNKED),
  later: body + SMUGGLED,
  answers: [status],
  closes: true,
  forwards: post(CHUNKED),
});

const chunked: readonly Attack[] = [
  chunks('size of nothing', '\r\n\r\n'),
  chunks('size negative', '-1\r\nhello\r\n0\r\n\r\n'),
  chunks('size signed', '+5\r\nhello\r\n0\r\n\r\n'),
  chunks('size with 0x', '0x5\r\nhello\r\n0\r\n\r\n'),
  chunks('size with an h', '5h\r\nhello\r\n0\r\n\r\n'),
  chunks('size with an underscore', '1_0\r\nhello\r\n0\r\n\r\n'),
  chunks('size behind a space', ' 5\r\nhello\r\n0\r\n\r\n'),
  chunks('size before a space', '5 \r\nhello\r\n0\r\n\r\n'),
  chunks('size before a tab', '5\t\r\nhello\r\n0\r\n\r\n'),
  chunks('size of 2^64', '10000000000000000\r\nhello\r\n0\r\n\r\n'),
  chunks('size of 2^64 + 5', '10000000000000005\r\nhello\r\n0\r\n\r\n'),
  chunks('size of many zeros', `${'0'.repeat(14)}5\r\nhello\r\n0\r\n\r\n`),
  chunks('size before a bare LF', '5\nhello\r\n0\r\n\r\n'),
  chunks('size before a bare CR', '5\rhello\r\n0\r\n\r\n'),
  chunks('size before two CRs', '5\r\r\nhello\r\n0\r\n\r\n'),
  chunks('size before a NUL', '5\0\r\nhello\r\n0\r\n\r\n'),
  chunks('extension', '5;a=b\r\nhello\r\n0\r\n\r\n'),
  chunks('extension behind a blank', '5 ;a\r\nhello\r\n0\r\n\r\n'),
  chunks('extension with a bare LF', `5;a\nhello\r\n0\r\n\r\n`),
  chunks('extension in quotes with CRLF', '5;a="\r\n0\r\n\r\n"\r\nhello\r\n0\r\n\r\n'),
  chunks('extension of the last', '0;a=b\r\n\r\n'),
  chunks('extension of nothing', '5;\r\nhello\r\n0\r\n\r\n'),
  chunks('data without an end', '5\r\nhello0\r\n\r\n'),
  chunks('data behind its size', '5\r\nhelloX\r\n0\r\n\r\n'),
  chunks('data before a bare LF', '5\r\nhello\n0\r\n\r\n'),
  chunks('data before a bare CR', '5\r\nhello\r0\r\n\r\n'),
  chunks('data before LFCR', '5\r\nhello\n\r0\r\n\r\n'),
  chunks('last before a bare LF', '0\n\n'),
  chunks('last with one bare LF', '0\r\n\n'),
  chunks('trailer that frames by a length', '0\r\nContent-Length: 5\r\n\r\n'),
  chunks('trailer that frames by a coding', '0\r\nTransfer-Encoding: chunked\r\n\r\n'),
  chunks('trailer of a host', '0\r\nHost: evil.test\r\n\r\n'),
  chunks('trailer of credentials', '0\r\nAuthorization: x\r\n\r\n'),
  chunks('trailer of a cookie', '0\r\nCookie: x\r\n\r\n'),
  chunks('trailer that names hops', '0\r\nConnection: close\r\n\r\n'),
  chunks('trailer that says who forwarded', '0\r\nX-Forwarded-For: 1.1.1.1\r\n\r\n'),
  chunks('trailer that forwards by the standard', '0\r\nForwarded: for=1.1.1.1\r\n\r\n'),
  chunks('trailer that says an identity', '0\r\nX-Lateen-Identity: root\r\n\r\n'),
  chunks('trailer that says a certificate', '0\r\nX-Forwarded-Client-Cert: a\r\n\r\n'),
  chunks('trailer folded', '0\r\nX-A: b\r\n c\r\n\r\n'),
  chunks('trailer with a space before the colon', '0\r\nX-A : b\r\n\r\n'),
  chunks('trailer without a colon', '0\r\nGET /smuggled HTTP/1.1\r\n\r\n'),
  chunks('trailer before a bare LF', '0\r\nX-A: b\n\r\n'),
  chunks('trailer with a bare CR', '0\r\nX-A: b\rc\r\n\r\n'),
  chunks('trailer with a NUL', '0\r\nX-A: \0\r\n\r\n'),
  chunks('trailers without end', `0\r\n${'X-A: b\r\n'.repeat(9000)}`, 431),
  chunks('trailers too many', `0\r\n${'X-A: b\r\n'.repeat(101)}\r\n`, 431),
  {
    name: 'chunk sizes of both cases and zeros in front',
    bytes: `${post(CHUNKED, `0A\r\n0123456789\r\n00b\r\n0123456789a\r\n000\r\n\r\n`)}${get('/b')}`,
    answers: [200, 200],
    closes: false,
    forwards: `${post(CHUNKED, 'a\r\n0123456789\r\nb\r\n0123456789a\r\n0\r\n\r\n')}${get('/b')}`,
  },
  passes(
    'chunk that looks like an end and a request',
    post(CHUNKED, `${hidden.length.toString(16)}\r\n${hidden}\r\n0\r\n\r\n`),
  ),
  passes(
    'trailer of a sum',
    post(CHUNKED, '0\r\nX-Sum: 1\r\n\r\n') + get('/b'),
    undefined,
    [200, 200],
  ),
];

const lines: readonly Attack[] = [
  refused('request line before a bare LF', `GET /a HTTP/1.1\n${HOST}\r\n`),
  refused('request line before a bare CR', `GET /a HTTP/1.1\r${HOST}\r\n`),
  refused('request line before two CRs', `GET /a HTTP/1.1\r\r\n${HOST}\r\n`),
  refused('all lines before bare LFs', 'GET /a HTTP/1.1\nHost: shop.test\n\n'),
  refused('head before a bare LF', `GET /a HTTP/1.1\r\n${HOST}\n`),
  refused('field before a bare LF', `GET /a HTTP/1.1\r\n${HOST}X-A: b\nX-B: c\r\n\r\n`),
  refused('field with a bare CR', `GET /a HTTP/1.1\r\n${HOST}X-A: b\rX-B: c\r\n\r\n`),
  refused('field with a NUL', `GET /a HTTP/1.1\r\n${HOST}X-A: \0\r\n\r\n`),
  refused('field with an escape', `GET /a HTTP/1.1\r\n${HOST}X-A: \x1b[0m\r\n\r\n`),
  refused('field with a DEL', `GET /a HTTP/1.1\r\n${HOST}X-A: \x7f\r\n\r\n`),
  refused('field folded by a space', `GET /a HTTP/1.1\r\n${HOST}X-A: b\r\n c\r\n\r\n`),
  refused('field folded by a tab', `GET /a HTTP/1.1\r\n${HOST}X-A: b\r\n\tc\r\n\r\n`),
  refused('first field behind a space', `GET /a HTTP/1.1\r\n ${HOST}\r\n`),
  refused('line of blanks', `GET /a HTTP/1.1\r\n${HOST} \r\n\r\n`),
  refused('name with a space before the colon', `GET /a HTTP/1.1\r\n${HOST}X-A : b\r\n\r\n`),
  refused('name of nothing', `GET /a HTTP/1.1\r\n${HOST}: b\r\n\r\n`),
  refused('name with a space inside', `GET /a HTTP/1.1\r\n${HOST}X A: b\r\n\r\n`),
  refused('name with a high byte', `GET /a HTTP/1.1\r\n${HOST}X-\xe9: b\r\n\r\n`),
  ...Array.from('"(),/;<=>?@[\\]{}', (mark) =>
    refused(`name with ${mark}`, `GET /a HTTP/1.1\r\n${HOST}X-${mark}: b\r\n\r\n`),
  ),
  refused('line without a colon', `GET /a HTTP/1.1\r\n${HOST}nothing\r\n\r\n`),
  refused('space in front of the method', ` GET /a HTTP/1.1\r\n${HOST}\r\n`),
  refused('two empty lines in front', `\r\n\r\nGET /a HTTP/1.1\r\n${HOST}\r\n`),
  refused('a bare LF in front', `\nGET /a HTTP/1.1\r\n${HOST}\r\n`),
  refused('a NUL in front', `\0GET /a HTTP/1.1\r\n${HOST}\r\n`),
  refused('two spaces in the request line', `GET  /a HTTP/1.1\r\n${HOST}\r\n`),
  refused('two spaces before the version', `GET /a  HTTP/1.1\r\n${HOST}\r\n`),
  refused('tab in the request line', `GET\t/a HTTP/1.1\r\n${HOST}\r\n`),
  refused('tab before the version', `GET /a\tHTTP/1.1\r\n${HOST}\r\n`),
  refused('space behind the version', `GET /a HTTP/1.1 \r\n${HOST}\r\n`),
  refused('two targets', `GET /a /b HTTP/1.1\r\n${HOST}\r\n`),
  refused('no target', `GET HTTP/1.1\r\n${HOST}\r\n`),
  refused('CRLF in the target', `GET /a\r\nX: y HTTP/1.1\r\n${HOST}\r\n`),
  refused('bare CR in the target', `GET /a\rb HTTP/1.1\r\n${HOST}\r\n`),
  refused('NUL in the target', `GET /a\0 HTTP/1.1\r\n${HOST}\r\n`),
  refused('vertical tab in the target', `GET /a\vb HTTP/1.1\r\n${HOST}\r\n`),
  refused('HTTP/0.9', 'GET /a\r\n\r\n'),
  refused('HTTP/1.2', `GET /a HTTP/1.2\r\n${HOST}\r\n`),
  refused('HTTP/2.0', `GET /a HTTP/2.0\r\n${HOST}\r\n`),
  refused('HTTP/1.10', `GET /a HTTP/1.10\r\n${HOST}\r\n`),
  refused('HTTP/01.1', `GET /a HTTP/01.1\r\n${HOST}\r\n`),
  refused('HTTP/1,1', `GET /a HTTP/1,1\r\n${HOST}\r\n`),
  refused('http/1.1', `GET /a http/1.1\r\n${HOST}\r\n`),
  refused('HTTPS/1.1', `GET /a HTTPS/1.1\r\n${HOST}\r\n`),
  refused('method with a colon', `GET: /a HTTP/1.1\r\n${HOST}\r\n`),
  refused('method with a high byte', `G\xc9T /a HTTP/1.1\r\n${HOST}\r\n`),
  refused('method with a NUL', `G\0ET /a HTTP/1.1\r\n${HOST}\r\n`),
  denied('method in lower case', `get /a HTTP/1.1\r\n${HOST}\r\n`),
  denied('method of marks', `!GET /a HTTP/1.1\r\n${HOST}\r\n`),
  passes('method of its own', `PROPFIND /a HTTP/1.1\r\n${HOST}\r\n`),
  passes('one empty line in front', `\r\n${get()}`, get()),
  passes(
    'an empty line too many behind a body',
    `${post('Content-Length: 2\r\n', 'hi')}\r\n${get('/b')}`,
    post('Content-Length: 2\r\n', 'hi') + get('/b'),
    [200, 200],
  ),
  passes('CRLF as percent signs', get('/a%0d%0aX:%20y')),
  {
    name: 'HTTP/2 preface behind a request',
    bytes: `${get()}PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n`,
    answers: [200, 400],
    closes: true,
    forwards: get(),
  },
];

const limits: readonly Attack[] = [
  refused('target of 17,000 characters', get(`/${'a'.repeat(17_000)}`), 414),
  refused('target of 100,000 characters', get(`/${'a'.repeat(100_000)}`), 414),
  refused('field of 17,000 characters', get('/a', `${HOST}X-A: ${'a'.repeat(17_000)}\r\n`), 431),
  refused('name of 17,000 characters', get('/a', `${HOST}${'a'.repeat(17_000)}: b\r\n`), 431),
  refused('101 fields', get('/a', HOST + 'X-A: b\r\n'.repeat(100)), 431),
  refused(
    'head of 70,000 bytes',
    get('/a', HOST + `X-A: ${'a'.repeat(13_990)}\r\n`.repeat(5)),
    431,
  ),
  { ...refused('head that never ends', `GET /a HTTP/1.1\r\n${'X-A: b\r\n'.repeat(20_000)}`, 431) },
  passes('100 fields', get('/a', HOST + 'X-A: b\r\n'.repeat(99))),
  passes('target of 16,000 characters', get(`/${'a'.repeat(16_000)}`)),
  {
    ...refused('head that does not come', 'GET /a HTTP/1.1\r\nHost', 408),
    bytes: 'GET /a HTTP/1.1\r\nHost',
  },
  {
    name: 'body that does not come at all',
    bytes: post('Content-Length: 5\r\n'),
    answers: [408],
    closes: true,
    forwards: post('Content-Length: 5\r\n'),
  },
  {
    name: 'body that stops',
    bytes: post('Content-Length: 5\r\n', 'he'),
    answers: [408],
    closes: true,
    forwards: post('Content-Length: 5\r\n', 'he'),
  },
  {
    name: 'chunk that stops',
    bytes: post(CHUNKED, '5\r\nhe'),
    answers: [408],
    closes: true,
    forwards: post(CHUNKED, '2\r\nhe\r\n'),
  },
];

const hosts: readonly Attack[] = [
  refused('host missing', get('/a', '')),
  refused('host twice', get('/a', `${HOST}Host: evil.test\r\n`)),
  refused('host twice, equal', get('/a', HOST + HOST)),
  refused('host twice, in two cases', get('/a', `${HOST}hOST: evil.test\r\n`)),
  refused('host twice, apart', get('/a', `${HOST}X-A: b\r\nHost: evil.test\r\n`)),
  refused('host folded', get('/a', 'Host: shop.test\r\n .evil.test\r\n')),
  refused('host with a space before the colon', get('/a', 'Host : shop.test\r\n')),
  refused('target of another host', get('http://evil.test/a')),
  refused('target of another port', get('http://shop.test:81/a')),
  refused('target with user information', get('http://shop.test@evil.test/a')),
  refused('target with user information of this host', get('http://x@shop.test/a')),
  refused('target of no host', get('http:///a')),
  ...[
    ['empty', ''],
    ['a list', 'shop.test, evil.test'],
    ['with a path', 'shop.test/evil'],
    ['with a query', 'shop.test?a'],
    ['with a fragment', 'shop.test#a'],
    ['with user information', 'x@shop.test'],
    ['with a blank', 'shop.test evil.test'],
    ['with a port of letters', 'shop.test:eighty'],
    ['with a port of none', 'shop.test:'],
    ['with a port too large', 'shop.test:65536'],
    ['with a signed port', 'shop.test:+80'],
    ['with two ports', 'shop.test:80:81'],
    ['in open brackets', '[::1'],
    ['with text behind brackets', '[::1]evil.test'],
    ['with a backslash', 'shop.test\\evil.test'],
    ['with a high byte', 'sh\xf6p.test'],
    ['with a less-than sign', 'shop<.test'],
  ].map(([name, value]) =>
    denied(`host ${name}`, get('/a', `Host: ${value}\r\n`), value === '' ? 400 : 404),
  ),
  passes('target with its host', get('http://shop.test/a'), get('/a')),
  passes(
    'target with its host in capitals',
    get('HTTP://SHOP.TEST/a'),
    get('/a', 'Host: SHOP.TEST\r\n'),
  ),
  passes('target of a host alone', get('http://shop.test'), get('/')),
  passes('target of a host and a query', get('http://shop.test?b'), get('/?b')),
  denied('target of another scheme', get('ftp://shop.test/a')),
  denied('target without a slash', get('a')),
  denied('target of a fragment', get('#a')),
  denied('target of a star', `OPTIONS * HTTP/1.1\r\n${HOST}\r\n`, 404),
  denied('CONNECT to a host', 'CONNECT evil.test:443 HTTP/1.1\r\nHost: evil.test:443\r\n\r\n', 404),
  denied('CONNECT to a path', `CONNECT /a HTTP/1.1\r\n${HOST}\r\n`, 404),
  denied('CONNECT to a whole target', `CONNECT http://shop.test/a HTTP/1.1\r\n${HOST}\r\n`, 404),
];

const naming = (names: string): string =>
  post(`Connection: ${names}\r\nContent-Length: 5\r\n`, 'hello');

const hops: readonly Attack[] = [
  ...['Content-Length', 'content-length, close', 'X, Content-Length'].map((names) =>
    refused(`connection names ${names}`, naming(names)),
  ),
  refused(
    'connection names the coding',
    post(`Connection: transfer-encoding\r\n${CHUNKED}`, '5\r\nhello\r\n0\r\n\r\n'),
  ),
  ...[
    'Host',
    'X-Forwarded-For',
    'X-Forwarded-Host',
    'X-Forwarded-Proto',
    ':authority',
    ':path',
  ].map((name) => denied(`connection names ${name}`, get('/a', `${HOST}Connection: ${name}\r\n`))),
  denied('connection names ten', get('/a', `${HOST}Connection: a, b, c, d, e, f, g, h, i, j\r\n`)),
  denied(
    'connections of ten names in all',
    get('/a', `${HOST}${'Connection: a, b\r\n'.repeat(5)}`),
  ),
  passes(
    'connection names a field',
    get('/a', `${HOST}Connection: X-A\r\nX-A: b\r\nX-B: c\r\n`),
    get('/a', `${HOST}X-B: c\r\n`),
  ),
  passes('connection to upgrade to nothing', get('/a', `${HOST}Connection: Upgrade\r\n`), get()),
  passes('upgrade unnamed', get('/a', `${HOST}Upgrade: websocket\r\n`), get()),
  passes(
    'upgrade to h2c',
    get(
      '/a',
      `${HOST}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n`,
    ),
    get(),
  ),
  passes(
    'upgrade to h2c, unnamed settings',
    get('/a', `${HOST}Connection: Upgrade\r\nUpgrade: h2c\r\n`),
    get(),
  ),
  passes(
    'upgrade to h2c in capitals',
    get('/a', `${HOST}Connection: Upgrade\r\nUpgrade: H2C\r\n`),
    get(),
  ),
  passes(
    'upgrade to h2c among others',
    get('/a', `${HOST}Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n`),
    get(),
  ),
  passes('upgrade to TLS', get('/a', `${HOST}Connection: Upgrade\r\nUpgrade: TLS/1.2\r\n`), get()),
  passes(
    'hop fields',
    get(
      '/a',
      `${HOST}Keep-Alive: timeout=9\r\nProxy-Connection: keep-alive\r\nTE: gzip\r\nTrailer: X\r\nProxy-Authorization: x\r\n`,
    ),
    get(),
  ),
  passes(
    'TE of trailers',
    get('/a', `${HOST}TE: trailers, deflate;q=0.5\r\n`),
    get('/a', `${HOST}te: trailers\r\n`),
  ),
  {
    ...passes(
      'upgrade that the backend does not grant, then a request',
      `${get('/a', `${HOST}Connection: Upgrade\r\nUpgrade: websocket\r\n`)}${get('/b')}`,
      `${get('/a', `${HOST}connection: Upgrade\r\nupgrade: websocket\r\n`)}${get('/b')}`,
      [200, 200],
    ),
  },
  {
    name: 'request behind one that closes',
    bytes: get('/a', `${HOST}Connection: close\r\n`) + SMUGGLED,
    answers: [200],
    closes: true,
    forwards: get(),
  },
  {
    name: 'request behind one that closes, among other names',
    bytes: get('/a', `${HOST}Connection: x, CLOSE\r\n`) + SMUGGLED,
    answers: [200],
    closes: true,
    forwards: get(),
  },
  {
    name: 'request behind one of HTTP/1.0',
    bytes: `GET /a HTTP/1.0\r\n${HOST}\r\n${SMUGGLED}`,
    answers: [200],
    closes: true,
    forwards: get(),
  },
  {
    name: 'request of HTTP/1.0 that closes and keeps alive',
    bytes: `GET /a HTTP/1.0\r\n${HOST}Connection: keep-alive, close\r\n\r\n${SMUGGLED}`,
    answers: [200],
    closes: true,
    forwards: get(),
  },
  passes(
    'request of HTTP/1.0 that keeps alive',
    `GET /a HTTP/1.0\r\n${HOST}Connection: keep-alive\r\n\r\n${get('/b')}`,
    get() + get('/b'),
    [200, 200],
  ),
];

const expecting = (value: string, body = 'hello'): string =>
  post(`Content-Length: 5\r\nExpect: ${value}\r\n`, body);

const expectations: readonly Attack[] = [
  ...[
    '200-ok',
    '100-continue, x',
    'y 100-continue',
    '100-continue;a',
    '100',
    '100-continue, 100-continue',
  ].map((value) => refused(`expectation ${value}`, expecting(value), 417)),
  refused(
    'expectation twice',
    post('Content-Length: 5\r\nExpect: 100-continue\r\nExpect: 100-continue\r\n', 'hello'),
    417,
  ),
  refused('expectation folded', post('Content-Length: 5\r\nExpect:\r\n 100-continue\r\n', 'hello')),
  refused('expectation of a GET', `GET /a HTTP/1.1\r\n${HOST}Expect: x\r\n\r\n`, 417),
  passes(
    'expectation with its body',
    expecting('100-continue'),
    post('Content-Length: 5\r\n', 'hello'),
    [200],
  ),
  passes(
    'expectation in capitals',
    expecting('100-CONTINUE'),
    post('Content-Length: 5\r\n', 'hello'),
    [200],
  ),
  passes('expectation of nothing', expecting(''), post('Content-Length: 5\r\n', 'hello'), [200]),
  passes(
    'expectation of a GET without a body',
    `GET /a HTTP/1.1\r\n${HOST}Expect: 100-continue\r\n\r\n${get('/b')}`,
    get() + get('/b'),
    [200, 200],
  ),
  passes(
    'expectation of HTTP/1.0',
    post('Content-Length: 5\r\nConnection: keep-alive\r\nExpect: 100-continue\r\n', 'hello', '1.0'),
    post('Content-Length: 5\r\n', 'hello'),
  ),
];

const behindRefused: readonly Attack[] = [
  refused(
    'request behind one with two framings',
    post(`Content-Length: 4\r\n${CHUNKED}`, '0\r\n\r\n'),
  ),
  {
    name: 'poison behind good requests',
    bytes: `${get('/1')}${get('/2')}GET /bad HTTP/1.1\r\n\r\n${SMUGGLED}`,
    answers: [200, 200, 400],
    closes: true,
    forwards: get('/1') + get('/2'),
  },
  {
    name: 'poison behind a request with a body',
    bytes: `${post('Content-Length: 5\r\n', 'hello')}0\r\n\r\n${SMUGGLED}`,
    answers: [200, 400],
    closes: true,
    forwards: post('Content-Length: 5\r\n', 'hello'),
  },
  {
    name: 'poison behind a chunked request',
    bytes: `${post(CHUNKED, '0\r\n\r\n')}5\r\nhello\r\n0\r\n\r\n${SMUGGLED}`,
    answers: [200, 400],
    closes: true,
    forwards: post(CHUNKED, '0\r\n\r\n'),
  },
  {
    name: 'body behind a GET without a length',
    bytes: `${get()}hello${SMUGGLED}`,
    answers: [200, 400],
    closes: false,
    forwards: get(),
  },
];

export const REQUESTS: Readonly<Record<string, readonly Attack[]>> = {
  lengths,
  codings,
  chunked,
  lines,
  limits,
  hosts,
  hops,
  expectations,
  'requests behind others': behindRefused,
};
