/** One VirtualService's http rules to routes, for one proxy and port. */
import { parseDuration } from '../../lib/duration.ts';
import { compileRegex } from '../../lib/regex/compile.ts';
import type { DestinationSpec, HttpMatch, HttpRoute, Resource } from '../../model/api.ts';
import type {
  Destination,
  FilterConfig,
  ForwardAction,
  Mirror,
  Origin,
  PathRewrite,
  Route,
  RouteAction,
  RouteMatch,
} from '../../model/snapshot.ts';
import type { PolicyTarget } from './attached-policies.ts';
import { targetPolicies } from './attached-policies.ts';
import { clusterName } from './clusters.ts';
import type { CompileContext } from './context.ts';
import { authorityOf, headerFields } from './header-values.ts';
import { compileMatch, isCatchAll } from './matches.ts';
import type { MatchScope } from './matches.ts';
import { resolveHost } from './names.ts';
import { compileRetry, defaultRetry } from './retries.ts';
import { step } from './step.ts';

/** A rule and where it stands; of a delegate, the delegate. */
export interface SourcedRoute {
  readonly route: HttpRoute;
  readonly resource: Resource;
  readonly path: string;
  /** What a Policy may name to reach it, the root of a delegate first. */
  readonly targets: readonly PolicyTarget[];
  /** Of a delegate's rule the one that delegates. */
  readonly root?: Pick<SourcedRoute, 'resource' | 'path'>;
}

export interface RouteScope extends MatchScope {
  /** A gateway takes a service's only port for a destination without one; a sidecar the listener's. */
  readonly isGateway: boolean;
  /** What Policies name that reaches all of these routes, and not the whole listener. @default none */
  readonly targets?: readonly PolicyTarget[];
}

export interface RouteList {
  readonly routes: readonly Route[];
  /** Hosts of services that the routes name. */
  readonly hosts: ReadonlySet<string>;
}

/** Data planes know one alphabet of the two that the API takes. */
const plainBase64 = (bytes: string): string => bytes.replaceAll('-', '+').replaceAll('_', '/');

export function destinationCluster(
  context: CompileContext,
  destination: DestinationSpec,
  owner: Resource,
  scope: RouteScope,
): { name: string; host: string } {
  const host = resolveHost(
    destination.host,
    owner.metadata.namespace,
    context.mesh.settings.domain,
  );
  const service = context.service(host);
  const only = service?.ports.length === 1 ? service.ports[0]?.number : undefined;
  const given = destination.port?.number;
  const port =
    given !== undefined && given !== 0
      ? given
      : scope.isGateway
        ? (only ?? scope.port)
        : scope.port;
  return { name: clusterName(host, port, destination.subset), host };
}

interface RouteBuilder {
  readonly context: CompileContext;
  readonly scope: RouteScope;
  readonly hosts: Set<string>;
}

function forward(source: SourcedRoute, match: RouteMatch, builder: RouteBuilder): ForwardAction {
  const { route, resource } = source;
  const given = route.route ?? [];
  const destinations = given
    .filter((entry) => given.length === 1 || (entry.weight ?? 0) > 0)
    .map((entry): Destination => {
      const { name, host } = destinationCluster(
        builder.context,
        entry.destination,
        resource,
        builder.scope,
      );
      builder.hosts.add(host);
      const authority = authorityOf(entry.headers);
      return {
        cluster: name,
        weight: given.length === 1 ? 1 : (entry.weight ?? 0),
        ...headerFields(entry.headers),
        ...(authority === undefined ? {} : { authority }),
      };
    });
  const rewrite = compileRewrite(route, match);
  const authority =
    authorityOf(route.headers) ??
    (route.rewrite?.authority === '' ? undefined : route.rewrite?.authority);
  return {
    kind: 'forward',
    destinations,
    ...(rewrite === undefined ? {} : { rewrite }),
    ...(authority === undefined ? {} : { authority }),
  };
}

function replacement(value: string, match: RouteMatch): PathRewrite {
  if (match.path === undefined) return { kind: 'prefix', prefix: '/', value };
  return match.path.kind === 'prefix'
    ? { kind: 'prefix', prefix: match.path.value, value }
    : { kind: 'whole', value };
}

function compileRewrite(route: HttpRoute, match: RouteMatch): PathRewrite | undefined {
  const { uri, uriRegexRewrite } = route.rewrite ?? {};
  if (uriRegexRewrite?.match !== undefined)
    return {
      kind: 'regex',
      program: compileRegex(uriRegexRewrite.match, { captures: true }),
      rewrite: uriRegexRewrite.rewrite ?? '',
    };
  return uri === undefined || uri === '' ? undefined : replacement(uri, match);
}

