/** SPIFFE IDs as the standard writes them. Whatever could be read in two ways is none. */
const WORKLOAD = /^([a-z0-9._-]{1,255})((?:\/[A-Za-z0-9._-]+)+)$/;
const SCHEME = /^spiffe:\/\//i;
const SCHEME_LENGTH = 'spiffe://'.length;
const MAX_BYTES = 2048;

export interface SpiffeId {
  readonly trustDomain: string;
  /** `trust.domain/ns/a/sa/b`: without the scheme, as policies name it. */
  readonly identity: string;
}

/** Of a workload: with a path. Scheme and trust domain in any case, as the standard compares them. */
export function readSpiffeId(uri: string): SpiffeId | undefined {
  if (uri.length > MAX_BYTES || !SCHEME.test(uri)) return undefined;
  const rest = uri.slice(SCHEME_LENGTH);
  const slash = rest.indexOf('/');
  if (slash < 0) return undefined;
  const identity = rest.slice(0, slash).toLowerCase() + rest.slice(slash);
  return readIdentity(identity);
}

/** Of a text that names it without the scheme. */
export function readIdentity(identity: string): SpiffeId | undefined {
  const [, trustDomain, path] = WORKLOAD.exec(identity) ?? [];
  if (trustDomain === undefined || path === undefined) return undefined;
  const isDotted = path.split('/').some((segment) => segment === '.' || segment === '..');
  return isDotted ? undefined : { trustDomain, identity };
}
