/** RequestAuthentication at run time: tokens that are there must verify; without any a request has no identity. */
import { sha256Hex } from '../../lib/hash.ts';
import { LruMap } from '../../lib/lru.ts';
import type { Exchange, LocalReply } from '../../model/exchange.ts';
import type { Filter, FilterAnswer, LinkContext, PolicyFilter } from '../../model/policy.ts';
import type { JwtConfig, JwtRuleConfig } from './config.ts';
import { applyIdentity, clearOutputs } from './identity.ts';
import { locateTokens } from './locate.ts';
import type { FoundToken } from './locate.ts';
import type { Outcome, Refusal, Verified } from './verify.ts';
import { checkClaims, parseToken, verifyToken } from './verify.ts';

const MAX_CACHED = 1000;

interface Cached {
  readonly verified: Verified;
  /** Which keys it was verified with. */
  readonly keys: unknown;
}

/** What one rule makes of a request. */
interface RuleResult {
  readonly rule: JwtRuleConfig;
  readonly token?: FoundToken;
  readonly outcome?: Outcome;
}

function refuse(x: Exchange, why: Refusal): LocalReply {
  const isAudience = why === 'Audiences in Jwt are not allowed';
  // Nothing of the client's may break out of the quotes.
  const realm = `${x.scheme}://${x.authority}${x.path}`.replaceAll(/["\\\x00-\x1f\x7f]/g, '');
  return {
    status: isAudience ? 403 : 401,
    body: why,
    headers: [
      ['content-type', 'text/plain'],
      ['www-authenticate', `Bearer realm="${realm}", error="invalid_token"`],
    ],
    flag: '',
    details: `jwt_authn_access_denied{${why.replaceAll(' ', '_')}}`,
  };
}

const isGiven = (x: Exchange, name: string): boolean => (x.request.get(name) ?? '') !== '';

const UNSENDABLE: LocalReply = {
  status: 503,
  body: '',
  headers: [],
  flag: '',
  details: 'claim_breaks_header',
};

class JwtFilter implements Filter {
  readonly #rules: readonly JwtRuleConfig[];
  readonly #context: LinkContext;
  readonly #cache = new LruMap<string, Cached>(MAX_CACHED);

  constructor(config: JwtConfig, context: LinkContext) {
    this.#rules = config.rules;
    this.#context = context;
  }

  request(x: Exchange): FilterAnswer {
    const isPreflight =
      x.method === 'OPTIONS' && isGiven(x, 'origin') && isGiven(x, 'access-control-request-method');
    const found = this.#rules.map((rule) => ({ rule, tokens: locateTokens(x, rule) }));
    clearOutputs(x, this.#rules);
    if (isPreflight) return undefined;
    if (found.every(({ tokens }) => tokens.length === 0)) return undefined;
    const cached = this.#fromCache(found);
    if (cached !== undefined) return this.#conclude(x, cached);
    return this.#verifyAll(found).then((results) => this.#conclude(x, results));
  }

  #keysOf(rule: JwtRuleConfig): readonly Readonly<Record<string, unknown>>[] | undefined {
    return rule.jwks?.keys ?? this.#context.keys(rule.jwksUri ?? '')?.keys;
  }

  #cacheKey(rule: JwtRuleConfig, token: string): string {
    return `${this.#rules.indexOf(rule)}:${sha256Hex(token)}`;
  }

  /** All answers at once, or undefined when one needs a signature to be checked. */
  #fromCache(
    found: readonly { rule: JwtRuleConfig; tokens: readonly FoundToken[] }[],
  ): RuleResult[] | undefined {
    const results: RuleResult[] = [];
    for (const { rule, tokens } of found) {
      const [token] = tokens;
      if (token === undefined) {
        results.push({ rule });
        continue;
      }
      if (tokens.length > 1) return undefined;
      const outcome = this.#knownOutcome(rule, token.text);
      if (outcome === undefined) return undefined;
      results.push({ rule, token, outcome });
    }
    return results;
  }

  #knownOutcome(rule: JwtRuleConfig, token: string): Outcome | undefined {
    const cached = this.#cache.get(this.#cacheKey(rule, token));
    if (cached !== undefined && cached.keys === this.#keysOf(rule)) {
      const { claims, payload } = cached.verified;
      const fault = checkClaims(
        { header: {}, claims, payload },
        rule,
        this.#context.host.clock.nowMs(),
      );
      return fault === undefined
        ? { ok: true, verified: cached.verified }
        : { ok: false, why: fault };
    }
    const parsed = parseToken(token);
    if (typeof parsed === 'string') return { ok: false, why: parsed };
    const fault = checkClaims(parsed, rule, this.#context.host.clock.nowMs());
    return fault === undefined ? undefined : { ok: false, why: fault };
  }

  async #verifyAll(
    found: readonly { rule: JwtRuleConfig; tokens: readonly FoundToken[] }[],
  ): Promise<RuleResult[]> {
    const results: RuleResult[] = [];
    for (const { rule, tokens } of found) {
      let result: RuleResult = { rule };
      // Every token of a rule's places must hold; the first that fails decides.
      for (const token of tokens) {
        result = { rule, token, outcome: await this.#verify(rule, token.text) };
        if (result.outcome?.ok !== true) break;
      }
      results.push(result);
    }
    return results;
  }

  async #verify(rule: JwtRuleConfig, token: string): Promise<Outcome> {
    const known = this.#knownOutcome(rule, token);
    if (known !== undefined) return known;
    let outcome = await this.#verifyOnce(rule, token);
    if (!outcome.ok && rule.jwksUri !== undefined && outcome.why.startsWith('Jwks')) {
      await this.#context.refreshKeys(rule.jwksUri);
      outcome = await this.#verifyOnce(rule, token);
    }
    return outcome;
  }

  async #verifyOnce(rule: JwtRuleConfig, token: string): Promise<Outcome> {
    const keys = this.#keysOf(rule);
    const outcome = await verifyToken({
      token,
      rule,
      keys,
      nowMs: this.#context.host.clock.nowMs(),
    });
    if (outcome.ok)
      this.#cache.set(this.#cacheKey(rule, token), { verified: outcome.verified, keys });
    return outcome;
  }

  /** Passes when any rule verified, or when every rule is verified or without token. */
  #conclude(x: Exchange, results: readonly RuleResult[]): LocalReply | undefined {
    const verified = results.filter((result) => result.outcome?.ok === true);
    if (verified.length === 0) {
      const failed = results.filter((result) => result.outcome?.ok === false);
      // A rule of another issuer says less than one that knows the token's.
      const best =
        failed.find(
          ({ outcome }) => outcome?.ok === false && outcome.why !== 'Jwt issuer is not configured',
        ) ?? failed[0];
      if (best?.outcome?.ok === false) return refuse(x, best.outcome.why);
      return undefined;
    }
    for (const { rule, token, outcome } of verified)
      if (outcome?.ok === true) {
        if (!applyIdentity(x, rule, outcome.verified)) return UNSENDABLE;
        if (!rule.forwardOriginalToken) token?.strip(x);
      }
    return undefined;
  }
}

export const jwtFilter: PolicyFilter = {
  kind: 'jwt',
  phase: 'authn',
  link: (config, context) => new JwtFilter(config as JwtConfig, context),
};
