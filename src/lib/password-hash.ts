/**
 * Passwords as configuration holds them: `$pbkdf2-sha256$i=<iterations>$<salt>$<hash>`, both base64url without padding.
 * Every runtime verifies it by WebCrypto; Cloudflare's takes no more than 100,000 iterations.
 */
import { decodeBase64url, encodeBase64url } from './base64url.ts';

export interface PasswordHash {
  readonly iterations: number;
  readonly salt: Uint8Array<ArrayBuffer>;
  readonly hash: Uint8Array<ArrayBuffer>;
}

export const MIN_ITERATIONS = 10_000;
export const MAX_ITERATIONS = 100_000;
const HASH_BYTES = 32;
const MIN_SALT_BYTES = 16;
const MAX_SALT_BYTES = 64;

export const PASSWORD_HASH: string = `$pbkdf2-sha256$i=<${MIN_ITERATIONS} to ${MAX_ITERATIONS}>$<salt>$<hash>, as lateen basic-auth hash prints it`;

const FORM = /^\$pbkdf2-sha256\$i=([1-9]\d{0,8})\$([A-Za-z0-9_-]+)\$([A-Za-z0-9_-]+)$/;

/** Undefined = it is none, or costs more or less than it may. */
export function parsePasswordHash(text: string): PasswordHash | undefined {
  const [, count = '', saltText = '', hashText = ''] = FORM.exec(text.trim()) ?? [];
  const iterations = Number(count);
  const salt = decodeBase64url(saltText);
  const hash = decodeBase64url(hashText);
  if (salt === undefined || hash === undefined) return undefined;
  if (iterations < MIN_ITERATIONS || iterations > MAX_ITERATIONS) return undefined;
  if (salt.length < MIN_SALT_BYTES || salt.length > MAX_SALT_BYTES) return undefined;
  return hash.length === HASH_BYTES ? { iterations, salt, hash } : undefined;
}

export async function derivePassword(
  password: string,
  { iterations, salt }: Pick<PasswordHash, 'iterations' | 'salt'>,
): Promise<Uint8Array> {
  const key = await crypto.subtle.importKey(
    'raw',
    new TextEncoder().encode(password),
    'PBKDF2',
    false,
    ['deriveBits'],
  );
  const params = { name: 'PBKDF2', hash: 'SHA-256', salt, iterations };
  return new Uint8Array(await crypto.subtle.deriveBits(params, key, HASH_BYTES * 8));
}

export async function isPassword(password: string, wanted: PasswordHash): Promise<boolean> {
  const derived = await derivePassword(password, wanted);
  let difference = 0;
  for (let i = 0; i < HASH_BYTES; i++)
    difference |= (derived[i] as number) ^ (wanted.hash[i] as number);
  return difference === 0;
}

/** @param salt 16 bytes or more, drawn for this password alone */
export async function hashPassword(
  password: string,
  salt: Uint8Array<ArrayBuffer>,
  iterations: number = MAX_ITERATIONS,
): Promise<string> {
  const derived = await derivePassword(password, { iterations, salt });
  return `$pbkdf2-sha256$i=${iterations}$${encodeBase64url(salt)}$${encodeBase64url(derived)}`;
}
