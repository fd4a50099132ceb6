/** A token taken apart (RFC 7515, 7.1), refused wherever two readers might see two things in it. */
import { decodeBase64url } from '../../lib/base64url.ts';
import { namesTwice } from './json-names.ts';
import type { Refusal } from './refusal.ts';

type Fields = Readonly<Record<string, unknown>>;

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
/** Deeper ones are nobody's claims; to walk them costs stack. */
const MAX_DEPTH = 64;
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function isTooDeep(value: unknown, left: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (left === 0) return true;
  return Object.values(value).some((entry) => isTooDeep(entry, left - 1));
}

function decodePart(part: string): Fields | undefined {
  const bytes = decodeBase64url(part);
  if (bytes === undefined) return undefined;
  try {
    const text = decoder.decode(bytes);
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    if (isTooDeep(value, MAX_DEPTH)) return undefined;
    // Two parsers may disagree on which of two equal names counts.
    return namesTwice(text) ? undefined : (value as Fields);
  } catch {
    return undefined;
  }
}

export function parseToken(token: string): Parsed | Refusal {
  const parts = token.length > MAX_TOKEN_LENGTH ? [] : token.split('.');
  const [first, payload, signature] = parts;
  if (parts.length !== 3 || first === undefined || payload === undefined || signature === undefined)
    return 'Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections';
  const header = decodePart(first);
  if (header === undefined) return 'Jwt header is an invalid Base64url encoded or invalid JSON';
  const { kid = '' } = header;
  if (typeof kid !== 'string') return 'Jwt header [kid] field is not a string';
  const claims = decodePart(payload);
  if (claims === undefined) return 'Jwt payload is an invalid Base64url encoded or invalid JSON';
  return { header, kid, claims, payload, signed: `${first}.${payload}`, signature };
}
