/** The Exchange as the engine keeps it. */
import type { BodyStart, Exchange, LocalReply } from '../model/exchange.ts';
import type { RequestHead } from '../model/head.ts';
import type { Peer } from '../model/identity.ts';
import type { Filter } from '../model/policy.ts';
import type { Endpoint, FilterConfig } from '../model/snapshot.ts';
import type { LinkedCluster, LinkedSnapshot } from './link.ts';
import type { LinkedListener } from './matcher/hosts.ts';
import type { RetryState } from './retry.ts';

/** Where the chain or the attempts stand when a request waits. */
export type Stage = 'listener-filters' | 'route-filters' | 'attempt' | 'done';

export interface EngineExchange extends Exchange {
  readonly linked: LinkedSnapshot;
  readonly port: number;
  stage: Stage;
  /** Next filter of the stage. */
  cursor: number;
  linkedListener: LinkedListener | undefined;
  linkedCluster: LinkedCluster | undefined;
  /** In phase order. */
  listenerFilters: readonly Filter[];
  /** Filters of the route that the request took as it came, where some of them say who asks; absent = none do. */
  firstRoute?: readonly FilterConfig[];
  /** Those of the listener that yield; with those of the route once there is one. */
  routeFilters: readonly Filter[];
  /** What becomes of a request that no route takes, when its filters have let it pass. */
  unrouted: LocalReply | 'passthrough' | undefined;
  retry: RetryState | undefined;
  /** A place in the retry budget is taken. */
  holdsRetry: boolean;
  /** Endpoints that were tried. */
  tried: readonly Endpoint[];
  /** The endpoint counts a request of this exchange as under way. */
  isAttemptOpen: boolean;
  upstreamStartMs: number;
  responseMs: number;
}

export interface Arrival {
  readonly linked: LinkedSnapshot;
  readonly head: RequestHead;
  readonly peer: Peer;
  /** Listener port that the request reached. */
  readonly port: number;
  /** Whom the client means, where the connection alone says it. @default what the head says */
  readonly authority?: string;
  /** Reads ahead in the body. @default there is none */
  readonly readBody?: (maxBytes: number) => Promise<BodyStart>;
  /** Collects the reasons of every step (explain). @default false */
  readonly trace?: boolean;
}

export function createExchange(arrival: Arrival, nowMs: number): EngineExchange {
  return {
    request: arrival.head,
    peer: arrival.peer,
    credential: undefined,
    startMs: nowMs,
    remoteIp: arrival.peer.ip,
    method: arrival.head.method,
    scheme: arrival.head.scheme,
    authority: arrival.authority ?? arrival.head.authority,
    host: '',
    path: '',
    query: '',
    requestId: '',
    traceId: '',
    spanId: '',
    identity: undefined,
    listener: undefined,
    virtualHost: undefined,
    route: undefined,
    destination: undefined,
    cluster: undefined,
    endpoint: undefined,
    attempts: 0,
    upstreamTarget: '',
    upstreamAuthority: '',
    upstreamScheme: 'http',
    attemptTimeoutMs: 0,
    deadlineMs: 0,
    call: undefined,
    grpcWeb: undefined,
    mirrors: NO_MIRRORS,
    isReplayable: true,
    bodyLimit: undefined,
    response: undefined,
    reply: undefined,
    readBody: arrival.readBody,
    waiting: undefined,
    flags: '',
    details: '',
    decidedBy: '',
    slots: arrival.linked.emptySlots.slice(),
    trace: arrival.trace === true ? [] : undefined,
    linked: arrival.linked,
    port: arrival.port,
    stage: 'listener-filters',
    cursor: 0,
    linkedListener: undefined,
    linkedCluster: undefined,
    listenerFilters: NO_FILTERS,
    routeFilters: NO_FILTERS,
    unrouted: undefined,
    retry: undefined,
    holdsRetry: false,
    tried: NONE_TRIED,
    isAttemptOpen: false,
    upstreamStartMs: 0,
    responseMs: 0,
  };
}

const NO_MIRRORS: readonly never[] = [];
const NO_FILTERS: readonly Filter[] = [];
const NONE_TRIED: readonly Endpoint[] = [];
