/** gateway.networking.k8s.io as admitted: v1.6, standard and experimental channel. Defaults untouched. */
import type { Labels } from './api-common.ts';

export interface ParentRef {
  /** @default gateway.networking.k8s.io */
  readonly group?: string;
  /** @default Gateway */
  readonly kind?: string;
  /** @default the route's namespace */
  readonly namespace?: string;
  readonly name: string;
  readonly sectionName?: string;
  readonly port?: number;
}

export interface SecretRef {
  /** @default '' (core) */
  readonly group?: string;
  /** @default Secret */
  readonly kind?: string;
  readonly namespace?: string;
  readonly name: string;
}

export interface GatewayClassSpec {
  readonly controllerName: string;
  readonly parametersRef?: { readonly group: string; readonly kind: string; readonly name: string };
  readonly description?: string;
}

/** `from` and, under Selector, the labels of namespaces. */
export interface NamespaceChoice {
  readonly from?: 'All' | 'Selector' | 'Same' | 'None';
  readonly selector?: SelectorExpressions;
}

export interface SelectorExpressions {
  readonly matchLabels?: Labels;
  readonly matchExpressions?: readonly {
    readonly key: string;
    readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';
    readonly values?: readonly string[];
  }[];
}

export interface AllowedRoutes {
  readonly namespaces?: NamespaceChoice;
  readonly kinds?: readonly { readonly group?: string; readonly kind: string }[];
}

/** Client certificates that a listener asks for. */
export interface FrontendValidation {
  readonly caCertificateRefs?: readonly SecretRef[];
  readonly mode?: 'AllowValidOnly' | 'AllowInsecureFallback';
}

export interface ApiListenerTls {
  /** @default Terminate */
  readonly mode?: 'Terminate' | 'Passthrough';
  readonly certificateRefs?: readonly SecretRef[];
  readonly options?: Labels;
}

/** A listener of a Gateway or of a ListenerSet. */
export interface ApiListener {
  readonly name: string;
  readonly hostname?: string;
  readonly port?: number;
  readonly protocol: string;
  readonly tls?: ApiListenerTls;
  readonly allowedRoutes?: AllowedRoutes;
}

export interface ApiGatewaySpec {
  readonly gatewayClassName: string;
  readonly listeners?: readonly ApiListener[];
  readonly addresses?: readonly { readonly type?: string; readonly value?: string }[];
  readonly infrastructure?: {
    readonly labels?: Labels;
    readonly annotations?: Labels;
    readonly parametersRef?: {
      readonly group: string;
      readonly kind: string;
      readonly name: string;
    };
  };
  readonly allowedListeners?: { readonly namespaces?: NamespaceChoice };
  readonly tls?: {
    readonly backend?: { readonly clientCertificateRef?: SecretRef };
    readonly frontend?: {
      readonly default?: { readonly validation?: FrontendValidation };
      readonly perPort?: readonly {
        readonly port: number;
        readonly tls?: { readonly validation?: FrontendValidation };
      }[];
    };
  };
  readonly defaultScope?: string;
}

export interface ListenerSetSpec {
  readonly parentRef: ParentRef;
  readonly listeners?: readonly ApiListener[];
}

/** What all routes have. */
export interface RouteCommon {
  readonly parentRefs?: readonly ParentRef[];
  readonly useDefaultGateways?: string;
}

export interface BackendRef {
  /** @default '' (core) */
  readonly group?: string;
  /** @default Service */
  readonly kind?: string;
  readonly name: string;
  readonly namespace?: string;
  readonly port?: number;
  /** @default 1 */
  readonly weight?: number;
}

/** `Exact` where `type` is absent, for headers and query parameters. */
export interface ApiNamedMatch {
  readonly type?: 'Exact' | 'RegularExpression';
  readonly name: string;
  readonly value: string;
}

export interface HttpRouteMatch {
  /** @default PathPrefix / */
  readonly path?: {
    readonly type?: 'Exact' | 'PathPrefix' | 'RegularExpression';
    readonly value?: string;
  };
  readonly headers?: readonly ApiNamedMatch[];
  readonly queryParams?: readonly ApiNamedMatch[];
  readonly method?: string;
}

export interface ApiHeader {
  readonly name: string;
  readonly value: string;
}

export interface HeaderFilter {
  readonly set?: readonly ApiHeader[];
  readonly add?: readonly ApiHeader[];
  readonly remove?: readonly string[];
}

export type PathModifier =
  | { readonly type: 'ReplaceFullPath'; readonly replaceFullPath?: string }
  | { readonly type: 'ReplacePrefixMatch'; readonly replacePrefixMatch?: string };

export interface LocalRef {
  readonly group: string;
  readonly kind: string;
  readonly name: string;
}

