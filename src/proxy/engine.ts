/**
 * The data path's order itself: a state machine without I/O.
 *
 * accept -> listener filters -> route -> listener filters that yield and route filters -> attempts -> response filters -> record.
 * A driver tells it what happened and does what the returned step says (src/model/exchange.ts).
 */
import { NO_STATUS, readGrpcStatus } from '../lib/grpc-status.ts';
import { ResponseHeaderList } from '../lib/header-list.ts';
import type { Host } from '../host/host.ts';
import type { UpstreamFailure } from '../model/error.ts';
import type { Exchange, LocalReply, Step } from '../model/exchange.ts';
import type { ResponseHead } from '../model/head.ts';
import type { Filter } from '../model/policy.ts';
import type { Cluster, Endpoint } from '../model/snapshot.ts';
import {
  beginAttempt,
  beginForward,
  beginPassthrough,
  boundAttempt,
  endAttempt,
} from './attempt.ts';
import type { EngineStats } from './counters.ts';
import { RequestCounters } from './counters.ts';
import { accept, routeAsReceived } from './decide.ts';
import type { Arrival, EngineExchange } from './exchange.ts';
import { createExchange } from './exchange.ts';
import {
  callTimeoutMs,
  createCall,
  cutCall,
  foreignReply,
  isForeign,
  needsHttp2,
  toGrpcRequest,
  toGrpcWeb,
  toGrpcWebHead,
} from './grpc.ts';
import { applyRouteHeaders } from './header-ops.ts';
import type { RequestEnd } from './record.ts';
import { recordRequest } from './record.ts';
import { directReply, redirectReply, replies, toGrpc, upstreamFailed } from './rescue.ts';
import { RetryBudget, nextBackoffMs, repeatsLoad } from './retry.ts';
import { retriesFailure, retriesResponse } from './retry.ts';
import { applyTraceContext } from './trace-context.ts';
import { schemeTowards } from './upstream-tls.ts';

export interface Engine {
  begin(arrival: Arrival): Exchange;
  onRequest(x: Exchange): Step;
  /** After `wait`, when `x.waiting` has settled. */
  resume(x: Exchange): Step;
  onResponse(x: Exchange, head: ResponseHead): Step;
  onFailure(x: Exchange, failure: UpstreamFailure): Step;
  /** The request's body went past `x.bodyLimit` before anything was sent to the client. */
  onBodyTooLarge(x: Exchange): Step;
  /** The request of a call of gRPC is whole: its time runs from now on. Where a driver doesn't tell, from its beginning. */
  onCallWhole(x: Exchange): void;
  /** An answer breaks off behind its head: trailers that say why, where the client reads such. @param code of a reset */
  onCut(x: Exchange, failure: UpstreamFailure, code?: number): CallTrailers | undefined;
  /** Where copies of the request go. */
  mirrorTargets(x: Exchange): readonly MirrorTarget[];
  /** Once for every exchange that was begun. */
  onEnd(x: Exchange, end?: RequestEnd): void;
  /** Requests so far, as plain JSON. */
  stats(): EngineStats;
}

type CallTrailers = readonly (readonly [name: string, value: string])[];

export interface MirrorTarget {
  readonly cluster: Cluster;
  readonly scheme: 'http' | 'https';
  /** Undefined: to the authority that the request names. */
  readonly endpoint: Endpoint | undefined;
}

export interface EngineOptions {
  readonly host: Host;
}

const NOTHING_SENT: RequestEnd = {};

class StateMachine implements Engine {
  readonly #host: Host;
  readonly #budget = new RetryBudget();
  readonly #counters = new RequestCounters();

  constructor(options: EngineOptions) {
    this.#host = options.host;
  }

