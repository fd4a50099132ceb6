/**
 * The ClientHello of a connection, read before anybody answers: which server name is asked for, and which protocols.
 * It may come in several records and in any pieces. Strict: what a TLS library would refuse is malformed here too.
 */
import { ByteReader } from './bytes.ts';

export interface ClientHello {
  /** Lower case; '' when none was sent. */
  readonly sni: string;
  /** In the client's order, without GREASE. */
  readonly alpn: readonly string[];
  /** Highest version that is offered, as 0x0304. */
  readonly version: number;
}

/** Of all records with their heads. */
export const MAX_HELLO_BYTES: number = 16_384;
/** A client that sends a record for every few bytes only makes work. */
const MAX_RECORDS = 64;

const RECORD_HEAD = 5;
const HANDSHAKE = 22;
const CLIENT_HELLO = 1;
const MESSAGE_HEAD = 4;
const RANDOM_BYTES = 32;
const MAX_SESSION_ID = 32;
/** Version, random, and each vector with what it holds at least. */
const MIN_HELLO: number = MESSAGE_HEAD + 2 + RANDOM_BYTES + 1 + 4 + 2;
const MAX_NAME = 255;

const EXTENSION = { serverName: 0, alpn: 16, supportedVersions: 43 } as const;

/** As browsers write names; underscores stand in names of the mesh (`outbound_.80_._.reviews`). */
const NAME = /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?$/;

type Unread = 'incomplete' | 'not-tls' | 'malformed';

export function clientHello(bytes: Uint8Array): ClientHello | Unread {
  const message = handshakeMessage(bytes);
  return typeof message === 'string' ? message : (parseHello(message) ?? 'malformed');
}

/** The body of the first handshake message, out of as many records as it takes. */
function handshakeMessage(bytes: Uint8Array): ByteReader | Unread {
  const length = wholeRecord(bytes);
  if (length > 0) return new ByteReader(bytes, RECORD_HEAD + MESSAGE_HEAD, length);
  const parts: Uint8Array[] = [];
  let gathered = 0;
  let wanted = MESSAGE_HEAD;
  let at = 0;
  for (let record = 0; record < MAX_RECORDS; record++) {
    const head = recordAt(bytes, at, record === 0);
    if (typeof head === 'string') return head;
    const start = at + RECORD_HEAD;
    const end = start + head;
    if (end > MAX_HELLO_BYTES) return 'malformed';
    const part = bytes.subarray(start, Math.min(end, bytes.length));
    parts.push(part);
    gathered += part.length;
    const isWhole = end <= bytes.length;
    if (wanted === MESSAGE_HEAD && gathered >= MESSAGE_HEAD) {
      const [type = 0, high = 0, middle = 0, low = 0] = joined(parts, MESSAGE_HEAD);
      wanted = MESSAGE_HEAD + high * 65_536 + middle * 256 + low;
      if (type !== CLIENT_HELLO || wanted > MAX_HELLO_BYTES) return 'malformed';
      if (wanted < MIN_HELLO) return 'malformed';
    }
    if (gathered >= wanted && wanted > MESSAGE_HEAD) {
      // A client that says more before it is answered speaks no TLS that we know.
      if (gathered > wanted || !isWhole) return gathered > wanted ? 'malformed' : 'incomplete';
      return new ByteReader(joined(parts, wanted), MESSAGE_HEAD);
    }
    if (!isWhole) return 'incomplete';
    at = end;
  }
  return 'malformed';
}

/** Where it ends, of bytes that are one message in one record, as most are; 0 = they are something else. */
function wholeRecord(bytes: Uint8Array): number {
  const { length } = bytes;
  if (length < RECORD_HEAD + MIN_HELLO || length > MAX_HELLO_BYTES) return 0;
  const isHello = bytes[0] === HANDSHAKE && bytes[1] === 3 && bytes[5] === CLIENT_HELLO;
  const record = numberAt(bytes, 3);
  const message = bytes[6] === 0 ? numberAt(bytes, 7) : 0;
  const fits = record === length - RECORD_HEAD && message === record - MESSAGE_HEAD;
  return isHello && fits ? length : 0;
}

