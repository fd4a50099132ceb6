/** RequestAuthentication at run time: tokens that are there must verify; without any a request has no identity. */
import { isAlgorithm } from '../../lib/jwk.ts';
import type { Exchange, LocalReply, TraceStep } from '../../model/exchange.ts';
import type { Filter, FilterAnswer, LinkContext, PolicyFilter } from '../../model/policy.ts';
import type { JwtConfig, JwtRuleConfig } from './config.ts';
import { applyIdentity, outputNames } from './identity.ts';
import { locateTokens, stripToken } from './locate.ts';
import type { FoundToken } from './locate.ts';
import { ringOf } from './key-ring.ts';
import type { Refusal } from './refusal.ts';
import { parseToken } from './token.ts';
import type { Parsed } from './token.ts';
import { TokenCache } from '../../lib/token-cache.ts';
import { UnknownKids } from '../../lib/unknown-kids.ts';
import type { Outcome } from './verify.ts';
import { checkClaims, timeFault, verifySignature } from './verify.ts';

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
  readonly unknownKids: UnknownKids;
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

const PLACES = { header: 'header', param: 'query parameter', cookie: 'cookie' } as const;

/** Which token a rule found, and what came of it. */
function traceRule(trace: TraceStep[], { linked, token, outcome }: Found): void {
  const { rule } = linked;
  const name = rule.origin.resource.slice(rule.origin.resource.indexOf(' ') + 1);
  const issuer = rule.issuer ?? 'any issuer';
  const audience = rule.audiences.length === 0 ? '' : ` for ${rule.audiences.join(' or ')}`;
  const step = { step: 'policy', name, origin: rule.origin } as const;
  if (outcome === undefined || token === undefined) {
    const places = [
      ...rule.fromHeaders.map(({ name: header, prefix }) =>
        prefix === '' ? `header ${header}` : `header ${header} behind ${JSON.stringify(prefix)}`,
      ),
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
      detail: `${outcome.why}; the token is in ${PLACES[token.place]} ${token.name}, and the rule takes tokens of ${issuer}${audience}`,
    });
}

class JwtFilter implements Filter {
  readonly #rules: readonly LinkedRule[];
  /** Headers that no client may send. */
  readonly #outputs: readonly string[];
  readonly #context: LinkContext;

  constructor(config: JwtConfig, context: LinkContext) {
    this.#rules = config.rules.map((rule) => ({
      rule,
      cache: new TokenCache(),
      unknownKids: new UnknownKids(),
    }));
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
    const waiting = this.#judge(found, 0, 0);
    if (waiting === undefined) return this.#conclude(x, found);
    return waiting.then(() => this.#conclude(x, found));
  }

  #keysOf(rule: JwtRuleConfig): readonly Readonly<Record<string, unknown>>[] | undefined {
    return rule.jwks?.keys ?? this.#context.keys(rule.jwksUri ?? '')?.keys;
  }

  /** From one token of one rule on. Every token of a rule's places must hold; the first that fails decides. */
  #judge(found: readonly Found[], from: number, fromToken: number): Promise<void> | undefined {
    for (let i = from; i < found.length; i++) {
      const entry = found[i];
      if (entry === undefined) continue;
      for (let j = i === from ? fromToken : 0; j < entry.tokens.length; j++) {
        if (entry.outcome?.ok === false) break;
        entry.token = entry.tokens[j];
        const outcome = this.#verify(entry.linked, entry.token?.text ?? '');
        if (outcome instanceof Promise)
          return outcome.then((settled) => {
            entry.outcome = settled;
            return this.#judge(found, i, j + 1);
          });
        entry.outcome = outcome;
      }
    }
    return undefined;
  }

  #verify(linked: LinkedRule, token: string): Outcome | Promise<Outcome> {
    const { rule, cache } = linked;
    const nowMs = this.#context.host.clock.nowMs();
    const cached = cache.get(token);
    if (cached !== undefined && cached.keys === this.#keysOf(rule)) {
      const late = timeFault(cached.outcome.verified.claims, nowMs);
      return late === undefined ? cached.outcome : { ok: false, why: late };
    }
    const parsed = parseToken(token);
    if (typeof parsed === 'string') return { ok: false, why: parsed };
    const fault = checkClaims(parsed, rule, nowMs);
    if (fault !== undefined) return { ok: false, why: fault };
    if (this.#lacksKey(linked, parsed)) return this.#withFresherKeys(linked, token, parsed);
    return this.#verifyOnce(linked, token, parsed);
  }

  #verifyOnce(
    { rule, cache }: LinkedRule,
    token: string,
    parsed: Parsed,
  ): Outcome | Promise<Outcome> {
    const keys = this.#keysOf(rule);
    const { checkFor } = this.#context.host;
    const outcome = verifySignature(parsed, keys && ringOf(keys, checkFor));
    const remembered = (settled: Outcome): Outcome => {
      if (settled.ok) cache.set(token, { outcome: settled, keys });
      return settled;
    };
    return outcome instanceof Promise ? outcome.then(remembered) : remembered(outcome);
  }

  /** Might the issuer have this key by now, and is that worth a question? */
  #lacksKey({ rule, unknownKids }: LinkedRule, { kid, header }: Parsed): boolean {
    if (rule.jwksUri === undefined || !isAlgorithm(header['alg'])) return false;
    const keys = this.#keysOf(rule);
    if (keys === undefined) return true;
    if (kid === '') return false;
    if (ringOf(keys, this.#context.host.checkFor).hasKid(kid)) return false;
    return !unknownKids.has(kid, keys, this.#context.host.clock.nowMs());
  }

  async #withFresherKeys(linked: LinkedRule, token: string, parsed: Parsed): Promise<Outcome> {
    const { rule, unknownKids } = linked;
    await this.#context.refreshKeys(rule.jwksUri ?? '', parsed.kid);
    const keys = this.#keysOf(rule);
    if (keys !== undefined && this.#lacksKey(linked, parsed))
      unknownKids.add(parsed.kid, keys, this.#context.host.clock.nowMs());
    return this.#verifyOnce(linked, token, parsed);
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
    for (const { linked, tokens, outcome } of found)
      if (outcome?.ok === true) {
        if (!applyIdentity(x, linked.rule, outcome.verified)) return UNSENDABLE;
        if (!linked.rule.forwardOriginalToken) for (const token of tokens) stripToken(x, token);
      }
    return undefined;
  }
}

export const jwtFilter: PolicyFilter = {
  kind: 'jwt',
  phase: 'authn',
  link: (config, context) => new JwtFilter(config as JwtConfig, context),
};
