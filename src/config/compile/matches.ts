/** HTTPMatchRequest to RouteMatch; conditions about the proxy itself are decided here. */
import { compileRegex } from '../../lib/regex/compile.ts';
import type { HttpMatch, StringMatchSpec } from '../../model/api.ts';
import type { ClaimMatch, HeaderMatch, RouteMatch, StringMatch } from '../../model/snapshot.ts';
import { selects } from './names.ts';

/** Whose configuration is compiled: what static conditions are held against. */
export interface MatchScope {
  readonly gateway: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly port: number;
}

export function compileString(match: StringMatchSpec, ignoreCase = false): StringMatch {
  const folded = ignoreCase ? { ignoreCase: true } : {};
  if (match.exact !== undefined) return { kind: 'exact', value: match.exact, ...folded };
  if (match.prefix !== undefined) return { kind: 'prefix', value: match.prefix, ...folded };
  if (match.regex !== undefined && match.regex !== '*')
    return { kind: 'regex', source: match.regex, program: compileRegex(match.regex) };
  return { kind: 'present' };
}

/** `@request.auth.claims.a.b` or `[a][b]` to its steps; undefined when it is a header's name. */
export function claimPath(name: string): readonly string[] | undefined {
  const prefix = '@request.auth.claims';
  if (name.slice(0, prefix.length).toLowerCase() !== prefix) return undefined;
  const rest = name.slice(prefix.length);
  if (rest.startsWith('.')) return rest.slice(1).split('.');
  const steps = [...rest.matchAll(/\[([^\][]+)\]/g)].map((match) => match[1] ?? '');
  return steps.length > 0 ? steps : undefined;
}

const IGNORED = new Set(['uri', 'scheme', 'method', 'authority']);

function headerMatches(match: HttpMatch): { headers: HeaderMatch[]; claims: ClaimMatch[] } {
  const headers: HeaderMatch[] = [];
  const claims: ClaimMatch[] = [];
  const add = (given: HttpMatch['headers'], invert: boolean): void => {
    for (const [name, text] of Object.entries(given ?? {}).sort(([a], [b]) => (a < b ? -1 : 1))) {
      const path = claimPath(name);
      const value = compileString(text);
      if (path !== undefined) claims.push({ path, value, ...(invert ? { invert } : {}) });
      else if (!IGNORED.has(name.toLowerCase()))
        headers.push({
          name: name.toLowerCase(),
          value,
          ...(invert
            ? { invert, ...(value.kind === 'present' ? {} : { missingAsEmpty: true }) }
            : {}),
        });
    }
  };
  add(match.headers, false);
  add(match.withoutHeaders, true);
  return { headers, claims };
}

/** Undefined = this proxy, gateway or port isn't meant. */
export function compileMatch(match: HttpMatch, scope: MatchScope): RouteMatch | undefined {
  if (match.gateways !== undefined && match.gateways.length > 0) {
    if (!match.gateways.includes(scope.gateway)) return undefined;
  } else {
    if (match.sourceLabels !== undefined && !selects(match.sourceLabels, scope.labels))
      return undefined;
    if (
      match.sourceNamespace !== undefined &&
      match.sourceNamespace !== '' &&
      match.sourceNamespace !== scope.namespace
    )
      return undefined;
  }
  if (match.port !== undefined && match.port !== 0 && match.port !== scope.port) return undefined;
  const { headers, claims } = headerMatches(match);
  const query = Object.entries(match.queryParams ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => ({ name, value: compileString(value) }));
  const isUri = match.uri !== undefined && Object.keys(match.uri).length > 0;
  return {
    ...(isUri ? { path: compileString(match.uri ?? {}, match.ignoreUriCase === true) } : {}),
    ...(match.method === undefined ? {} : { method: compileString(match.method) }),
    ...(match.scheme === undefined ? {} : { scheme: compileString(match.scheme) }),
    ...(match.authority === undefined ? {} : { authority: compileString(match.authority) }),
    ...(headers.length === 0 ? {} : { headers }),
    ...(query.length === 0 ? {} : { query }),
    ...(claims.length === 0 ? {} : { claims }),
  };
}

/** Matches every request: prefix / or regex .*, and no other condition. Istio stops reading rules there. */
export function isCatchAll(match: RouteMatch): boolean {
  const { path, ...others } = match;
  if (Object.keys(others).length > 0) return false;
  if (path === undefined) return true;
  return (
    (path.kind === 'prefix' && path.value === '/') ||
    (path.kind === 'regex' && (path.source === '.*' || path.source === '*'))
  );
}
