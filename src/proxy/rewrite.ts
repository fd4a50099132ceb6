/** Paths and locations that a route changes. */
import { replaceAll } from '../lib/regex/rewrite.ts';
import type { PathRewrite, RedirectAction } from '../model/snapshot.ts';
import type { EngineExchange } from './exchange.ts';

/** Path without query. */
export function rewritePath(path: string, rewrite: PathRewrite | undefined): string {
  if (rewrite === undefined) return path;
  switch (rewrite.kind) {
    case 'whole':
      return rewrite.value;
    case 'regex':
      return replaceAll(rewrite.program, path, rewrite.rewrite);
    case 'prefix':
      return rewrite.segment === true
        ? segmentPrefix(path.slice(rewrite.prefix.length), rewrite.value)
        : rewrite.value + path.slice(rewrite.prefix.length);
    default:
      return rewrite satisfies never;
  }
}

/** Gateway API joins at exactly one slash. */
function segmentPrefix(rest: string, value: string): string {
  const base = value.endsWith('/') ? value.slice(0, -1) : value;
  if (rest === '') return value === '' ? '/' : value;
  return rest.startsWith('/') ? base + rest : `${base}/${rest}`;
}

const portOf = (authority: string): string => /:(\d+)$/.exec(authority)?.[1] ?? '';
const DEFAULT_PORTS: Readonly<Record<string, string>> = { http: '80', https: '443' };

/** Location of a redirect. */
export function redirectLocation(x: EngineExchange, action: RedirectAction): string {
  const scheme = action.scheme ?? x.scheme;
  const changesScheme = action.scheme !== undefined && action.scheme !== x.scheme;
  let authority = action.authority ?? x.authority;
  if (action.port !== undefined) {
    const bare = action.authority === undefined ? authority.replace(/:\d+$/, '') : authority;
    const port =
      action.port === 'request-port'
        ? String(x.port)
        : action.port === 'protocol-default'
          ? ''
          : String(action.port);
    authority = port === '' || port === DEFAULT_PORTS[scheme] ? bare : `${bare}:${port}`;
  } else if (
    action.authority === undefined &&
    changesScheme &&
    portOf(authority) === DEFAULT_PORTS[x.scheme]
  ) {
    // The port that stood for the old scheme means nothing under the new one.
    authority = authority.replace(/:\d+$/, '');
  }
  const path = rewritePath(x.path, action.path);
  const full = path.startsWith('/') ? path : `/${path}`;
  const query = action.path?.kind === 'whole' && path.includes('?') ? '' : x.query;
  return `${scheme}://${authority}${full}${query}`;
}
