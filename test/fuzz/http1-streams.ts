/** Streams of HTTP/1.1 messages: good ones, and ones that somebody has tampered with. */
import type { Json } from './json.ts';
import type { Random } from './random.ts';

/** A stream, and how it comes. */
export interface StreamCase {
  /** Characters of one byte each. */
  readonly messages: readonly string[];
  /** Sizes of the pieces that it comes in, again and again; none: in one. */
  readonly cuts: readonly number[];
  /** Of what a plan decides beside. */
  readonly seed: number;
}

const METHODS = ['GET', 'GET', 'GET', 'POST', 'POST', 'PUT', 'HEAD', 'DELETE', 'PROPFIND'];
const FIELDS = [
  'Accept: */*',
  'User-Agent: a/1',
  'X-A: b',
  'x-a: c',
  'X-Empty:',
  'X-High: \xe9\xff',
  'X-Blanks: \t a b \t',
  'Cookie: a=b; c=d',
  'TE: trailers',
  'Connection: keep-alive',
  'Connection: x-a',
  'Upgrade: websocket',
  'Keep-Alive: timeout=5',
  'Content-Type: text/plain',
  'Expect: 100-continue',
  'X-Envoy-Retry-On: 5xx',
  'Content_Length: 7',
  'X-Transfer-Encoding: chunked',
];
const TRAILERS = ['X-Sum: 1', 'X-After:', 'Grpc-Status: 0'];
const BODIES = [
  '',
  'a',
  'hello',
  '0\r\n\r\n',
  '\r\n',
  'GET /x HTTP/1.1\r\nHost: b\r\n\r\n',
  '\0\xff\x80',
];

/** What tampering puts in. */
const PIECES = [
  '\r',
  '\n',
  '\r\n',
  '\r\n\r\n',
  '\n\n',
  '\0',
  ' ',
  '\t',
  '\v',
  '\f',
  ':',
  ',',
  ';',
  '"',
  '/',
  '\x7f',
  '\x80',
  '\xa0',
  '0',
  '1',
  '5',
  'a',
  'f',
  'x',
  '-',
  '+',
  '0x',
  '_',
  '%',
  '?',
  '#',
  '@',
  'Content-Length: 5\r\n',
  'Content-Length: 0\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Host: b\r\n',
  'Connection: close\r\n',
  'Connection: content-length\r\n',
  ' HTTP/1.1\r\n',
  'HTTP/1.0',
  'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
  '0\r\n\r\n',
  '5\r\nhello\r\n',
  'http://a',
  'CONNECT ',
  '\r\n ',
  '\r\n\t',
  ';a=b',
];

const bodyOf = (random: Random): string =>
  random.chance(0.05) ? 'b'.repeat(random.int(1, 5000)) : random.pick(BODIES);

const cased = (text: string, random: Random): string => {
  if (random.chance(0.7)) return text;
  return random.chance(0.5) ? text.toLowerCase() : text.toUpperCase();
};

function chunksOf(body: string, random: Random): string {
  let out = '';
  for (let at = 0; at < body.length;) {
    const size = random.int(1, random.chance(0.5) ? body.length - at : 3);
    const data = body.slice(at, at + size);
    out += `${random.chance(0.1) ? '00' : ''}${cased(data.length.toString(16), random)}\r\n${data}\r\n`;
    at += data.length;
  }
  const trailers = random.chance(0.2) ? random.some(TRAILERS, 2) : [];
  return `${out}${random.chance(0.1) ? '000' : '0'}\r\n${trailers.map((line) => `${line}\r\n`).join('')}\r\n`;
}

/** Framing lines and the bytes behind the head. */
function framed(body: string, random: Random): readonly [line: string, bytes: string] {
  if (random.chance(0.5)) return [`${cased('Content-Length', random)}: ${body.length}\r\n`, body];
  return [`${cased('Transfer-Encoding', random)}: chunked\r\n`, chunksOf(body, random)];
}

