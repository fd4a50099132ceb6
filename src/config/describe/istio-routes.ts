/** Rules of VirtualServices that are for the host, or send traffic to it. */
import type {
  ConnectionRule,
  DestinationSpec,
  HttpRoute,
  HttpRouteDestination,
  Resource,
  VirtualServiceSpec,
} from '../../model/api.ts';
import { gatewaysOf } from '../analyse/reach.ts';
import type { PolicyTarget } from '../compile/attached-policies.ts';
import { targetOf } from '../compile/attached-policies.ts';
import type { CompileContext } from '../compile/context.ts';
import { serverHosts } from '../compile/gateway-servers.ts';
import { intersectHosts, isExportedTo, resolveHost } from '../compile/names.ts';
import { indexOwners } from '../compile/sidecars.ts';
import { boundServices, expandRoutes, hostsOf } from '../compile/virtual-services.ts';
import { nameOf } from '../gateway-api/words.ts';
import type { FoundRoute } from './found.ts';
import { attachment, takes } from './found.ts';
import type { AttachmentView, DestinationView, RouteView } from './model.ts';
import type { View } from './view.ts';
import { gatewayScopes, place, ruleKey } from './view.ts';
import { connectionMatches, httpAction, httpMatches } from './words.ts';

type Rules = Resource<VirtualServiceSpec>;

/** One rule, and the VirtualService that has hosts and gateways. */
interface Rule {
  readonly root: Rules;
  readonly resource: Resource;
  readonly path: string;
  readonly name?: string;
  readonly match: string;
  readonly action: string;
  readonly destinations: readonly DestinationView[];
  readonly targets: readonly PolicyTarget[];
  /** It is for these alone. @default the hosts of the root */
  readonly serverNames?: readonly string[];
}

function destination(
  { host, subset, port }: DestinationSpec,
  owner: Resource,
  { mesh }: View,
): DestinationView {
  return {
    host: resolveHost(host, owner.metadata.namespace, mesh.domain),
    ...(subset === undefined ? {} : { subset }),
    ...(port?.number === undefined ? {} : { port: port.number }),
  };
}

function weighted(
  given: readonly HttpRouteDestination[] = [],
  owner: Resource,
  view: View,
): DestinationView[] {
  return given.map((one) => ({
    ...destination(one.destination, owner, view),
    weight: given.length === 1 ? 100 : (one.weight ?? 0),
  }));
}

const FULL = 100;

function mirrored(route: HttpRoute, owner: Resource, view: View): DestinationView[] {
  const { mirror, mirrorPercentage, mirrorPercent, mirrors = [] } = route;
  const percent =
    mirrorPercentage === undefined ? (mirrorPercent ?? FULL) : (mirrorPercentage.value ?? 0);
  return [
    ...(mirror === undefined
      ? []
      : [{ ...destination(mirror, owner, view), mirrorPercent: percent }]),
    ...mirrors.map(({ destination: to, percentage }) => ({
      ...destination(to, owner, view),
      mirrorPercent: percentage === undefined ? FULL : (percentage.value ?? 0),
    })),
  ];
}

function httpRules(root: Rules, context: CompileContext, view: View): Rule[] {
  return expandRoutes(root, context).map(({ route, resource, path, targets }) => ({
    root,
    resource,
    path,
    ...(route.name === undefined ? {} : { name: route.name }),
    match: httpMatches(route.match),
    action: httpAction(route),
    destinations: [...weighted(route.route, resource, view), ...mirrored(route, resource, view)],
    targets,
  }));
}

function connectionRules(root: Rules, field: 'tls' | 'tcp', view: View): Rule[] {
  const rules: readonly ConnectionRule[] = root.spec[field] ?? [];
  return rules.map(({ match = [], route }, index) => ({
    root,
    resource: root,
    path: `spec.${field}[${index}]`,
    match: connectionMatches(match),
    action: `forward ${field === 'tls' ? 'TLS' : 'TCP'}`,
    destinations: weighted(route, root, view),
    targets: [targetOf(root)],
    ...(match.some(({ sniHosts }) => sniHosts === undefined) || match.length === 0
      ? {}
      : {
          serverNames: match.flatMap(({ sniHosts = [] }) =>
            sniHosts.map((one) => one.toLowerCase()),
          ),
        }),
  }));
}

