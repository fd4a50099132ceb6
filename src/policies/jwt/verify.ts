/** Verifies one token against one rule; the algorithm is the key's, never the token's alone. */
import { compactVerify, importJWK } from 'jose';
import { namesTwice } from '../../lib/json-names.ts';
import type { CryptoKey, JWK } from 'jose';
import type { JwtRuleConfig } from './config.ts';

export interface Verified {
  readonly claims: Readonly<Record<string, unknown>>;
  /** Second part of the token, base64url. */
  readonly payload: string;
}

/** What Envoy's filter would say. */
export type Refusal =
  | `Jwt payload [${string}] field is not ${string}`
  | 'Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections'
  | 'Jwt header is an invalid Base64url encoded or invalid JSON'
  | 'Jwt payload is an invalid Base64url encoded or invalid JSON'
  | 'Jwt issuer is not configured'
  | 'Jwt is expired'
  | 'Jwt not yet valid'
  | 'Jwt verification fails'
  | "Jwks doesn't have key to match kid or alg from Jwt"
  | 'Jwks remote fetch is failed'
  | 'Audiences in Jwt are not allowed';

export type Outcome =
  | { readonly ok: true; readonly verified: Verified }
  | { readonly ok: false; readonly why: Refusal };

/** Seconds of difference between clocks that are let pass. */
const CLOCK_SKEW_S = 60;
const MAX_TOKEN_LENGTH = 16_384;
const ALGORITHMS: Readonly<Record<string, readonly string[]>> = {
  RSA: ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  EC: ['ES256', 'ES384', 'ES512'],
  OKP: ['EdDSA', 'Ed25519'],
  oct: ['HS256', 'HS384', 'HS512'],
};
const MESH_TYPES: ReadonlySet<string> = new Set([
  'wit+jwt',
  'wpt+jwt',
  'application/wit+jwt',
  'application/wpt+jwt',
]);
const CURVES: Readonly<Record<string, string>> = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' };

type Fields = Readonly<Record<string, unknown>>;
const no = (why: Refusal): Outcome => ({ ok: false, why });

function decodePart(part: string): Fields | undefined {
  try {
    const bytes = Uint8Array.from(atob(part.replaceAll('-', '+').replaceAll('_', '/')), (char) =>
      char.charCodeAt(0),
    );
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    const value: unknown = JSON.parse(text);
    // Two parsers may disagree on which of two equal names counts.
    if (namesTwice(text)) return undefined;
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Fields)
      : undefined;
  } catch {
    return undefined;
  }
}

function fits(key: Fields, alg: string): boolean {
  if (typeof key['alg'] === 'string' && key['alg'] !== alg) return false;
  if (key['kty'] === 'EC' && CURVES[alg] !== key['crv']) return false;
  return ALGORITHMS[String(key['kty'])]?.includes(alg) === true;
}

/** Without a kid every key of the algorithm is tried; a key without kid fits any. */
export function candidateKeys(keys: readonly Fields[], header: Fields): readonly Fields[] {
  const { alg, kid } = header;
  if (typeof alg !== 'string') return [];
  const hasKid = typeof kid === 'string' && kid !== '';
  return keys.filter(
    (key) => fits(key, alg) && (!hasKid || key['kid'] === undefined || key['kid'] === kid),
  );
}

const imported = new WeakMap<Fields, Promise<CryptoKey | Uint8Array>>();

function importKey(key: Fields, alg: string): Promise<CryptoKey | Uint8Array> {
  let promise = imported.get(key);
  if (promise === undefined) {
    // `use`, `key_ops` and `ext` say what a key is for elsewhere; Envoy doesn't ask.
    const { use: _use, key_ops: _operations, ext: _ext, ...plain } = key;
    promise = importJWK(plain as JWK, alg);
    imported.set(key, promise);
  }
  return promise;
}

async function signatureHolds(
  token: string,
  keys: readonly Fields[],
  alg: string,
): Promise<boolean> {
  for (const key of keys) {
    try {
      await compactVerify(token, await importKey(key, alg), { algorithms: [alg] });
      return true;
    } catch {
      // The next key may be the one.
    }
  }
  return false;
}

