/**
 * What a data plane runs: plain JSON, canonical, named by the hash of its content.
 * The control plane compiles it, a data plane only links it.
 */
import type { RegexProgram } from '../lib/regex/program.ts';
import type { TrustSettings } from './trust.ts';

/** Whose configuration it is. */
export interface ProxyScope {
  readonly type: 'gateway' | 'sidecar-outbound' | 'sidecar-inbound';
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** For sidecars: FQDN of the service that the workload serves. */
  readonly service?: string;
}

export interface Snapshot {
  readonly format: 1;
  readonly scope: ProxyScope;
  readonly mesh: MeshSettings;
  readonly listeners: readonly Listener[];
  readonly clusters: readonly Cluster[];
}

/** A snapshot under its name, `version` = hash of its manifest. */
export interface NamedSnapshot {
  readonly version: string;
  readonly snapshot: Snapshot;
}

/** The part of a resource that something was compiled from; stands where it is used, so that no part of a snapshot depends on another. */
export interface Origin {
  /** `Kind namespace/name`. */
  readonly resource: string;
  /** JSON path as `spec.http[0]`. */
  readonly path: string;
}

export type PathNormalization = 'NONE' | 'BASE' | 'MERGE_SLASHES' | 'DECODE_AND_MERGE_SLASHES';

/** The mesh-wide settings that a proxy needs (ConfigMap istio-system/istio, key mesh). */
export interface MeshSettings {
  readonly trustDomain: string;
  readonly trustDomainAliases: readonly string[];
  readonly domain: string;
  readonly pathNormalization: PathNormalization;
  readonly outboundPolicy: 'ALLOW_ANY' | 'REGISTRY_ONLY';
  /** Trusted proxies in front, counted from the right of X-Forwarded-For. @default 0 */
  readonly trustedHops: number;
  /** What gateways make of X-Forwarded-Client-Cert. @default SANITIZE */
  readonly clientCertificates?: ClientCertificateMode;
  /** Absent where no authority is kept: identities come from files, and nothing is denied. */
  readonly trust?: TrustSettings;
}

/**
 * X-Forwarded-Client-Cert at a gateway. SANITIZE: taken away. FORWARD_ONLY, APPEND_FORWARD: what a client sent that showed
 * a certificate goes on, as it is or with that certificate behind. SANITIZE_SET: that certificate alone.
 * ALWAYS_FORWARD_ONLY: whatever anybody sent goes on.
 */
export type ClientCertificateMode =
  | 'SANITIZE'
  | 'FORWARD_ONLY'
  | 'APPEND_FORWARD'
  | 'SANITIZE_SET'
  | 'ALWAYS_FORWARD_ONLY';

/** One port (and, under TLS, one set of server names) of the proxy. */
export interface Listener {
  readonly name: string;
  /** Port that clients address: server port at a gateway, service port in the mesh; 0 = every port without a listener of its own. */
  readonly port: number;
  readonly direction: 'gateway' | 'outbound' | 'inbound';
  /** TLS and TCP: connections are carried as they are, or as they come out of TLS. */
  readonly protocol: 'HTTP' | 'HTTPS' | 'TLS' | 'TCP';
  /** What is spoken over carried connections, where somebody said so: they are looked into, and go on as they are. */
  readonly application?: 'MONGO';
  /** Requests of gRPC-Web go on as gRPC, where the runtime has trailers. @default false */
  readonly grpcWeb?: boolean;
  /** Server names that this listener takes under TLS; exact, `*.x` or `*`. Absent on plaintext. */
  readonly serverNames?: readonly string[];
  readonly tls?: ListenerTls;
  /** A host that another listener of the port takes by its server name is answered with 421. @default false */
  readonly checksServerName?: boolean;
  /** Inbound: which connections are taken, where the runtime can tell them apart. @default PERMISSIVE */
  readonly mtls?: MtlsMode;
  /** In phase order: authn, authz, ... */
  readonly filters: readonly FilterConfig[];
  readonly virtualHosts: readonly VirtualHost[];
  /** For connections that aren't read as HTTP; absent = none is carried. */
  readonly connections?: readonly ConnectionRoute[];
  /** What becomes of a host that no virtual host takes. */
  readonly unmatchedHost: 'not-found' | 'passthrough' | 'block';
  /** The servers or ports that asked for it; absent where nobody did. */
  readonly origins?: readonly Origin[];
}

