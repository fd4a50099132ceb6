/** Rules of HTTPRoutes and GRPCRoutes to routes of the snapshot, each with its rank. */
import { parseDuration } from '../../../lib/duration.ts';
import type {
  CorsFilterSpec,
  CorsPolicySpec,
  GrpcRouteRule,
  GrpcRouteSpec,
  HttpRouteRule,
  HttpRouteSpec,
  RouteBackendRef,
} from '../../../model/api.ts';
import type {
  Destination,
  FilterConfig,
  RetryPolicy,
  Route,
  RouteAction,
  RouteMatch,
} from '../../../model/snapshot.ts';
import type { BackendReferrer } from '../../gateway-api/backends.ts';
import type { GatewayApi } from '../../gateway-api/resolve.ts';
import type { RouteResource } from '../../gateway-api/source.ts';
import type { PolicyTarget } from '../attached-policies.ts';
import { targetOf, targetPolicies } from '../attached-policies.ts';
import { clusterName } from '../clusters.ts';
import type { CompileContext } from '../context.ts';
import { step } from '../step.ts';
import { defaultRetry } from '../retries.ts';
import type { CompiledFilters } from './filters.ts';
import { compileFilters } from './filters.ts';
import type { RankedMatch } from './matches.ts';
import { compileGrpcMatch, compileHttpMatch } from './matches.ts';
import type { RankedRoute } from './order.ts';

export interface RuleScope {
  readonly api: GatewayApi;
  readonly context: CompileContext;
  /** The parent is a service of the mesh. */
  readonly isMesh: boolean;
  /** Hosts of services that the routes name. */
  readonly used: Set<string>;
  /** What Policies name that reaches all of these routes, and not the whole listener. @default none */
  readonly targets?: readonly PolicyTarget[];
}

/** A gateway's rule answers with these where its backend can't be used: HTTP, and what gRPC callers read as UNAVAILABLE. */
const INVALID_HTTP = 500;
const INVALID_GRPC = 503;

interface Rule extends Omit<GrpcRouteRule, 'matches'> {
  readonly timeouts?: HttpRouteRule['timeouts'];
  readonly retry?: HttpRouteRule['retry'];
}

interface RuleBuilder extends RuleScope {
  readonly resource: RouteResource;
  readonly invalidStatus: number;
}

function backendOf(
  ref: RouteBackendRef,
  { api, resource, isMesh }: RuleBuilder,
): ReturnType<GatewayApi['backend']> {
  const from: BackendReferrer = {
    kind: resource.kind,
    namespace: resource.metadata.namespace,
    isMesh,
  };
  return api.backend(ref, from);
}

function clusterOf(ref: RouteBackendRef, builder: RuleBuilder): string | undefined {
  const { api, isMesh, used } = builder;
  const backend = backendOf(ref, builder);
  if (backend.refusal !== undefined) return undefined;
  const tls = isMesh ? undefined : api.backendTls.of(backend.host, backend.port);
  // Nothing goes in clear to where TLS was asked for in vain.
  if (tls !== undefined && 'reason' in tls) return undefined;
  used.add(backend.host);
  return clusterName(backend.host, backend.port);
}

function destinationOf(ref: RouteBackendRef, match: RouteMatch, builder: RuleBuilder): Destination {
  const weight = ref.weight ?? 1;
  const cluster = clusterOf(ref, builder);
  const filters = compileFilters(ref.filters, match, (mirror) => clusterOf(mirror, builder));
  if (cluster === undefined || filters.unsupported !== undefined)
    return { cluster: '', weight, respond: builder.invalidStatus };
  const { unsupported: _unsupported, ...fields } = filters;
  return { cluster, weight, ...fields };
}

function destinations(rule: Rule, match: RouteMatch, builder: RuleBuilder): Destination[] {
  const given = (rule.backendRefs ?? []).filter(({ weight = 1 }) => weight > 0);
  if (given.length === 0) return [{ cluster: '', weight: 1, respond: builder.invalidStatus }];
  const list = given.map((ref) => destinationOf(ref, match, builder));
  return list.length === 1 ? list.map((one) => ({ ...one, weight: 1 })) : list;
}

