/** An authorizer that is asked over HTTP: a request like the client's own, answered by status. */
import type { CallAnswer } from '../../host/host.ts';
import type { HttpAuthorizer } from '../../model/authorizer.ts';
import type { Exchange } from '../../model/exchange.ts';
import type { LinkContext } from '../../model/policy.ts';
import type { Check, CheckVerdict, Denied, Header, HeaderEdit, SentBody } from './check-verdict.ts';
import {
  failed,
  invalid,
  isMalformed,
  isOfConnection,
  mayNotBeSent,
  mayNotBeShown,
  replacing,
} from './check-verdict.ts';

const ALLOWED = 200;
const SERVER_ERROR = 500;
/** Enough for a page that says why. */
const MAX_ANSWER_BYTES = 65_536;
const PARTIAL_BODY = 'x-envoy-auth-partial-body';
/** Names of the request's headers that the authorizer takes away, separated by commas. */
const TO_REMOVE = 'x-envoy-auth-headers-to-remove';

/** What a refusal always shows its client, whatever else is listed. */
const ALWAYS_SHOWN = new Set([
  'content-type',
  'location',
  'www-authenticate',
  'proxy-authenticate',
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

class HttpCheck implements Check {
  readonly #authorizer: HttpAuthorizer & { readonly cluster: string };
  readonly #context: LinkContext;
  readonly #isSent: (name: string) => boolean;
  readonly #isForUpstream: (name: string) => boolean;
  readonly #isForClient: (name: string) => boolean;
  readonly #isShownOnDeny: (name: string) => boolean;

  constructor(authorizer: HttpAuthorizer & { readonly cluster: string }, context: LinkContext) {
    this.#authorizer = authorizer;
    this.#context = context;
    const added = new Set(authorizer.additionalHeaders.map(([name]) => name));
    const isListed = linkNames(['authorization', ...authorizer.requestHeaders]);
    // What the proxy says to the authorizer a client can't say for it.
    this.#isSent = (name) =>
      name !== PARTIAL_BODY && !added.has(name) && !isOfConnection(name) && isListed(name);
    this.#isForUpstream = linkNames(authorizer.upstreamOnAllow);
    this.#isForClient = linkNames(authorizer.downstreamOnAllow);
    const shown = authorizer.downstreamOnDeny;
    const isShown = linkNames(shown);
    this.#isShownOnDeny =
      shown.length === 0 ? () => true : (name) => ALWAYS_SHOWN.has(name) || isShown(name);
  }

  async ask(x: Exchange, body: SentBody | undefined): Promise<CheckVerdict> {
    const { cluster, pathPrefix, timeoutMs } = this.#authorizer;
    let answer: CallAnswer;
    try {
      answer = await this.#context.call(cluster, {
        method: x.method,
        authority: x.authority,
        target: pathPrefix + x.path + x.query,
        headers: this.#sentHeaders(x, body),
        ...(body === undefined ? {} : { body: body.bytes }),
        timeoutMs,
        maxBodyBytes: MAX_ANSWER_BYTES,
      });
    } catch (error) {
      return failed(error instanceof Error ? error.message : 'no answer');
    }
    if (answer.status >= SERVER_ERROR) return failed(`status ${answer.status}`);
    return answer.status === ALLOWED ? this.#allowed(answer) : this.#denied(answer);
  }

  #sentHeaders(x: Exchange, body: SentBody | undefined): Header[] {
    const headers: Header[] = [];
    x.request.forEach((name, value) => {
      if (this.#isSent(name)) headers.push([name, value]);
    });
    if (body !== undefined) headers.push([PARTIAL_BODY, body.isWhole ? 'false' : 'true']);
    return [...headers, ...this.#authorizer.additionalHeaders];
  }

  #allowed({ headers }: CallAnswer): CheckVerdict {
    const forUpstream = headers.filter(
      ([name]) => !mayNotBeSent(name) && this.#isForUpstream(name),
    );
    const forClient = headers.filter(([name]) => !mayNotBeShown(name) && this.#isForClient(name));
    const broken = [...forUpstream, ...forClient].find(([name, value]) => isMalformed(name, value));
    if (broken !== undefined) return invalid('a header of the answer is malformed');
    const removed = headers
      .filter(([name]) => name === TO_REMOVE)
      .flatMap(([, value]) => value.split(','))
      .map((name) => name.trim().toLowerCase())
      .filter((name) => name !== '' && !mayNotBeSent(name));
    return {
      kind: 'allowed',
      request: replacing(forUpstream),
      removed,
      response: forClient.map(([name, value]): HeaderEdit => ({ name, value, how: 'append' })),
    };
  }

  #denied({ status, headers, body }: CallAnswer): Denied {
    const shown = headers.filter(
      ([name, value]) =>
        !mayNotBeShown(name) && this.#isShownOnDeny(name) && !isMalformed(name, value),
    );
    return { kind: 'denied', status, body, headers: shown };
  }
}

export function createHttpCheck(
  authorizer: HttpAuthorizer & { readonly cluster: string },
  context: LinkContext,
): Check {
  return new HttpCheck(authorizer, context);
}