export interface CorsFilterSpec {
  readonly allowOrigins?: readonly string[];
  readonly allowCredentials?: boolean;
  readonly allowMethods?: readonly string[];
  readonly allowHeaders?: readonly string[];
  readonly exposeHeaders?: readonly string[];
  /** Seconds. @default 5 */
  readonly maxAge?: number;
}

export interface RouteFilter {
  readonly type:
    | 'RequestHeaderModifier'
    | 'ResponseHeaderModifier'
    | 'RequestMirror'
    | 'RequestRedirect'
    | 'URLRewrite'
    | 'CORS'
    | 'ExternalAuth'
    | 'ExtensionRef';
  readonly requestHeaderModifier?: HeaderFilter;
  readonly responseHeaderModifier?: HeaderFilter;
  readonly requestMirror?: {
    readonly backendRef: BackendRef;
    readonly percent?: number;
    readonly fraction?: { readonly numerator: number; readonly denominator?: number };
  };
  readonly requestRedirect?: {
    readonly scheme?: string;
    readonly hostname?: string;
    readonly path?: PathModifier;
    readonly port?: number;
    /** @default 302 */
    readonly statusCode?: number;
  };
  readonly urlRewrite?: { readonly hostname?: string; readonly path?: PathModifier };
  readonly cors?: CorsFilterSpec;
  readonly externalAuth?: Readonly<Record<string, unknown>>;
  readonly extensionRef?: LocalRef;
}

export interface RouteBackendRef extends BackendRef {
  readonly filters?: readonly RouteFilter[];
}

export interface HttpRouteRule {
  readonly name?: string;
  readonly matches?: readonly HttpRouteMatch[];
  readonly filters?: readonly RouteFilter[];
  readonly backendRefs?: readonly RouteBackendRef[];
  readonly timeouts?: { readonly request?: string; readonly backendRequest?: string };
  readonly retry?: {
    readonly codes?: readonly number[];
    readonly attempts?: number;
    readonly backoff?: string;
  };
  readonly sessionPersistence?: Readonly<Record<string, unknown>>;
}

export interface HttpRouteSpec extends RouteCommon {
  readonly hostnames?: readonly string[];
  readonly rules?: readonly HttpRouteRule[];
}

export interface GrpcRouteMatch {
  readonly method?: {
    readonly type?: 'Exact' | 'RegularExpression';
    readonly service?: string;
    readonly method?: string;
  };
  readonly headers?: readonly ApiNamedMatch[];
}

export interface GrpcRouteRule {
  readonly name?: string;
  readonly matches?: readonly GrpcRouteMatch[];
  readonly filters?: readonly RouteFilter[];
  readonly backendRefs?: readonly RouteBackendRef[];
  readonly sessionPersistence?: Readonly<Record<string, unknown>>;
}

export interface GrpcRouteSpec extends RouteCommon {
  readonly hostnames?: readonly string[];
  readonly rules?: readonly GrpcRouteRule[];
}

export interface L4RouteRule {
  readonly name?: string;
  readonly backendRefs?: readonly BackendRef[];
}

/** TLSRoute; TCPRoute without `hostnames`. */
export interface L4RouteSpec extends RouteCommon {
  readonly hostnames?: readonly string[];
  readonly rules?: readonly L4RouteRule[];
}

export interface ReferenceGrantSpec {
  readonly from: readonly {
    readonly group: string;
    readonly kind: string;
    readonly namespace: string;
  }[];
  readonly to: readonly { readonly group: string; readonly kind: string; readonly name?: string }[];
}

export interface BackendTlsPolicySpec {
  readonly targetRefs: readonly (LocalRef & { readonly sectionName?: string })[];
  readonly validation: {
    readonly caCertificateRefs?: readonly LocalRef[];
    readonly wellKnownCACertificates?: string;
    readonly hostname: string;
    readonly subjectAltNames?: readonly {
      readonly type: 'Hostname' | 'URI';
      readonly hostname?: string;
      readonly uri?: string;
    }[];
  };
  readonly options?: Labels;
}

/** discovery.k8s.io EndpointSlice; its parts stand beside metadata and not under spec. */
export interface EndpointSliceSpec {
  readonly addressType?: string;
  readonly endpoints?: readonly {
    readonly addresses?: readonly string[];
    readonly conditions?: {
      readonly ready?: boolean;
      readonly serving?: boolean;
      readonly terminating?: boolean;
    };
    readonly hostname?: string;
    readonly nodeName?: string;
    readonly zone?: string;
  }[];
  readonly ports?: readonly {
    readonly name?: string;
    readonly port?: number;
    readonly protocol?: string;
    readonly appProtocol?: string;
  }[];
}
