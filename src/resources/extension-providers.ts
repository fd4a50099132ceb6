/** extensionProviders of the mesh settings: what CUSTOM policies may ask. */
import { parseDuration } from '../lib/duration.ts';
import type { Authorizer, GrpcAuthorizer, HttpAuthorizer } from '../model/authorizer.ts';

type Fields = Readonly<Record<string, unknown>>;

const fields = (value: unknown): Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};
const text = (value: unknown): string => (typeof value === 'string' ? value : '');
const names = (value: unknown): string[] =>
  Array.isArray(value) ? value.map((name) => text(name).toLowerCase()) : [];

const DEFAULT_TIMEOUT_MS = 600_000;
const DEFAULT_STATUS_ON_ERROR = 403;
/** A body is kept while the authorizer thinks about it. */
export const MAX_BODY_BYTES = 1_048_576;

const NAME = /^[-!#$%&'*+.^_`|~0-9a-z]+$/;
const BREAKS = /[\0-\x08\n-\x1f\x7f]/;
const PATH = /^\/[\x21-\x22\x24-\x3e\x40-\x7e]*$/;

const unusable = (reason: string): Authorizer => ({ kind: 'unusable', reason });

function bodyOf(given: unknown): Pick<HttpAuthorizer, 'body'> {
  const { maxRequestBytes, allowPartialMessage, packAsBytes } = fields(given);
  if (typeof maxRequestBytes !== 'number' || maxRequestBytes <= 0) return {};
  return {
    body: {
      maxBytes: Math.min(maxRequestBytes, MAX_BODY_BYTES),
      allowPartial: allowPartialMessage === true,
      asBytes: packAsBytes === true,
    },
  };
}

type Common = Omit<GrpcAuthorizer, 'kind'>;

/** What both kinds have; a text = why it can't be asked. */
function commonOf(given: Fields): Common | string {
  const { port, timeout, statusOnError } = given;
  // A namespace may stand before the host.
  const service = text(given['service'])
    .replace(/^[^/]*\//, '')
    .toLowerCase();
  if (service === '') return 'it names no service';
  if (typeof port !== 'number' || !Number.isInteger(port) || port < 1 || port > 65_535)
    return `port ${JSON.stringify(port)} is none, want 1 to 65535`;
  const status = statusOnError === undefined ? DEFAULT_STATUS_ON_ERROR : Number(statusOnError);
  if (!Number.isInteger(status) || status < 200 || status > 599)
    return `statusOnError ${JSON.stringify(statusOnError)} is no status`;
  const timeoutMs = timeout === undefined ? DEFAULT_TIMEOUT_MS : parseDuration(text(timeout));
  if (timeoutMs === undefined || timeoutMs < 1)
    return `timeout ${JSON.stringify(timeout)} is no duration of 1ms or more`;
  return {
    service,
    port,
    timeoutMs,
    failOpen: given['failOpen'] === true,
    statusOnError: status,
    clearRouteCache: given['clearRouteCache'] === true,
    ...bodyOf(given['includeRequestBodyInCheck']),
  };
}

function grpcAuthorizer(given: Fields): Authorizer {
  const common = commonOf(given);
  return typeof common === 'string' ? unusable(common) : { kind: 'grpc', ...common };
}

function headerFault(headers: readonly (readonly [string, string])[]): string | undefined {
  const broken = headers.find(([name, value]) => !NAME.test(name) || BREAKS.test(value));
  return broken === undefined
    ? undefined
    : `includeAdditionalHeadersInCheck has ${JSON.stringify(broken[0])}, which is no header that can be sent`;
}

function httpAuthorizer(given: Fields): Authorizer {
  const common = commonOf(given);
  if (typeof common === 'string') return unusable(common);
  const pathPrefix = text(given['pathPrefix']);
  if (pathPrefix !== '' && !PATH.test(pathPrefix))
    return unusable(`pathPrefix ${JSON.stringify(pathPrefix)} is no path that begins with /`);
  const additional = Object.entries(fields(given['includeAdditionalHeadersInCheck'])).map(
    ([name, value]) => [name.toLowerCase(), String(value)] as const,
  );
  const fault = headerFault(additional);
  if (fault !== undefined) return unusable(fault);
  return {
    kind: 'http',
    ...common,
    pathPrefix,
    requestHeaders: [
      ...names(given['includeRequestHeadersInCheck']),
      ...names(given['includeHeadersInCheck']),
    ],
    additionalHeaders: additional,
    upstreamOnAllow: names(given['headersToUpstreamOnAllow']),
    downstreamOnAllow: names(given['headersToDownstreamOnAllow']),
    downstreamOnDeny: names(given['headersToDownstreamOnDeny']),
  };
}

/** By name; what can't be asked is there too, since what its policies match must be refused. */
export function readAuthorizers(providers: unknown): ReadonlyMap<string, Authorizer> {
  const list = Array.isArray(providers) ? providers.map((provider) => fields(provider)) : [];
  const found = list.flatMap((provider): (readonly [string, Authorizer])[] => {
    const name = text(provider['name']);
    const http = provider['envoyExtAuthzHttp'];
    if (http !== undefined) return [[name, httpAuthorizer(fields(http))]];
    const grpc = provider['envoyExtAuthzGrpc'];
    return grpc === undefined ? [] : [[name, grpcAuthorizer(fields(grpc))]];
  });
  return new Map(found);
}
