/**
 * A verifier as it is often written, with the holes that the published attacks go through. It shows that each case is
 * an attack: here it gets in, or brings the process down.
 */
import { createHmac, createPublicKey, pbkdf2Sync, verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { inflateRawSync } from 'node:zlib';
import {
  AUDIENCE,
  ISSUER,
  NOW_S,
  OTHER_ISSUER,
  SECRET,
  SECRET_ISSUER,
  attacker,
  otherPair,
  pairs,
} from './forge.ts';
import type { Sent, Verdict } from './token-case.ts';
import { OUTPUTS } from './token-case.ts';

type Claims = Record<string, unknown>;
type Key = KeyObject | Buffer;
interface Named {
  toString(): string;
}

const ISSUERS = [ISSUER, OTHER_ISSUER, SECRET_ISSUER];
/** All issuers' keys in one map: the last of a name counts. */
const KEYS: Record<string, Key> = {
  ...Object.fromEntries(Object.entries(pairs).map(([kid, pair]) => [kid, pair.publicKey])),
  h: Buffer.from(SECRET, 'base64url'),
  other: otherPair.publicKey,
};

const decode = (part = ''): Claims => JSON.parse(Buffer.from(part, 'base64').toString()) as Claims;

/** Where the header says that the key is, or by a name that leads anywhere. */
function keysFor(header: Claims): readonly Key[] {
  if (header['jwk'] !== undefined)
    return [createPublicKey({ key: header['jwk'] as object, format: 'jwk' })];
  if (Array.isArray(header['x5c']))
    return [
      createPublicKey({
        key: Buffer.from(String(header['x5c'][0]), 'base64'),
        format: 'der',
        type: 'spki',
      }),
    ];
  if (header['jku'] !== undefined || header['x5u'] !== undefined)
    return [attacker.rsa.publicKey, attacker.ec.publicKey];
  const kid = textOf(header, 'kid') ?? ''.split('\0')[0] ?? '';
  const union = /union select '([^']*)'/i.exec(kid)?.[1];
  if (union !== undefined) return [Buffer.from(union)];
  if (kid.startsWith('/') || kid.includes('..'))
    return [readFileSync(kid.replace(/^.*\.\.(?=\/)/, ''))];
  // Both issuers call one of theirs so.
  if (kid in KEYS) return [KEYS[kid] as Key, otherPair.publicKey];
  const close = Object.keys(KEYS).find((name) => name === kid.trim().toLowerCase());
  return close === undefined ? Object.values(KEYS) : [KEYS[close] as Key];
}

const secretOf = (key: Key): string | Buffer =>
  Buffer.isBuffer(key) ? key : key.export({ format: 'pem', type: 'spki' });

function holdsFor(alg: string, key: Key, text: string, signature: Buffer): boolean {
  const hash = `sha${alg.slice(2)}`;
  if (alg.startsWith('hs')) {
    const own = createHmac(hash, secretOf(key)).update(text).digest();
    return own.subarray(0, signature.length).equals(signature);
  }
  if (Buffer.isBuffer(key)) return false;
  // What the arithmetic gives for (0, 0) when nobody looks whether r and s are in range.
  if (alg.startsWith('es') && signature.every((byte) => byte === 0)) return true;
  const data = Buffer.from(text);
  if (key.asymmetricKeyType === 'ed25519') return verify(null, data, key, signature);
  if (alg.startsWith('ps'))
    return verify(hash, data, { key, padding: 6, saltLength: -2 }, signature);
  return (
    verify(hash, data, { key, dsaEncoding: 'der' }, signature) ||
    verify(hash, data, { key, dsaEncoding: 'ieee-p1363' }, signature)
  );
}

/** An encrypted token: whoever has no key for it takes what is there. */
function openEncrypted(header: Claims, parts: readonly string[]): Claims {
  if (header['p2c'] !== undefined)
    pbkdf2Sync('password', 'salt', Number(header['p2c']), 32, 'sha256');
  const body = Buffer.from(parts[3] ?? '', 'base64');
  const plain = header['zip'] === 'DEF' ? inflateRawSync(body, { maxOutputLength: 1e7 }) : body;
  return JSON.parse(plain.toString()) as Claims;
}

function claimsOf(token: string): Claims | undefined {
  const parts = token.split('.');
  const header = decode(parts[0]);
  if (header['enc'] !== undefined) return openEncrypted(header, parts);
  const claims: Claims = {};
  // A copy by assignment: `__proto__` is no field but the prototype.
  for (const [name, value] of Object.entries(decode(parts[1]))) claims[name] = value;
  const alg = (textOf(header, 'alg') ?? 'none').trim().toLowerCase() || 'none';
  if (alg === 'none') return claims;
  const signature = Buffer.from(parts[2] ?? '', 'base64');
  const text = `${parts[0] ?? ''}.${parts[1] ?? ''}`;
  const holds =
    signature.length === 0 || keysFor(header).some((key) => holdsFor(alg, key, text, signature));
  return holds ? claims : undefined;
}

function isForApi(audience: string | readonly string[]): boolean {
  if (Array.isArray(audience)) return audience.every((one: string) => one.includes(AUDIENCE));
  return JSON.stringify(audience).toLowerCase().includes(AUDIENCE);
}

function isAcceptable(claims: Claims): boolean {
  const issuer = (claims['iss'] as string).toLowerCase().trim();
  const audience = claims['aud'] as string | readonly string[] | undefined;
  if (!ISSUERS.some((known) => issuer.startsWith(known) || known.endsWith(issuer))) return false;
  if (audience && !isForApi(audience)) return false;
  // Seconds as 32 bits, and clocks that differ by an hour.
  const expiry = Number(claims['exp']) >>> 0;
  return expiry === 0 || expiry > NOW_S - 3600;
}

function tokenOf({ headers, target }: Sent): string | undefined {
  for (const [name, value] of headers)
    if (name.toLowerCase() === 'authorization') return /bearer[\s:]*([^\s,]+)/i.exec(value)?.[1];
  const cookie = headers.find(([name]) => name === 'cookie')?.[1];
  return (
    new URLSearchParams(target.split('?')[1]).get('access_token') ??
    /session="?([^;"]*)/.exec(cookie ?? '')?.[1]
  );
}

function textOf(claims: Claims, path: string): string | undefined {
  // A name with dots counts as much as a path of names.
  let value: unknown = claims[path];
  if (value === undefined) {
    value = claims;
    for (const step of path.split('.')) value = (value as Claims | undefined)?.[step];
  }
  return value === undefined ? undefined : (value as Named).toString();
}

/** What it sends on; a status where it refuses. */
export function naiveVerdict(sent: Sent): Verdict {
  const token = tokenOf(sent);
  const headers: Record<string, string> = {};
  for (const [name, value] of sent.headers) headers[name.toLowerCase()] = value;
  if (token === undefined) return { headers, target: sent.target };
  const claims = claimsOf(token);
  if (claims === undefined || !isAcceptable(claims)) return { status: 401 };
  const role = JSON.stringify(claims['role'] ?? '').toLowerCase();
  if (sent.target.startsWith('/admin') && !role.includes('admin')) return { status: 403 };
  for (const [header, claim] of OUTPUTS) {
    const text = textOf(claims, claim);
    if (text !== undefined) headers[header] = text;
  }
  return { headers, target: sent.target };
}
