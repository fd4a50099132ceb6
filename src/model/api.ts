/**
 * The shape of API resources after admission: defaults untouched, unknown fields refused,
 * durations still text ("1.5s"), numbers still numbers. Names are the APIs' own.
 */
import type { LabelSelector, Labels } from './api-common.ts';

export type * from './api-common.ts';
export type * from './api-gateway.ts';
export type * from './api-lateen.ts';
export type * from './api-security.ts';

export interface StringMatchSpec {
  readonly exact?: string;
  readonly prefix?: string;
  readonly regex?: string;
}

export interface VirtualServiceSpec {
  readonly hosts?: readonly string[];
  readonly gateways?: readonly string[];
  readonly http?: readonly HttpRoute[];
  readonly tls?: readonly ConnectionRule[];
  readonly tcp?: readonly ConnectionRule[];
  readonly exportTo?: readonly string[];
}

/** A rule for connections: `tls` chooses by server name, `tcp` by address. */
export interface ConnectionRule {
  readonly match?: readonly ConnectionMatch[];
  readonly route?: readonly HttpRouteDestination[];
}

/** All given parts are ANDed. */
export interface ConnectionMatch {
  readonly sniHosts?: readonly string[];
  readonly destinationSubnets?: readonly string[];
  readonly port?: number;
  readonly sourceLabels?: Labels;
  readonly sourceNamespace?: string;
  readonly gateways?: readonly string[];
}

export interface HttpRoute {
  readonly name?: string;
  readonly match?: readonly HttpMatch[];
  readonly route?: readonly HttpRouteDestination[];
  readonly redirect?: HttpRedirect;
  readonly directResponse?: {
    readonly status: number;
    readonly body?: { readonly string?: string; readonly bytes?: string };
  };
  readonly delegate?: { readonly name?: string; readonly namespace?: string };
  readonly rewrite?: {
    readonly uri?: string;
    readonly authority?: string;
    readonly uriRegexRewrite?: { readonly match?: string; readonly rewrite?: string };
  };
  readonly timeout?: string;
  readonly retries?: HttpRetry;
  readonly fault?: HttpFault;
  readonly mirror?: DestinationSpec;
  readonly mirrorPercentage?: Percent;
  readonly mirrorPercent?: number;
  readonly mirrors?: readonly {
    readonly destination: DestinationSpec;
    readonly percentage?: Percent;
  }[];
  readonly corsPolicy?: CorsPolicySpec;
  readonly headers?: HeadersSpec;
}

export interface HttpMatch {
  readonly name?: string;
  readonly uri?: StringMatchSpec;
  readonly scheme?: StringMatchSpec;
  readonly method?: StringMatchSpec;
  readonly authority?: StringMatchSpec;
  readonly headers?: Readonly<Record<string, StringMatchSpec>>;
  readonly withoutHeaders?: Readonly<Record<string, StringMatchSpec>>;
  readonly queryParams?: Readonly<Record<string, StringMatchSpec>>;
  readonly port?: number;
  readonly sourceLabels?: Labels;
  readonly sourceNamespace?: string;
  readonly gateways?: readonly string[];
  readonly ignoreUriCase?: boolean;
  readonly statPrefix?: string;
}

export interface DestinationSpec {
  readonly host: string;
  readonly subset?: string;
  readonly port?: { readonly number?: number };
}

export interface HttpRouteDestination {
  readonly destination: DestinationSpec;
  readonly weight?: number;
  readonly headers?: HeadersSpec;
}

export interface HttpRedirect {
  readonly uri?: string;
  readonly prefixRewrite?: string;
  readonly authority?: string;
  readonly scheme?: string;
  readonly port?: number;
  readonly derivePort?: 'FROM_PROTOCOL_DEFAULT' | 'FROM_REQUEST_PORT';
  readonly redirectCode?: number;
}

export interface HttpRetry {
  readonly attempts?: number;
  readonly perTryTimeout?: string;
  readonly retryOn?: string;
  readonly retryRemoteLocalities?: boolean;
  readonly retryIgnorePreviousHosts?: boolean;
  readonly backoff?: string;
}

/** 0 to 100. */
export interface Percent {
  readonly value?: number;
}

export interface HttpFault {
  readonly delay?: {
    readonly fixedDelay?: string;
    readonly exponentialDelay?: string;
    readonly percentage?: Percent;
    readonly percent?: number;
  };
  readonly abort?: {
    readonly httpStatus?: number;
    readonly grpcStatus?: string;
    readonly http2Error?: string;
    readonly percentage?: Percent;
  };
}

export interface CorsPolicySpec {
  readonly allowOrigin?: readonly string[];
  readonly allowOrigins?: readonly StringMatchSpec[];
  readonly allowMethods?: readonly string[];
  readonly allowHeaders?: readonly string[];
  readonly exposeHeaders?: readonly string[];
  readonly maxAge?: string;
  readonly allowCredentials?: boolean;
  readonly unmatchedPreflights?: 'UNSPECIFIED' | 'FORWARD' | 'IGNORE';
}

export interface HeadersSpec {
  readonly request?: HeaderOperations;
  readonly response?: HeaderOperations;
}

export interface HeaderOperations {
  readonly set?: Labels;
  readonly add?: Labels;
  readonly remove?: readonly string[];
}

export interface DestinationRuleSpec {
  readonly host: string;
  readonly trafficPolicy?: TrafficPolicy;
  readonly subsets?: readonly {
    readonly name: string;
    readonly labels?: Labels;
    readonly trafficPolicy?: TrafficPolicy;
  }[];
  readonly exportTo?: readonly string[];
  readonly workloadSelector?: LabelSelector;
}

