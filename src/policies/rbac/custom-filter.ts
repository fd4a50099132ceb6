/** Asks external authorizers about what CUSTOM policies match, before any token is looked at. */
import type { AskedMark, Exchange, LocalReply } from '../../model/exchange.ts';
import type { Filter, LinkContext, PolicyFilter } from '../../model/policy.ts';
import { createHttpCheck } from './check-http.ts';
import type { Check, CheckVerdict, HeaderEdit, SentBody } from './check-verdict.ts';
import { allow, applyEdits, refusal } from './check-verdict.ts';
import type { CustomConfig, CustomProvider } from './custom-config.ts';
import type { LinkedPolicy } from './link-rules.ts';
import { accessDenied, linkPolicy, matchingRule, withoutHttp } from './link-rules.ts';
import { traceRule } from './trace-rules.ts';

type Authorizer = NonNullable<CustomProvider['authorizer']>;

/** Makes the check of an authorizer; undefined = this runtime can't ask such a one. */
export type ChecksOf = (authorizer: Authorizer, context: LinkContext) => Check | undefined;

const BODY_TOO_LARGE: LocalReply = {
  status: 413,
  body: '',
  headers: [],
  flag: '',
  details: 'ext_authz_body_too_large',
};
const NO_BODY: SentBody = { bytes: new Uint8Array(0), isWhole: true };

interface Provider {
  readonly name: string;
  readonly policies: readonly LinkedPolicy[];
  /** Judged by what a connection has. */
  readonly ofConnections: readonly LinkedPolicy[];
  readonly authorizer: Authorizer | undefined;
  readonly check: Check | undefined;
}

/** What a policy matched. */
interface Match {
  readonly policy: LinkedPolicy;
  readonly rule: number;
}

function linkProvider(
  provider: CustomProvider,
  context: LinkContext,
  checksOf: ChecksOf,
): Provider {
  const { name, policies, authorizer } = provider;
  return {
    name,
    authorizer,
    check: authorizer === undefined ? undefined : checksOf(authorizer, context),
    policies: policies.map((policy) => linkPolicy(policy, 'CUSTOM')),
    ofConnections: policies.map((policy) =>
      linkPolicy({ ...policy, rules: policy.rules.map((rule) => withoutHttp(rule)) }, 'CUSTOM'),
    ),
  };
}

function firstMatch(policies: readonly LinkedPolicy[], x: Exchange): Match | undefined {
  for (const policy of policies) {
    const rule = matchingRule(policy, x, true);
    if (rule >= 0) return { policy, rule };
    traceRule(x, policy, rule, 'passed');
  }
  return undefined;
}

function decide(x: Exchange, { policy, rule }: Match): void {
  x.decidedBy = policy.name;
  x.decidedRule = rule;
}

function mark(x: Exchange, provider: string, result: AskedMark['result']): void {
  x.marks = { ...x.marks, asked: [...(x.marks?.asked ?? []), { provider, result }] };
}

class CustomFilter implements Filter {
  readonly #providers: readonly Provider[];
  readonly #slot: number;

  constructor({ providers }: CustomConfig, context: LinkContext, checksOf: ChecksOf) {
    this.#providers = providers.map((provider) => linkProvider(provider, context, checksOf));
    this.#slot = context.slot;
  }

  request(x: Exchange): LocalReply | undefined | Promise<LocalReply | undefined> {
    const providers = this.#providers;
    for (let i = 0; i < providers.length; i++) {
      const match = firstMatch((providers[i] as Provider).policies, x);
      if (match !== undefined) return this.#from(x, i, match);
    }
    return undefined;
  }

  connection(x: Exchange): boolean | Promise<boolean> {
    const providers = this.#providers;
    for (let i = 0; i < providers.length; i++) {
      const answer = this.#connectionBy(x, providers[i] as Provider);
      if (answer === false) return false;
      if (answer !== true) return this.#connectionFrom(x, answer, i + 1);
    }
    return true;
  }

  response(x: Exchange): void {
    const edits = x.slots[this.#slot] as readonly HeaderEdit[] | undefined;
    if (edits !== undefined && x.response !== undefined) applyEdits(x.response, edits);
  }

  /** What provider `index` is to be asked about, and what those behind it are. */
  #from(
    x: Exchange,
    index: number,
    match: Match,
  ): LocalReply | undefined | Promise<LocalReply | undefined> {
    const { authorizer, check } = this.#providers[index] as Provider;
    // A dry run has nobody to ask without effect, so it is refused like a provider that is missing.
    if (authorizer === undefined || check === undefined || match.policy.dryRun) {
      traceRule(x, match.policy, match.rule, 'denied');
      decide(x, match);
      return accessDenied(match.policy, match.rule);
    }
    return this.#askFrom(x, index, match);
  }

