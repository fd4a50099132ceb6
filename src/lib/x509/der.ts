/** DER, as much of it as certificates need, and nothing that has two readings (X.690, 10). */
export interface Element {
  readonly tag: number;
  readonly content: Uint8Array;
  /** With tag and length. */
  readonly whole: Uint8Array;
}

export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bits: 0x03,
  octets: 0x04,
  oid: 0x06,
  utcTime: 0x17,
  generalTime: 0x18,
  sequence: 0x30,
} as const;

/** What is read is no DER, or no certificate. */
export class DerFault extends Error {}

const SHORT = 0x80;
const MAX_LENGTH_BYTES = 3;

interface Length {
  readonly value: number;
  readonly bytes: number;
}

function readLength(bytes: Uint8Array, at: number): Length {
  const first = bytes[at];
  if (first === undefined) throw new DerFault('cut off');
  if (first < SHORT) return { value: first, bytes: 1 };
  const count = first - SHORT;
  if (count === 0 || count > MAX_LENGTH_BYTES) throw new DerFault('length');
  let value = 0;
  for (let i = 1; i <= count; i++) {
    const byte = bytes[at + i];
    if (byte === undefined) throw new DerFault('cut off');
    value = value * 256 + byte;
  }
  // The shortest form is the only one.
  if (value < SHORT || value < 256 ** (count - 1)) throw new DerFault('length');
  return { value, bytes: 1 + count };
}

/** Elements side by side. @throws DerFault */
export function elements(bytes: Uint8Array): readonly Element[] {
  const found: Element[] = [];
  let at = 0;
  while (at < bytes.length) {
    const tag = bytes[at] as number;
    if ((tag & 0x1f) === 0x1f) throw new DerFault('tag');
    const length = readLength(bytes, at + 1);
    const start = at + 1 + length.bytes;
    const end = start + length.value;
    if (end > bytes.length) throw new DerFault('cut off');
    found.push({ tag, content: bytes.subarray(start, end), whole: bytes.subarray(at, end) });
    at = end;
  }
  return found;
}

/** The one element that the bytes are. @throws DerFault */
export function element(bytes: Uint8Array, tag: number): Element {
  const [first, ...more] = elements(bytes);
  return expected(more.length === 0 ? first : undefined, tag);
}

/** @throws DerFault where there is none, or another one */
export function expected(found: Element | undefined, tag: number): Element {
  if (found?.tag !== tag) throw new DerFault(`want tag ${tag}`);
  return found;
}

export function sequence(found: Element | undefined): readonly Element[] {
  return elements(expected(found, TAG.sequence).content);
}

export function hexOf(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += byte.toString(16).padStart(2, '0');
  return text;
}

/** Whole bytes of a bit string. */
export function bitsOf(found: Element | undefined): Uint8Array {
  const { content } = expected(found, TAG.bits);
  if (content[0] !== 0) throw new DerFault('bits');
  return content.subarray(1);
}

export function isTrue(found: Element | undefined): boolean {
  const { content } = expected(found, TAG.boolean);
  if (content.length !== 1 || (content[0] !== 0 && content[0] !== 0xff)) throw new DerFault('bool');
  return content[0] === 0xff;
}

const TIMES: Readonly<Record<number, RegExp>> = {
  [TAG.utcTime]: /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/,
  [TAG.generalTime]: /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/,
};

/** Milliseconds since 1970 (RFC 5280, 4.1.2.5). */
export function timeOf(found: Element | undefined): number {
  const pattern = TIMES[found?.tag ?? 0];
  const text = String.fromCharCode(...(found?.content ?? []));
  const parts = pattern?.exec(text)?.slice(1).map(Number);
  if (parts === undefined || found === undefined) throw new DerFault('time');
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts;
  const century = found.tag === TAG.generalTime ? 0 : year < 50 ? 2000 : 1900;
  const ms = Date.UTC(century + year, month - 1, day, hour, minute, second);
  const made = new Date(ms);
  const isReal = made.getUTCMonth() === month - 1 && made.getUTCDate() === day && hour < 24;
  if (!isReal || minute > 59 || second > 59) throw new DerFault('time');
  return ms;
}