const numberAt = (bytes: Uint8Array, at: number): number =>
  ((bytes[at] as number) << 8) | (bytes[at + 1] as number);

/** Length of the record at a place. */
function recordAt(bytes: Uint8Array, at: number, isFirst: boolean): number | Unread {
  const [type, major, , high, low] = bytes.subarray(at, at + RECORD_HEAD);
  const other = isFirst ? 'not-tls' : 'malformed';
  if (type === undefined) return 'incomplete';
  if (type !== HANDSHAKE) return other;
  if (major === undefined) return 'incomplete';
  if (major !== 3) return other;
  if (high === undefined || low === undefined) return 'incomplete';
  const length = high * 256 + low;
  return length === 0 || length > MAX_HELLO_BYTES ? 'malformed' : length;
}

function joined(parts: readonly Uint8Array[], length: number): Uint8Array {
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    const fitting = part.subarray(0, length - at);
    whole.set(fitting, at);
    at += fitting.length;
  }
  return whole;
}

function parseHello(body: ByteReader): ClientHello | undefined {
  const version = body.number(2);
  const random = body.part(RANDOM_BYTES);
  const session = body.vector(1);
  const suites = body.vector(2);
  const compressions = body.vector(1);
  if (version === undefined || random === undefined || session === undefined) return undefined;
  if (suites === undefined || compressions === undefined) return undefined;
  if (session.left > MAX_SESSION_ID || suites.left < 2 || suites.left % 2 !== 0) return undefined;
  if (version >> 8 !== 3 || compressions.left === 0) return undefined;
  const plain = { sni: '', alpn: [], version };
  if (body.left === 0) return plain;
  const extensions = body.vector(2);
  if (extensions === undefined || body.left > 0) return undefined;
  return readExtensions(extensions, plain);
}

function readExtensions(extensions: ByteReader, plain: ClientHello): ClientHello | undefined {
  const seen = new Set<number>();
  let { sni, alpn, version } = plain;
  while (extensions.left > 0) {
    const type = extensions.number(2);
    const content = extensions.vector(2);
    if (type === undefined || content === undefined || seen.has(type)) return undefined;
    seen.add(type);
    if (type === EXTENSION.serverName) {
      const name = serverName(content);
      if (name === undefined) return undefined;
      sni = name;
    } else if (type === EXTENSION.alpn) {
      const protocols = protocolNames(content);
      if (protocols === undefined) return undefined;
      alpn = protocols;
    } else if (type === EXTENSION.supportedVersions) {
      const highest = highestVersion(content);
      if (highest === undefined) return undefined;
      version = highest;
    }
  }
  return { sni, alpn, version };
}

/** One name of type host_name: all that was ever defined. */
function serverName(content: ByteReader): string | undefined {
  const list = content.vector(2);
  if (list === undefined || content.left > 0) return undefined;
  const type = list.number(1);
  const name = list.vector(2);
  if (type !== 0 || name === undefined || list.left > 0 || name.left > MAX_NAME) return undefined;
  const text = name.text().toLowerCase();
  return NAME.test(text) ? text : undefined;
}

/** Two equal bytes that end in A, sent to keep servers from choking on what they don't know. */
const isGrease = (high: number, low: number): boolean => high === low && (high & 15) === 10;

function protocolNames(content: ByteReader): readonly string[] | undefined {
  const list = content.vector(2);
  if (list === undefined || content.left > 0 || list.left === 0) return undefined;
  const names: string[] = [];
  while (list.left > 0) {
    const name = list.vector(1);
    if (name === undefined || name.left === 0) return undefined;
    const text = name.text();
    if (text.length !== 2 || !isGrease(text.charCodeAt(0), text.charCodeAt(1))) names.push(text);
  }
  return names;
}

function highestVersion(content: ByteReader): number | undefined {
  const list = content.vector(1);
  if (list === undefined || content.left > 0 || list.left === 0) return undefined;
  let highest = 0;
  while (list.left > 0) {
    const version = list.number(2);
    if (version === undefined) return undefined;
    if (!isGrease(version >> 8, version & 255)) highest = Math.max(highest, version);
  }
  return highest;
}
