/** Asks an external authorizer over HTTP about what CUSTOM policies match, before any token is looked at. */
import type { CallAnswer } from '../../host/host.ts';
import type { Exchange, LocalReply } from '../../model/exchange.ts';
import type { Filter, LinkContext, PolicyFilter } from '../../model/policy.ts';
import type { CustomConfig } from './custom-config.ts';
import type { LinkedPolicy } from './link-rules.ts';
import { accessDenied, linkPolicy, matchingRule, withoutHttp } from './link-rules.ts';
import { traceRule } from './trace-rules.ts';

type Authorizer = NonNullable<CustomConfig['authorizer']>;
type Header = readonly [name: string, value: string];

const ALLOWED = 200;
const SERVER_ERROR = 500;
const BODY_TOO_LARGE: LocalReply = {
  status: 413,
  body: '',
  headers: [],
  flag: '',
  details: 'ext_authz_body_too_large',
};
/** Enough for a page that says why. */
const MAX_ANSWER_BYTES = 65_536;
const NO_BODY = new Uint8Array(0);

/** Of the connection to the authorizer, not of what it says. */
const HOP = new Set([
  'connection',
  'content-length',
  'date',
  'keep-alive',
  'server',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** Exact names, `prefix*` and `*suffix`. */
function linkNames(patterns: readonly string[]): (name: string) => boolean {
  const exact = new Set(patterns.filter((pattern) => !pattern.includes('*')));
  const prefixes = patterns.filter((one) => one.endsWith('*')).map((one) => one.slice(0, -1));
  const suffixes = patterns
    .filter((one) => one.startsWith('*') && one.length > 1)
    .map((one) => one.slice(1));
  return (name) =>
    exact.has(name) ||
    prefixes.some((prefix) => name.startsWith(prefix)) ||
    suffixes.some((suffix) => name.endsWith(suffix));
}

/** What a refusal always shows its client, whatever else is listed. */
const ALWAYS_SHOWN = new Set([
  'content-type',
  'location',
  'www-authenticate',
  'proxy-authenticate',
]);

class CustomFilter implements Filter {
  readonly #policies: readonly LinkedPolicy[];
  readonly #ofConnections: readonly LinkedPolicy[];
  readonly #authorizer: Authorizer | undefined;
  readonly #context: LinkContext;
  readonly #isSent: (name: string) => boolean;
  readonly #isForUpstream: (name: string) => boolean;
  readonly #isForClient: (name: string) => boolean;
  readonly #isShownOnDeny: (name: string) => boolean;

  constructor({ policies, authorizer }: CustomConfig, context: LinkContext) {
    this.#policies = policies.map((policy) => linkPolicy(policy, 'CUSTOM'));
    // Only where nobody can be asked do connections that aren't HTTP matter.
    this.#ofConnections =
      authorizer === undefined
        ? policies.map((policy) =>
            linkPolicy(
              { ...policy, rules: policy.rules.map((rule) => withoutHttp(rule)) },
              'CUSTOM',
            ),
          )
        : [];
    this.#authorizer = authorizer;
    this.#context = context;
    this.#isSent = linkNames(['authorization', ...(authorizer?.requestHeaders ?? [])]);
    this.#isForUpstream = linkNames(authorizer?.upstreamOnAllow ?? []);
    this.#isForClient = linkNames(authorizer?.downstreamOnAllow ?? []);
    const shown = authorizer?.downstreamOnDeny ?? [];
    const isListed = linkNames(shown);
    this.#isShownOnDeny =
      shown.length === 0 ? () => true : (name) => ALWAYS_SHOWN.has(name) || isListed(name);
  }

  request(x: Exchange): LocalReply | undefined | Promise<LocalReply | undefined> {
    for (const policy of this.#policies) {
      const rule = matchingRule(policy, x, true);
      if (rule < 0) {
        traceRule(x, policy, rule, 'passed');
        continue;
      }
      const authorizer = this.#authorizer;
      if (authorizer !== undefined && !policy.dryRun) return this.#ask(x, policy, authorizer, rule);
      // A dry run has nobody to ask without effect, so it is refused like a provider that is missing.
      traceRule(x, policy, rule, 'denied');
      x.decidedBy = policy.name;
      return accessDenied(policy.name);
    }
    return undefined;
  }

  /** An HTTP authorizer isn't asked about connections. */
  connection(x: Exchange): boolean {
    return this.#ofConnections.every((policy) => matchingRule(policy, x, true) < 0);
  }

  response(x: Exchange): void {
    const headers = x.slots[this.#context.slot] as readonly Header[] | undefined;
    for (const [name, value] of headers ?? []) x.response?.set(name, value);
  }

  async #ask(
    x: Exchange,
    policy: LinkedPolicy,
    authorizer: Authorizer,
    rule: number,
  ): Promise<LocalReply | undefined> {
    let sent: { readonly bytes: Uint8Array; readonly isWhole: boolean } | undefined;
    if (authorizer.body !== undefined) {
      sent = (await x.readBody?.(authorizer.body.maxBytes)) ?? { bytes: NO_BODY, isWhole: true };
      if (!sent.isWhole && !authorizer.body.allowPartial) return BODY_TOO_LARGE;
    }
    let answer: CallAnswer | undefined;
    try {
      answer = await this.#context.call(authorizer.cluster, {
        method: x.method,
        authority: x.authority,
        target: authorizer.pathPrefix + x.path + x.query,
        headers: this.#sentHeaders(x, authorizer, sent),
        ...(sent === undefined ? {} : { body: sent.bytes }),
        timeoutMs: authorizer.timeoutMs,
        maxBodyBytes: MAX_ANSWER_BYTES,
      });
    } catch {
      answer = undefined;
    }
    const isFailed = answer === undefined || answer.status >= SERVER_ERROR;
    const isAllowed = answer?.status === ALLOWED || (isFailed && authorizer.failOpen);
    traceRule(x, policy, rule, isAllowed ? 'passed' : 'denied');
    if (isAllowed) {
      if (!isFailed && answer !== undefined) this.#takeHeaders(x, answer);
      return undefined;
    }
    x.decidedBy = policy.name;
    if (isFailed || answer === undefined) return failed(authorizer.statusOnError);
    return this.#refusal(answer);
  }

  #sentHeaders(
    x: Exchange,
    authorizer: Authorizer,
    sent: { readonly isWhole: boolean } | undefined,
  ): Header[] {
    const headers: Header[] = [];
    x.request.forEach((name, value) => {
      if (this.#isSent(name) && !HOP.has(name)) headers.push([name, value]);
    });
    if (sent !== undefined)
      headers.push(['x-envoy-auth-partial-body', sent.isWhole ? 'false' : 'true']);
    const added = new Set(authorizer.additionalHeaders.map(([name]) => name));
    return [...headers.filter(([name]) => !added.has(name)), ...authorizer.additionalHeaders];
  }

  #takeHeaders(x: Exchange, { headers }: CallAnswer): void {
    for (const [name, value] of headers)
      if (this.#isForUpstream(name) && !HOP.has(name)) x.request.set(name, value);
    const forClient = headers.filter(([name]) => this.#isForClient(name) && !HOP.has(name));
    if (forClient.length > 0) x.slots[this.#context.slot] = forClient;
  }

  #refusal({ status, headers, body }: CallAnswer): LocalReply {
    return {
      status,
      body,
      headers: headers.filter(([name]) => !HOP.has(name) && this.#isShownOnDeny(name)),
      flag: 'UAEX',
      details: 'ext_authz_denied',
    };
  }
}

function failed(status: number): LocalReply {
  return { status, body: '', headers: [], flag: 'UAEX', details: 'ext_authz_error' };
}

export const customFilter: PolicyFilter = {
  kind: 'ext-authz',
  phase: 'authz-custom',
  link: (config, context) => new CustomFilter(config as CustomConfig, context),
};
