/** Listeners of a sidecar's calls. */
import { linkCidrs } from '../../lib/cidr.ts';
import type { ConnectionRoute, Listener, Route, VirtualHost } from '../../model/snapshot.ts';
import { clusterName } from './clusters.ts';
import type { ConnectionBuilder } from './connections.ts';
import { compileTcpRules, compileTlsRules } from './connections.ts';
import type { CompileContext } from './context.ts';
import type { MeshRoutes } from './gateway-api/mesh.ts';
import { meshRoutes } from './gateway-api/mesh.ts';
import { sameItems } from './memo.ts';
import { bySpecificity, covers, domainsOf } from './names.ts';
import { compileRoutes, defaultRoute } from './routes.ts';
import type { Service } from './services.ts';
import { isHttpPort } from './services.ts';
import type { Columns } from './table.ts';
import { table } from './table.ts';
import type { BoundService } from './virtual-services.ts';
import { boundServices } from './virtual-services.ts';

/** Hosts that aren't in the registry have routes on this port only. */
const UNKNOWN_HOST_PORT = 80;

export interface HostOwners {
  /** The rule set for a host: exact before wildcard, longer before shorter, older before newer. */
  ownerOf(host: string): BoundService | undefined;
  /** Each host that a rule set names, with the first that names it. */
  readonly named: ReadonlyMap<string, BoundService>;
}

