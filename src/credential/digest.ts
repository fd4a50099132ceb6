import { encodeBase64url } from '../lib/base64url.ts';

const encoder = new TextEncoder();

/** SHA-256 in base64url. */
export async function digestOf(content: string | Uint8Array<ArrayBuffer>): Promise<string> {
  const bytes = typeof content === 'string' ? encoder.encode(content) : content;
  return encodeBase64url(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)));
}
