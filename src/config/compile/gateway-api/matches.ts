/** Matches of HTTPRoute and GRPCRoute rules, each with its rank. */
import { compileRegex } from '../../../lib/regex/compile.ts';
import type { ApiNamedMatch, GrpcRouteMatch, HttpRouteMatch } from '../../../model/api.ts';
import type { HeaderMatch, RouteMatch, StringMatch } from '../../../model/snapshot.ts';
import type { Rank } from './order.ts';
import { grpcRank, httpRank } from './order.ts';

export interface RankedMatch {
  readonly match: RouteMatch;
  readonly rank: Rank;
}

const regex = (source: string): StringMatch => ({
  kind: 'regex',
  source,
  program: compileRegex(source),
});

function valueMatch({ type = 'Exact', value }: ApiNamedMatch): StringMatch {
  return type === 'RegularExpression' ? regex(value) : { kind: 'exact', value };
}

/** Of entries with equivalent names only the first counts. */
function firstOfEach(
  entries: readonly ApiNamedMatch[] | undefined,
  nameOf: (entry: ApiNamedMatch) => string,
): readonly { readonly name: string; readonly value: StringMatch }[] {
  const found = new Map<string, StringMatch>();
  for (const entry of entries ?? [])
    if (!found.has(nameOf(entry))) found.set(nameOf(entry), valueMatch(entry));
  return [...found].map(([name, value]) => ({ name, value }));
}

function headerMatches(entries: readonly ApiNamedMatch[] | undefined): readonly HeaderMatch[] {
  return firstOfEach(entries, ({ name }) => name.toLowerCase());
}

type PathMatch = NonNullable<RouteMatch['path']>;

function pathMatch({
  type = 'PathPrefix',
  value = '/',
}: NonNullable<HttpRouteMatch['path']>): PathMatch {
  if (type === 'Exact') return { kind: 'exact', value };
  if (type === 'RegularExpression') return regex(value);
  // Every path is under the root, so the table may decide it by itself.
  return value === '/' ? { kind: 'prefix', value } : { kind: 'segment-prefix', value };
}

export function compileHttpMatch(given: HttpRouteMatch): RankedMatch {
  const path = given.path ?? {};
  const headers = headerMatches(given.headers);
  const query = firstOfEach(given.queryParams, ({ name }) => name);
  const { type = 'PathPrefix', value = '/' } = path;
  return {
    match: {
      path: pathMatch(path),
      ...(given.method === undefined ? {} : { method: { kind: 'exact', value: given.method } }),
      ...(headers.length === 0 ? {} : { headers }),
      ...(query.length === 0 ? {} : { query }),
    },
    rank: httpRank({
      pathType: type === 'Exact' ? 'exact' : type === 'PathPrefix' ? 'prefix' : 'regex',
      pathLength: value.length,
      hasMethod: given.method !== undefined,
      headers: headers.length,
      queries: query.length,
    }),
  };
}

function grpcPath({
  type = 'Exact',
  service = '',
  method = '',
}: NonNullable<GrpcRouteMatch['method']>): PathMatch | undefined {
  if (service === '' && method === '') return undefined;
  if (type === 'RegularExpression')
    return regex(`/${service === '' ? '[^/]+' : service}/${method === '' ? '[^/]+' : method}`);
  if (method === '') return { kind: 'prefix', value: `/${service}/` };
  return service === ''
    ? { kind: 'suffix', value: `/${method}` }
    : { kind: 'exact', value: `/${service}/${method}` };
}

/** `/service/method` is the path of a gRPC call. */
export function compileGrpcMatch(given: GrpcRouteMatch): RankedMatch {
  const headers = headerMatches(given.headers);
  const path = grpcPath(given.method ?? {});
  return {
    match: {
      ...(path === undefined ? {} : { path }),
      ...(headers.length === 0 ? {} : { headers }),
    },
    rank: grpcRank({
      isRegex: given.method?.type === 'RegularExpression',
      service: given.method?.service ?? '',
      method: given.method?.method ?? '',
      headers: headers.length,
    }),
  };
}
