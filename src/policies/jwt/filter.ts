/** RequestAuthentication at run time: tokens that are there must verify; without any a request has no identity. */
import type { Exchange, LocalReply, TraceStep } from '../../model/exchange.ts';
import type { Filter, FilterAnswer, LinkContext, PolicyFilter } from '../../model/policy.ts';
import type { JwtConfig, JwtRuleConfig } from './config.ts';
import { applyIdentity, outputNames } from './identity.ts';
import { locateTokens, stripToken } from './locate.ts';
import type { FoundToken } from './locate.ts';
import { TokenCache } from '../../lib/token-cache.ts';
import type { Outcome, Refusal } from './verify.ts';
import { checkClaims, parseToken, timeFault, verifyToken } from './verify.ts';

type Passed = Extract<Outcome, { ok: true }>;

interface Cached {
  readonly outcome: Passed;
  /** Which keys it was verified with. */
  readonly keys: unknown;
}

/** A rule, and the tokens that it has seen hold. */
interface LinkedRule {
  readonly rule: JwtRuleConfig;
  readonly cache: TokenCache<Cached>;
}

/** A rule on one request. */
interface Found {
  readonly linked: LinkedRule;
  readonly tokens: readonly FoundToken[];
  /** Of the token that decides; undefined = the rule has none here. */
  outcome: Outcome | undefined;
  token: FoundToken | undefined;
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

const OTHER_ISSUER: Refusal = 'Jwt issuer is not configured';

const UNSENDABLE: LocalReply = {
  status: 503,
  body: '',
  headers: [],
  flag: '',
  details: 'claim_breaks_header',
};

/** Which token a rule found, and what came of it. */
function traceRule(trace: TraceStep[], { linked, token, outcome }: Found): void {
  const { rule } = linked;
  const name = rule.origin.resource.slice(rule.origin.resource.indexOf(' ') + 1);
  const issuer = rule.issuer ?? 'any issuer';
  const step = { step: 'policy', name, origin: rule.origin } as const;
  if (outcome === undefined || token === undefined) {
    const places = [
      ...rule.fromHeaders.map((header) => `header ${header.name}`),
      ...rule.fromParams.map((param) => `query parameter ${param}`),
      ...rule.fromCookies.map((cookie) => `cookie ${cookie}`),
    ];
    trace.push({ ...step, outcome: 'not-matched', detail: `no token in ${places.join(', ')}` });
  } else if (outcome.ok) {
    const { claims } = outcome.verified;
    const subject = typeof claims['sub'] === 'string' ? claims['sub'] : 'nobody';
    trace.push({ ...step, outcome: 'passed', detail: `token of ${issuer} for ${subject}` });
  } else
    trace.push({
      ...step,
      outcome: 'denied',
      detail: `${outcome.why}; it takes tokens of ${issuer}`,
    });
}

class JwtFilter implements Filter {
  readonly #rules: readonly LinkedRule[];
  /** Headers that no client may send. */
  readonly #outputs: readonly string[];
  readonly #context: LinkContext;

  constructor(config: JwtConfig, context: LinkContext) {
    this.#rules = config.rules.map((rule) => ({ rule, cache: new TokenCache() }));
    this.#outputs = outputNames(config.rules);
    this.#context = context;
  }

  request(x: Exchange): FilterAnswer {
    const isPreflight =
      x.method === 'OPTIONS' && isGiven(x, 'origin') && isGiven(x, 'access-control-request-method');
    let hasTokens = false;
    const found: Found[] = [];
    for (const linked of this.#rules) {
      const tokens = locateTokens(x, linked.rule);
      if (tokens.length > 0) hasTokens = true;
      found.push({ linked, tokens, outcome: undefined, token: undefined });
    }
    for (const name of this.#outputs) x.request.remove(name);
    if (isPreflight || !hasTokens) {
      if (x.trace !== undefined) for (const entry of found) traceRule(x.trace, entry);
      return undefined;
    }
    if (this.#knowsAll(found)) return this.#conclude(x, found);
    return this.#verifyAll(found).then(() => this.#conclude(x, found));
  }

  #keysOf(rule: JwtRuleConfig): readonly Readonly<Record<string, unknown>>[] | undefined {
    return rule.jwks?.keys ?? this.#context.keys(rule.jwksUri ?? '')?.keys;
  }

  /** True = every rule has its outcome without a signature to be checked. */
  #knowsAll(found: readonly Found[]): boolean {
    for (const entry of found) {
      const [token] = entry.tokens;
      if (token === undefined) continue;
      if (entry.tokens.length > 1) return false;
      entry.token = token;
      entry.outcome = this.#knownOutcome(entry.linked, token.text);
      if (entry.outcome === undefined) return false;
    }
    return true;
  }

  #knownOutcome({ rule, cache }: LinkedRule, token: string): Outcome | undefined {
    const cached = cache.get(token);
    const nowMs = this.#context.host.clock.nowMs();
    if (cached !== undefined && cached.keys === this.#keysOf(rule)) {
      const late = timeFault(cached.outcome.verified.claims, nowMs);
      return late === undefined ? cached.outcome : { ok: false, why: late };
    }
    const parsed = parseToken(token);
    if (typeof parsed === 'string') return { ok: false, why: parsed };
    const fault = checkClaims(parsed, rule, nowMs);
    return fault === undefined ? undefined : { ok: false, why: fault };
  }

  async #verifyAll(found: readonly Found[]): Promise<void> {
    for (const entry of found)
      // Every token of a rule's places must hold; the first that fails decides.
      for (const token of entry.tokens) {
        entry.token = token;
        entry.outcome = await this.#verify(entry.linked, token.text);
        if (!entry.outcome.ok) break;
      }
  }

  async #verify(linked: LinkedRule, token: string): Promise<Outcome> {
    const known = this.#knownOutcome(linked, token);
    if (known !== undefined) return known;
    const outcome = await this.#verifyOnce(linked, token);
    const { jwksUri } = linked.rule;
    if (outcome.ok || jwksUri === undefined || !outcome.why.startsWith('Jwks')) return outcome;
    await this.#context.refreshKeys(jwksUri);
    return this.#verifyOnce(linked, token);
  }

  async #verifyOnce({ rule, cache }: LinkedRule, token: string): Promise<Outcome> {
    const keys = this.#keysOf(rule);
    const nowMs = this.#context.host.clock.nowMs();
    const outcome = await verifyToken({ token, rule, keys, nowMs });
    if (outcome.ok) cache.set(token, { outcome, keys });
    return outcome;
  }

  /** Passes when any rule verified, or when every rule is verified or without token. */
  #conclude(x: Exchange, found: readonly Found[]): LocalReply | undefined {
    if (x.trace !== undefined) for (const entry of found) traceRule(x.trace, entry);
    let isVerified = false;
    let why: Refusal | undefined;
    for (const { outcome } of found) {
      if (outcome?.ok === true) isVerified = true;
      // A rule of another issuer says less than one that knows the token's.
      else if (outcome !== undefined && (why === undefined || why === OTHER_ISSUER))
        why = outcome.why;
    }
    if (!isVerified) return why === undefined ? undefined : refuse(x, why);
    for (const { linked, token, outcome } of found)
      if (outcome?.ok === true) {
        if (!applyIdentity(x, linked.rule, outcome.verified)) return UNSENDABLE;
        if (token !== undefined && !linked.rule.forwardOriginalToken) stripToken(x, token);
      }
    return undefined;
  }
}

export const jwtFilter: PolicyFilter = {
  kind: 'jwt',
  phase: 'authn',
  link: (config, context) => new JwtFilter(config as JwtConfig, context),
};
