/** Trailers that no message may have (RFC 9110, 6.5.1). */

/** They say where a message ends, where it goes or who sent it: behind the body nobody may say that any more. */
const FORBIDDEN: ReadonlySet<string> = new Set([
  'transfer-encoding',
  'content-length',
  'content-encoding',
  'content-type',
  'content-range',
  'host',
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'upgrade',
  'authorization',
  'proxy-authorization',
  'proxy-authenticate',
  'www-authenticate',
  'cookie',
  'set-cookie',
  'expect',
  'max-forwards',
  'cache-control',
  'age',
  'expires',
  'date',
  'location',
  'retry-after',
  'vary',
  'forwarded',
  'client-cert',
  'client-cert-chain',
  'workload-identity-token',
  'workload-proof-token',
]);

/** What proxies say of a request, and backends that put trailers among the headers would believe. */
const FORBIDDEN_PREFIX = /^(?:x-(?:forwarded|lateen)|cf-client-cert)-/;

/** @param name in lower case */
export function isForbiddenTrailer(name: string): boolean {
  // A backend like CGI's reads both alike.
  const read = name.includes('_') ? name.replaceAll('_', '-') : name;
  return FORBIDDEN.has(read) || FORBIDDEN_PREFIX.test(read);
}
