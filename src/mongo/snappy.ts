/** Snappy's block format, to read alone. */

const LITERAL = 0;
const COPY_1 = 1;
const COPY_2 = 2;

interface Piece {
  readonly length: number;
  /** Where its bytes, or the next tag, begin. */
  readonly next: number;
  /** How far back the bytes to copy are; 0 = they stand behind the tag. */
  readonly offset: number;
}

function little(bytes: Uint8Array, at: number, count: number): number {
  let value = 0;
  for (let i = count - 1; i >= 0; i--) value = value * 256 + (bytes[at + i] ?? 0);
  return value;
}

function pieceAt(bytes: Uint8Array, at: number): Piece {
  const tag = bytes[at] as number;
  const kind = tag & 3;
  const high = tag >>> 2;
  if (kind === LITERAL) {
    if (high < 60) return { length: high + 1, next: at + 1, offset: 0 };
    const count = high - 59;
    return { length: little(bytes, at + 1, count) + 1, next: at + 1 + count, offset: 0 };
  }
  if (kind === COPY_1)
    return {
      length: (high & 7) + 4,
      next: at + 2,
      offset: ((tag >>> 5) << 8) | (bytes[at + 1] ?? 0),
    };
  const count = kind === COPY_2 ? 2 : 4;
  return { length: high + 1, next: at + 1 + count, offset: little(bytes, at + 1, count) };
}

/** Length in front, seven bits a byte. */
function readLength(
  bytes: Uint8Array,
): { readonly length: number; readonly next: number } | undefined {
  let length = 0;
  for (let i = 0; i < 5; i++) {
    const byte = bytes[i];
    if (byte === undefined) return undefined;
    length += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) return { length, next: i + 1 };
  }
  return undefined;
}

/** Undefined = malformed, or longer than `maxBytes`. */
export function unsnappy(bytes: Uint8Array, maxBytes: number): Uint8Array | undefined {
  const said = readLength(bytes);
  if (said === undefined || said.length > maxBytes) return undefined;
  const out = new Uint8Array(said.length);
  let at = said.next;
  let filled = 0;
  while (at < bytes.length) {
    const isLiteral = ((bytes[at] as number) & 3) === LITERAL;
    const { length, next, offset } = pieceAt(bytes, at);
    if (next > bytes.length || filled + length > out.length) return undefined;
    at = next;
    if (isLiteral) {
      if (at + length > bytes.length) return undefined;
      out.set(bytes.subarray(at, at + length), filled);
      at += length;
    } else {
      if (offset === 0 || offset > filled) return undefined;
      // A copy may reach into itself: then it repeats what it has just written.
      if (offset >= length) out.copyWithin(filled, filled - offset, filled - offset + length);
      else for (let i = 0; i < length; i++) out[filled + i] = out[filled + i - offset] as number;
    }
    filled += length;
  }
  return filled === out.length ? out : undefined;
}
