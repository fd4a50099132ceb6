/** PEM texts (RFC 7468). */

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----([A-Za-z0-9+/=\s]+)-----END \1-----/g;

/** The blocks of such a type, each as base64 without spaces. */
export function pemBlocks(text: string | undefined, type: RegExp): string[] {
  if (text === undefined) return [];
  return [...text.matchAll(BLOCK)].flatMap(([, name = '', body = '']) => {
    const compact = body.replaceAll(/\s/g, '');
    return type.test(name) && compact.length > 0 && compact.length % 4 === 0 ? [compact] : [];
  });
}

/** Undefined = it is no base64. */
export function bytesOfBase64(text: string): Uint8Array | undefined {
  try {
    return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  } catch {
    return undefined;
  }
}