/** The most specific server name first, then in order. */
export interface ConnectionRoute {
  readonly name?: string;
  /** Lower case: exact, `*.suffix` or `*`. Absent = any connection, TLS or not. */
  readonly serverNames?: readonly string[];
  /** Of the address that the client wanted; absent = any. */
  readonly destinationCidrs?: readonly string[];
  /** As of a forward; one that answers (`respond`) closes its share of the connections. */
  readonly destinations: readonly Destination[];
  /** To where the client wanted to go, as it is; `destinations` is empty then. */
  readonly passthrough?: boolean;
  readonly origin: Origin;
}

export type MtlsMode = 'STRICT' | 'PERMISSIVE' | 'DISABLE';

export interface ListenerTls {
  readonly mode:
    | 'SIMPLE'
    | 'MUTUAL'
    | 'OPTIONAL_MUTUAL'
    | 'ISTIO_MUTUAL'
    | 'PASSTHROUGH'
    | 'AUTO_PASSTHROUGH';
  /** Names of secrets, never their content: `namespace/name`, or `file:` and paths. Those of one type are chosen from by server name. */
  readonly credentialNames: readonly string[];
  /** Secret with the authorities whose client certificates are taken. @default those of the credentials */
  readonly authorityName?: string;
  /** PEM of the authorities whose client certificates are taken. */
  readonly clientAuthorities?: readonly string[];
  /** OPTIONAL_MUTUAL: a certificate that proves nothing counts as none, instead of ending the handshake. @default false */
  readonly takesUnverified?: boolean;
  /** @default TLSv1.2; TLSv1.3 under ISTIO_MUTUAL */
  readonly minVersion?: TlsVersion;
  readonly maxVersion?: TlsVersion;
  /** Of TLS 1.2 and below; OpenSSL's names. @default the runtime's */
  readonly cipherSuites?: readonly string[];
  /** A client certificate must show one of them, exactly. */
  readonly subjectAltNames?: readonly string[];
  /** Base64 of SHA-256 over the public key of a client certificate; this or `verifyCertificateHash` must fit. */
  readonly verifyCertificateSpki?: readonly string[];
  /** Hex of SHA-256 over a client certificate, with or without colons. */
  readonly verifyCertificateHash?: readonly string[];
}

export type TlsVersion = 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';

export interface VirtualHost {
  readonly name: string;
  /** Lower case: exact, `*.suffix`, `*-suffix`, or `*`; without port. */
  readonly domains: readonly string[];
  /** Every request that isn't https is sent there with 301. */
  readonly httpsRedirect?: boolean;
  readonly routes: readonly Route[];
}

/** First match wins, in order. */
export interface Route {
  /** As access log and `route` of a decision show it. */
  readonly name?: string;
  readonly match: RouteMatch;
  readonly action: RouteAction;
  /** Requests of gRPC-Web go on as gRPC, where the runtime has trailers. @default as the listener says */
  readonly grpcWeb?: boolean;
  /** cors, fault, ...: in phase order. */
  readonly filters: readonly FilterConfig[];
  readonly requestHeaders?: HeaderOps;
  readonly responseHeaders?: HeaderOps;
  /** Whole request with retries; 0 = none. */
  readonly timeoutMs: number;
  readonly retry?: RetryPolicy;
  readonly mirrors?: readonly Mirror[];
  readonly origin: Origin;
  /** Of a delegate's rule, which has no hosts: the rule that delegates to it. */
  readonly root?: Origin;
}

export type StringMatch =
  | { readonly kind: 'exact'; readonly value: string; readonly ignoreCase?: boolean }
  | { readonly kind: 'prefix'; readonly value: string; readonly ignoreCase?: boolean }
  | { readonly kind: 'suffix'; readonly value: string; readonly ignoreCase?: boolean }
  /** Whole-value match. */
  | { readonly kind: 'regex'; readonly program: RegexProgram; readonly source: string }
  | { readonly kind: 'present' };

/** All given parts are ANDed. */
export interface RouteMatch {
  /** On the canonical path without query. `segmentPrefix` is Gateway API's and Ingress'. */
  readonly path?: StringMatch | { readonly kind: 'segment-prefix'; readonly value: string };
  readonly method?: StringMatch;
  readonly scheme?: StringMatch;
  readonly authority?: StringMatch;
  readonly headers?: readonly HeaderMatch[];
  /** Raw text, names case-sensitive, first value counts. */
  readonly query?: readonly { readonly name: string; readonly value: StringMatch }[];
  /** Claims of the verified token. */
  readonly claims?: readonly ClaimMatch[];
}