/** Claims that must have their type when they are there. */
function typeFault(claims: Fields): Refusal | undefined {
  for (const name of ['iss', 'sub'])
    if (claims[name] !== undefined && typeof claims[name] !== 'string')
      return `Jwt payload [${name}] field is not a string`;
  for (const name of ['iat', 'nbf', 'exp']) {
    const value = claims[name];
    if (value === undefined) continue;
    if (typeof value !== 'number') return `Jwt payload [${name}] field is not an integer`;
    if (value < 0) return `Jwt payload [${name}] field is not a positive 64 bit integer`;
  }
  const { aud } = claims;
  const isList = Array.isArray(aud) && aud.every((entry) => typeof entry === 'string');
  if (aud !== undefined && typeof aud !== 'string' && !isList)
    return 'Jwt payload [aud] field is not a string or string list';
  return undefined;
}

/** What time alone changes about a token whose claims were found sound. */
export function timeFault(claims: Fields, nowMs: number): Refusal | undefined {
  const nowS = Math.floor(nowMs / 1000);
  const { nbf, exp } = claims as { readonly nbf?: number; readonly exp?: number };
  if (nbf !== undefined && nbf > nowS + CLOCK_SKEW_S) return 'Jwt not yet valid';
  if (exp !== undefined && exp !== 0 && exp + CLOCK_SKEW_S < nowS) return 'Jwt is expired';
  return undefined;
}

export function audiencesOf(claims: Fields): readonly string[] {
  const { aud } = claims;
  if (typeof aud === 'string') return [aud];
  return Array.isArray(aud)
    ? aud.filter((entry): entry is string => typeof entry === 'string')
    : [];
}

/** Trailing slashes and schemes don't tell audiences apart, as in Envoy. */
const audienceKey = (audience: string): string =>
  audience.replace(/^https?:\/\//, '').replace(/\/$/, '');

export interface Parsed {
  readonly header: Fields;
  readonly claims: Fields;
  readonly payload: string;
}

export function parseToken(token: string): Parsed | Refusal {
  const parts = token.split('.');
  if (parts.length !== 3 || token.length > MAX_TOKEN_LENGTH)
    return 'Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections';
  const header = decodePart(parts[0] ?? '');
  if (header === undefined) return 'Jwt header is an invalid Base64url encoded or invalid JSON';
  const claims = decodePart(parts[1] ?? '');
  if (claims === undefined) return 'Jwt payload is an invalid Base64url encoded or invalid JSON';
  return { header, claims, payload: parts[1] ?? '' };
}

export interface VerifyInput {
  readonly token: string;
  readonly rule: JwtRuleConfig;
  readonly keys: readonly Fields[] | undefined;
  readonly nowMs: number;
}

/** Everything but the signature, which is the dear part. */
export function checkClaims(
  parsed: Parsed,
  rule: JwtRuleConfig,
  nowMs: number,
): Refusal | undefined {
  const wrongType = typeFault(parsed.claims);
  if (wrongType !== undefined) return wrongType;
  if (rule.issuer !== undefined && parsed.claims['iss'] !== rule.issuer)
    return 'Jwt issuer is not configured';
  return timeFault(parsed.claims, nowMs);
}

export async function verifyToken({ token, rule, keys, nowMs }: VerifyInput): Promise<Outcome> {
  const parsed = parseToken(token);
  if (typeof parsed === 'string') return no(parsed);
  const fault = checkClaims(parsed, rule, nowMs);
  if (fault !== undefined) return no(fault);
  if (rule.audiences.length > 0) {
    const wanted = new Set(rule.audiences.map((audience) => audienceKey(audience)));
    if (!audiencesOf(parsed.claims).some((audience) => wanted.has(audienceKey(audience))))
      return no('Audiences in Jwt are not allowed');
  }
  // A mesh credential is none for users, and never a bearer's (RFC 8725, 3.11).
  if (MESH_TYPES.has(String(parsed.header['typ']).toLowerCase()))
    return no('Jwt verification fails');
  // No extension is known here, and RFC 7515 wants a token refused that insists on one.
  if (parsed.header['crit'] !== undefined) return no('Jwt verification fails');
  if (keys === undefined) return no('Jwks remote fetch is failed');
  const candidates = candidateKeys(keys, parsed.header);
  if (candidates.length === 0) return no("Jwks doesn't have key to match kid or alg from Jwt");
  const holds = await signatureHolds(token, candidates, String(parsed.header['alg']));
  return holds
    ? { ok: true, verified: { claims: parsed.claims, payload: parsed.payload } }
    : no('Jwt verification fails');
}
