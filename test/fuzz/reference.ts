/**
 * What a table of routes decides, read from top to bottom as its description says: no trie, no map, no code of the data
 * path. It is slow and plain on purpose, since the data path is held against it.
 */

/** `regex` holds its source; it is of the part of RE2's syntax that means the same in JavaScript. */
export interface PlainText {
  readonly kind: 'exact' | 'prefix' | 'suffix' | 'segment-prefix' | 'regex' | 'present';
  readonly value?: string;
  readonly ignoreCase?: boolean;
}

export interface PlainHeader {
  readonly name: string;
  readonly value: PlainText;
  readonly invert?: boolean;
  readonly missingAsEmpty?: boolean;
}

export interface PlainMatch {
  readonly path?: PlainText;
  readonly method?: PlainText;
  readonly scheme?: PlainText;
  readonly authority?: PlainText;
  readonly headers?: readonly PlainHeader[];
  readonly query?: readonly { readonly name: string; readonly value: PlainText }[];
  readonly claims?: readonly {
    readonly path: readonly string[];
    readonly value: PlainText;
    readonly invert?: boolean;
  }[];
}

export interface PlainHost {
  readonly domains: readonly string[];
  readonly httpsRedirect?: boolean;
  readonly routes: readonly PlainMatch[];
}

export interface PlainListener {
  /** 0 = every port that no other listener has. */
  readonly port: number;
  readonly serverNames?: readonly string[];
  readonly checksServerName?: boolean;
  readonly direction: 'gateway' | 'outbound';
  readonly unmatchedHost: 'not-found' | 'passthrough' | 'block';
  readonly hosts: readonly PlainHost[];
}

export interface PlainRequest {
  readonly port: number;
  readonly sni?: string;
  readonly scheme: 'http' | 'https';
  readonly authority: string;
  readonly method: string;
  readonly path: string;
  /** With its question mark, or ''. */
  readonly query: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly claims?: Readonly<Record<string, unknown>>;
}

function holds(text: PlainText, given: string): boolean {
  const [wanted, found] =
    text.ignoreCase === true
      ? [(text.value ?? '').toLowerCase(), given.toLowerCase()]
      : [text.value ?? '', given];
  switch (text.kind) {
    case 'present':
      return true;
    case 'exact':
      return found === wanted;
    case 'prefix':
      return found.slice(0, wanted.length) === wanted;
    case 'suffix':
      return wanted === '' || found.slice(-wanted.length) === wanted;
    case 'segment-prefix': {
      const segments = found.split('/');
      const named = wanted.replace(/\/$/, '').split('/');
      return named.every((segment, index) => segments[index] === segment);
    }
    case 'regex':
      return new RegExp(`^(?:${wanted})$`).test(found);
    default:
      return text.kind satisfies never;
  }
}

function headerValues(request: PlainRequest, name: string): readonly string[] {
  const pseudo: Readonly<Record<string, string>> = {
    ':method': request.method,
    ':path': request.path + request.query,
    ':authority': request.authority,
    ':scheme': request.scheme,
    host: request.authority,
  };
  const known = Object.entries(pseudo).find(([each]) => each === name);
  if (known !== undefined) return [known[1]];
  return request.headers.filter(([each]) => each === name).map(([, value]) => value);
}

function headerHolds(header: PlainHeader, request: PlainRequest): boolean {
  const values = headerValues(request, header.name);
  const seen = values.length === 0 && header.invert && header.missingAsEmpty ? [''] : values;
  const isThere = seen.some((value) => holds(header.value, value));
  return header.invert === true ? !isThere : isThere;
}

function firstOfQuery(query: string, name: string): string | undefined {
  const pairs = query
    .replace(/^\?/, '')
    .split('&')
    .filter((pair) => query.length > 1 && pair.split('=')[0] === name);
  return pairs[0]?.split('=').slice(1).join('=');
}

function claimValues(claims: unknown, path: readonly string[]): readonly string[] {
  let value = claims;
  for (const step of path) {
    const fields = typeof value === 'object' && !Array.isArray(value) ? (value ?? {}) : {};
    value = Object.entries(fields).find(([name]) => name === step)?.[1];
  }
  if (Array.isArray(value)) return value.filter((one) => typeof one === 'string');
  if (typeof value !== 'string') return [];
  const isSpaced = path.length === 1 && (path[0] === 'scope' || path[0] === 'permission');
  return isSpaced ? value.split(' ') : [value];
}

export function matchHolds(match: PlainMatch, request: PlainRequest): boolean {
  const { path, method, scheme, authority, headers = [], query = [], claims = [] } = match;
  if (path !== undefined && !holds(path, request.path)) return false;
  if (method !== undefined && !holds(method, request.method)) return false;
  if (scheme !== undefined && !holds(scheme, request.scheme)) return false;
  if (authority !== undefined && !holds(authority, request.authority)) return false;
  if (!headers.every((header) => headerHolds(header, request))) return false;
  for (const { name, value } of query) {
    const found = firstOfQuery(request.query, name);
    if (found === undefined || !holds(value, found)) return false;
  }
  return claims.every(
    (claim) =>
      claimValues(request.claims, claim.path).some((one) => holds(claim.value, one)) !==
      (claim.invert ?? false),
  );
}

function covers(domain: string, name: string): boolean {
  if (domain === '*') return true;
  if (!domain.startsWith('*')) return domain === name;
  return name.endsWith(domain.slice(1)) && name.length > domain.length - 1;
}

/** The exact name, else the longest wildcard, else `*`; of equal ones the first. */
export function bestOf<Owner>(
  owners: readonly (readonly [Owner, readonly string[]])[],
  name: string,
): Owner | undefined {
  let best: { readonly owner: Owner; readonly rank: number } | undefined;
  for (const [owner, domains] of owners)
    for (const domain of domains) {
      if (!covers(domain, name)) continue;
      const rank = domain.startsWith('*') ? domain.length : 1_000_000;
      if (best === undefined || rank > best.rank) best = { owner, rank };
    }
  return best?.owner;
}

function listenerOf(
  listeners: readonly PlainListener[],
  port: number,
  sni: string | undefined,
): PlainListener | undefined {
  const own = listeners.filter((one) => one.port === port);
  const at = own.length > 0 ? own : listeners.filter((one) => one.port === 0);
  const secure = at.filter(({ serverNames }) => serverNames !== undefined);
  if (secure.length === 0) return at[0];
  return bestOf(
    secure.map((one) => [one, one.serverNames ?? []] as const),
    (sni ?? '').toLowerCase(),
  );
}

/** `host/route` by their places, or why there is none. */
export function decideSlowly(listeners: readonly PlainListener[], request: PlainRequest): string {
  const listener = listenerOf(listeners, request.port, request.sni);
  if (listener === undefined) return 'no listener';
  const name = request.authority.split(':')[0]?.toLowerCase() ?? '';
  if (listener.checksServerName === true) {
    const owner = listenerOf(listeners, request.port, name);
    if (owner !== undefined && owner !== listener) return 'misdirected';
  }
  const host = bestOf(
    listener.hosts.map((one) => [one, one.domains] as const),
    listener.direction === 'outbound' ? name.replace(/\.$/, '') : name,
  );
  if (host === undefined)
    return { 'not-found': 'no route', passthrough: 'passthrough', block: 'blocked' }[
      listener.unmatchedHost
    ];
  if (host.httpsRedirect === true && request.scheme === 'http') return 'https';
  const route = host.routes.findIndex((match) => matchHolds(match, request));
  return route < 0
    ? 'no route'
    : `${listeners.indexOf(listener)}/${listener.hosts.indexOf(host)}/${route}`;
}
