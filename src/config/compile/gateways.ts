/** Listeners of a gateway: servers merged by port, hosts intersected with those of VirtualServices. */
import type { GatewaySpec } from '../../model/api.ts';
import type { FilterConfig, Listener, Route, VirtualHost } from '../../model/snapshot.ts';
import type { PolicyTarget } from './attached-policies.ts';
import { listenerPolicies, sharedPolicies, targetOf } from './attached-policies.ts';
import type { CompileContext } from './context.ts';
import { connectionListener, serverConnections } from './gateway-connections.ts';
import type { Server } from './gateway-servers.ts';
import {
  isGrpcWeb,
  isHttp,
  isTcp,
  isTls,
  serverHosts,
  serverOrigin,
  terminates,
} from './gateway-servers.ts';
import { isCatchAll } from './matches.ts';
import { intersectHosts, selects } from './names.ts';
import type { RouteList } from './routes.ts';
import { compileRoutes } from './routes.ts';
import { table } from './table.ts';
import { serverTls } from './tls.ts';
import type { BoundService } from './virtual-services.ts';
import { boundServices } from './virtual-services.ts';

interface HostTable {
  /** Lists of routes, one for each rule set. */
  readonly routes: Map<string, Set<readonly Route[]>>;
  readonly redirects: Set<string>;
  readonly used: Set<string>;
  /** The listener serves several Gateways that Policies tell apart: what names one of them is of its routes. */
  readonly isShared: boolean;
}

const serverTarget = ({ gateway, server }: Server): PolicyTarget => targetOf(gateway, server.name);

/** What a server takes of a rule set. */
interface Taken {
  readonly hosts: readonly string[];
  readonly list: RouteList;
}

/** Undefined = the server and the rule set have no host in common. */
function take(
  entry: Server & { readonly isShared: boolean },
  bound: BoundService,
  context: CompileContext,
): Taken | undefined {
  const { gateway, server } = entry;
  const hosts = serverHosts(entry);
  const owner = bound.resource.metadata.namespace;
  const narrowed = new Set(
    hosts
      .filter(({ namespace }) => namespace === '*' || namespace === owner)
      .flatMap(({ host }) => bound.hosts.map((own) => intersectHosts(host, own)))
      .filter((host) => host !== undefined),
  );
  if (narrowed.size === 0) return undefined;
  const list = compileRoutes(bound.routes, context, {
    gateway: `${gateway.metadata.namespace}/${gateway.metadata.name}`,
    port: server.port.number,
    isGateway: true,
    ...(entry.isShared ? { targets: [serverTarget(entry)] } : {}),
  });
  return { hosts: [...narrowed], list };
}

function addServer(entry: Server, context: CompileContext, all: HostTable): void {
  const { gateway, server, index } = entry;
  const name = `${gateway.metadata.namespace}/${gateway.metadata.name}`;
  const hosts = serverHosts(entry);
  const isRedirect = server.tls?.httpsRedirect === true;
  if (isRedirect) for (const { host } of hosts) all.redirects.add(host);
  const bound = boundServices(context, name);
  const { isShared } = all;
  const key = {
    owner: context.scope,
    slot: `server ${name} ${index}`,
    inputs: [gateway, isShared],
  };
  const taken = table(key, context, [bound], (row, own) =>
    take({ ...entry, isShared }, bound[row] as BoundService, own),
  );
  for (const one of taken) {
    if (one === undefined) continue;
    for (const service of one.list.hosts) all.used.add(service);
    for (const host of one.hosts) {
      const lists = all.routes.get(host);
      if (lists === undefined) all.routes.set(host, new Set([one.list.routes]));
      else lists.add(one.list.routes);
      if (isRedirect) all.redirects.add(host);
    }
  }
}

/** Catch-alls go behind all else, the first of them wins. */
function orderRoutes(routes: readonly Route[]): Route[] {
  const [first] = routes.filter((route) => isCatchAll(route.match));
  const others = routes.filter((route) => !isCatchAll(route.match));
  return first === undefined ? others : [...others, first];
}

function toVirtualHosts(
  all: HostTable,
  listener: string,
  context: CompileContext,
  port: number,
): readonly VirtualHost[] {
  const { memo, scope } = context;
  const given = [...new Set([...all.routes.keys(), ...all.redirects])];
  const hosts = memo.keep({ owner: scope, slot: `order ${listener}`, inputs: given }, () =>
    given.toSorted(),
  );
  const listsOf = (host: string): readonly (readonly Route[])[] => [
    ...(all.routes.get(host) ?? []),
  ];
  // Most have one list, which stays the same while its rules do.
  const lists = hosts.map((host) => {
    const own = listsOf(host);
    return own.length === 1 ? own[0] : own;
  });
  const redirects = hosts.map((host) => all.redirects.has(host));
  const key = { owner: scope, slot: `hosts ${listener}`, inputs: [] };
  return table(key, context, [hosts, lists, redirects], (row, own) => {
    const host = hosts[row] as string;
    const inputs = listsOf(host);
    const slot = `host ${host}:${port} ${redirects[row]}`;
    return own.memo.keep({ owner: inputs[0] ?? scope, slot, inputs }, () => ({
      name: `${host}:${port}`,
      domains: [host],
      ...(redirects[row] === true ? { httpsRedirect: true } : {}),
      routes: orderRoutes(inputs.flat()),
    }));
  });
}

