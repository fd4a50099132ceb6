/** A token taken apart (RFC 7515, 7.1), refused wherever two readers might see two things in it. */
import type { Fields } from '../../lib/fields.ts';
import { readTokenPart } from '../../lib/token-part.ts';
import type { Refusal } from './refusal.ts';

export interface Parsed {
  readonly header: Fields;
  /** '' where it names none. */
  readonly kid: string;
  readonly claims: Fields;
  /** Second part of the token, base64url. */
  readonly payload: string;
  /** First and second part with their dot: what is signed. */
  readonly signed: string;
  /** Third part, base64url. */
  readonly signature: string;
}

const MAX_TOKEN_LENGTH = 16_384;

/** An issuer's tokens have the same few headers; of more the oldest is read again. */
const headers = new Map<string, Fields>();
const MAX_HEADERS = 64;
const MAX_HEADER_LENGTH = 1024;

function headerOf(part: string): Fields | undefined {
  const known = headers.get(part);
  if (known !== undefined) return known;
  const header = readTokenPart(part);
  if (header === undefined || part.length > MAX_HEADER_LENGTH) return header;
  if (headers.size >= MAX_HEADERS) {
    const [oldest] = headers.keys();
    if (oldest !== undefined) headers.delete(oldest);
  }
  // Joined anew: a piece of a received head would keep all of that head in memory.
  headers.set(`${part} `.trimEnd(), header);
  return header;
}

export function parseToken(token: string): Parsed | Refusal {
  const parts = token.length > MAX_TOKEN_LENGTH ? [] : token.split('.');
  const [first, payload, signature] = parts;
  if (parts.length !== 3 || first === undefined || payload === undefined || signature === undefined)
    return 'Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections';
  const header = headerOf(first);
  if (header === undefined) return 'Jwt header is an invalid Base64url encoded or invalid JSON';
  const { kid = '' } = header;
  if (typeof kid !== 'string') return 'Jwt header [kid] field is not a string';
  const claims = readTokenPart(payload);
  if (claims === undefined) return 'Jwt payload is an invalid Base64url encoded or invalid JSON';
  return { header, kid, claims, payload, signed: `${first}.${payload}`, signature };
}