export interface TrafficPolicy {
  readonly loadBalancer?: {
    readonly simple?:
      | 'UNSPECIFIED'
      | 'LEAST_CONN'
      | 'RANDOM'
      | 'PASSTHROUGH'
      | 'ROUND_ROBIN'
      | 'LEAST_REQUEST';
    readonly consistentHash?: Readonly<Record<string, unknown>>;
    readonly localityLbSetting?: Readonly<Record<string, unknown>>;
    readonly warmupDurationSecs?: string;
    readonly warmup?: Readonly<Record<string, unknown>>;
  };
  readonly connectionPool?: {
    readonly tcp?: { readonly connectTimeout?: string } & Readonly<Record<string, unknown>>;
    readonly http?: Readonly<Record<string, unknown>>;
  };
  readonly outlierDetection?: Readonly<Record<string, unknown>>;
  readonly tls?: ClientTls;
  readonly portLevelSettings?: readonly (TrafficPolicy & {
    readonly port?: { readonly number?: number };
  })[];
  readonly tunnel?: Readonly<Record<string, unknown>>;
  /** @default V1 */
  readonly proxyProtocol?: { readonly version?: 'V1' | 'V2' };
  readonly retryBudget?: Readonly<Record<string, unknown>>;
}

export interface ClientTls {
  readonly mode?: 'DISABLE' | 'SIMPLE' | 'MUTUAL' | 'ISTIO_MUTUAL';
  readonly clientCertificate?: string;
  readonly privateKey?: string;
  readonly caCertificates?: string;
  readonly caCrl?: string;
  readonly credentialName?: string;
  readonly subjectAltNames?: readonly string[];
  readonly sni?: string;
  readonly insecureSkipVerify?: boolean;
}

export interface GatewaySpec {
  readonly selector?: Labels;
  readonly servers?: readonly GatewayServer[];
}

export interface GatewayServer {
  readonly port: {
    readonly number: number;
    readonly protocol: string;
    readonly name: string;
    readonly targetPort?: number;
  };
  readonly bind?: string;
  readonly hosts: readonly string[];
  readonly tls?: ServerTls;
  readonly defaultEndpoint?: string;
  readonly name?: string;
}

export interface ServerTls {
  readonly httpsRedirect?: boolean;
  readonly mode?:
    | 'PASSTHROUGH'
    | 'SIMPLE'
    | 'MUTUAL'
    | 'AUTO_PASSTHROUGH'
    | 'ISTIO_MUTUAL'
    | 'OPTIONAL_MUTUAL';
  readonly serverCertificate?: string;
  readonly privateKey?: string;
  readonly caCertificates?: string;
  readonly caCrl?: string;
  readonly credentialName?: string;
  readonly credentialNames?: readonly string[];
  readonly caCertCredentialName?: string;
  readonly tlsCertificates?: readonly Readonly<Record<string, unknown>>[];
  readonly subjectAltNames?: readonly string[];
  readonly verifyCertificateSpki?: readonly string[];
  readonly verifyCertificateHash?: readonly string[];
  readonly minProtocolVersion?: string;
  readonly maxProtocolVersion?: string;
  readonly cipherSuites?: readonly string[];
}

export interface ServiceEntrySpec {
  readonly hosts: readonly string[];
  readonly addresses?: readonly string[];
  readonly ports?: readonly {
    readonly number: number;
    readonly protocol?: string;
    readonly name: string;
    readonly targetPort?: number;
  }[];
  readonly location?: 'MESH_EXTERNAL' | 'MESH_INTERNAL';
  readonly resolution?: 'NONE' | 'STATIC' | 'DNS' | 'DNS_ROUND_ROBIN' | 'DYNAMIC_DNS';
  readonly endpoints?: readonly WorkloadEntrySpec[];
  readonly workloadSelector?: { readonly labels?: Labels };
  readonly exportTo?: readonly string[];
  readonly subjectAltNames?: readonly string[];
}

export interface WorkloadEntrySpec {
  readonly address?: string;
  readonly ports?: Readonly<Record<string, number>>;
  readonly labels?: Labels;
  readonly network?: string;
  readonly locality?: string;
  readonly weight?: number;
  readonly serviceAccount?: string;
}

/** Core Service. */
export interface ServiceSpec {
  readonly selector?: Labels;
  readonly ports?: readonly {
    readonly name?: string;
    readonly port: number;
    readonly targetPort?: number | string;
    readonly protocol?: string;
    readonly appProtocol?: string;
    readonly nodePort?: number;
  }[];
  readonly type?: string;
  readonly clusterIP?: string;
  readonly externalName?: string;
}

export interface SidecarSpec {
  readonly workloadSelector?: { readonly labels?: Labels };
  readonly ingress?: readonly SidecarIngress[];
  readonly egress?: readonly SidecarEgress[];
  readonly inboundConnectionPool?: Readonly<Record<string, unknown>>;
  readonly outboundTrafficPolicy?: {
    readonly mode?: string;
    readonly egressProxy?: Readonly<Record<string, unknown>>;
  };
}

export interface SidecarPort {
  readonly number?: number;
  readonly protocol?: string;
  readonly name?: string;
}

export interface SidecarEgress {
  readonly port?: SidecarPort;
  readonly bind?: string;
  readonly captureMode?: string;
  readonly hosts?: readonly string[];
}

export interface SidecarIngress {
  readonly port?: SidecarPort;
  readonly bind?: string;
  readonly captureMode?: string;
  readonly defaultEndpoint?: string;
  readonly tls?: ServerTls;
}
