/** External authorizers: whom CUSTOM policies ask, by the name of an extension provider of the mesh settings. */

export type Authorizer =
  | HttpAuthorizer
  | GrpcAuthorizer
  | { readonly kind: 'unusable'; readonly reason: string };

interface AskedAuthorizer {
  /** Host that the mesh knows, lower case. */
  readonly service: string;
  readonly port: number;
  /** @default 600,000, as Istio sets it */
  readonly timeoutMs: number;
  /** Requests pass when no answer comes. @default false */
  readonly failOpen: boolean;
  /** @default 403 */
  readonly statusOnError: number;
  /** What an answer writes onto the request counts for its route. @default false */
  readonly clearRouteCache: boolean;
  readonly body?: {
    readonly maxBytes: number;
    /** A larger body is cut off instead of refused with 413. */
    readonly allowPartial: boolean;
    /** Over gRPC as `raw_body` instead of `body`, which is text. */
    readonly asBytes: boolean;
  };
}

/** Header names are lower case; in lists of names a `*` may stand at the end or the beginning. */
export interface HttpAuthorizer extends AskedAuthorizer {
  readonly kind: 'http';
  readonly pathPrefix: string;
  /** Of the request, sent to the authorizer. */
  readonly requestHeaders: readonly string[];
  /** Sent besides, with these values. */
  readonly additionalHeaders: readonly (readonly [name: string, value: string])[];
  /** Of the answer: onto the request when it allows. */
  readonly upstreamOnAllow: readonly string[];
  /** Onto the response when it allows. */
  readonly downstreamOnAllow: readonly string[];
  /** Onto the response when it refuses; empty = all. */
  readonly downstreamOnDeny: readonly string[];
}

/** envoy.service.auth.v3.Authorization: asked with all of the request's head, and about connections too. */
export interface GrpcAuthorizer extends AskedAuthorizer {
  readonly kind: 'grpc';
}