export interface HeaderMatch {
  readonly name: string;
  readonly value: StringMatch;
  readonly invert?: boolean;
  /** Under `invert`: a missing header counts as the empty string (Istio's withoutHeaders). */
  readonly missingAsEmpty?: boolean;
}

export interface ClaimMatch {
  readonly path: readonly string[];
  readonly value: StringMatch;
  readonly invert?: boolean;
}

export type RouteAction = ForwardAction | RedirectAction | RespondAction;

export interface ForwardAction {
  readonly kind: 'forward';
  /** Weight 0 never appears; a single one has weight 1. Empty = no backend: 503. */
  readonly destinations: readonly Destination[];
  readonly rewrite?: PathRewrite;
  /** Replaces the authority that the backend sees. */
  readonly authority?: string;
  /** Header operations of the route come before the destination's, however many there are. @default only with a single one */
  readonly destinationHeadersLast?: boolean;
}

export interface Destination {
  /** Name of a cluster; a name that no cluster has answers 503 NC. */
  readonly cluster: string;
  readonly weight: number;
  readonly requestHeaders?: HeaderOps;
  readonly responseHeaders?: HeaderOps;
  readonly authority?: string;
  /** Before the route's. */
  readonly rewrite?: PathRewrite;
  /** Beside the route's. */
  readonly mirrors?: readonly Mirror[];
  /** Answered instead of going to the cluster. */
  readonly redirect?: RedirectAction;
  /** Status that answers this share of the requests: the backend can't be used. */
  readonly respond?: number;
}

/** `prefix`: replaces the matched prefix; `whole`: the whole path; query is kept by all three. */
export type PathRewrite =
  | {
      readonly kind: 'prefix';
      readonly prefix: string;
      readonly value: string;
      readonly segment?: boolean;
    }
  | { readonly kind: 'whole'; readonly value: string }
  | { readonly kind: 'regex'; readonly program: RegexProgram; readonly rewrite: string };

export interface RedirectAction {
  readonly kind: 'redirect';
  readonly status: number;
  readonly scheme?: string;
  readonly authority?: string;
  readonly port?: number | 'protocol-default' | 'request-port';
  readonly path?: PathRewrite;
}

export interface RespondAction {
  readonly kind: 'respond';
  readonly status: number;
  readonly body?: string;
  /** `body` is base64 of bytes. */
  readonly bodyBase64?: boolean;
}

/** Applied in the order remove, set, add. Values are templates. */
export interface HeaderOps {
  readonly remove?: readonly string[];
  readonly set?: readonly HeaderValue[];
  readonly add?: readonly HeaderValue[];
}

export interface HeaderValue {
  readonly name: string;
  readonly value: readonly TemplatePart[];
}

/** Literal text or an operator, as `%REQ(x-id)%` = {op: 'REQ', args: ['x-id']}. */
export type TemplatePart =
  | string
  | { readonly op: string; readonly args: readonly string[]; readonly max?: number };

export interface Mirror {
  readonly cluster: string;
  /** 0 to 100. */
  readonly percent: number;
}

export interface RetryPolicy {
  /** Retries after the first try. */
  readonly attempts: number;
  /** 0 = the route timeout. */
  readonly perTryTimeoutMs: number;
  /** Envoy's condition words, without bare codes. */
  readonly on: readonly string[];
  readonly statusCodes: readonly number[];
  /** @default 25 */
  readonly backoffMs: number;
  /** Retries of methods that aren't idempotent although the request may have been executed. @default false */
  readonly nonIdempotent: boolean;
  /** @default true */
  readonly ignorePreviousHosts: boolean;
  /** The policy stands in a resource, not in the mesh's default. */
  readonly explicit: boolean;
}

export type Balancer = 'ROUND_ROBIN' | 'LEAST_REQUEST' | 'RANDOM' | 'PASSTHROUGH';