  async #askFrom(x: Exchange, first: number, match: Match): Promise<LocalReply | undefined> {
    const reply = await this.#ask(x, this.#providers[first] as Provider, match);
    if (reply !== undefined) return reply;
    for (let i = first + 1; i < this.#providers.length; i++) {
      const next = firstMatch((this.#providers[i] as Provider).policies, x);
      if (next !== undefined) return this.#from(x, i, next);
    }
    return undefined;
  }

  async #ask(x: Exchange, provider: Provider, match: Match): Promise<LocalReply | undefined> {
    const { name, authorizer, check } = provider;
    if (authorizer === undefined || check === undefined) return undefined;
    let body: SentBody | undefined;
    if (authorizer.body !== undefined) {
      body = (await x.readBody?.(authorizer.body.maxBytes)) ?? NO_BODY;
      if (!body.isWhole && !authorizer.body.allowPartial) {
        traceRule(x, match.policy, match.rule, 'denied');
        decide(x, match);
        return BODY_TOO_LARGE;
      }
    }
    const verdict = await check.ask(x, body);
    const passes = note(x, verdict, { name, authorizer, match });
    if (verdict.kind === 'allowed') {
      allow(x, verdict, authorizer.clearRouteCache);
      if (verdict.response.length > 0) this.#keepForClient(x, verdict.response);
    }
    if (passes) return undefined;
    if (verdict.kind === 'denied') return refusal(verdict);
    return errorReply(authorizer.statusOnError);
  }

  #keepForClient(x: Exchange, edits: readonly HeaderEdit[]): void {
    const before = x.slots[this.#slot] as readonly HeaderEdit[] | undefined;
    x.slots[this.#slot] = before === undefined ? edits : [...before, ...edits];
  }

  #connectionBy(x: Exchange, provider: Provider): boolean | Promise<boolean> {
    const { name, authorizer, check, ofConnections } = provider;
    // An HTTP authorizer isn't asked about connections; where nobody can be asked they matter all the same.
    if (check !== undefined && check.askConnection === undefined) return true;
    const match = firstMatch(ofConnections, x);
    if (match === undefined) return true;
    if (authorizer === undefined || check?.askConnection === undefined || match.policy.dryRun) {
      traceRule(x, match.policy, match.rule, 'denied');
      decide(x, match);
      x.details = accessDenied(match.policy, match.rule).details;
      return false;
    }
    return check.askConnection(x).then((verdict) => {
      const passes = note(x, verdict, { name, authorizer, match });
      if (!passes) {
        x.flags = 'UAEX';
        if (verdict.kind === 'denied') x.details = 'ext_authz_denied';
        else x.details = `ext_authz_error{${x.details}}`;
      }
      return passes;
    });
  }

  async #connectionFrom(x: Exchange, first: Promise<boolean>, index: number): Promise<boolean> {
    let passes = await first;
    for (const provider of this.#providers.slice(index)) {
      if (!passes) return false;
      passes = await this.#connectionBy(x, provider);
    }
    return passes;
  }
}

interface Asked {
  readonly name: string;
  readonly authorizer: Authorizer;
  readonly match: Match;
}

/** Writes down who said what. True: the request goes on. */
function note(x: Exchange, verdict: CheckVerdict, { name, authorizer, match }: Asked): boolean {
  const mayFail = verdict.kind === 'failed' && !verdict.isInvalid && authorizer.failOpen;
  const passes = verdict.kind === 'allowed' || mayFail;
  traceRule(x, match.policy, match.rule, passes ? 'passed' : 'denied');
  if (verdict.kind === 'allowed') mark(x, name, 'ok');
  else if (verdict.kind === 'denied') mark(x, name, 'denied');
  else mark(x, name, mayFail ? 'failure_mode_allowed' : 'error');
  if (passes) return true;
  decide(x, match);
  if (verdict.kind === 'failed') x.details = verdict.why.replaceAll(/[^-\w.:/]+/g, '_');
  return false;
}

function errorReply(status: number): LocalReply {
  return { status, body: '', headers: [], flag: 'UAEX', details: 'ext_authz_error' };
}

export function createCustomFilter(checksOf: ChecksOf): PolicyFilter {
  return {
    kind: 'ext-authz',
    phase: 'authz-custom',
    link: (config, context) => new CustomFilter(config as CustomConfig, context, checksOf),
  };
}

/** Over HTTP alone: what an authorizer over gRPC would be asked about is refused. */
export const customFilter: PolicyFilter = createCustomFilter((authorizer, context) =>
  authorizer.kind === 'http' ? createHttpCheck(authorizer, context) : undefined,
);
