/** A compact JWS, read strictly (RFC 7515, RFC 8725): one reading for each text, or none. */
import { decodeBase64url } from '../lib/base64url.ts';
import type { Fields } from '../lib/fields.ts';
import { readTokenPart } from '../lib/token-part.ts';
import type { CredentialFault } from './names.ts';
import { ALGORITHM, MAX_TOKEN_LENGTH, SIGNATURE_PARAMETERS } from './names.ts';

export interface Jws {
  readonly header: Fields;
  readonly claims: Fields;
  readonly signature: Uint8Array<ArrayBuffer>;
  /** What is signed. */
  readonly signed: string;
}

const SIGNATURE_BYTES = 64;
/** Keys that a token brings along are nobody's. */
const FOREIGN_KEYS = ['jwk', 'jku', 'x5u', 'x5c', 'x5t', 'x5t#S256'];

const encoder = new TextEncoder();

/** Everything but the signature, for a token of one type. */
export function readJws(token: string, type: string): Jws | CredentialFault {
  if (token.length > MAX_TOKEN_LENGTH) return 'malformed';
  const [first, second, third, ...more] = token.split('.');
  if (first === undefined || second === undefined || third === undefined || more.length > 0)
    return 'malformed';
  const header = readTokenPart(first);
  const claims = readTokenPart(second);
  const signature = decodeBase64url(third);
  if (header === undefined || claims === undefined || signature === undefined) return 'malformed';
  if (header['typ'] !== type) return 'type';
  if (header['alg'] !== ALGORITHM) return 'algorithm';
  if (header['crit'] !== undefined || header['b64'] !== undefined) return 'critical_header';
  if (FOREIGN_KEYS.some((name) => header[name] !== undefined)) return 'malformed';
  if (signature.length !== SIGNATURE_BYTES) return 'signature';
  return { header, claims, signature, signed: `${first}.${second}` };
}

export function verifies({ signature, signed }: Jws, key: CryptoKey): Promise<boolean> {
  return crypto.subtle.verify(SIGNATURE_PARAMETERS, key, signature, encoder.encode(signed));
}

/** Seconds since 1970; undefined = the claim is there and none. */
export function secondsOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) && value > 0 && value < 1e11
    ? value
    : undefined;
}

/** A text that is there and of a length that somebody may have meant. */
export const isShortText = (value: unknown, maxLength: number): value is string =>
  typeof value === 'string' && value !== '' && value.length <= maxLength;