export interface Cluster {
  /** `outbound|80|v1|reviews.default.svc.cluster.local`. */
  readonly name: string;
  readonly service: string;
  readonly subset?: string;
  readonly port: number;
  /** `endpoints`: from the overlay. `original`: to the host that the request names (resolution NONE, passthrough). */
  readonly discovery: 'endpoints' | 'original';
  readonly balancer: Balancer;
  /** Towards endpoints. */
  readonly tls?: {
    readonly mode: 'SIMPLE' | 'MUTUAL' | 'ISTIO_MUTUAL';
    readonly sni?: string;
    readonly subjectAltNames?: readonly string[];
    /** PEM of the authorities that the certificate must come from; absent = those of the credential, else of the platform. */
    readonly authorities?: readonly string[];
    /** Secret with the client's certificate (MUTUAL) and authorities: `namespace/name`, or `file:` and paths. */
    readonly credentialName?: string;
    /** Whoever answers is believed. @default false */
    readonly insecureSkipVerify?: boolean;
    /** ISTIO_MUTUAL: nobody asked for it. Only endpoints that take it are spoken to so, the others in clear. @default false */
    readonly isAuto?: boolean;
    /** ISTIO_MUTUAL: whom endpoints must show that have no identity of their own. @default anybody of the mesh */
    readonly identities?: readonly string[];
  };
  readonly connectTimeoutMs: number;
  /** What endpoints are spoken to with; `client`: what the client speaks. @default http1 */
  readonly protocol?: 'http1' | 'http2' | 'client';
  /** Bounds of connections to each endpoint, for runtimes that keep some. @default none */
  readonly pool?: PoolLimits;
  /** A header before the first byte of each connection tells endpoints who the client is. @default none */
  readonly proxyProtocol?: 'V1' | 'V2';
  /** Carried for later enforcement; status says NotEnforced. */
  readonly carried?: Readonly<Record<string, unknown>>;
  readonly origin: Origin;
}

/** Absent fields bound nothing. */
export interface PoolLimits {
  readonly maxConnections?: number;
  /** Requests that wait for a connection. */
  readonly maxPendingRequests?: number;
  readonly maxRequestsPerConnection?: number;
  /** Streams at a time over one connection of HTTP/2. */
  readonly maxConcurrentStreams?: number;
  /** Requests under way, however they are carried. */
  readonly maxRequests?: number;
  /** Retries under way, from the moment each is decided on until it is answered. @default a share of all requests */
  readonly maxRetries?: number;
  /** A connection without a request. */
  readonly idleTimeoutMs?: number;
  /** A connection, whatever it does. */
  readonly maxConnectionDurationMs?: number;
  readonly keepAlive?: {
    readonly probes?: number;
    readonly timeMs?: number;
    readonly intervalMs?: number;
  };
  /** Connections of HTTP/2 are asked whether they live; one that gives no answer in time is closed. */
  readonly http2KeepAlive?: { readonly intervalMs: number; readonly timeoutMs: number };
}

/** A policy's compiled part; `kind` names the slice that links it. */
export interface FilterConfig {
  readonly kind: string;
  readonly config: unknown;
  /** Of a listener: runs once the route is known, and leaves the request to the route's own filter of this kind. */
  readonly yields?: true;
  /** Secrets that the filter reads, `namespace/name`: their entries reach the proxy by the channel of secrets. */
  readonly secrets?: readonly string[];
  /** Key sets that the filter holds tokens against (`src/lib/key-set-name.ts`). */
  readonly keySets?: readonly string[];
}

export interface Endpoint {
  /** IP, host name, or `binding:NAME` for a service binding. */
  readonly address: string;
  readonly port: number;
  /** @default 1 */
  readonly weight: number;
  readonly healthy: boolean;
  readonly locality?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** Whom its certificate must show, `trust.domain/ns/a/sa/b`. */
  readonly identity?: string;
}

/** Endpoints by cluster name; small, content-addressed, travels apart from the snapshot. */
export interface EndpointOverlay {
  readonly version: string;
  readonly clusters: Readonly<Record<string, readonly Endpoint[]>>;
}

export interface KeySet {
  readonly keys: readonly Readonly<Record<string, unknown>>[];
  readonly fetchedAtMs: number;
}

/** JWKS by URI, or by `issuer:` and the issuer whose discovery document names the URI; fetched by the control plane. */
export interface KeyOverlay {
  readonly version: string;
  readonly sets: Readonly<Record<string, KeySet>>;
}

/** What a gateway runs: the triple that a request pins. */
export interface Pointer {
  readonly snapshot: string;
  readonly endpoints: string;
  readonly keys: string;
}
