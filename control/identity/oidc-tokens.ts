/** Tokens of a workload's platform: verified by the keys of the issuer that a rule names, and by no others. */
import { decodeJwt, decodeProtectedHeader, importJWK, jwtVerify } from 'jose';
import type { JWK, JWTPayload } from 'jose';
import { CLOCK_SKEW_MS } from '../../src/delivery/joining.ts';
import { sha256Hex } from '../../src/lib/hash.ts';
import { ISSUER_PREFIX } from '../../src/lib/key-set-name.ts';
import type { Keys } from '../keys.ts';
import type { OidcJoinRule, OidcRules } from './oidc-rules.ts';
import { OIDC_ALGORITHMS, identityFor, ruleFault } from './oidc-rules.ts';
import { Refusal } from './refusal.ts';

export interface ProvenByOidc {
  readonly identity: string;
  /** The rule and the token's subject. */
  readonly actor: string;
  /** A token is good for one certificate: by what it is known again, and until when that has to be remembered. */
  readonly once: string;
  readonly onceUntilMs: number;
}

const MAX_TOKEN = 16 * 1024;
/** Without a kid, so many keys are tried. */
const MAX_TRIED = 4;
const PRIVATE = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k'] as const;
const MAX_ACTOR = 256;

interface Unverified {
  readonly issuer: string;
  readonly kid: string | undefined;
  readonly alg: string;
}

/** Only what is needed to find the keys. */
function peek(token: string): Unverified {
  const malformed = new Refusal('oidc', { reason: 'the OIDC token is no JWT' });
  if (token.length > MAX_TOKEN) throw malformed;
  try {
    const { kid, alg } = decodeProtectedHeader(token);
    const { iss } = decodeJwt(token);
    if (typeof iss !== 'string' || typeof alg !== 'string') throw malformed;
    return { issuer: iss, kid, alg };
  } catch {
    throw malformed;
  }
}

const isUsable = (key: Readonly<Record<string, unknown>>, { kid, alg }: Unverified): boolean =>
  key['kty'] !== 'oct' &&
  PRIVATE.every((member) => key[member] === undefined) &&
  key['use'] !== 'enc' &&
  (key['alg'] === undefined || key['alg'] === alg) &&
  (kid === undefined || key['kid'] === kid);

export class OidcTokens {
  readonly #rules: OidcRules;
  readonly #keys: Keys;
  readonly #nowMs: () => number;

  constructor(rules: OidcRules, keys: Keys, nowMs: () => number) {
    this.#rules = rules;
    this.#keys = keys;
    this.#nowMs = nowMs;
  }

  /** @throws Refusal */
  async verify(token: string): Promise<ProvenByOidc> {
    const seen = peek(token);
    const rules = (await this.#rules.list()).filter(({ issuer }) => issuer === seen.issuer);
    if (rules.length === 0)
      throw new Refusal('unknown-issuer', {
        reason: `no rule for issuer ${JSON.stringify(seen.issuer.slice(0, MAX_ACTOR))}`,
      });
    const claims = await this.#claims(token, seen);
    const identities = new Map<string, OidcJoinRule>();
    const faults: string[] = [];
    for (const rule of rules) {
      const fault = this.#judge(rule, claims, seen.alg);
      if (typeof fault === 'string') faults.push(`${rule.name}: ${fault}`);
      else identities.set(fault.identity, rule);
    }
    const [[identity, rule] = []] = identities;
    if (identity === undefined || rule === undefined)
      throw new Refusal('no-rule', { reason: `no rule fits: ${faults.join('; ')}` });
    if (identities.size > 1)
      throw new Refusal('no-rule', {
        reason: `rules give different identities: ${[...identities.keys()].join(', ')}`,
      });
    return provenBy(token, { claims, identity, rule });
  }

  #judge(
    rule: OidcJoinRule,
    claims: JWTPayload,
    alg: string,
  ): string | { readonly identity: string } {
    const { aud, iat = 0 } = claims;
    const audiences = Array.isArray(aud) ? aud : [aud];
    if (!rule.algorithms.some((one) => one === alg)) return `algorithm ${alg} is not allowed`;
    if (!audiences.includes(rule.audience)) return `its audience is not ${rule.audience}`;
    const ageMs = this.#nowMs() - iat * 1000;
    if (ageMs > rule.maxAgeMs + CLOCK_SKEW_MS)
      return `it is ${Math.round(ageMs / 1000)} s old, and may be ${rule.maxAgeMs / 1000}`;
    const fault = ruleFault(rule, claims);
    if (fault !== undefined) return fault;
    try {
      return { identity: identityFor(rule, claims) };
    } catch (error) {
      return error instanceof Error ? error.message : 'its claims make no identity';
    }
  }

  async #claims(token: string, seen: Unverified): Promise<JWTPayload> {
    const uri = ISSUER_PREFIX + seen.issuer;
    await this.#keys.ensure([uri]);
    let fitting = this.#fitting(uri, seen);
    if (fitting.length === 0) {
      await this.#keys.refresh(uri);
      fitting = this.#fitting(uri, seen);
    }
    let reason = 'no key of the issuer fits';
    for (const key of fitting)
      try {
        return await this.#verifyBy(key, token, seen);
      } catch (error) {
        reason = error instanceof Error ? error.message : reason;
      }
    throw new Refusal('oidc', { reason: `the OIDC token is not taken: ${reason}` });
  }

  async #verifyBy(key: JWK, token: string, { issuer, alg }: Unverified): Promise<JWTPayload> {
    const { payload } = await jwtVerify(token, await importJWK(key, alg), {
      algorithms: [...OIDC_ALGORITHMS],
      issuer,
      clockTolerance: CLOCK_SKEW_MS / 1000,
      currentDate: new Date(this.#nowMs()),
      requiredClaims: ['iss', 'aud', 'exp', 'iat', 'sub'],
    });
    if ((payload.iat ?? Infinity) * 1000 > this.#nowMs() + CLOCK_SKEW_MS)
      throw new Error('it was issued in the future');
    return payload;
  }

  #fitting(uri: string, seen: Unverified): readonly JWK[] {
    const all = this.#keys.of(uri)?.keys ?? [];
    return all.filter((key) => isUsable({ ...key }, seen)).slice(0, MAX_TRIED);
  }
}

function provenBy(
  token: string,
  from: { readonly claims: JWTPayload; readonly identity: string; readonly rule: OidcJoinRule },
): ProvenByOidc {
  const { iss = '', jti, sub = '', exp = 0 } = from.claims;
  // A signature can be written in two ways, what is signed can't.
  const signed = token.slice(0, token.lastIndexOf('.'));
  return {
    identity: from.identity,
    actor: `oidc ${from.rule.name}: ${JSON.stringify(sub.slice(0, MAX_ACTOR))}`,
    once: jti === undefined ? `oidc/${sha256Hex(signed)}` : `oidc/${iss}/${jti}`,
    onceUntilMs: exp * 1000 + CLOCK_SKEW_MS,
  };
}
