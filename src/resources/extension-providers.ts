/** extensionProviders of the mesh settings: what CUSTOM policies may ask. */
import { parseDuration } from '../lib/duration.ts';
import type { Authorizer } from '../model/policy.ts';

type Fields = Readonly<Record<string, unknown>>;

const fields = (value: unknown): Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};
const text = (value: unknown): string => (typeof value === 'string' ? value : '');
const names = (value: unknown): string[] =>
  Array.isArray(value) ? value.map((name) => text(name).toLowerCase()) : [];

const DEFAULT_TIMEOUT_MS = 600_000;
const DEFAULT_STATUS_ON_ERROR = 403;
/** A body is kept while the authorizer thinks about it. */
const MAX_BODY_BYTES = 1_048_576;

const unusable = (reason: string): Authorizer => ({ kind: 'unusable', reason });

function bodyOf(given: unknown): { body?: { maxBytes: number; allowPartial: boolean } } {
  const { maxRequestBytes, allowPartialMessage } = fields(given);
  if (typeof maxRequestBytes !== 'number' || maxRequestBytes <= 0) return {};
  return {
    body: {
      maxBytes: Math.min(maxRequestBytes, MAX_BODY_BYTES),
      allowPartial: allowPartialMessage === true,
    },
  };
}

function httpAuthorizer(given: Fields): Authorizer {
  const { port, timeout, statusOnError } = given;
  // A namespace may stand before the host.
  const service = text(given['service'])
    .replace(/^[^/]*\//, '')
    .toLowerCase();
  if (service === '') return unusable('it names no service');
  if (typeof port !== 'number' || !Number.isInteger(port) || port < 1 || port > 65_535)
    return unusable(`port ${JSON.stringify(port)} is none, want 1 to 65535`);
  const status = statusOnError === undefined ? DEFAULT_STATUS_ON_ERROR : Number(statusOnError);
  if (!Number.isInteger(status) || status < 200 || status > 599)
    return unusable(`statusOnError ${JSON.stringify(statusOnError)} is no status`);
  const additional = Object.entries(fields(given['includeAdditionalHeadersInCheck']));
  return {
    kind: 'http',
    service,
    port,
    timeoutMs: parseDuration(text(timeout)) ?? DEFAULT_TIMEOUT_MS,
    pathPrefix: text(given['pathPrefix']),
    failOpen: given['failOpen'] === true,
    statusOnError: status,
    requestHeaders: [
      ...names(given['includeRequestHeadersInCheck']),
      ...names(given['includeHeadersInCheck']),
    ],
    additionalHeaders: additional.map(([name, value]) => [name.toLowerCase(), String(value)]),
    ...bodyOf(given['includeRequestBodyInCheck']),
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
    return provider['envoyExtAuthzGrpc'] === undefined
      ? []
      : [[name, unusable('this version asks authorizers over HTTP, not over gRPC')]];
  });
  return new Map(found);
}