  begin(arrival: Arrival): Exchange {
    this.#budget.requestBegins();
    this.#counters.begin();
    return createExchange(arrival, this.#host.clock.nowMs());
  }

  onRequest(exchange: Exchange): Step {
    const x = exchange as EngineExchange;
    const refused = accept(x);
    applyTraceContext(x, this.#host.random);
    if (refused !== undefined) return this.#reply(x, refused);
    return this.#listenerFilters(x);
  }

  resume(exchange: Exchange): Step {
    const x = exchange as EngineExchange;
    x.waiting = undefined;
    if (x.reply !== undefined) return this.#reply(x, x.reply);
    if (x.stage === 'listener-filters') return this.#listenerFilters(x);
    if (x.stage === 'route-filters') return this.#routeFilters(x);
    return this.#attempt(x);
  }

  onResponse(exchange: Exchange, head: ResponseHead): Step {
    const x = exchange as EngineExchange;
    const { retry } = x;
    this.#releaseRetry(x);
    if (retry !== undefined && retriesResponse(retry.policy, x.method, head, x.call?.status)) {
      const step = this.#retry(x, true);
      if (step !== undefined) return step;
    }
    x.responseMs = this.#host.clock.nowMs();
    if (x.call !== undefined && x.grpcWeb === undefined && isForeign(head))
      return this.#reply(x, foreignReply(head));
    x.response = head;
    applyRouteHeaders(x, head, 'responseHeaders');
    this.#responseFilters(x);
    if (x.call !== undefined && x.grpcWeb !== undefined) toGrpcWebHead(head, x.grpcWeb);
    x.stage = 'done';
    return 'deliver';
  }

  onFailure(exchange: Exchange, failure: UpstreamFailure): Step {
    const x = exchange as EngineExchange;
    const { retry } = x;
    const isOver = x.deadlineMs !== 0 && this.#host.clock.nowMs() >= x.deadlineMs;
    this.#releaseRetry(x);
    if (retry !== undefined && !isOver && retriesFailure(retry.policy, x.method, failure)) {
      const step = this.#retry(x, repeatsLoad(failure));
      if (step !== undefined) return step;
    }
    endAttempt(x);
    const isRouteTimeout =
      failure === 'timeout' && (isOver || (x.retry?.policy.perTryTimeoutMs ?? 0) === 0);
    const local = isRouteTimeout ? replies.timeout : upstreamFailed(failure, x.attempts);
    return this.#reply(x, local);
  }

  onBodyTooLarge(exchange: Exchange): Step {
    const x = exchange as EngineExchange;
    const { bodyLimit } = x;
    this.#releaseRetry(x);
    endAttempt(x);
    if (bodyLimit === undefined) return this.#reply(x, replies.filterFailed);
    x.decidedBy = bodyLimit.policy;
    return this.#reply(x, bodyLimit.reply);
  }

  onCallWhole(exchange: Exchange): void {
    const x = exchange as EngineExchange;
    if (x.deadlineMs === 0 || x.call === undefined) return;
    const nowMs = this.#host.clock.nowMs();
    x.deadlineMs = nowMs + x.call.timeoutMs;
    boundAttempt(x, nowMs);
  }

  onCut(exchange: Exchange, failure: UpstreamFailure, code?: number): CallTrailers | undefined {
    const x = exchange as EngineExchange;
    if (x.call === undefined || x.response?.has('content-length') !== false) return undefined;
    const { status, flag, message } = cutCall(failure, code);
    addFlag(x, flag);
    x.details = 'upstream_reset_after_response_started';
    x.call.status = status;
    return [
      ['grpc-status', String(status)],
      ['grpc-message', message],
    ];
  }

  mirrorTargets(exchange: Exchange): readonly MirrorTarget[] {
    const { clusters } = (exchange as EngineExchange).linked;
    return exchange.mirrors.flatMap(({ cluster: name }): MirrorTarget[] => {
      const linked = clusters.get(name);
      if (linked === undefined) return [];
      const { cluster } = linked;
      const scheme = schemeTowards(cluster);
      if (cluster.discovery === 'original') return [{ cluster, scheme, endpoint: undefined }];
      const endpoint = linked.balancing.pick([]);
      return endpoint === undefined ? [] : [{ cluster, scheme, endpoint }];
    });
  }

  onEnd(exchange: Exchange, end: RequestEnd = NOTHING_SENT): void {
    const x = exchange as EngineExchange;
    this.#budget.requestEnds();
    this.#releaseRetry(x);
    endAttempt(x);
    if (x.call?.status === NO_STATUS)
      x.call.status = readGrpcStatus(x.response?.get('grpc-status'));
    this.#done(x, x.listenerFilters);
    this.#done(x, x.routeFilters);
    this.#counters.end(x);
    recordRequest(x, end, this.#host);
  }

  stats(): EngineStats {
    return this.#counters.view();
  }

  #done(x: EngineExchange, filters: readonly Filter[]): void {
    for (const filter of filters) {
      try {
        filter.done?.(x);
      } catch (error) {
        // What a filter counts must not cost the request its line.
        this.#host.log(`{"fault":${JSON.stringify(messageOf(error, 'filter failed'))}}`);
      }
    }
  }

  #listenerFilters(x: EngineExchange): Step {
    const step = this.#run(x, x.listenerFilters);
    if (step !== undefined) return step;
    x.unrouted = routeAsReceived(x);
    if (x.grpcWeb !== undefined) {
      x.call = createCall();
      toGrpcRequest(x.request);
    }
    x.stage = 'route-filters';
    x.cursor = 0;
    return this.#routeFilters(x);
  }

  #routeFilters(x: EngineExchange): Step {
    const step = this.#run(x, x.routeFilters);
    if (step !== undefined) return step;
    if (x.unrouted === undefined) return this.#act(x);
    if (x.unrouted !== 'passthrough') return this.#reply(x, x.unrouted);
    beginPassthrough(x);
    this.#setDeadline(x, 0);
    x.stage = 'attempt';
    return this.#attempt(x);
  }

