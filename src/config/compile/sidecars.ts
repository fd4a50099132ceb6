/** Listeners of a sidecar's calls. */
import { linkCidrs } from '../../lib/cidr.ts';
import type { ConnectionRoute, Listener, Route, VirtualHost } from '../../model/snapshot.ts';
import { clusterName } from './clusters.ts';
import type { ConnectionBuilder } from './connections.ts';
import { compileTcpRules, compileTlsRules } from './connections.ts';
import type { CompileContext } from './context.ts';
import type { MeshRoutes } from './gateway-api/mesh.ts';
import { meshRoutes } from './gateway-api/mesh.ts';
import { bySpecificity, covers, domainsOf } from './names.ts';
import { compileRoutes, defaultRoute } from './routes.ts';
import type { Service } from './services.ts';
import { isHttpPort } from './services.ts';
import type { BoundService } from './virtual-services.ts';
import { boundServices } from './virtual-services.ts';

/** Hosts that aren't in the registry have routes on this port only. */
const UNKNOWN_HOST_PORT = 80;

interface HostOwners {
  /** The rule set for a host: exact before wildcard, longer before shorter, older before newer. */
  ownerOf(host: string): BoundService | undefined;
  /** Each host that a rule set names, with the first that names it. */
  readonly named: ReadonlyMap<string, BoundService>;
}

function indexOwners(bound: readonly BoundService[]): HostOwners {
  const named = new Map<string, BoundService>();
  for (const service of bound)
    for (const host of service.hosts) if (!named.has(host)) named.set(host, service);
  const wildcards = [...named.keys()].filter((host) => host.startsWith('*')).sort(bySpecificity);
  return {
    named,
    ownerOf(host) {
      const exact = named.get(host);
      if (exact !== undefined) return exact;
      const wide = wildcards.find((pattern) => covers(pattern, host));
      return wide === undefined ? undefined : named.get(wide);
    },
  };
}

interface Outbound {
  readonly context: CompileContext;
  readonly owners: HostOwners;
  readonly used: Set<string>;
  readonly services: ReadonlyMap<string, Service>;
  readonly mesh: MeshRoutes;
}

function routesOf(outbound: Outbound, owner: BoundService, port: number): readonly Route[] {
  const { context, used } = outbound;
  const { routes, hosts } = compileRoutes(owner.routes, context, {
    gateway: 'mesh',
    namespace: context.scope.namespace,
    labels: context.scope.labels,
    port,
    isGateway: false,
  });
  for (const host of hosts) used.add(host);
  return routes;
}

function serviceHost(outbound: Outbound, service: Service, port: number): VirtualHost {
  const { context, owners, used } = outbound;
  // HTTP rules mean nothing on a port that carries something else.
  const isHttp = service.ports.some((entry) => entry.number === port && isHttpPort(entry));
  const owner = isHttp ? owners.ownerOf(service.host) : undefined;
  used.add(service.host);
  const { namespace } = context.scope;
  // Routes of the Gateway API that name the service come before those of a VirtualService.
  const ruled =
    (isHttp ? outbound.mesh.of(service, port) : undefined) ??
    (owner === undefined ? [] : routesOf(outbound, owner, port));
  const routes = ruled.length > 0 ? ruled : [withoutRules(outbound, service, port)];
  const addresses = service.addresses.filter((address) => !address.includes('/'));
  return {
    name: `${service.host}:${port}`,
    domains: [...domainsOf(service.host, namespace, context.mesh.settings.domain), ...addresses],
    routes,
  };
}

const TLS_PROTOCOLS: ReadonlySet<string> = new Set(['TLS', 'HTTPS']);

function isTlsPort({ ports }: Service, number: number): boolean {
  return ports.some((port) => port.number === number && TLS_PROTOCOLS.has(port.protocol));
}

/** Would a connection for the service, by its name or one of its addresses, take the rule? */
function leadsTo({ serverNames, destinationCidrs }: ConnectionRoute, service: Service): boolean {
  const isNamed = serverNames?.some((name) => covers(name, service.host)) ?? true;
  if (destinationCidrs === undefined) return isNamed;
  const isInside = linkCidrs(destinationCidrs);
  return isNamed && service.addresses.some((address) => isInside(address) === true);
}

/** A port of another protocol goes where a rule for its connections says, else to the service itself. */
function withoutRules(outbound: Outbound, service: Service, port: number): Route {
  const { context, owners } = outbound;
  const origin = context.origins.of(service.resource, 'spec');
  const route = defaultRoute(service.host, port, origin);
  const owner = owners.ownerOf(service.host);
  const isHttp = service.ports.some((entry) => entry.number === port && isHttpPort(entry));
  if (owner === undefined || isHttp) return route;
  const builder = connectionBuilder(outbound, port);
  const rules = isTlsPort(service, port)
    ? compileTlsRules(owner, builder)
    : compileTcpRules(owner, builder);
  const rule = rules.find((one) => leadsTo(one, service));
  if (rule === undefined) return route;
  return {
    ...route,
    origin: rule.origin,
    action: { kind: 'forward', destinations: rule.destinations },
  };
}

