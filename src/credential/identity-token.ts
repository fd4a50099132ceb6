/** Workload identity tokens: whom the authority of a trust domain says the holder of a key is. */
import type { Fields } from '../lib/fields.ts';
import { isFields } from '../lib/fields.ts';
import { decodeBase64url } from '../lib/base64url.ts';
import { own } from '../lib/own.ts';
import { identityOf, parseSpiffeId, trustDomainOf } from '../lib/spiffe-id.ts';
import type { TrustSettings } from '../model/trust.ts';
import { digestOf } from './digest.ts';
import type { Jws } from './jws.ts';
import { isShortText, readJws, secondsOf, verifies } from './jws.ts';
import type { CredentialFault } from './names.ts';
import { ALGORITHM, IDENTITY_TYPE, KEY_PARAMETERS } from './names.ts';

export interface VerifiedIdentity {
  /** `trust.domain/ns/a/sa/b`. */
  readonly identity: string;
  /** Whose proofs speak for it. */
  readonly key: CryptoKey;
  readonly expMs: number;
  /** SHA-256 of the token. */
  readonly tokenHash: string;
}

const MAX_KID_LENGTH = 256;
/** Longer ones are no short-lived tokens, whoever signed them. */
const MAX_LIFETIME_MS = 86_400_000;
const COORDINATE_BYTES = 32;

/** A public key on P-256 for ES256, in the one form that there is. */
function isPublicKey(key: unknown): key is Fields {
  if (!isFields(key) || key['kty'] !== 'EC' || key['crv'] !== 'P-256') return false;
  if (key['d'] !== undefined) return false;
  return ['x', 'y'].every((name) => {
    const value = key[name];
    return typeof value === 'string' && decodeBase64url(value)?.length === COORDINATE_BYTES;
  });
}

function importKey(key: Fields): Promise<CryptoKey> {
  const { kty, crv, x, y } = key;
  return crypto.subtle.importKey('jwk', { kty, crv, x, y } as JsonWebKey, KEY_PARAMETERS, false, [
    'verify',
  ]);
}

/** The signer's key: of the domain that the subject names, and of no other. */
function signerOf(
  kid: unknown,
  trustDomain: string,
  trust: Pick<TrustSettings, 'tokenKeys'>,
): Fields | undefined {
  if (!isShortText(kid, MAX_KID_LENGTH)) return undefined;
  const keys = own(trust.tokenKeys, trustDomain) ?? [];
  const fitting = keys.filter((key) => key['kid'] === kid);
  const [key] = fitting;
  const isUsable = fitting.length === 1 && isPublicKey(key) && key['alg'] === ALGORITHM;
  return isUsable ? key : undefined;
}

/** An issuer that calls itself a trust domain is that of its subject. */
function isIssuerOf(iss: unknown, trustDomain: string): boolean {
  if (typeof iss !== 'string') return false;
  return !/^spiffe:/i.test(iss) || parseSpiffeId(iss)?.trustDomain === trustDomain;
}

export interface IdentityRules {
  readonly trust: Pick<TrustSettings, 'tokenKeys' | 'denied'>;
  readonly skewMs: number;
}

function timesOf({ claims }: Jws, nowMs: number, skewMs: number): number | CredentialFault {
  const exp = secondsOf(claims['exp']);
  if (exp === undefined) return 'claims';
  for (const name of ['iat', 'nbf']) {
    if (claims[name] === undefined) continue;
    const value = secondsOf(claims[name]);
    if (value === undefined) return 'claims';
    if (value * 1000 > nowMs + skewMs) return 'not_yet_valid';
  }
  const expMs = exp * 1000;
  if (expMs + skewMs <= nowMs) return 'expired';
  return expMs > nowMs + MAX_LIFETIME_MS + skewMs ? 'lifetime' : expMs;
}

export async function verifyIdentityToken(
  token: string,
  { trust, skewMs }: IdentityRules,
  nowMs: number,
): Promise<VerifiedIdentity | CredentialFault> {
  const jws = readJws(token, IDENTITY_TYPE);
  if (typeof jws === 'string') return jws;
  const { header, claims } = jws;
  const expMs = timesOf(jws, nowMs, skewMs);
  if (typeof expMs === 'string') return expMs;
  const { sub, aud, iss, cnf } = claims;
  const identity = typeof sub === 'string' ? identityOf(sub) : undefined;
  // With an audience it would be a token that is shown by itself.
  if (identity === undefined || aud !== undefined || !isFields(cnf)) return 'claims';
  const trustDomain = trustDomainOf(identity);
  if (iss !== undefined && !isIssuerOf(iss, trustDomain)) return 'claims';
  const { jwk, ...others } = cnf;
  if (Object.keys(others).length > 0 || !isPublicKey(jwk) || jwk['alg'] !== ALGORITHM)
    return 'confirmation_key';
  const signer = signerOf(header['kid'], trustDomain, trust);
  if (signer === undefined) return 'key_of_domain';
  try {
    if (!(await verifies(jws, await importKey(signer)))) return 'signature';
  } catch {
    return 'key_of_domain';
  }
  if (trust.denied.identities.includes(identity)) return 'denied';
  try {
    const [key, tokenHash] = await Promise.all([importKey(jwk), digestOf(token)]);
    return { identity, key, expMs, tokenHash };
  } catch {
    return 'confirmation_key';
  }
}
