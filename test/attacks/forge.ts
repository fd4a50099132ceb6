/** Issuers, an attacker, and tokens by hand: what no library would sign. */
import { createHmac, generateKeyPairSync, sign as signBytes } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

export const ISSUER = 'https://a.test';
export const OTHER_ISSUER = 'https://b.test';
export const SECRET_ISSUER = 'https://h.test';
export const AUDIENCE = 'api';
export const SECRET = 'c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0MTI';
export const NOW_S: number = Math.floor(Date.now() / 1000);

interface Pair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

const rsa = (): Pair => generateKeyPairSync('rsa', { modulusLength: 2048 });
const ec = (namedCurve: string): Pair => generateKeyPairSync('ec', { namedCurve });

export type Kid = 'r' | 'p' | 'e' | 'e3' | 'd';
/** By kid, as issuer a publishes them. */
export const pairs: Readonly<Record<Kid, Pair>> = {
  r: rsa(),
  p: rsa(),
  e: ec('P-256'),
  e3: ec('P-384'),
  d: generateKeyPairSync('ed25519'),
};
export const otherPair: Pair = rsa();
export const attacker: Readonly<Record<'rsa' | 'ec', Pair>> = { rsa: rsa(), ec: ec('P-256') };

const ALG: Readonly<Record<Kid, string>> = {
  r: 'RS256',
  p: 'PS256',
  e: 'ES256',
  e3: 'ES384',
  d: 'EdDSA',
};
const jwkOf = (key: KeyObject): object => key.export({ format: 'jwk' });
export const publicJwk = (kid: Kid): object => jwkOf(pairs[kid].publicKey);

export const jwks: string = JSON.stringify({
  keys: (Object.keys(pairs) as Kid[]).map((kid) => ({ ...publicJwk(kid), kid, alg: ALG[kid] })),
});
/** The other issuer calls its key by the same name. */
export const otherJwks: string = JSON.stringify({
  keys: [{ ...jwkOf(otherPair.publicKey), kid: 'r', alg: 'RS256' }],
});
export const secretJwks: string = JSON.stringify({
  keys: [{ kty: 'oct', k: SECRET, kid: 'h', alg: 'HS256' }],
});

export const encode = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

export const goodClaims = (): Record<string, unknown> => ({
  iss: ISSUER,
  aud: AUDIENCE,
  sub: 'ann',
  role: 'user',
  exp: NOW_S + 3600,
});

export function hmac(text: string, secret: string | Buffer, hash = 'sha256'): string {
  return createHmac(hash, secret).update(text).digest('base64url');
}

/** As the algorithm's name says, whatever key it is given. */
export function signText(text: string, alg: string, key: KeyObject): string {
  const hash = /\d{3}$/.test(alg) ? `sha${alg.slice(-3)}` : null;
  const how = alg.startsWith('PS')
    ? { key, padding: 6, saltLength: -1 }
    : { key, dsaEncoding: 'ieee-p1363' as const };
  return signBytes(hash, Buffer.from(text), how).toString('base64url');
}

export interface Forging {
  /** Added to \`goodClaims\`, or in place of them as text. */
  readonly claims?: Readonly<Record<string, unknown>> | string;
  /** Added to alg and kid, or in place of them as text. */
  readonly header?: Readonly<Record<string, unknown>> | string;
  /** Of the issuer's own. @default r */
  readonly kid?: Kid;
  /** Who signs. @default the issuer */
  readonly key?: KeyObject;
  /** What is signed with. @default the header's alg */
  readonly alg?: string;
  /** Changes the text before it is signed. */
  readonly spell?: (part: string, which: 'header' | 'payload') => string;
  /** Changes the signature. */
  readonly mend?: (signature: string) => string;
}

/** A token that only what is said makes bad. */
export function forge({ claims = {}, header = {}, kid = 'r', ...how }: Forging = {}): string {
  const head = typeof header === 'string' ? header : { alg: ALG[kid], kid, ...header };
  const body = typeof claims === 'string' ? claims : { ...goodClaims(), ...claims };
  const { spell = (part) => part, mend = (signature) => signature } = how;
  const text = `${spell(encode(head), 'header')}.${spell(encode(body), 'payload')}`;
  const alg = how.alg ?? (typeof head === 'string' ? ALG[kid] : head.alg);
  return `${text}.${mend(signText(text, alg, how.key ?? pairs[kid].privateKey))}`;
}

/** Signed with a shared secret, whatever that is. */
export function forgeHmac(
  secret: string | Buffer,
  header: Readonly<Record<string, unknown>> = {},
  claims: Readonly<Record<string, unknown>> = {},
): string {
  const head = { alg: 'HS256', kid: 'r', ...header };
  const text = `${encode(head)}.${encode({ ...goodClaims(), ...claims })}`;
  return `${text}.${hmac(text, secret, `sha${head.alg.slice(2)}`)}`;
}

/** Nobody signs it. */
export function unsigned(
  header: Readonly<Record<string, unknown>> | string,
  claims: Readonly<Record<string, unknown>> = {},
  signature = '',
): string {
  return `${encode(header)}.${encode({ ...goodClaims(), ...claims })}.${signature}`;
}
