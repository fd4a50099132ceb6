/** Verifies one token against one rule; the algorithm is the key's, never the token's alone. */
import type { Fields } from '../../lib/fields.ts';
import type { JwtRuleConfig } from './config.ts';
import type { KeyRing } from './key-ring.ts';
import type { Refusal } from './refusal.ts';
import type { Parsed } from './token.ts';

export interface Verified {
  readonly claims: Readonly<Record<string, unknown>>;
  /** Second part of the token, base64url. */
  readonly payload: string;
}

export type Outcome =
  | { readonly ok: true; readonly verified: Verified }
  | { readonly ok: false; readonly why: Refusal };

/** Seconds of difference between clocks that are let pass. */
const CLOCK_SKEW_S = 60;
const MAX_TIME = 2 ** 64;
/**
 * What says of itself that it is something else than a token to call with (RFC 8725, 3.11): workload identity and its
 * proof, proof of possession, logout and event notices.
 */
const OTHER_TYPES = new Set(['wit+jwt', 'wpt+jwt', 'dpop+jwt', 'logout+jwt', 'secevent+jwt']);

const no = (why: Refusal): Outcome => ({ ok: false, why });

/** Claims that must have their type when they are there. */
function typeFault(claims: Fields): Refusal | undefined {
  for (const name of ['iss', 'sub'])
    if (claims[name] !== undefined && typeof claims[name] !== 'string')
      return `Jwt payload [${name}] field is not a string`;
  for (const name of ['iat', 'nbf', 'exp']) {
    const value = claims[name];
    if (value === undefined) continue;
    if (typeof value !== 'number') return `Jwt payload [${name}] field is not an integer`;
    if (value < 0 || value >= MAX_TIME)
      return `Jwt payload [${name}] field is not a positive 64 bit integer`;
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

function isForUs(claims: Fields, allowed: readonly string[]): boolean {
  if (allowed.length === 0) return true;
  const wanted = new Set(allowed.map((audience) => audienceKey(audience)));
  return audiencesOf(claims).some((audience) => wanted.has(audienceKey(audience)));
}

/** It insists on an extension, and none is known here (RFC 7515, 4.1.11; RFC 7797), or it is of another kind. */
function isOtherKind({ crit, b64, typ }: Fields): boolean {
  if (crit !== undefined || (b64 !== undefined && b64 !== true)) return true;
  return (
    typeof typ === 'string' && OTHER_TYPES.has(typ.toLowerCase().replace(/^application\//, ''))
  );
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
  const late = timeFault(parsed.claims, nowMs);
  if (late !== undefined) return late;
  if (!isForUs(parsed.claims, rule.audiences)) return 'Audiences in Jwt are not allowed';
  return isOtherKind(parsed.header) ? 'Jwt verification fails' : undefined;
}

/** Of a token whose claims hold; undefined ring = no keys were fetched yet. */
export function verifySignature(
  parsed: Parsed,
  ring: KeyRing | undefined,
): Outcome | Promise<Outcome> {
  if (ring === undefined) return no('Jwks remote fetch is failed');
  const candidates = ring.candidates(parsed);
  if (candidates.length === 0) return no("Jwks doesn't have key to match kid or alg from Jwt");
  const { claims, payload } = parsed;
  const concluded = (holds: boolean): Outcome =>
    holds ? { ok: true, verified: { claims, payload } } : no('Jwt verification fails');
  const holds = ring.holds(parsed, candidates);
  return typeof holds === 'boolean' ? concluded(holds) : holds.then(concluded);
}
