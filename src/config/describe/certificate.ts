/** What people ask of a certificate: whom it names, and until when. Reads X.509 (RFC 5280) no further than that. */
import { pemBlocks } from '../gateway-api/certificates.ts';

export interface Certificate {
  readonly names: readonly string[];
  readonly notAfter: string;
  /** Size of an RSA key; absent for other kinds. */
  readonly rsaBits?: number;
  /** Signed over a hash that collisions are known of. */
  readonly hasBrokenHash: boolean;
}

interface Node {
  readonly tag: number;
  readonly content: Uint8Array;
}

const SEQUENCE = 0x30;
const UTC_TIME = 0x17;
const EXTENSIONS = 0xa3;
const VERSION = 0xa0;
const DNS_NAME = 0x82;
const URI_NAME = 0x86;
const IP_NAME = 0x87;
const COMMON_NAME = '550403';
const SUBJECT_ALT_NAME = '551d11';
const RSA_KEY = '2a864886f70d010101';
/** With MD2, MD5 and SHA-1: over RSA, DSA and ECDSA. */
const BROKEN_HASHES: ReadonlySet<string> = new Set([
  '2a864886f70d010102',
  '2a864886f70d010104',
  '2a864886f70d010105',
  '2a8648ce380403',
  '2a8648ce3d0401',
]);
/** Two digits of a year, from here on of the last century. */
const CENTURY_TURN = 50;

const hex = (bytes: Uint8Array): string =>
  [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** The nodes of a content, one after the other. @throws RangeError when one is longer than what is there. */
function nodes(bytes: Uint8Array): Node[] {
  const found: Node[] = [];
  let at = 0;
  while (at < bytes.length) {
    const tag = bytes[at] ?? 0;
    let length = bytes[at + 1] ?? 0;
    at += 2;
    if (length >= 0x80) {
      const size = length - 0x80;
      if (size === 0 || size > 4) throw new RangeError('no length of DER');
      length = bytes.subarray(at, at + size).reduce((sum, byte) => sum * 256 + byte, 0);
      at += size;
    }
    if (at + length > bytes.length) throw new RangeError('cut off');
    found.push({ tag, content: bytes.subarray(at, at + length) });
    at += length;
  }
  return found;
}

function timeOf({ tag, content }: Node): string {
  const digits = text(content);
  const short = Number(digits.slice(0, 2));
  const full = tag === UTC_TIME ? `${short >= CENTURY_TURN ? '19' : '20'}${digits}` : digits;
  const match = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(full);
  if (match === null) throw new RangeError('no time');
  const [, year, month, day, hour, minute, second] = match;
  return `${year}-${month}-${day}T${hour}:${minute}:${second}Z`;
}

function commonNames(subject: Node): string[] {
  return nodes(subject.content)
    .flatMap(({ content }) => nodes(content))
    .flatMap(({ content }) => {
      const [type, value] = nodes(content);
      return type !== undefined && value !== undefined && hex(type.content) === COMMON_NAME
        ? [text(value.content)]
        : [];
    });
}

const V4_LENGTH = 4;

function ipText(bytes: Uint8Array): string {
  if (bytes.length === V4_LENGTH) return bytes.join('.');
  return (hex(bytes).match(/.{4}/g) ?? []).join(':');
}

function alternatives(extensions: Node | undefined): string[] {
  const [list] = extensions === undefined ? [] : nodes(extensions.content);
  return (list === undefined ? [] : nodes(list.content)).flatMap(({ content }) => {
    const parts = nodes(content);
    const [id] = parts;
    const value = parts.at(-1);
    if (id === undefined || value === undefined || hex(id.content) !== SUBJECT_ALT_NAME) return [];
    const [names] = nodes(value.content);
    return (names === undefined ? [] : nodes(names.content)).flatMap(({ tag, content: name }) => {
      if (tag === DNS_NAME || tag === URI_NAME) return [text(name)];
      return tag === IP_NAME ? [ipText(name)] : [];
    });
  });
}

/** Bits of the modulus, where the key is RSA's. */
function rsaBitsOf(publicKey: Node | undefined): number | undefined {
  const [algorithm, key] = publicKey === undefined ? [] : nodes(publicKey.content);
  const [id] = algorithm === undefined ? [] : nodes(algorithm.content);
  if (key === undefined || id === undefined || hex(id.content) !== RSA_KEY) return undefined;
  // A bit string: how many bits of its last byte are unused, then the key.
  const [pair] = nodes(key.content.subarray(1));
  const [modulus] = pair === undefined ? [] : nodes(pair.content);
  if (modulus === undefined) return undefined;
  const digits = hex(modulus.content).replace(/^(?:00)+/, '');
  const first = Number.parseInt(digits.slice(0, 2), 16);
  return (digits.length / 2) * 8 - (Math.clz32(first) - 24);
}

function read(bytes: Uint8Array): Certificate | undefined {
  const [whole] = nodes(bytes);
  const [body] = whole === undefined ? [] : nodes(whole.content);
  const fields = body === undefined ? [] : nodes(body.content);
  // The version alone may be missing before the subject.
  const from = fields[0]?.tag === VERSION ? 1 : 0;
  const [, signature, , validity, subject, publicKey] = fields.slice(from);
  if (validity?.tag !== SEQUENCE || subject === undefined) return undefined;
  const [, notAfter] = nodes(validity.content);
  if (notAfter === undefined) return undefined;
  const names = [
    ...commonNames(subject),
    ...alternatives(fields.find(({ tag }) => tag === EXTENSIONS)),
  ];
  const [algorithm] = signature === undefined ? [] : nodes(signature.content);
  const rsaBits = rsaBitsOf(publicKey);
  return {
    names: [...new Set(names)],
    notAfter: timeOf(notAfter),
    hasBrokenHash: algorithm !== undefined && BROKEN_HASHES.has(hex(algorithm.content)),
    ...(rsaBits === undefined ? {} : { rsaBits }),
  };
}

/** The first certificate of a PEM text, the server's own; undefined where it can't be read. */
export function readCertificate(pem: string | undefined): Certificate | undefined {
  const [block] = pemBlocks(pem, /^CERTIFICATE$/);
  if (block === undefined) return undefined;
  try {
    return read(Uint8Array.from(atob(block), (char) => char.codePointAt(0) ?? 0));
  } catch {
    return undefined;
  }
}
