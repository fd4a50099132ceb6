/** Listeners of a sidecar's calls. */
import type { Listener, Route, VirtualHost } from '../../model/snapshot.ts';
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
  const routes = ruled.length > 0 ? ruled : defaultRoutes(context, service, port);
  const { domain } = context.mesh.settings;
  const slot = `host ${port} ${namespace}`;
  return context.memo.keep({ owner: service, slot, inputs: [domain, ...routes] }, () => ({
    name: `${service.host}:${port}`,
    domains: [
      ...domainsOf(service.host, namespace, domain),
      ...service.addresses.filter((address) => !address.includes('/')),
    ],
    routes,
  }));
}

function defaultRoutes(context: CompileContext, service: Service, port: number): readonly Route[] {
  const origin = context.origins.of(service.resource, 'spec');
  return context.memo.keep({ owner: service, slot: `default ${port}`, inputs: [] }, () => [
    defaultRoute(service.host, port, origin),
  ]);
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
    if (routes.length === 0) continue;
    const { context } = outbound;
    const { namespace } = context.scope;
    const { domain } = context.mesh.settings;
    hosts.push(
      context.memo.keep(
        { owner, slot: `unknown ${host} ${namespace}`, inputs: [domain, ...routes] },
        () => ({
          name: `${host}:${UNKNOWN_HOST_PORT}`,
          domains: domainsOf(host, namespace, domain),
          routes,
        }),
      ),
    );
  }
  return hosts;
}

/** A short name or alias of one service never takes the host of another. */
function withoutClashes(
  hosts: readonly VirtualHost[],
  memo: CompileContext['memo'],
): VirtualHost[] {
  const taken = new Set(hosts.map((host) => host.domains[0]));
  return hosts.map((host) => {
    const domains = host.domains.filter((domain, index) => {
      if (index === 0) return true;
      if (taken.has(domain)) return false;
      taken.add(domain);
      return true;
    });
    if (domains.length === host.domains.length) return host;
    return memo.keep({ owner: host, slot: 'domains', inputs: domains }, () => ({
      ...host,
      domains,
    }));
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
      return {
        name: `outbound.${port}`,
        port,
        direction: 'outbound',
        protocol: 'HTTP',
        filters: [],
        virtualHosts: withoutClashes([...known, ...unknown], context.memo),
        unmatchedHost:
          context.mesh.settings.outboundPolicy === 'REGISTRY_ONLY' ? 'block' : 'passthrough',
      };
    });
  return { listeners, used };
}
