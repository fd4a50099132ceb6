/** Verifies an ID token (OpenID Connect Core 1.0, 3.1.3.7): the algorithm is the key's, the issuer and the client are exact. */
import { decodeBase64url, encodeBase64url } from '../../lib/base64url.ts';
import type { Fields } from '../../lib/fields.ts';
import { algorithmsOf } from '../../lib/jwk.ts';
import { importCheck } from '../../lib/signature-check.ts';
import type { SignatureCheck } from '../../lib/signature-check.ts';
import { isSameSecret } from '../../lib/same-secret.ts';
import { readTokenPart } from '../../lib/token-part.ts';
import type { OidcConfig } from './config.ts';

/** Seconds of difference between clocks that are let pass. */
const CLOCK_SKEW_S = 60;
const MAX_LENGTH = 65_536;
const MAX_SUBJECT = 255;
const MAX_CANDIDATES = 4;

export type IdTokenFault =
  | 'form'
  | 'algorithm'
  | 'no_key'
  | 'signature'
  | 'issuer'
  | 'audience'
  | 'authorized_party'
  | 'subject'
  | 'expired'
  | 'time'
  | 'nonce'
  | 'access_token_hash';

export type IdTokenOutcome =
  | { readonly claims: Fields & { readonly sub: string; readonly exp: number } }
  | { readonly fault: IdTokenFault };

export interface IdTokenInput {
  readonly token: string;
  readonly config: Pick<OidcConfig, 'issuer' | 'clientId' | 'algorithms'>;
  readonly keys: readonly Fields[];
  readonly nowMs: number;
  /** Undefined = of a refresh, where there may be none. */
  readonly nonce?: string;
  readonly accessToken?: string;
}

/** Of the key that it says it is signed by; '' = it says none. */
export function kidOf(token: string): string {
  const kid = readTokenPart(token.split('.', 1)[0] ?? '')?.['kid'];
  return typeof kid === 'string' ? kid : '';
}

function candidates(keys: readonly Fields[], alg: string, kid: unknown): readonly Fields[] {
  return keys
    .filter(
      (key) =>
        algorithmsOf(key).includes(alg) &&
        key['use'] !== 'enc' &&
        (kid === undefined || key['kid'] === kid),
    )
    .slice(0, MAX_CANDIDATES);
}

const checks = new WeakMap<Fields, Map<string, SignatureCheck>>();

function checkOf(key: Fields, alg: string): SignatureCheck {
  const known = checks.get(key) ?? new Map<string, SignatureCheck>();
  checks.set(key, known);
  let check = known.get(alg);
  if (check === undefined) {
    check = importCheck(key, alg);
    known.set(alg, check);
  }
  return check;
}

async function isSigned(token: string, keys: readonly Fields[], alg: string): Promise<boolean> {
  const end = token.lastIndexOf('.');
  const signature = decodeBase64url(token.slice(end + 1));
  if (signature === undefined) return false;
  const data = new TextEncoder().encode(token.slice(0, end));
  for (const key of keys) if (await checkOf(key, alg)(data, signature)) return true;
  return false;
}

function audienceFault(claims: Fields, clientId: string): IdTokenFault | undefined {
  const { aud, azp } = claims;
  const audiences: readonly unknown[] = Array.isArray(aud) ? aud : [aud];
  if (!audiences.includes(clientId) || audiences.some((one) => typeof one !== 'string'))
    return 'audience';
  if (azp === undefined) return audiences.length > 1 ? 'authorized_party' : undefined;
  return azp === clientId ? undefined : 'authorized_party';
}

function timeFault({ exp, iat, nbf }: Fields, nowMs: number): IdTokenFault | undefined {
  const nowS = nowMs / 1000;
  const isTime = (value: unknown): value is number => Number.isFinite(value) && Number(value) > 0;
  if (!isTime(exp) || !isTime(iat) || (nbf !== undefined && !Number.isFinite(nbf))) return 'time';
  if (exp + CLOCK_SKEW_S <= nowS) return 'expired';
  if (iat - CLOCK_SKEW_S > nowS || Number(nbf ?? 0) - CLOCK_SKEW_S > nowS) return 'time';
  return undefined;
}

function claimsFault(claims: Fields, input: IdTokenInput): IdTokenFault | undefined {
  const { config, nonce, nowMs } = input;
  const { iss, sub } = claims;
  if (iss !== config.issuer) return 'issuer';
  const wrong = audienceFault(claims, config.clientId) ?? timeFault(claims, nowMs);
  if (wrong !== undefined) return wrong;
  if (typeof sub !== 'string' || sub === '' || sub.length > MAX_SUBJECT) return 'subject';
  if (nonce === undefined) return undefined;
  const given = claims['nonce'];
  return typeof given === 'string' && isSameSecret(given, nonce) ? undefined : 'nonce';
}

/** The left half of the digest that the algorithm signs with. */
async function isHashOf(accessToken: string, hash: unknown, alg: string): Promise<boolean> {
  const bits = alg === 'EdDSA' ? '512' : alg.slice(2);
  const digest = new Uint8Array(
    await crypto.subtle.digest(`SHA-${bits}`, new TextEncoder().encode(accessToken)),
  );
  return hash === encodeBase64url(digest.subarray(0, digest.length / 2));
}

export async function verifyIdToken(input: IdTokenInput): Promise<IdTokenOutcome> {
  const { token, config, keys, accessToken } = input;
  const parts = token.split('.');
  const header = readTokenPart(parts[0] ?? '');
  const claims = readTokenPart(parts[1] ?? '');
  if (parts.length !== 3 || token.length > MAX_LENGTH || !header || !claims)
    return { fault: 'form' };
  const { alg } = header;
  if (typeof alg !== 'string' || !config.algorithms.includes(alg) || header['crit'] !== undefined)
    return { fault: 'algorithm' };
  const fitting = candidates(keys, alg, header['kid']);
  if (fitting.length === 0) return { fault: 'no_key' };
  if (!(await isSigned(token, fitting, alg))) return { fault: 'signature' };
  const fault = claimsFault(claims, input);
  if (fault !== undefined) return { fault };
  const hash = claims['at_hash'];
  if (hash !== undefined && accessToken !== undefined && !(await isHashOf(accessToken, hash, alg)))
    return { fault: 'access_token_hash' };
  return { claims: { ...claims, sub: String(claims['sub']), exp: Number(claims['exp']) } };
}
