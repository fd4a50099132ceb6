/** Bytes as text of the same length and back: each character is one byte. */

export type TextOf = (bytes: Uint8Array, start: number, end: number) => string;

/** Characters that one call turns into text; more arguments than engines take would throw. */
const AT_ONCE = 4096;

export const textOf: TextOf = (bytes, start, end) => {
  let text = '';
  for (let at = start; at < end; at += AT_ONCE)
    text += String.fromCharCode(...bytes.subarray(at, Math.min(end, at + AT_ONCE)));
  return text;
};

/** The first `length` characters. What is no byte becomes NUL, which nothing in a head may hold. */
export function bytesOf(text: string, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    bytes[i] = code > 0xff ? 0 : code;
  }
  return bytes;
}