  /** Undefined = all have let it pass. A filter that fails refuses. */
  #run(x: EngineExchange, filters: readonly Filter[]): Step | undefined {
    while (x.cursor < filters.length) {
      const filter = filters[x.cursor++] as Filter;
      let answer;
      try {
        answer = filter.request?.(x);
      } catch (error) {
        return this.#filterFailed(x, error);
      }
      if (answer === undefined) continue;
      if (answer instanceof Promise) {
        x.waiting = answer.then(
          (late) => {
            x.reply = late;
          },
          (error: unknown) => {
            x.reply = replies.filterFailed;
            x.details = messageOf(error, '');
          },
        );
        return 'wait';
      }
      return this.#reply(x, answer);
    }
    return undefined;
  }

  #filterFailed(x: EngineExchange, error: unknown): Step {
    x.details = messageOf(error, 'unknown fault');
    return this.#reply(x, replies.filterFailed);
  }

  #act(x: EngineExchange): Step {
    const { route: chosen } = x;
    const action = chosen?.action;
    if (chosen === undefined || action === undefined) return this.#reply(x, replies.noRoute);
    if (action.kind === 'redirect') return this.#reply(x, redirectReply(x, action));
    if (action.kind === 'respond') return this.#reply(x, directReply(action));
    if (x.call !== undefined && x.grpcWeb === undefined && x.request.isHttp1 === true) {
      // Who speaks it so reads no status of gRPC either.
      x.call = undefined;
      return this.#reply(x, needsHttp2);
    }
    const refused = beginForward(x, action, this.#host.random);
    if (refused !== undefined) return this.#reply(x, refused);
    this.#setDeadline(x, chosen.timeoutMs);
    x.stage = 'attempt';
    return this.#attempt(x);
  }

  #setDeadline(x: EngineExchange, routeMs: number): void {
    const { call } = x;
    const timeoutMs = call === undefined ? routeMs : callTimeoutMs(x.request, routeMs);
    if (call !== undefined) call.timeoutMs = timeoutMs;
    if (timeoutMs > 0) x.deadlineMs = this.#host.clock.nowMs() + timeoutMs;
  }

  #attempt(x: EngineExchange): Step {
    const nowMs = this.#host.clock.nowMs();
    if (x.deadlineMs !== 0 && nowMs >= x.deadlineMs) return this.#reply(x, replies.timeout);
    const isFull = x.linkedCluster?.balancing.isFull() === true;
    const refused = isFull ? upstreamFailed('overflow', 1) : beginAttempt(x, nowMs);
    return refused === undefined ? 'forward' : this.#reply(x, refused);
  }

  /** Undefined = no retry is left, in the policy, in the cluster's pool or, where it would be further load, in the budget. */
  #retry(x: EngineExchange, isLoad: boolean): Step | undefined {
    const { retry, cluster } = x;
    if (retry === undefined || cluster === undefined || !x.isReplayable) return undefined;
    if (retry.left === 0) {
      if (retry.policy.attempts > 0) addFlag(x, 'URX');
      return undefined;
    }
    const isCounted = isLoad || cluster.pool?.maxRetries !== undefined;
    if (isCounted && !this.#budget.take(cluster)) return this.#overflows(x, cluster);
    x.holdsRetry = isCounted;
    endAttempt(x);
    x.mirrors = [];
    retry.left--;
    const backoffMs = nextBackoffMs(retry, this.#host.random);
    const leftMs = x.deadlineMs === 0 ? backoffMs : x.deadlineMs - this.#host.clock.nowMs();
    x.waiting = this.#host.clock.sleep(Math.max(0, Math.min(backoffMs, leftMs)));
    return 'wait';
  }

  #overflows(x: EngineExchange, cluster: Cluster): undefined {
    addFlag(x, 'UO');
    this.#counters.retryOverflows(cluster);
  }

  /** A retry counts until it is answered, not only while it waits. */
  #releaseRetry(x: EngineExchange): void {
    if (!x.holdsRetry || x.cluster === undefined) return;
    x.holdsRetry = false;
    this.#budget.release(x.cluster);
  }

  /** Local replies pass the response side like any other; direct responses keep their route's headers. */
  #reply(x: EngineExchange, given: LocalReply): Step {
    const local = inCallersWords(x, given);
    const head = new ResponseHeaderList(local.status, local.headers);
    x.response = head;
    if (local.flag !== '') addFlag(x, local.flag);
    x.details = x.details === '' ? local.details : `${local.details}{${x.details}}`;
    if (x.route !== undefined) applyRouteHeaders(x, head, 'responseHeaders');
    this.#responseFilters(x);
    const headers: [string, string][] = [];
    head.forEach((name, value) => headers.push([name, value]));
    x.reply = { ...local, headers };
    x.trace?.push({
      step: 'reply',
      name: String(local.status),
      outcome: 'chosen',
      detail: local.details,
    });
    x.stage = 'done';
    return 'reply';
  }

  #responseFilters(x: EngineExchange): void {
    this.#respond(x, x.routeFilters);
    this.#respond(x, x.listenerFilters);
  }

  /** Backwards: what saw the request last sees the response first. */
  #respond(x: EngineExchange, filters: readonly Filter[]): void {
    for (let i = filters.length - 1; i >= 0; i--) {
      try {
        filters[i]?.response?.(x);
      } catch (error) {
        x.details = messageOf(error, 'response filter failed');
      }
    }
  }
}

/** A direct response is the route's own, whoever asks; a gRPC-Web client could make nothing of it. */
function inCallersWords(x: EngineExchange, given: LocalReply): LocalReply {
  if (x.call === undefined) return given;
  if (x.grpcWeb !== undefined) return toGrpcWeb(given, x.grpcWeb);
  return given.details === 'direct_response' ? given : toGrpc(given);
}

const messageOf = (error: unknown, other: string): string =>
  error instanceof Error ? error.message : other;

function addFlag(x: EngineExchange, flag: string): void {
  x.flags = x.flags === '' ? flag : `${x.flags},${flag}`;
}

export function createEngine(options: EngineOptions): Engine {
  return new StateMachine(options);
}
