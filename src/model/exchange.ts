import type { RequestHead, ResponseHead } from './head.ts';
import type { Peer, RequestIdentity } from './identity.ts';
import type {
  Cluster,
  Destination,
  Endpoint,
  Listener,
  Mirror,
  Origin,
  Route,
  VirtualHost,
} from './snapshot.ts';

/** An answer that the proxy makes itself. */
export interface LocalReply {
  readonly status: number;
  readonly body: string | Uint8Array;
  /** Lower-case names. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Envoy's response flag: NR, UH, UF, UT, NC, FI, ... ('' where Envoy has none). */
  readonly flag: string;
  /** Why, in one token, as `rbac_access_denied_matched_policy[ns/name]`; for logs, never for clients. */
  readonly details: string;
  /** `close` stands for a refused or closed connection (TLS layer, no listener). */
  readonly close?: boolean;
}

export interface BodyStart {
  readonly bytes: Uint8Array;
  /** Nothing comes behind. */
  readonly isWhole: boolean;
}

/** How much of a request's body may pass. */
export interface BodyLimit {
  readonly maxBytes: number;
  /** The answer past it. */
  readonly reply: LocalReply;
  /** `namespace/name` of the policy that set it. */
  readonly policy: string;
}

/** How a gRPC-Web client writes and reads: in bytes, or in base64. */
export interface GrpcWebMode {
  readonly isTextRequest: boolean;
  readonly isTextResponse: boolean;
}

/** Every value of both headers, as they came. */
export interface ShownCredential {
  readonly identityTokens: readonly string[];
  readonly proofTokens: readonly string[];
}

/** What a request is besides where it is a call of gRPC. */
export interface GrpcCall {
  /** As its trailers said, told by the driver; -1 = nothing did. */
  status: number;
  /** What the deadline is made of; 0 = there is none. */
  timeoutMs: number;
  /** A driver that sees trailers keeps a response's head back for a moment: they may be a reason to try again. */
  holdsHead: boolean;
}

/** What a policy in dry run would have done. */
export interface ShadowResult {
  readonly result: 'allowed' | 'denied';
  /** `ns[shop]-policy[trial]-rule[0]`, the rule that decided; absent = none did. */
  readonly policyId?: string;
}

/** What policies said of a request beside the decision itself: for logs and counters. */
export interface PolicyMarks {
  readonly shadowAllow?: ShadowResult;
  readonly shadowDeny?: ShadowResult;
  /** An AUDIT policy that matched, as a policy id. */
  readonly audit?: string;
  /** Authorizers that were asked, in order. */
  readonly asked?: readonly AskedMark[];
}

export interface AskedMark {
  /** Name of the extension provider. */
  readonly provider: string;
  /** `failure_mode_allowed`: it failed, and failOpen let the request pass. */
  readonly result: 'ok' | 'denied' | 'error' | 'failure_mode_allowed';
}

/** What a request was before a filter wrote on it that has no say in its route. */
export interface AsReceived {
  /** Values by lower-case name; none = it wasn't there. */
  readonly headers: ReadonlyMap<string, readonly string[]>;
  readonly query: string;
}

/** One line of why; collected only when asked for (explain). */
export interface TraceStep {
  readonly step:
    | 'listener'
    | 'virtual-host'
    | 'route'
    | 'policy'
    | 'cluster'
    | 'endpoint'
    | 'reply';
  readonly name: string;
  readonly outcome: 'matched' | 'passed' | 'not-matched' | 'denied' | 'chosen';
  readonly detail?: string;
  readonly origin?: Origin;
}

/**
 * One request on its way. The engine owns it; drivers and policies read it.
 * Times are Host clock milliseconds.
 */
export interface Exchange {
  readonly request: RequestHead;
  /** A filter of phase `peer` may learn more of it. */
  peer: Peer;
  /** What the caller showed of the mesh's credentials, taken off the request; undefined = nothing. */
  credential: ShownCredential | undefined;
  readonly startMs: number;
  /** Listener port that the request reached. */
  readonly port: number;
  /** Client address after trusted hops of X-Forwarded-For. */
  remoteIp: string;
  method: string;
  scheme: 'http' | 'https';
  /** Canonical authority as matched and forwarded, port kept if sent. */
  authority: string;
  /** Lower case, without port. */
  host: string;
  /** Canonical path without query: what is matched, and what is forwarded unless rewritten. */
  path: string;
  /** With leading '?', or ''. */
  query: string;
  requestId: string;
  /** W3C trace context of this hop. */
  traceId: string;
  spanId: string;
  /** Set by the jwt policy. */
  identity: RequestIdentity | undefined;
  listener: Listener | undefined;
  virtualHost: VirtualHost | undefined;
  route: Route | undefined;
  destination: Destination | undefined;
  cluster: Cluster | undefined;
  endpoint: Endpoint | undefined;
  /** Tries sent so far. */
  attempts: number;
  /** What the attempt must send. */
  upstreamTarget: string;
  upstreamAuthority: string;
  upstreamScheme: 'http' | 'https';
  /** Bound of this attempt; 0 = none. */
  attemptTimeoutMs: number;
  /** Of the whole request in clock milliseconds; 0 = none. */
  deadlineMs: number;
  /** Of gRPC, or of gRPC-Web once it is taken for one; undefined for all other requests. */
  call: GrpcCall | undefined;
  /** The listener or the route bridges the request to gRPC; the driver does so with its body and the response's. */
  grpcWeb: GrpcWebMode | undefined;
  /** Copies to send beside the first attempt. */
  mirrors: readonly Mirror[];
  /** A driver clears it for a body that it can't send again: then nothing is retried. */
  isReplayable: boolean;
  /** Held by the driver, which counts what has no declared length. Filters only ever lower it. */
  bodyLimit: BodyLimit | undefined;
  response: ResponseHead | undefined;
  reply: LocalReply | undefined;
  /** The first bytes of the request's body, which is forwarded whole all the same; absent where there is none. */
  readonly readBody: ((maxBytes: number) => Promise<BodyStart>) | undefined;
  /** What a driver awaits after `wait`, before `resume`. */
  waiting: Promise<void> | undefined;
  /** Response flags so far, as 'UT' or 'UF,URX'. */
  flags: string;
  details: string;
  /** `namespace/name` of the policy that decided. */
  decidedBy: string;
  /** Number of the rule that did, of policies that have rules. */
  decidedRule?: number;
  /** Where policies said something; few exchanges have any. */
  marks?: PolicyMarks;
  /** Routes are chosen by this where it says something. */
  asReceived?: AsReceived;
  /** Private state of policies, by the index that link was given. */
  readonly slots: unknown[];
  readonly trace: TraceStep[] | undefined;
}

/**
 * What a driver must do next.
 * - forward: send the request to `endpoint` (or, for a cluster with discovery `original`, to `upstreamAuthority`)
 *   and report onResponse or onFailure; mirrors go out with the first attempt.
 * - deliver: send `response` with its edits and its body to the client, then onEnd.
 * - reply: answer `reply` itself, then onEnd.
 * - wait: await `waiting`, then resume.
 */
export type Step = 'forward' | 'deliver' | 'reply' | 'wait';
