/** describeHost: everything that touches a host, by the rules that compile goes by. */
import type { Diagnostic } from '../../model/diagnostic.ts';
import { closest } from '../../lib/similar.ts';
import { domainsOf } from '../compile/names.ts';
import { serverHosts } from '../compile/gateway-servers.ts';
import { hostsOf } from '../compile/virtual-services.ts';
import { apiRoutes } from './api-routes.ts';
import { authorizerRoutes } from './authorizers.ts';
import type { FoundRoute } from './found.ts';
import type { FoundGateway } from './gateways.ts';
import { describeGateways } from './gateways.ts';
import { istioRoutes } from './istio-routes.ts';
import type { HostDescription, PolicyView } from './model.ts';
import { describePolicies, mtlsOf, workloadsOf } from './policies.ts';
import { describeService } from './service.ts';
import type { DescribeOptions, Ground, View } from './view.ts';
import { DEFAULT_NAMESPACE, clientScope, groundOf, viewsOf } from './view.ts';

export type { DescribeOptions } from './view.ts';

/** `Kind namespace/name` of everything that the description names. */
function namedBy(value: unknown, names: Set<string> = new Set()): ReadonlySet<string> {
  if (Array.isArray(value)) for (const one of value) namedBy(one, names);
  else if (typeof value === 'object' && value !== null)
    for (const [key, one] of Object.entries(value)) {
      if ((key === 'resource' || key === 'root') && typeof one === 'string') names.add(one);
      else namedBy(one, names);
    }
  return names;
}

interface Found {
  readonly routes: readonly FoundRoute[];
  readonly gateways: readonly FoundGateway[];
}

/** Undefined = nothing but what takes any host knows this one. */
function find(view: View): Found | undefined {
  const routes = [...istioRoutes(view), ...apiRoutes(view), ...authorizerRoutes(view)];
  const gateways = describeGateways(routes, view);
  const isKnown =
    view.service !== undefined ||
    routes.some(({ isBroad }) => !isBroad) ||
    gateways.some((gateway) => gateway.view.takesHost && !gateway.isBroad);
  return isKnown ? { routes, gateways } : undefined;
}

function describeView(
  view: View,
  { routes, gateways }: Found,
  findings: readonly Diagnostic[],
): HostDescription {
  const { host, namespace, mesh } = view;
  const workloads = workloadsOf(view);
  const policies: readonly PolicyView[] = describePolicies(workloads, gateways, routes, view);
  const described = {
    host,
    namespace,
    names: domainsOf(host, namespace, mesh.domain),
    ...describeService(view),
    routes: routes.map((route) => route.view),
    gateways: gateways.map((gateway) => gateway.view),
    mtls: mtlsOf(workloads),
    policies,
  };
  const names = namedBy(described);
  return { ...described, findings: findings.filter(({ resource = '' }) => names.has(resource)) };
}

/** Undefined where nobody knows the host. */
export function describeHost(options: DescribeOptions): HostDescription | undefined {
  for (const view of viewsOf(options, groundOf(options.resources))) {
    const found = find(view);
    if (found !== undefined) return describeView(view, found, options.findings);
  }
  return undefined;
}

/** Every host that somebody gave a name. */
function knownHosts({ mesh, contextOf }: Ground, namespace: string): string[] {
  const context = contextOf(clientScope(namespace));
  const services = [...context.registry.visibleTo(namespace).keys()];
  const { source, gateways } = context.gatewayApi;
  const hosts = [
    ...services.flatMap((host) => domainsOf(host, namespace, mesh.domain)),
    ...mesh.virtualServices.flatMap((one) => hostsOf(one, context)),
    ...[...mesh.gateways.values()].flatMap((gateway) =>
      (gateway.spec.servers ?? []).flatMap((server, index) =>
        serverHosts({ server, gateway, index }).map(({ host }) => host),
      ),
    ),
    ...gateways.flatMap(({ listeners }) => listeners.map(({ hostname }) => hostname)),
    ...source.routes.flatMap(({ spec }) => ('hostnames' in spec ? (spec.hostnames ?? []) : [])),
  ];
  return [...new Set(hosts)];
}

const MAX_SIMILAR = 3;

/** What to say of a host that nobody knows: which ones may have been meant. */
export function unknownHostText(options: Omit<DescribeOptions, 'findings'>): string {
  const { host, namespace = DEFAULT_NAMESPACE, resources } = options;
  const known = knownHosts(groundOf(resources), namespace);
  let others = known.filter((one) => one !== '*');
  const similar: string[] = [];
  while (similar.length < MAX_SIMILAR) {
    const found = closest(host, others);
    if (found === undefined) break;
    similar.push(found);
    others = others.filter((one) => one !== found);
  }
  const hint = similar.length === 0 ? '' : `, did you mean ${similar.join(', ')}?`;
  const broad = known.includes('*') ? ' (a gateway takes any host: that is host *)' : '';
  return `nothing names host ${host}${hint}${broad}`;
}