function connectionBuilder({ context, used }: Outbound, port: number): ConnectionBuilder {
  const { namespace, labels } = context.scope;
  return { context, used, scope: { gateway: 'mesh', namespace, labels, port, isGateway: false } };
}

/** TLS goes by server name, all else by the address that the client wanted; rules before services. */
function connectionsOf(outbound: Outbound, port: number): ConnectionRoute[] {
  const { context, owners, services } = outbound;
  const builder = connectionBuilder(outbound, port);
  const ofServices = [...services.values()].flatMap((service): ConnectionRoute[] => {
    const own = service.ports.find((entry) => entry.number === port);
    if (own === undefined || isHttpPort(own)) return [];
    const owner = owners.ownerOf(service.host);
    const addresses = service.addresses.length === 0 ? {} : { destinationCidrs: service.addresses };
    const plain: ConnectionRoute = {
      destinations: [{ cluster: clusterName(service.host, port), weight: 1 }],
      origin: context.origins.of(service.resource, 'spec'),
    };
    if (!isTlsPort(service, port)) {
      const rules = owner === undefined ? [] : compileTcpRules(owner, builder);
      return [...rules.map((rule) => ({ ...addresses, ...rule })), { ...plain, ...addresses }];
    }
    const rules = owner === undefined ? [] : compileTlsRules(owner, builder);
    return [...rules, { ...plain, serverNames: [service.host] }];
  });
  return ofServices;
}

/** Hosts of rules that no service bears; a wildcard counts only where it covers no service. */
function unknownHosts(outbound: Outbound): VirtualHost[] {
  const { owners, services } = outbound;
  const hosts: VirtualHost[] = [];
  for (const [host, owner] of owners.named) {
    const isKnown =
      services.has(host) ||
      (host.startsWith('*') && [...services.keys()].some((service) => covers(host, service)));
    if (isKnown) continue;
    const routes = routesOf(outbound, owner, UNKNOWN_HOST_PORT);
    if (routes.length > 0)
      hosts.push({
        name: `${host}:${UNKNOWN_HOST_PORT}`,
        domains: domainsOf(
          host,
          outbound.context.scope.namespace,
          outbound.context.mesh.settings.domain,
        ),
        routes,
      });
  }
  return hosts;
}

/** A short name or alias of one service never takes the host of another. */
function withoutClashes(hosts: readonly VirtualHost[]): VirtualHost[] {
  const taken = new Set(hosts.map((host) => host.domains[0]));
  return hosts.map((host) => {
    const domains = host.domains.filter((domain, index) => {
      if (index === 0) return true;
      if (taken.has(domain)) return false;
      taken.add(domain);
      return true;
    });
    return { ...host, domains };
  });
}

export function compileOutbound(context: CompileContext): {
  listeners: Listener[];
  used: Set<string>;
} {
  const visible = context.registry.visibleTo(context.scope.namespace);
  // Rules may send to a service that isn't imported; only calls to its own name find nothing.
  const services = new Map([...visible].filter(([, one]) => context.sidecar.importsService(one)));
  const used = new Set<string>();
  const outbound: Outbound = {
    context,
    owners: indexOwners(boundServices(context, 'mesh')),
    used,
    services,
    mesh: meshRoutes(context.gatewayApi, context, used),
  };
  const ports = new Set<number>([UNKNOWN_HOST_PORT]);
  for (const service of services.values()) for (const port of service.ports) ports.add(port.number);
  const listeners = [...ports]
    .sort((a, b) => a - b)
    .map((port): Listener => {
      const known = [...services.values()]
        .filter((service) => service.ports.some((entry) => entry.number === port))
        .map((service) => serviceHost(outbound, service, port));
      const unknown = port === UNKNOWN_HOST_PORT ? unknownHosts(outbound) : [];
      const connections = connectionsOf(outbound, port);
      return {
        name: `outbound.${port}`,
        port,
        direction: 'outbound',
        protocol: 'HTTP',
        filters: [],
        virtualHosts: withoutClashes([...known, ...unknown]),
        ...(connections.length === 0 ? {} : { connections }),
        unmatchedHost:
          context.mesh.settings.outboundPolicy === 'REGISTRY_ONLY' ? 'block' : 'passthrough',
      };
    });
  return { listeners, used };
}
