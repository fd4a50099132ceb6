/** What conformance runs are told of an exchange that neither client nor backend sees. */
import type { Exchange } from '../src/model/exchange.ts';
import type { RetryPolicy } from '../src/model/snapshot.ts';

/** Of the chosen route as the proxy linked it: what one exchange that is answered at once doesn't show. */
export interface RouteReport {
  readonly name?: string;
  readonly timeoutMs: number;
  readonly retry?: RetryPolicy;
  /** Configuration of its fault filter. */
  readonly fault?: unknown;
}

/** Told beside the response. */
export interface ExchangeReport {
  readonly policy: string;
  readonly route?: RouteReport;
  readonly cluster?: string;
  readonly flags: string;
  /** The connection is closed, where the runtime can. */
  readonly close: boolean;
}

function routeReport(x: Exchange | undefined): RouteReport | undefined {
  const { route } = x ?? {};
  if (route === undefined) return undefined;
  const fault = route.filters.find(({ kind }) => kind === 'fault')?.config;
  return {
    timeoutMs: route.timeoutMs,
    ...(route.name === undefined ? {} : { name: route.name }),
    ...(route.retry === undefined ? {} : { retry: route.retry }),
    ...(fault === undefined ? {} : { fault }),
  };
}

export function reportOf(x: Exchange | undefined): ExchangeReport {
  const route = routeReport(x);
  return {
    policy: x?.decidedBy ?? '',
    ...(route === undefined ? {} : { route }),
    ...(x?.cluster === undefined ? {} : { cluster: x.cluster.name }),
    flags: x?.flags ?? '',
    close: x?.reply?.close === true,
  };
}