/** Another server of the port takes only clients that this one wouldn't ask the same of: what is for it mustn't come by here. */
function isLaxer({ server: { tls } }: Server, all: readonly Server[]): boolean {
  const asked = [tls?.mode, tls?.credentialName, tls?.caCertificates].join();
  return all.some(({ server: { tls: other } }) => {
    const isStrict = other?.mode === 'MUTUAL' || other?.mode === 'ISTIO_MUTUAL';
    return isStrict && [other.mode, other.credentialName, other.caCertificates].join() !== asked;
  });
}

function buildListener(
  entries: readonly Server[],
  context: CompileContext,
  fields: Pick<Listener, 'protocol' | 'serverNames' | 'checksServerName' | 'tls' | 'filters'>,
  used: Set<string>,
): Listener {
  const { filters, isShared } = sharedPolicies(
    context,
    entries.map((entry) => serverTarget(entry)),
  );
  const all: HostTable = { routes: new Map(), redirects: new Set(), used, isShared };
  for (const entry of entries) addServer(entry, context, all);
  const port = entries[0]?.server.port.number ?? 0;
  const name = `${fields.protocol.toLowerCase()}.${port}${fields.serverNames === undefined ? '' : `.${fields.serverNames.join(',')}`}`;
  return {
    name,
    port,
    direction: 'gateway',
    virtualHosts: toVirtualHosts(all, name, context, port),
    unmatchedHost: 'not-found',
    // Servers that share a port share their filters: the oldest says what they are.
    ...(entries[0] !== undefined && isGrpcWeb(entries[0].server) ? { grpcWeb: true } : {}),
    ...fields,
    filters: [...fields.filters, ...filters],
    origins: entries.map((entry) => serverOrigin(entry, context)),
  };
}

const withPolicies = (
  filters: readonly FilterConfig[],
  entry: Server,
  context: CompileContext,
): FilterConfig[] => [...filters, ...listenerPolicies(context, [serverTarget(entry)])];

/** Each TLS server is a listener of its own for its names; a name taken by an older server drops the later server whole. */
function tlsListeners(
  entries: readonly Server[],
  context: CompileContext,
  filters: readonly FilterConfig[],
  used: Set<string>,
): Listener[] {
  const taken = new Set<string>();
  const listeners: Listener[] = [];
  for (const entry of entries) {
    const names = serverHosts(entry).map(({ host }) => host);
    if (names.some((name) => taken.has(name))) {
      context.diagnostics.push({
        code: 'IST0145',
        level: 'error',
        message: `a server name of ${names.join(', ')} is taken by an older server on port ${entry.server.port.number}: this server is dropped`,
        resource: `Gateway ${entry.gateway.metadata.namespace}/${entry.gateway.metadata.name}`,
        path: `spec.servers[${entry.index}].hosts`,
        remedy: 'give each server of a port names of its own',
      });
      continue;
    }
    for (const name of names) taken.add(name);
    if (!terminates(entry.server) || /^TLS$/i.test(entry.server.port.protocol)) {
      const connections = serverConnections(entry, names, context, used);
      listeners.push({
        ...connectionListener(entry, context, withPolicies(filters, entry, context), connections),
        serverNames: names,
      });
      continue;
    }
    const { tls } = entry.server;
    listeners.push(
      buildListener(
        [entry],
        context,
        {
          protocol: 'HTTPS',
          serverNames: names,
          ...(isLaxer(entry, entries) ? { checksServerName: true } : {}),
          tls: serverTls(tls?.mode ?? 'SIMPLE', tls, context.scope.namespace),
          filters,
        },
        used,
      ),
    );
  }
  return listeners;
}

export function compileGateway(
  context: CompileContext,
  filters: readonly FilterConfig[],
): { listeners: Listener[]; used: Set<string> } {
  const used = new Set<string>();
  const servers = context
    .resources<GatewaySpec>('Gateway')
    .filter((gateway) => selects(gateway.spec.selector, context.scope.labels))
    .flatMap((gateway) =>
      (gateway.spec.servers ?? []).map((server, index): Server => ({ server, gateway, index })),
    );
  const listeners: Listener[] = [];
  for (const [, entries] of [...Map.groupBy(servers, ({ server }) => server.port.number)].sort(
    ([a], [b]) => a - b,
  )) {
    // The oldest server says what the port speaks; others of another family are left out.
    const oldest = entries[0];
    if (oldest === undefined) continue;
    if (isTcp(oldest.server)) {
      const names = serverHosts(oldest).map(({ host }) => host);
      const connections = serverConnections(oldest, names, context, used);
      const own = withPolicies(filters, oldest, context);
      listeners.push(connectionListener(oldest, context, own, connections));
      continue;
    }
    if (!isTls(oldest.server) && !isHttp(oldest.server)) continue;
    const family = isTls(oldest.server);
    const same = entries.filter(({ server }) => (family ? isTls(server) : isHttp(server)));
    if (same.length === 0) continue;
    if (family) listeners.push(...tlsListeners(same, context, filters, used));
    else listeners.push(buildListener(same, context, { protocol: 'HTTP', filters }, used));
  }
  return { listeners, used };
}
