/** Rules of the Gateway API's routes that are for the host, or send traffic to it. */
import type {
  BackendRef,
  GrpcRouteMatch,
  HttpRouteMatch,
  HttpRouteRule,
  ParentRef,
  RouteBackendRef,
  RouteFilter,
} from '../../model/api.ts';
import { targetOf } from '../compile/attached-policies.ts';
import type { ParentOutcome } from '../gateway-api/attachment.ts';
import type { BackendReferrer } from '../gateway-api/backends.ts';
import { serviceHost } from '../gateway-api/backends.ts';
import type { ResolvedGateway } from '../gateway-api/resolve.ts';
import type { RouteResource } from '../gateway-api/source.ts';
import type { Refusal } from '../gateway-api/words.ts';
import type { FoundRoute } from './found.ts';
import { attachment, takes } from './found.ts';
import type { AttachmentView, DestinationView, RouteView } from './model.ts';
import type { View } from './view.ts';
import { apiGatewayScope, clientScope, place, ruleKey } from './view.ts';
import { EVERYTHING, apiAction, apiMatches, grpcMatches } from './words.ts';

/** What rules of all kinds may have. */
interface Rule {
  readonly name?: string;
  readonly matches?: readonly unknown[];
  readonly filters?: readonly RouteFilter[];
  readonly backendRefs?: readonly RouteBackendRef[];
  readonly timeouts?: HttpRouteRule['timeouts'];
}

interface Route {
  readonly resource: RouteResource;
  readonly outcomes: readonly ParentOutcome[];
  readonly from: BackendReferrer;
}

const refusalText = ({ reason, message }: Refusal): string => `${reason}: ${message}`;

/** The host that was meant, also where it can't be used. */
function wantedHost(ref: BackendRef, { from }: Route, { mesh }: View): string {
  const { kind = 'Service', name, namespace = from.namespace } = ref;
  if (kind !== 'Service') return name.toLowerCase();
  const service = { group: '', version: 'v1', kind, metadata: { name, namespace }, spec: {} };
  return serviceHost(service, mesh.domain);
}

function destination(ref: BackendRef, route: Route, view: View): DestinationView {
  const found = view.client.gatewayApi.backend(ref, route.from);
  return {
    host: found.refusal === undefined ? found.host : wantedHost(ref, route, view),
    ...(found.refusal === undefined
      ? { port: found.port }
      : {
          refusal: refusalText(found.refusal),
          ...(ref.port === undefined ? {} : { port: ref.port }),
        }),
  };
}

const FULL = 100;

function mirrors(filters: readonly RouteFilter[], route: Route, view: View): DestinationView[] {
  return filters.flatMap(({ requestMirror }) => {
    if (requestMirror === undefined) return [];
    const { backendRef, percent, fraction } = requestMirror;
    const share =
      fraction === undefined
        ? (percent ?? FULL)
        : (fraction.numerator / (fraction.denominator ?? FULL)) * FULL;
    return [{ ...destination(backendRef, route, view), mirrorPercent: share }];
  });
}

/** A filter that isn't served, so the rule answers an error; who is asked shall see it nevertheless. */
function authorizers(filters: readonly RouteFilter[], route: Route, view: View): string[] {
  return filters.flatMap(({ externalAuth }) => {
    const ref = externalAuth?.['backendRef'] as BackendRef | undefined;
    return ref === undefined ? [] : [destination(ref, route, view).host];
  });
}

function destinationsOf(rule: Rule, route: Route, view: View): DestinationView[] {
  const refs = rule.backendRefs ?? [];
  return [
    ...refs.map((ref) => ({ ...destination(ref, route, view), weight: ref.weight ?? 1 })),
    ...mirrors(
      [...(rule.filters ?? []), ...refs.flatMap(({ filters = [] }) => filters)],
      route,
      view,
    ),
  ];
}

function matchText(rule: Rule, { resource }: Route, hosts: readonly string[]): string {
  switch (resource.kind) {
    case 'HTTPRoute':
      return apiMatches(rule.matches as readonly HttpRouteMatch[] | undefined);
    case 'GRPCRoute':
      return grpcMatches(rule.matches as readonly GrpcRouteMatch[] | undefined);
    case 'TLSRoute':
      return `server name ${hosts.join(', ')}`;
    case 'TCPRoute':
      return EVERYTHING;
    default:
      return resource.kind satisfies never;
  }
}

