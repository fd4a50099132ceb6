/** Text as the wire takes it, whatever a configuration or a peer put in. */

const NOT_IN_TARGET = /[^\x21-\x7e]/;
const encoder = new TextEncoder();

const percent = (byte: number): string => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;

/** A received target as ASCII: each byte beyond it by itself, so that nothing behind sees raw bytes. */
export function encodeReceivedTarget(target: string): string {
  return target.replaceAll(/[^\x21-\x7e]/g, (char) => percent(char.charCodeAt(0) & 0xff));
}

/** A target to send: text of a configuration may hold anything, the wire takes visible ASCII. */
export function sendableTarget(target: string): string {
  if (!NOT_IN_TARGET.test(target)) return target;
  let out = '';
  for (const char of target.toWellFormed())
    if (NOT_IN_TARGET.test(char)) for (const byte of encoder.encode(char)) out += percent(byte);
    else out += char;
  return out;
}

const NOT_IN_VALUE = /[^\t\x20-\x7e\x80-\xff]/;

/**
 * A value to send. Controls would end the field, and a character beyond a byte would lose its upper half on the
 * way into latin1 (U+010A would become a line feed): such a value goes out as UTF-8, without its controls.
 */
export function sendableValue(value: string): string {
  if (!NOT_IN_VALUE.test(value)) return value;
  const plain = value.replaceAll(/[\x00-\x08\x0a-\x1f\x7f]/g, '').toWellFormed();
  if (!NOT_IN_VALUE.test(plain)) return plain;
  let out = '';
  for (const byte of encoder.encode(plain)) out += String.fromCharCode(byte);
  return out;
}
