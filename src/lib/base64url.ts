/** base64url as RFC 7515 writes it: no padding, no blanks, and one text for one value. */

const ALPHABET = /^[-\w]*$/;
/** What the last character may be where it stands for fewer than six bits. */
const TAILS: readonly (RegExp | undefined)[] = [
  undefined,
  undefined,
  /[AQgw]$/,
  /[AEIMQUYcgkosw048]$/,
];

/** Undefined = another decoder might read it differently, or not at all. */
export function decodeBase64url(text: string): Uint8Array<ArrayBuffer> | undefined {
  const rest = text.length % 4;
  if (rest === 1 || !ALPHABET.test(text)) return undefined;
  if (TAILS[rest]?.test(text) === false) return undefined;
  const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

export function encodeBase64url(bytes: Uint8Array): string {
  let binary = '';
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}
