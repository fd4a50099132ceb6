/** Where a request that changes something comes from, by what browsers say and pages can't. */
import type { WebOrigin } from '../../lib/origin.ts';
import { isSameOrigin, originOf, originOfUrl, parseOrigin } from '../../lib/origin.ts';
import { linkPaths } from '../../lib/path-list.ts';
import type { Exchange, LocalReply } from '../../model/exchange.ts';
import type { Filter, LinkContext, PolicyFilter } from '../../model/policy.ts';
import { plainReply, policyStep } from '../answers.ts';
import type { CsrfConfig } from './config.ts';

const SAFE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE']);

type Fault = 'csrf_foreign_origin' | 'csrf_no_origin' | 'csrf_malformed_origin';

const isWebSocket = ({ request }: Exchange): boolean =>
  (request.get('upgrade') ?? '').toLowerCase().includes('websocket');

class CsrfFilter implements Filter {
  readonly #config: CsrfConfig;
  readonly #isExcepted: (path: string) => boolean;
  readonly #log: (line: string) => void;

  constructor(config: CsrfConfig, { host }: LinkContext) {
    this.#config = config;
    this.#isExcepted = linkPaths(config.except);
    this.#log = host.log;
  }

  request(x: Exchange): LocalReply | undefined {
    if (SAFE.has(x.method) && !isWebSocket(x)) return undefined;
    if (this.#isExcepted(x.path)) return undefined;
    const fault = this.#faultOf(x);
    const { policy, isShadow } = this.#config;
    this.#trace(x, fault);
    if (fault === undefined) return undefined;
    if (isShadow) {
      this.#log(
        JSON.stringify({
          level: 'info',
          message: 'csrf would refuse',
          policy,
          details: fault,
          method: x.method,
          path: x.path,
        }),
      );
      return undefined;
    }
    x.decidedBy = policy;
    return plainReply(403, 'cross-site request refused', fault);
  }

  #faultOf(x: Exchange): Fault | undefined {
    const own = originOf(x.scheme, x.authority);
    const [given, ...others] = x.request.getAll('origin');
    const site = x.request.get('sec-fetch-site')?.toLowerCase();
    if (others.length > 0) return 'csrf_malformed_origin';
    if (given !== undefined) {
      if (given === 'null') return this.#config.allowsNull ? undefined : 'csrf_foreign_origin';
      const origin = parseOrigin(given);
      if (origin === undefined) return 'csrf_malformed_origin';
      if (this.#isListed(origin)) return undefined;
      if (own === undefined || !isSameOrigin(origin, own)) return 'csrf_foreign_origin';
      return site === undefined || site === 'same-origin' || site === 'none'
        ? undefined
        : 'csrf_foreign_origin';
    }
    const [referer, ...more] = x.request.getAll('referer');
    if (more.length > 0) return 'csrf_malformed_origin';
    if (referer !== undefined && referer !== '') {
      const origin = originOfUrl(referer);
      if (origin === undefined) return 'csrf_malformed_origin';
      const isOwn = own !== undefined && isSameOrigin(origin, own);
      return isOwn || this.#isListed(origin) ? undefined : 'csrf_foreign_origin';
    }
    if (site !== undefined)
      return site === 'same-origin' || site === 'none' ? undefined : 'csrf_foreign_origin';
    return this.#config.allowsMissing ? undefined : 'csrf_no_origin';
  }

  #isListed(origin: WebOrigin): boolean {
    const { exact, below } = this.#config;
    return (
      exact.some((listed) => isSameOrigin(origin, listed)) ||
      below.some(
        ({ scheme, host, port }) =>
          origin.scheme === scheme && origin.port === port && origin.host.endsWith(`.${host}`),
      )
    );
  }

  #trace(x: Exchange, fault: Fault | undefined): void {
    const { policy, isShadow } = this.#config;
    const isDenied = fault !== undefined && !isShadow;
    const detail =
      fault === undefined
        ? 'the request comes from where it may'
        : `${fault.replaceAll('_', ' ')}${isShadow ? ', in shadow' : ''}`;
    x.trace?.push(policyStep(policy, 'spec.csrf', isDenied ? 'denied' : 'passed', detail));
  }
}

export const csrfFilter: PolicyFilter = {
  kind: 'csrf',
  phase: 'authz',
  link: (config, context) => new CsrfFilter(config as CsrfConfig, context),
};
