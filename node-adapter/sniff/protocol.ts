/** What a connection speaks, told by its first bytes. */

export type Protocol = 'tls' | 'http1' | 'http2' | 'proxy1' | 'proxy2' | 'unknown';

const latin1 = (text: string): Uint8Array => Uint8Array.from(text, (char) => char.charCodeAt(0));

/** Each is told by its whole beginning; none is the beginning of another. */
const SIGNATURES: readonly (readonly [Protocol, Uint8Array])[] = [
  ['tls', Uint8Array.of(0x16, 3)],
  ['http2', latin1('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')],
  ['proxy1', latin1('PROXY ')],
  ['proxy2', latin1('\r\n\r\n\0\r\nQUIT\n')],
];

/** Of a request line whose method nobody knows; longer ones are no request lines. */
const MAX_LINE = 8192;
const MAX_METHOD = 32;

const METHODS: ReadonlySet<string> = new Set([
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'DELETE',
  'CONNECT',
  'OPTIONS',
  'TRACE',
  'PATCH',
]);

const SPACE = 32;
const LINE_FEED = 10;
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const LINE = /^[^ ]+ [^ \x00-\x1f\x7f]+ HTTP\/1\.[01]\r?$/;

/** `incomplete`: more bytes may still make it one or another. */
export function sniff(bytes: Uint8Array): Protocol | 'incomplete' {
  if (bytes.length === 0) return 'incomplete';
  for (const [protocol, signature] of SIGNATURES) {
    const common = Math.min(signature.length, bytes.length);
    let at = 0;
    while (at < common && bytes[at] === signature[at]) at++;
    if (at < common) continue;
    return at === signature.length ? protocol : 'incomplete';
  }
  return sniffRequest(bytes);
}

function sniffRequest(bytes: Uint8Array): Protocol | 'incomplete' {
  const space = bytes.subarray(0, MAX_METHOD + 1).indexOf(SPACE);
  const method = textOf(bytes, 0, space < 0 ? Math.min(bytes.length, MAX_METHOD + 1) : space);
  if (method.length > MAX_METHOD || !TOKEN.test(method)) return 'unknown';
  if (space < 0) return 'incomplete';
  if (METHODS.has(method)) return 'http1';
  // Other text protocols have words and spaces too: the whole line counts.
  const end = bytes.subarray(0, MAX_LINE).indexOf(LINE_FEED);
  if (end < 0) return bytes.length >= MAX_LINE ? 'unknown' : 'incomplete';
  return LINE.test(textOf(bytes, 0, end)) ? 'http1' : 'unknown';
}

function textOf(bytes: Uint8Array, start: number, end: number): string {
  let text = '';
  for (let at = start; at < end; at++) text += String.fromCharCode(bytes[at] as number);
  return text;
}