function actionOf(
  rule: Rule,
  match: RouteMatch,
  filters: CompiledFilters,
  builder: RuleBuilder,
): RouteAction {
  if (filters.redirect !== undefined) return filters.redirect;
  const { rewrite, authority, unsupported } = filters;
  return {
    kind: 'forward',
    destinations:
      unsupported === undefined
        ? destinations(rule, match, builder)
        : [{ cluster: '', weight: 1, respond: builder.invalidStatus }],
    destinationHeadersLast: true,
    ...(rewrite === undefined ? {} : { rewrite }),
    ...(authority === undefined ? {} : { authority }),
  };
}

const GRPC: ReadonlySet<string> = new Set(['GRPC', 'GRPC-WEB']);

/**
 * Nothing of the API says it: where every backend's port speaks gRPC, a request of gRPC-Web can be meant for nothing
 * else. In the mesh services say it by their port's protocol.
 */
function bridgesGrpcWeb({ backendRefs = [] }: Rule, builder: RuleBuilder): boolean {
  if (builder.isMesh) return false;
  const isGrpcRoute = builder.resource.kind === 'GRPCRoute';
  const protocols = backendRefs.flatMap((ref) => {
    if (ref.weight === 0) return [];
    const backend = backendOf(ref, builder);
    return backend.refusal === undefined ? [backend.protocol] : [];
  });
  return (
    protocols.length > 0 &&
    protocols.every((protocol) => GRPC.has(protocol) || (isGrpcRoute && protocol === 'HTTP2'))
  );
}

const ms = (text: string | undefined): number =>
  text === undefined ? 0 : (parseDuration(text) ?? 0);

/** Connection errors are retried whatever the codes; without a `retry` the mesh's default stays. */
function retryOf({ retry, timeouts }: Rule): RetryPolicy | undefined {
  const perTryTimeoutMs = ms(timeouts?.backendRequest);
  if (retry === undefined)
    return perTryTimeoutMs === 0 ? defaultRetry : { ...defaultRetry, perTryTimeoutMs };
  const codes = retry.codes ?? [];
  return {
    ...defaultRetry,
    attempts: retry.attempts ?? 1,
    perTryTimeoutMs,
    on: [
      'connect-failure',
      'refused-stream',
      'reset',
      ...(codes.length === 0 ? [] : ['retriable-status-codes']),
    ],
    statusCodes: codes,
    backoffMs: retry.backoff === undefined ? defaultRetry.backoffMs : ms(retry.backoff),
    nonIdempotent: true,
    explicit: true,
  };
}

/** An origin's `*` stands for one or more labels. */
function originMatch(origin: string): { exact: string } | { regex: string } {
  if (origin === '*' || !origin.includes('*')) return { exact: origin };
  const escaped = origin.replaceAll(/[.+?^${}()|[\]\\/]/g, String.raw`\$&`);
  return { regex: escaped.replaceAll('*', '.+') };
}

/** In seconds. */
const CORS_MAX_AGE = 5;

function corsPolicy(cors: CorsFilterSpec): CorsPolicySpec {
  return {
    allowOrigins: (cors.allowOrigins ?? []).map((origin) => originMatch(origin)),
    allowMethods: cors.allowMethods ?? [],
    allowHeaders: cors.allowHeaders ?? [],
    exposeHeaders: cors.exposeHeaders ?? [],
    allowCredentials: cors.allowCredentials === true,
    maxAge: `${cors.maxAge ?? CORS_MAX_AGE}s`,
  };
}

