/**
 * SPIFFE identities (SPIFFE-ID, sections 2 and 3): `spiffe://trust.domain/path`. Everywhere else in this project one is
 * written without its scheme, `trust.domain/ns/a/sa/b`, as principals in policies are.
 */

const SCHEME = 'spiffe://';
const MAX_BYTES = 2048;
const MAX_DOMAIN_BYTES = 255;
const DOMAIN = /^[a-z0-9._-]+$/;
const SEGMENT = /^[a-zA-Z0-9._-]+$/;

export interface SpiffeId {
  readonly trustDomain: string;
  /** Begins with `/`; empty for the identity of a whole domain, as signing certificates have it. */
  readonly path: string;
}

/** Why a text is no trust domain; undefined = it is one. */
export function trustDomainFault(text: string): string | undefined {
  if (text === '') return 'the trust domain is empty';
  if (text.length > MAX_DOMAIN_BYTES) return `a trust domain has at most ${MAX_DOMAIN_BYTES} bytes`;
  return DOMAIN.test(text)
    ? undefined
    : `trust domain ${JSON.stringify(text)}: want a-z, 0-9, '.', '-' and '_', without port or user`;
}

function pathFault(path: string): string | undefined {
  if (path === '') return undefined;
  for (const segment of path.slice(1).split('/')) {
    if (segment === '') return 'the path has an empty segment or ends with /';
    if (segment === '.' || segment === '..') return `the path has a segment ${segment}`;
    if (!SEGMENT.test(segment))
      return `path segment ${JSON.stringify(segment)}: want a-z, A-Z, 0-9, '.', '-' and '_', nothing encoded`;
  }
  return undefined;
}

function split(text: string): SpiffeId {
  const slash = text.indexOf('/');
  return slash < 0
    ? { trustDomain: text, path: '' }
    : { trustDomain: text.slice(0, slash), path: text.slice(slash) };
}

/** Why a text is no identity of a workload (`trust.domain/path`, without the scheme); undefined = it is one. */
export function identityFault(identity: string): string | undefined {
  // All that is allowed is ASCII, so that characters are bytes.
  if (SCHEME.length + identity.length > MAX_BYTES)
    return `an identity has at most ${MAX_BYTES} bytes`;
  const { trustDomain, path } = split(identity);
  if (path === '') return 'an identity has a path, as trust.domain/ns/default/sa/name';
  return trustDomainFault(trustDomain) ?? pathFault(path);
}

/**
 * Reads the URI form. The scheme and the domain ignore case and come back in lower case; the path is exact.
 * Undefined = it is no SPIFFE ID.
 */
export function parseSpiffeId(uri: string): SpiffeId | undefined {
  if (uri.length > MAX_BYTES || uri.slice(0, SCHEME.length).toLowerCase() !== SCHEME)
    return undefined;
  const { trustDomain, path } = split(uri.slice(SCHEME.length));
  const id = { trustDomain: trustDomain.toLowerCase(), path };
  return trustDomainFault(id.trustDomain) === undefined && pathFault(path) === undefined
    ? id
    : undefined;
}

/** The identity of a workload's URI, without the scheme; undefined = it is none, or has no path. */
export function identityOf(uri: string): string | undefined {
  const id = parseSpiffeId(uri);
  return id === undefined || id.path === '' ? undefined : id.trustDomain + id.path;
}

/** The URI of an identity. */
export function spiffeUri(identity: string): string {
  return SCHEME + identity;
}

/** The domain of an identity without its scheme. */
export function trustDomainOf(identity: string): string {
  return split(identity).trustDomain;
}

/** Namespace and service account, where the path is the one that Istio gives: `/ns/{namespace}/sa/{name}`. */
export function workloadOf(
  identity: string,
): { readonly namespace: string; readonly serviceAccount: string } | undefined {
  const match = /^[^/]+\/ns\/([^/]+)\/sa\/([^/]+)$/.exec(identity);
  const [, namespace, serviceAccount] = match ?? [];
  return namespace === undefined || serviceAccount === undefined
    ? undefined
    : { namespace, serviceAccount };
}
