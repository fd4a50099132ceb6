/** Filters of rules and backendRefs to what a route or destination of the snapshot carries. */
import type { BackendRef, HeaderFilter, PathModifier, RouteFilter } from '../../../model/api.ts';
import type {
  HeaderOps,
  HeaderValue,
  Mirror,
  PathRewrite,
  RedirectAction,
  RouteMatch,
} from '../../../model/snapshot.ts';

export interface CompiledFilters {
  readonly requestHeaders?: HeaderOps;
  readonly responseHeaders?: HeaderOps;
  readonly authority?: string;
  readonly rewrite?: PathRewrite;
  readonly redirect?: RedirectAction;
  readonly mirrors?: readonly Mirror[];
  /** A filter that can't be followed: the requests are refused instead of sent on without it. */
  readonly unsupported?: string;
}

/** Cluster of a mirror's backend; undefined where it can't be used. */
export type MirrorCluster = (ref: BackendRef) => string | undefined;

const isHost = (name: string): boolean => name.toLowerCase() === 'host';

/** Values are literal; of several entries for a name the first counts. */
function valuesOf(list: HeaderFilter['set']): HeaderValue[] {
  const found = new Map<string, HeaderValue>();
  for (const { name, value } of list ?? []) {
    const lower = name.toLowerCase();
    if (!isHost(lower) && !found.has(lower)) found.set(lower, { name: lower, value: [value] });
  }
  return [...found.values()];
}

function headerOps(filter: HeaderFilter | undefined): HeaderOps | undefined {
  const remove = (filter?.remove ?? []).map((name) => name.toLowerCase());
  const set = valuesOf(filter?.set);
  const add = valuesOf(filter?.add);
  if (remove.length + set.length + add.length === 0) return undefined;
  return {
    ...(remove.length === 0 ? {} : { remove }),
    ...(set.length === 0 ? {} : { set }),
    ...(add.length === 0 ? {} : { add }),
  };
}

function pathRewrite(
  modifier: PathModifier | undefined,
  match: RouteMatch,
): PathRewrite | undefined {
  if (modifier === undefined) return undefined;
  if (modifier.type === 'ReplaceFullPath')
    return { kind: 'whole', value: modifier.replaceFullPath ?? '/' };
  const value = modifier.replacePrefixMatch ?? '/';
  const { path } = match;
  if (path?.kind !== 'segment-prefix' && path?.kind !== 'prefix') return undefined;
  const prefix = path.value.endsWith('/') ? path.value.slice(0, -1) : path.value;
  return { kind: 'prefix', prefix, value, segment: true };
}

function redirectOf(
  given: NonNullable<RouteFilter['requestRedirect']>,
  match: RouteMatch,
): RedirectAction {
  const path = pathRewrite(given.path, match);
  return {
    kind: 'redirect',
    status: given.statusCode ?? 302,
    ...(given.scheme === undefined ? {} : { scheme: given.scheme }),
    ...(given.hostname === undefined ? {} : { authority: given.hostname }),
    // Without a port the scheme's own counts, and without a scheme the listener's.
    port: given.port ?? (given.scheme === undefined ? 'request-port' : 'protocol-default'),
    ...(path === undefined ? {} : { path }),
  };
}

/** 100 where neither percent nor fraction is given. */
function mirrorPercent({ percent, fraction }: NonNullable<RouteFilter['requestMirror']>): number {
  if (fraction !== undefined) return (100 * fraction.numerator) / (fraction.denominator ?? 100);
  return percent ?? 100;
}

function joinOps(
  first: HeaderOps | undefined,
  second: HeaderOps | undefined,
): HeaderOps | undefined {
  if (first === undefined || second === undefined) return first ?? second;
  const join = <Field extends keyof HeaderOps>(field: Field): HeaderOps[Field] =>
    [...(first[field] ?? []), ...(second[field] ?? [])] as HeaderOps[Field];
  const [remove, set, add] = [join('remove'), join('set'), join('add')];
  return {
    ...(remove?.length === 0 ? {} : { remove }),
    ...(set?.length === 0 ? {} : { set }),
    ...(add?.length === 0 ? {} : { add }),
  };
}

/** CORS is a policy of its own and isn't read here. */
export function compileFilters(
  filters: readonly RouteFilter[] | undefined,
  match: RouteMatch,
  clusterOf: MirrorCluster,
): CompiledFilters {
  let compiled: CompiledFilters = {};
  for (const filter of filters ?? []) compiled = addFilter(compiled, filter, match, clusterOf);
  return compiled;
}

function addFilter(
  compiled: CompiledFilters,
  filter: RouteFilter,
  match: RouteMatch,
  clusterOf: MirrorCluster,
): CompiledFilters {
  switch (filter.type) {
    case 'RequestHeaderModifier': {
      const modifier = filter.requestHeaderModifier;
      const ops = joinOps(compiled.requestHeaders, headerOps(modifier));
      const host = [...(modifier?.set ?? []), ...(modifier?.add ?? [])].find(({ name }) =>
        isHost(name),
      );
      return {
        ...compiled,
        ...(ops === undefined ? {} : { requestHeaders: ops }),
        ...(host === undefined ? {} : { authority: host.value }),
      };
    }
    case 'ResponseHeaderModifier': {
      const ops = joinOps(compiled.responseHeaders, headerOps(filter.responseHeaderModifier));
      return ops === undefined ? compiled : { ...compiled, responseHeaders: ops };
    }
    case 'RequestMirror': {
      const given = filter.requestMirror;
      const cluster = given === undefined ? undefined : clusterOf(given.backendRef);
      const percent = given === undefined ? 0 : mirrorPercent(given);
      if (cluster === undefined || percent <= 0) return compiled;
      return { ...compiled, mirrors: [...(compiled.mirrors ?? []), { cluster, percent }] };
    }
    case 'RequestRedirect':
      return { ...compiled, redirect: redirectOf(filter.requestRedirect ?? {}, match) };
    case 'URLRewrite': {
      const rewrite = pathRewrite(filter.urlRewrite?.path, match);
      const hostname = filter.urlRewrite?.hostname;
      return {
        ...compiled,
        ...(rewrite === undefined ? {} : { rewrite }),
        ...(hostname === undefined ? {} : { authority: hostname }),
      };
    }
    case 'CORS':
      return compiled;
    case 'ExternalAuth':
    case 'ExtensionRef':
      return { ...compiled, unsupported: filter.type };
    default:
      return filter.type satisfies never;
  }
}