/** The slices that act on routes read what they know of a VirtualService's rule. */
function policyFilters(rule: Rule, path: string, builder: RuleBuilder): FilterConfig[] {
  const { context, resource, targets = [] } = builder;
  const cors = rule.filters?.find(({ type }) => type === 'CORS')?.cors;
  // A redirect is answered without it.
  const isRedirect = rule.filters?.some(({ type }) => type === 'RequestRedirect') === true;
  const route = cors === undefined || isRedirect ? {} : { corsPolicy: corsPolicy(cors) };
  const attached = targetPolicies(context, [...targets, targetOf(resource, rule.name)]);
  const own = context.compilers.flatMap((compiler) => {
    const compiled = compiler.compileRoute?.({ route, resource, path });
    if (compiled === undefined) return [];
    context.diagnostics.push(...compiled.diagnostics);
    return compiled.filter === undefined ? [] : [compiled.filter];
  });
  return [...attached, ...own];
}

function compileRule(
  rule: Rule,
  { match, path, at }: { readonly match: RouteMatch; readonly path: string; readonly at: string },
  builder: RuleBuilder,
): Route {
  const filters = compileFilters(rule.filters, match, (mirror) => clusterOf(mirror, builder));
  const retry = retryOf(rule);
  const { requestHeaders, responseHeaders, mirrors } = filters;
  return {
    ...(rule.name === undefined ? {} : { name: rule.name }),
    match,
    action: actionOf(rule, match, filters, builder),
    ...(bridgesGrpcWeb(rule, builder) ? { grpcWeb: true } : {}),
    filters: policyFilters(rule, path, builder),
    ...(requestHeaders === undefined ? {} : { requestHeaders }),
    ...(responseHeaders === undefined ? {} : { responseHeaders }),
    timeoutMs: ms(rule.timeouts?.request),
    ...(retry === undefined ? {} : { retry }),
    ...(mirrors === undefined ? {} : { mirrors }),
    origin: builder.context.origins.of(builder.resource, at),
  };
}

interface MatchedRule {
  readonly rule: Rule;
  readonly matches: readonly RankedMatch[];
}

function matchedRules({ kind, spec }: RouteResource): MatchedRule[] {
  if (kind === 'GRPCRoute')
    return ((spec as GrpcRouteSpec).rules ?? []).map((rule) => ({
      rule,
      matches: (rule.matches?.length === 0 ? [{}] : (rule.matches ?? [{}])).map((one) =>
        compileGrpcMatch(one),
      ),
    }));
  return ((spec as HttpRouteSpec).rules ?? []).map((rule) => ({
    rule,
    matches: (rule.matches?.length === 0 ? [{}] : (rule.matches ?? [{}])).map((one) =>
      compileHttpMatch(one),
    ),
  }));
}

/** Every match of every rule, as a route of its own. The same list while the route and what it refers to are the same. */
export function compileRouteRules(
  resource: RouteResource,
  scope: RuleScope,
): readonly RankedRoute[] {
  const { context, isMesh, used, targets = [] } = scope;
  const slot = `rules ${isMesh} ${JSON.stringify(targets)}`;
  const key = { owner: resource, slot, inputs: [] };
  const made = step(key, context, (own) => {
    const hosts = new Set<string>();
    const ruleScope = { context: own, api: own.gatewayApi, isMesh, used: hosts, targets };
    return { routes: rulesOf(resource, ruleScope), hosts };
  });
  for (const host of made.hosts) used.add(host);
  return made.routes;
}

function rulesOf(resource: RouteResource, scope: RuleScope): RankedRoute[] {
  const builder: RuleBuilder = {
    ...scope,
    resource,
    invalidStatus: resource.kind === 'GRPCRoute' ? INVALID_GRPC : INVALID_HTTP,
  };
  let order = 0;
  return matchedRules(resource).flatMap(({ rule, matches }, index) =>
    matches.map(({ match, rank }, place) => {
      const path = `spec.rules[${index}]`;
      const at = matches.length > 1 ? `${path}.matches[${place}]` : path;
      return { rank, order: order++, route: compileRule(rule, { match, path, at }, builder) };
    }),
  );
}