function compileAction(
  source: SourcedRoute,
  match: RouteMatch,
  builder: RouteBuilder,
): RouteAction {
  const { redirect, directResponse } = source.route;
  if (redirect !== undefined) {
    const port =
      redirect.port ??
      (redirect.derivePort === 'FROM_PROTOCOL_DEFAULT'
        ? 'protocol-default'
        : redirect.derivePort === 'FROM_REQUEST_PORT'
          ? 'request-port'
          : undefined);
    const path: PathRewrite | undefined =
      redirect.prefixRewrite !== undefined
        ? replacement(redirect.prefixRewrite, match)
        : redirect.uri === undefined || redirect.uri === ''
          ? undefined
          : { kind: 'whole', value: redirect.uri };
    return {
      kind: 'redirect',
      status: redirect.redirectCode ?? 301,
      ...(redirect.scheme === undefined || redirect.scheme === ''
        ? {}
        : { scheme: redirect.scheme }),
      ...(redirect.authority === undefined || redirect.authority === ''
        ? {}
        : { authority: redirect.authority }),
      ...(port === undefined ? {} : { port }),
      ...(path === undefined ? {} : { path }),
    };
  }
  if (directResponse !== undefined) {
    const { string: text, bytes } = directResponse.body ?? {};
    return {
      kind: 'respond',
      status: directResponse.status,
      ...(text === undefined ? {} : { body: text }),
      ...(bytes === undefined ? {} : { body: plainBase64(bytes), bodyBase64: true }),
    };
  }
  return forward(source, match, builder);
}

function compileMirrors(source: SourcedRoute, builder: RouteBuilder): Mirror[] {
  const { route, resource } = source;
  const list = [
    ...(route.mirror === undefined
      ? []
      : [
          {
            destination: route.mirror,
            percentage: route.mirrorPercentage,
            old: route.mirrorPercent,
          },
        ]),
    ...(route.mirrors ?? []).map((mirror) => ({ ...mirror, old: undefined })),
  ];
  return list
    .map(({ destination, percentage, old }) => {
      const { name, host } = destinationCluster(
        builder.context,
        destination,
        resource,
        builder.scope,
      );
      builder.hosts.add(host);
      return {
        cluster: name,
        percent: percentage === undefined ? (old ?? 100) : (percentage.value ?? 0),
      };
    })
    .filter((mirror) => mirror.percent > 0);
}

function compileFilters(source: SourcedRoute, { context, scope }: RouteBuilder): FilterConfig[] {
  const filters = targetPolicies(context, [...(scope.targets ?? []), ...source.targets]);
  for (const compiler of context.compilers) {
    const compiled = compiler.compileRoute?.(source);
    if (compiled === undefined) continue;
    context.diagnostics.push(...compiled.diagnostics);
    if (compiled.filter !== undefined) filters.push(compiled.filter);
  }
  return filters;
}

interface CompiledMatch {
  /** Undefined = the rule has none. */
  readonly given: HttpMatch | undefined;
  readonly match: RouteMatch;
  readonly path: string;
}

function compileRoute(
  source: SourcedRoute,
  { given, match, path }: CompiledMatch,
  builder: RouteBuilder,
): Route {
  const { route, resource, root } = source;
  const { origins } = builder.context;
  const name = [route.name, given?.name]
    .filter((part) => part !== undefined && part !== '')
    .join('.');
  const retry = compileRetry(route.retries);
  const mirrors = compileMirrors(source, builder);
  return {
    ...(name === '' ? {} : { name }),
    match,
    action: compileAction(source, match, builder),
    filters: compileFilters(source, builder),
    ...headerFields(route.headers),
    timeoutMs: route.timeout === undefined ? 0 : (parseDuration(route.timeout) ?? 0),
    ...(retry === undefined ? {} : { retry }),
    ...(mirrors.length === 0 ? {} : { mirrors }),
    origin: origins.of(resource, path),
    ...(root === undefined ? {} : { root: origins.of(root.resource, root.path) }),
  };
}

/** Each match is a route of its own; reading stops behind the first that takes everything. The same list for the same sources. */
export function compileRoutes(
  sources: readonly SourcedRoute[],
  context: CompileContext,
  scope: Omit<RouteScope, 'namespace' | 'labels'>,
): RouteList {
  const { gateway, port, isGateway, targets = [] } = scope;
  const slot = `routes ${gateway} ${port} ${isGateway} ${context.mesh.settings.outboundPolicy} ${JSON.stringify(targets)}`;
  return step({ owner: sources, slot, inputs: [] }, context, (own) => {
    const { scope: proxy } = own;
    return makeRoutes(sources, own, {
      ...scope,
      // Read of few matches: most routes are the same for every proxy.
      get namespace() {
        return proxy.namespace;
      },
      get labels() {
        return proxy.labels;
      },
    });
  });
}

function makeRoutes(
  sources: readonly SourcedRoute[],
  context: CompileContext,
  scope: RouteScope,
): RouteList {
  const builder: RouteBuilder = { context, scope, hosts: new Set() };
  const routes: Route[] = [];
  for (const source of sources) {
    const matches = source.route.match ?? [];
    const candidates: readonly (HttpMatch | undefined)[] =
      matches.length === 0 ? [undefined] : matches;
    for (const [index, given] of candidates.entries()) {
      const match = given === undefined ? {} : compileMatch(given, scope);
      if (match === undefined) continue;
      const path = matches.length > 1 ? `${source.path}.match[${index}]` : source.path;
      routes.push(compileRoute(source, { given, match, path }, builder));
      if (isCatchAll(match)) return { routes, hosts: builder.hosts };
    }
  }
  return { routes, hosts: builder.hosts };
}

/** What a service gets that nobody wrote a rule for. */
export function defaultRoute(host: string, port: number, origin: Origin): Route {
  return {
    name: 'default',
    match: {},
    action: { kind: 'forward', destinations: [{ cluster: clusterName(host, port), weight: 1 }] },
    filters: [],
    timeoutMs: 0,
    retry: defaultRetry,
    origin,
  };
}