export function indexOwners(bound: readonly BoundService[]): HostOwners {
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

function serviceHost(
  outbound: Outbound,
  service: Service,
  port: number,
  rules: BoundService | undefined,
): VirtualHost {
  const { context, used } = outbound;
  // HTTP rules mean nothing on a port that carries something else.
  const isHttp = service.ports.some((entry) => entry.number === port && isHttpPort(entry));
  const owner = isHttp ? rules : undefined;
  used.add(service.host);
  const { namespace } = context.scope;
  // Routes of the Gateway API that name the service come before those of a VirtualService.
  const ruled =
    (isHttp ? outbound.mesh.of(service, port, outbound) : undefined) ??
    (owner === undefined ? [] : routesOf(outbound, owner, port));
  const routes = ruled.length > 0 ? ruled : [withoutRules(outbound, service, port, rules)];
  const { domain } = context.mesh.settings;
  const domains = context.memo.keep(
    { owner: service, slot: `domains ${namespace}`, inputs: [domain] },
    () => [
      ...domainsOf(service.host, namespace, domain),
      ...service.addresses.filter((address) => !address.includes('/')),
    ],
  );
  const slot = `host ${port} ${namespace}`;
  return context.memo.keep({ owner: service, slot, inputs: [domains, ...routes] }, () => ({
    name: `${service.host}:${port}`,
    domains,
    routes,
  }));
}

function defaultRoutes(context: CompileContext, service: Service, port: number): readonly Route[] {
  const origin = context.origins.of(service.resource, 'spec');
  return context.memo.keep({ owner: service, slot: `default ${port}`, inputs: [] }, () => [
    defaultRoute(service.host, port, origin),
  ]);
}

const TLS_PROTOCOLS: ReadonlySet<string> = new Set(['TLS', 'HTTPS']);

function isTlsPort({ ports }: Service, number: number): boolean {
  return ports.some((port) => port.number === number && TLS_PROTOCOLS.has(port.protocol));
}

function speaksMongo({ ports }: Service, number: number): boolean {
  return ports.some((port) => port.number === number && port.protocol === 'MONGO');
}

/** Services of a port share its listener: bridged for one, requests would be so for a server of gRPC-Web too. */
function bridgesGrpcWeb(services: readonly Service[], number: number): boolean {
  const ports = services.flatMap((service) =>
    service.ports.filter((port) => port.number === number && isHttpPort(port)),
  );
  return ports.length > 0 && ports.every(({ protocol }) => protocol === 'GRPC-WEB');
}

/** Would a connection for the service, by its name or one of its addresses, take the rule? */
function leadsTo({ serverNames, destinationCidrs }: ConnectionRoute, service: Service): boolean {
  const isNamed = serverNames?.some((name) => covers(name, service.host)) ?? true;
  if (destinationCidrs === undefined) return isNamed;
  const isInside = linkCidrs(destinationCidrs);
  return isNamed && service.addresses.some((address) => isInside(address) === true);
}

/** A port of another protocol goes where a rule for its connections says, else to the service itself. */
function withoutRules(
  outbound: Outbound,
  service: Service,
  port: number,
  owner: BoundService | undefined,
): Route {
  const { context } = outbound;
  const [route] = defaultRoutes(context, service, port) as readonly [Route];
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
function connectionsOf(
  outbound: Outbound,
  services: readonly Service[],
  port: number,
): ConnectionRoute[] {
  const { context, owners } = outbound;
  const builder = connectionBuilder(outbound, port);
  const ofServices = services.flatMap((service): ConnectionRoute[] => {
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
function unborne({ owners, services }: Outbound): readonly string[] {
  const isWild = (host: string): boolean => host.startsWith('*');
  const isKnown = (host: string): boolean =>
    services.has(host) ||
    (isWild(host) && [...services.keys()].some((service) => covers(host, service)));
  return [...owners.named.keys()].filter((host) => !isKnown(host));
}

function unknownHost(outbound: Outbound, host: string): VirtualHost | undefined {
  const { context, owners } = outbound;
  const owner = owners.named.get(host);
  const routes = owner === undefined ? [] : routesOf(outbound, owner, UNKNOWN_HOST_PORT);
  if (owner === undefined || routes.length === 0) return undefined;
  const { namespace } = context.scope;
  const { domain } = context.mesh.settings;
  const domains = context.memo.keep(
    { owner: context.registry, slot: `domains ${host} ${namespace}`, inputs: [domain] },
    () => domainsOf(host, namespace, domain),
  );
  const key = { owner, slot: `unknown ${host} ${namespace}`, inputs: [domains, ...routes] };
  return context.memo.keep(key, () => ({
    name: `${host}:${UNKNOWN_HOST_PORT}`,
    domains,
    routes,
  }));
}

/** A short name or alias of one service never takes the host of another. */
function unclashed(lists: readonly (readonly string[])[]): readonly (readonly string[])[] {
  const taken = new Set(lists.map((domains) => domains[0]));
  return lists.map((domains) => {
    const own = domains.filter((domain, index) => {
      if (index === 0) return true;
      if (taken.has(domain)) return false;
      taken.add(domain);
      return true;
    });
    return own.length === domains.length ? domains : own;
  });
}

function withoutClashes(
  hosts: readonly VirtualHost[],
  { memo, scope }: CompileContext,
  port: number,
): readonly VirtualHost[] {
  const given = hosts.map(({ domains }) => domains);
  const lists = memo.keep({ owner: scope, slot: `domains ${port}`, inputs: given }, () =>
    unclashed(given),
  );
  return hosts.map((host, index) => {
    const domains = lists[index] ?? [];
    if (domains === host.domains) return host;
    return memo.keep({ owner: host, slot: 'domains', inputs: [domains] }, () => ({
      ...host,
      domains,
    }));
  });
}

interface MadeHost {
  /** Undefined = nothing of the rules holds for this proxy. */
  readonly host: VirtualHost | undefined;
  /** Hosts of services that it leads to. */
  readonly used: readonly string[];
}

/** Each host is made anew only where its row has changed. */
function madeHosts(
  outbound: Outbound,
  slot: string,
  columns: Columns,
  make: (row: number, outbound: Outbound) => VirtualHost | undefined,
): readonly MadeHost[] {
  const { context, mesh } = outbound;
  return table(
    { owner: context.scope, slot, inputs: [mesh] },
    context,
    columns,
    (row, own, before: MadeHost | undefined) => {
      const used = new Set<string>();
      const host = make(row, { ...outbound, context: own, used });
      const names = [...used];
      return {
        host,
        used: before !== undefined && sameItems(before.used, names) ? before.used : names,
      };
    },
  );
}

/** Virtual hosts of the services that have the port, and of rules for hosts that are no service's. */
function hostsAt(
  outbound: Outbound,
  services: readonly Service[],
  port: number,
): readonly MadeHost[] {
  const { owners } = outbound;
  const rules = services.map(({ host }) => owners.ownerOf(host));
  const known = madeHosts(outbound, `hosts ${port}`, [services, rules], (row, own) =>
    serviceHost(own, services[row] as Service, port, rules[row]),
  );
  if (port !== UNKNOWN_HOST_PORT) return known;
  const names = unborne(outbound);
  const named = names.map((host) => owners.named.get(host));
  const unknown = madeHosts(outbound, 'unknown hosts', [names, named], (row, own) =>
    unknownHost(own, names[row] as string),
  );
  return [...known, ...unknown];
}

/** Rules may send to a service that isn't imported; only calls to its own name find nothing. */
function importedServices({
  registry,
  scope,
  sidecar,
  memo,
}: CompileContext): ReadonlyMap<string, Service> {
  const visible = registry.visibleTo(scope.namespace);
  return memo.keep(
    { owner: visible, slot: 'imported', inputs: [sidecar] },
    () => new Map([...visible].filter(([, one]) => sidecar.importsService(one))),
  );
}

function byPort(services: ReadonlyMap<string, Service>): ReadonlyMap<number, readonly Service[]> {
  const ports = new Map<number, Service[]>([[UNKNOWN_HOST_PORT, []]]);
  for (const service of services.values())
    for (const number of new Set(service.ports.map((port) => port.number))) {
      const list = ports.get(number) ?? [];
      list.push(service);
      ports.set(number, list);
    }
  return new Map([...ports].sort(([a], [b]) => a - b));
}

export function compileOutbound(context: CompileContext): {
  listeners: Listener[];
  used: ReadonlySet<string>;
} {
  const { memo, scope } = context;
  const services = importedServices(context);
  const bound = boundServices(context, 'mesh');
  const owners = memo.keep({ owner: bound, slot: 'owners', inputs: [] }, () => indexOwners(bound));
  const api = context.gatewayApi;
  const mesh = memo.keep({ owner: api, slot: 'mesh', inputs: [] }, () => meshRoutes(api));
  const outbound: Outbound = { context, owners, used: new Set(), services, mesh };
  const ports = memo.keep({ owner: services, slot: 'ports', inputs: [] }, () => byPort(services));
  const made: (readonly string[])[] = [];
  const listeners = [...ports].map(([port, list]): Listener => {
    const own = hostsAt(outbound, list, port);
    for (const one of own) made.push(one.used);
    const hosts = own.map(({ host }) => host).filter((host) => host !== undefined);
    const connections = connectionsOf(outbound, list, port);
    return {
      name: `outbound.${port}`,
      port,
      direction: 'outbound',
      protocol: 'HTTP',
      ...(list.some((service) => speaksMongo(service, port)) ? { application: 'MONGO' } : {}),
      ...(bridgesGrpcWeb(list, port) ? { grpcWeb: true } : {}),
      filters: [],
      virtualHosts: withoutClashes(hosts, context, port),
      ...(connections.length === 0 ? {} : { connections }),
      unmatchedHost:
        context.mesh.settings.outboundPolicy === 'REGISTRY_ONLY' ? 'block' : 'passthrough',
    };
  });
  const inputs = [...made, ...outbound.used];
  return {
    listeners,
    used: memo.keep(
      { owner: scope, slot: 'used', inputs },
      () => new Set([...made.flat(), ...outbound.used]),
    ),
  };
}