export function requestText(index: number, random: Random): string {
  const method = random.pick(METHODS);
  const hasBody = method === 'POST' || method === 'PUT' || random.chance(0.1);
  const [line, bytes] = hasBody ? framed(bodyOf(random), random) : ['', ''];
  const version = random.chance(0.04) ? '1.0' : '1.1';
  const absolute = random.chance(0.03) ? 'http://shop.test' : '';
  const fields = random.some(FIELDS, 4).map((field) => `${field}\r\n`);
  if (random.chance(0.02)) fields.push('Connection: close\r\n');
  const all = random.shuffled([`${cased('Host', random)}: shop.test\r\n`, line, ...fields]);
  const ahead = random.chance(0.03) ? '\r\n' : '';
  return `${ahead}${method} ${absolute}/m${String(index)}?q HTTP/${version}\r\n${all.join('')}\r\n${bytes}`;
}

const STATUSES = [
  '200 OK',
  '200 OK',
  '200',
  '404 Not Found',
  '500 ',
  '204 None',
  '304 Same',
  '103 Hints',
  '100 Continue',
];

export function responseText(random: Random): string {
  const status = random.pick(STATUSES);
  const isEmpty = /^(?:204|304|1)/.test(status);
  const [line, bytes] = isEmpty ? ['', ''] : framed(bodyOf(random), random);
  const fields = random.some(FIELDS, 3).map((field) => `${field}\r\n`);
  return `HTTP/1.1 ${status}\r\n${random.shuffled([line, ...fields]).join('')}\r\n${bytes}`;
}

function tamperedAt(text: string, random: Random): string {
  const at = random.int(0, text.length);
  switch (random.int(0, 4)) {
    case 0:
      return text.slice(0, at) + text.slice(at + random.int(1, 3));
    case 1:
      return text.slice(0, at) + random.pick(PIECES) + text.slice(at + random.int(0, 2));
    case 2: {
      // A line once more, or elsewhere.
      const lines = text.split('\r\n');
      const from = random.int(0, lines.length - 1);
      lines.splice(random.int(0, lines.length), random.int(0, 1), lines[from] ?? '');
      return lines.join('\r\n');
    }
    case 3:
      return text.slice(0, at) + String.fromCharCode(random.int(0, 255)) + text.slice(at + 1);
    default:
      return text.slice(0, at) + random.pick(PIECES) + text.slice(at);
  }
}

export function tampered(text: string, random: Random): string {
  let out = text;
  for (let count = random.pick([1, 1, 1, 2, 3]); count > 0; count--) out = tamperedAt(out, random);
  return out;
}

export function cutsOf(random: Random): number[] {
  if (random.chance(0.5)) return [];
  if (random.chance(0.05)) return [1];
  return Array.from({ length: random.int(1, 5) }, () =>
    random.chance(0.3) ? random.int(1, 4) : random.int(1, 400),
  );
}

/** In its pieces. */
export function piecesOf(text: string, cuts: readonly number[]): string[] {
  const sizes = cuts.filter((size) => size > 0);
  if (sizes.length === 0) return text === '' ? [] : [text];
  const out: string[] = [];
  let at = 0;
  for (let i = 0; at < text.length; i++) {
    const size = sizes[i % sizes.length] as number;
    out.push(text.slice(at, at + size));
    at += size;
  }
  return out;
}

/** `value` may be what shrinking left of a case. */
export function caseOf(value: Json): StreamCase {
  const given = (typeof value === 'object' && value !== null ? value : {}) as Partial<StreamCase>;
  const { messages, cuts, seed } = given;
  return {
    messages: Array.isArray(messages)
      ? messages.filter((text: unknown): text is string => typeof text === 'string')
      : [],
    cuts: Array.isArray(cuts) ? cuts.filter((size: unknown) => typeof size === 'number') : [],
    seed: typeof seed === 'number' ? seed : 0,
  };
}

export const showCase = (value: Json): string => {
  const { messages, cuts, seed } = caseOf(value);
  const text = messages.map((message) => JSON.stringify(message)).join('\n');
  return `in pieces of ${JSON.stringify(cuts)}, seed ${String(seed)}\n${text}`;
};
