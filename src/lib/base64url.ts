/** Base64 with the URL's alphabet and no padding (RFC 4648, 5); one text for each row of bytes, no other is read. */
const ALPHABET = /^[A-Za-z0-9_-]*$/;

export function writeBase64Url(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}

/** Undefined = padding, other characters, or bits behind the last byte that aren't zero. */
export function readBase64Url(text: string): Uint8Array<ArrayBuffer> | undefined {
  if (text.length % 4 === 1 || !ALPHABET.test(text)) return undefined;
  const plain = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  const bytes = new Uint8Array(plain.length);
  for (let i = 0; i < plain.length; i++) bytes[i] = plain.charCodeAt(i);
  return writeBase64Url(bytes) === text ? bytes : undefined;
}
