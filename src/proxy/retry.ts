/** When an attempt may be repeated, and how long to wait before. */
import { NO_STATUS, readGrpcStatus } from '../lib/grpc-status.ts';
import type { Random } from '../host/host.ts';
import type { UpstreamFailure } from '../model/error.ts';
import type { ResponseHead } from '../model/head.ts';
import type { Cluster, RetryPolicy } from '../model/snapshot.ts';

export interface RetryState {
  readonly policy: RetryPolicy;
  left: number;
  /** Upper end of the next wait: base, then doubled, at most ten times the base. */
  intervalMs: number;
}

/** Of all requests that are under way, this share may be retries of what an upstream has had, and a few always. */
const BUDGET_SHARE = 0.2;
const BUDGET_FLOOR = 3;

/**
 * Counts requests and retries under way in one engine. A cluster whose pool says how many retries it takes has these, by
 * name, so that a new snapshot doesn't double them; all others share the budget.
 */
export class RetryBudget {
  #active = 0;
  #retrying = 0;
  readonly #byCluster = new Map<string, number>();

  requestBegins(): void {
    this.#active++;
  }

  requestEnds(): void {
    this.#active--;
  }

  /** Takes a place, or refuses. */
  take({ name, pool }: Cluster): boolean {
    const most = pool?.maxRetries;
    if (most !== undefined) {
      const retrying = this.#byCluster.get(name) ?? 0;
      if (retrying >= most) return false;
      this.#byCluster.set(name, retrying + 1);
      return true;
    }
    if (this.#retrying >= Math.max(BUDGET_FLOOR, BUDGET_SHARE * this.#active)) return false;
    this.#retrying++;
    return true;
  }

  /** @param cluster the one that the place was taken for */
  release({ name, pool }: Cluster): void {
    if (pool?.maxRetries === undefined) {
      this.#retrying--;
      return;
    }
    const retrying = this.#byCluster.get(name) ?? 0;
    if (retrying > 1) this.#byCluster.set(name, retrying - 1);
    else this.#byCluster.delete(name);
  }
}

/** RFC 9110, 9.2.2. */
const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);
const GRPC_CODES: Readonly<Record<string, number>> = {
  cancelled: 1,
  'deadline-exceeded': 4,
  'resource-exhausted': 8,
  internal: 13,
  unavailable: 14,
};
const NOT_CONNECTED: ReadonlySet<UpstreamFailure> = new Set([
  'connect-failure',
  'connect-timeout',
  'alpn-mismatch',
  'certificate-refused',
  'tls-unavailable',
]);
/** The request never left, or was provably not executed. */
const NEVER_EXECUTED: ReadonlySet<UpstreamFailure> = new Set([
  ...NOT_CONNECTED,
  'upgrade-unsupported',
  'refused-stream',
  'reset-before-request',
]);

/** Of the connection alone: the upstream has had nothing of it. One that times out may only be slow. */
const NEVER_SENT: ReadonlySet<UpstreamFailure> = new Set([
  'connect-failure',
  'reset-before-request',
]);

/** Would another attempt be load beside that of the one that failed? What never left has cost no upstream anything. */
export function repeatsLoad(failure: UpstreamFailure): boolean {
  return !NEVER_SENT.has(failure);
}

export function createRetryState(policy: RetryPolicy): RetryState {
  return { policy, left: policy.attempts, intervalMs: policy.backoffMs };
}

/** The client can't tell that it was sent twice, or it wasn't. */
export function isSafeToRepeat(method: string, failure: UpstreamFailure): boolean {
  return IDEMPOTENT.has(method) || NEVER_EXECUTED.has(failure);
}

function mayRepeat(policy: RetryPolicy, method: string): boolean {
  return policy.nonIdempotent || IDEMPOTENT.has(method);
}

/** May the status of a call be a reason to repeat it? */
export function retriesGrpcStatus(policy: RetryPolicy, method: string): boolean {
  return mayRepeat(policy, method) && policy.on.some((word) => GRPC_CODES[word] !== undefined);
}

/** @param trailing status of a call that its trailers said, behind a head without a body */
export function retriesResponse(
  policy: RetryPolicy,
  method: string,
  head: ResponseHead,
  trailing: number = NO_STATUS,
): boolean {
  const { status } = head;
  const { on } = policy;
  if (head.has('x-envoy-ratelimited')) return on.includes('envoy-ratelimited');
  if (!mayRepeat(policy, method)) return false;
  if (status >= 500 && status <= 599 && on.includes('5xx')) return true;
  if (status >= 502 && status <= 504 && on.includes('gateway-error')) return true;
  if (status === 409 && on.includes('retriable-4xx')) return true;
  if (policy.statusCodes.includes(status) && on.includes('retriable-status-codes')) return true;
  const grpcStatus = trailing === NO_STATUS ? readGrpcStatus(head.get('grpc-status')) : trailing;
  return grpcStatus !== NO_STATUS && on.some((word) => GRPC_CODES[word] === grpcStatus);
}

export function retriesFailure(
  policy: RetryPolicy,
  method: string,
  failure: UpstreamFailure,
): boolean {
  // What waited in vain for a connection would only wait again.
  if (failure === 'overflow') return false;
  const { on } = policy;
  const isSafe = NEVER_EXECUTED.has(failure);
  if (!isSafe && !mayRepeat(policy, method)) return false;
  if (on.includes('5xx') || on.includes('gateway-error')) return true;
  if (failure === 'timeout') return on.includes('reset');
  if (on.includes('reset')) return true;
  if (NOT_CONNECTED.has(failure)) return on.includes('connect-failure');
  if (failure === 'refused-stream') return on.includes('refused-stream');
  if (failure === 'reset-before-request') return on.includes('reset-before-request');
  // An edge runtime tells no failure from another: for a method that may be repeated it counts as a failed connect.
  return (
    failure === 'unknown' &&
    IDEMPOTENT.has(method) &&
    (on.includes('connect-failure') || on.includes('reset-before-request'))
  );
}

/** Envoy's code: a draw modulo an interval that doubles from the base to ten times the base. */
export function nextBackoffMs(state: RetryState, random: Random): number {
  const { backoffMs } = state.policy;
  const wait = Math.floor(random.uniform() * state.intervalMs);
  state.intervalMs = Math.min(state.intervalMs * 2, backoffMs * 10);
  return wait;
}
