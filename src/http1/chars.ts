/** Character classes of RFC 9110 and 9112 as tables over bytes; what lies beyond a byte is in none of them. */

export { encodeReceivedTarget, sendableTarget, sendableValue } from '../lib/sendable.ts';

function tableOf(holds: (code: number) => boolean): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, code) => (holds(code) ? 1 : 0));
}

/** RFC 9110, 5.6.2: methods and field names. */
export const TOKEN: Uint8Array = tableOf((code) =>
  /[-!#$%&'*+.^_`|~0-9A-Za-z]/.test(String.fromCharCode(code)),
);

/** Request targets: no blanks, no controls. Bytes beyond ASCII come out percent-encoded. */
export const TARGET: Uint8Array = tableOf((code) => code > 0x20 && code !== 0x7f);

export const TAB = 9;
export const LF = 10;
export const CR = 13;
export const SPACE = 32;
export const COLON = 58;

export const isBlank = (code: number): boolean => code === SPACE || code === TAB;

/** Where a field's value or a reason phrase ends: visible characters, blanks, bytes beyond ASCII. Most bytes of a head are looked at here. */
export function endOfValue(bytes: Uint8Array, from: number, to: number): number {
  let at = from;
  for (; at < to; at++) {
    const code = bytes[at] as number;
    if (code === 0x7f || (code < 0x20 && code !== TAB)) break;
  }
  return at;
}