function parentText(ref: ParentRef, { metadata }: RouteResource): string {
  const { kind = 'Gateway', namespace = metadata.namespace, name, sectionName, port } = ref;
  const section = sectionName === undefined ? '' : ` (${sectionName})`;
  return `${kind} ${namespace}/${name}${section}${port === undefined ? '' : `:${port}`}`;
}

const gatewaysAt = ({ attachments }: ParentOutcome, { client }: View): ResolvedGateway[] =>
  client.gatewayApi.gateways.filter(({ listeners }) =>
    attachments.some(({ listener }) => listeners.includes(listener)),
  );

function attachmentOf(ref: ParentRef, key: string, route: Route, view: View): AttachmentView {
  const { resource, outcomes } = route;
  const parent = parentText(ref, resource);
  const outcome = outcomes.find((one) => one.ref === ref);
  if (outcome === undefined)
    return attachment(parent, false, false, 'no such Gateway of this mesh');
  if (outcome.refusal !== undefined)
    return attachment(parent, false, false, refusalText(outcome.refusal));
  const scopes = outcome.isMesh
    ? [clientScope(view.namespace)]
    : gatewaysAt(outcome, view).map((gateway) => apiGatewayScope(gateway.resource));
  const isFor = takes(hostsAt(outcome), view).isFor;
  const inForce = scopes.some((scope) => {
    const { forHost, all } = view.carriedBy(scope);
    return (isFor ? forHost : all).has(key);
  });
  return attachment(
    parent,
    true,
    inForce,
    'no proxy of it, or no client of the namespace, has the rule',
  );
}

function hostsAt({ mesh, attachments }: ParentOutcome): readonly string[] {
  return mesh === undefined ? attachments.flatMap(({ hosts }) => hosts) : [mesh.host];
}

/** Of routes that nothing takes, those that they ask for. */
function hostsOf({ resource, outcomes }: Route): string[] {
  const taken = outcomes.flatMap((outcome) => hostsAt(outcome));
  const { spec } = resource;
  const own = 'hostnames' in spec ? (spec.hostnames ?? []).map((host) => host.toLowerCase()) : [];
  return [...new Set(taken.length > 0 ? taken : own)];
}

function toRoute(rule: Rule, index: number, route: Route, view: View): FoundRoute | undefined {
  const { resource, outcomes } = route;
  const hosts = hostsOf(route);
  const { isFor, isBroad } = takes(hosts, view);
  const destinations = destinationsOf(rule, route, view);
  const own = destinations.filter(({ host }) => host === view.host);
  const asked = authorizers(rule.filters ?? [], route, view).includes(view.host);
  const roles: RouteView['roles'] = [
    ...(isFor ? (['for'] as const) : []),
    ...(own.some((one) => one.mirrorPercent === undefined) ? (['to'] as const) : []),
    ...(own.some((one) => one.mirrorPercent !== undefined) ? (['mirror'] as const) : []),
    ...(asked ? (['ext_authz'] as const) : []),
  ];
  if (roles.length === 0) return undefined;
  const named = place(resource, `spec.rules[${index}]`);
  return {
    isBroad: isBroad && roles.every((role) => role === 'for'),
    gateways: [],
    listeners: outcomes.flatMap(({ attachments }) => attachments.map(({ listener }) => listener)),
    targets: [targetOf(resource, rule.name)],
    view: {
      ...named,
      ...(rule.name === undefined ? {} : { name: rule.name }),
      roles,
      hosts,
      match: matchText(rule, route, hosts),
      action: apiAction(rule.filters, rule.timeouts?.request),
      destinations,
      attachments: (resource.spec.parentRefs ?? []).map((ref) =>
        attachmentOf(ref, ruleKey(named), route, view),
      ),
    },
  };
}

export function apiRoutes(view: View): FoundRoute[] {
  const { source, outcomes } = view.client.gatewayApi;
  const byRoute = Map.groupBy(outcomes, ({ route }) => route);
  return source.routes.flatMap((resource) => {
    const own = byRoute.get(resource) ?? [];
    const isMesh = own.length > 0 && own.every((outcome) => outcome.isMesh);
    const from = { kind: resource.kind, namespace: resource.metadata.namespace, isMesh };
    const rules: readonly Rule[] = resource.spec.rules ?? [];
    return rules
      .map((rule, index) => toRoute(rule, index, { resource, outcomes: own, from }, view))
      .filter((found) => found !== undefined);
  });
}
