/** What a runtime may do faster with bytes than portable code can; everything else here is plain Uint8Array. */
export interface ByteTools {
  /** Content doesn't matter. */
  allocate(size: number): Uint8Array;
  /** Each byte as one character. */
  text(bytes: Uint8Array, start: number, end: number): string;
  /** Characters of one byte each; there is room for them. */
  put(text: string, into: Uint8Array, at: number): void;
}

/** As many arguments as one call surely takes. */
const PIECE = 4096;

export const PORTABLE_BYTES: ByteTools = {
  allocate: (size) => new Uint8Array(size),
  text(bytes, start, end) {
    let text = '';
    for (let at = start; at < end; at += PIECE)
      text += String.fromCharCode(...bytes.subarray(at, Math.min(end, at + PIECE)));
    return text;
  },
  put(text, into, at) {
    for (let i = 0; i < text.length; i++) into[at + i] = text.charCodeAt(i);
  },
};

/** Below it a loop is faster than making a view. */
const SHORT = 24;

export function copyBytes(
  from: Uint8Array,
  range: readonly [number, number],
  to: Uint8Array,
  at: number,
): void {
  const [start, end] = range;
  if (end - start > SHORT) to.set(from.subarray(start, end), at);
  else for (let i = start, o = at; i < end; i++, o++) to[o] = from[i] as number;
}