function whyNotInMesh({ root }: Rule, hosts: readonly string[], view: View): string {
  const { client, namespace, host, service } = view;
  const exportTo = root.spec.exportTo ?? client.mesh.defaultVirtualServiceExportTo;
  if (!isExportedTo(exportTo, root.metadata.namespace, namespace))
    return `not exported to namespace ${namespace}`;
  if (!client.sidecar.importsRules(root, hosts))
    return `not imported by the Sidecar of namespace ${namespace}`;
  const owner = indexOwners(boundServices(client, 'mesh')).ownerOf(host);
  if (owner !== undefined && owner.resource !== root && takes(hosts, view).isFor)
    return `${nameOf(owner.resource)} counts for the host`;
  if (service !== undefined && !client.sidecar.importsService(service))
    return `clients in namespace ${namespace} don't import the host`;
  const isRuled = client.gatewayApi.outcomes.some(({ mesh }) => mesh?.host === host);
  return isRuled
    ? 'routes of the Gateway API for the service come first'
    : 'no port of the service carries it, or an earlier rule takes everything';
}

function meshAttachment(rule: Rule, hosts: readonly string[], view: View): AttachmentView {
  const { forHost, all } = view.carriedBy(view.client.scope);
  const set = takes(hosts, view).isFor ? forHost : all;
  const inForce = set.has(ruleKey(place(rule.resource, rule.path)));
  return attachment('mesh', true, inForce, inForce ? undefined : whyNotInMesh(rule, hosts, view));
}

function gatewayAttachment(
  rule: Rule,
  hosts: readonly string[],
  name: string,
  view: View,
): AttachmentView {
  const { mesh } = view;
  const parent = `Gateway ${name}`;
  const gateway = mesh.gateways.get(name);
  if (gateway === undefined) return attachment(parent, false, false, 'it does not exist');
  const { root } = rule;
  const owner = root.metadata.namespace;
  const isServed = (gateway.spec.servers ?? []).some((server, index) =>
    serverHosts({ server, gateway, index }).some(
      ({ namespace, host }) =>
        (namespace === '*' || namespace === owner) &&
        hosts.some((own) => intersectHosts(host, own) !== undefined),
    ),
  );
  if (!isServed)
    return attachment(parent, false, false, 'none of its servers takes these hosts from there');
  const key = ruleKey(place(rule.resource, rule.path));
  const isFor = takes(hosts, view).isFor;
  const inForce = gatewayScopes(gateway, mesh).some((scope) => {
    const { forHost, all } = view.carriedBy(scope);
    return (isFor ? forHost : all).has(key);
  });
  return attachment(
    parent,
    true,
    inForce,
    'its proxies have no such route: not visible to them, or an earlier rule takes everything',
  );
}

function toRoute(rule: Rule, hosts: readonly string[], view: View): FoundRoute | undefined {
  const { root, resource, path, name, destinations } = rule;
  const { isFor, isBroad } = takes(hosts, view);
  const own = destinations.filter(({ host }) => host === view.host);
  const roles: RouteView['roles'] = [
    ...(isFor ? (['for'] as const) : []),
    ...(own.some((one) => one.mirrorPercent === undefined) ? (['to'] as const) : []),
    ...(own.some((one) => one.mirrorPercent !== undefined) ? (['mirror'] as const) : []),
  ];
  if (roles.length === 0) return undefined;
  const gateways = hosts.length === 0 ? [] : [...new Set(gatewaysOf(root))];
  return {
    isBroad: isBroad && roles.every((role) => role === 'for'),
    gateways: gateways.filter((one) => one !== 'mesh'),
    listeners: [],
    targets: rule.targets,
    view: {
      ...place(resource, path),
      ...(name === undefined ? {} : { name }),
      roles,
      ...(resource === root ? {} : { root: nameOf(root) }),
      hosts,
      match: rule.match,
      action: rule.action,
      destinations,
      attachments: gateways.map((one) =>
        one === 'mesh'
          ? meshAttachment(rule, hosts, view)
          : gatewayAttachment(rule, hosts, one, view),
      ),
    },
  };
}

/** VirtualServices without hosts come last: only those rules that nobody delegates to are theirs alone. */
export function istioRoutes(view: View): FoundRoute[] {
  const { mesh, contextOf, client } = view;
  // Its findings of delegates are those of analysis.
  const context = contextOf({ ...client.scope, name: 'delegates' });
  const isRoot = ({ spec }: Rules): boolean => (spec.hosts?.length ?? 0) > 0;
  const roots = mesh.virtualServices.filter((one) => isRoot(one));
  const delegates = mesh.virtualServices.filter((one) => !isRoot(one));
  const delegated = new Set<string>();
  const rules = [...roots, ...delegates].flatMap((root) => {
    const own = [
      ...httpRules(root, context, view),
      ...connectionRules(root, 'tls', view),
      ...connectionRules(root, 'tcp', view),
    ];
    if (isRoot(root))
      for (const { resource, path } of own) delegated.add(ruleKey(place(resource, path)));
    return own.filter(
      ({ resource, path }) => isRoot(root) || !delegated.has(ruleKey(place(resource, path))),
    );
  });
  return rules
    .map((rule) => toRoute(rule, rule.serverNames ?? hostsOf(rule.root, context), view))
    .filter((found) => found !== undefined);
}
