/** Servers of Istio's Gateways that carry connections: TLS by server name, and TCP. */
import type { ConnectionRoute, FilterConfig, Listener } from '../../model/snapshot.ts';
import { clusterName } from './clusters.ts';
import { compileTcpRules, compileTlsRules } from './connections.ts';
import type { ConnectionBuilder } from './connections.ts';
import type { CompileContext } from './context.ts';
import type { Server } from './gateway-servers.ts';
import { isTls, serverOrigin } from './gateway-servers.ts';
import { covers, intersectHosts } from './names.ts';
import { serverTls } from './tls.ts';
import { boundServices } from './virtual-services.ts';

/** The server name says service, subset and port, as clients of another mesh network write it. */
function autoPassthrough(
  names: readonly string[],
  { context, used }: ConnectionBuilder,
  server: Server,
): ConnectionRoute[] {
  const origin = serverOrigin(server, context);
  return [...context.registry.visibleTo(context.scope.namespace).values()]
    .filter(({ host }) => names.some((name) => covers(name, host)))
    .flatMap(({ host, ports }) => {
      used.add(host);
      return ports.map(({ number }): ConnectionRoute => ({
        serverNames: [`outbound_.${number}_._.${host}`],
        destinations: [{ cluster: clusterName(host, number), weight: 1 }],
        origin,
      }));
    });
}

/** Rules of VirtualServices that are bound to the server's gateway and share a host with it. */
export function serverConnections(
  entry: Server,
  names: readonly string[],
  context: CompileContext,
  used: Set<string>,
): ConnectionRoute[] {
  const { gateway, server } = entry;
  const name = `${gateway.metadata.namespace}/${gateway.metadata.name}`;
  const { namespace, labels } = context.scope;
  const builder: ConnectionBuilder = {
    context,
    used,
    scope: { gateway: name, namespace, labels, port: server.port.number, isGateway: true },
  };
  const mode = server.tls?.mode;
  if (mode === 'AUTO_PASSTHROUGH') return autoPassthrough(names, builder, entry);
  const isPassthrough = isTls(server) && (mode === undefined || mode === 'PASSTHROUGH');
  return boundServices(context, name)
    .filter(({ hosts }) =>
      hosts.some((host) => names.some((own) => intersectHosts(own, host) !== undefined)),
    )
    .flatMap((bound) =>
      isPassthrough ? compileTlsRules(bound, builder) : compileTcpRules(bound, builder),
    );
}

export function connectionListener(
  entry: Server,
  context: CompileContext,
  filters: readonly FilterConfig[],
  connections: readonly ConnectionRoute[],
): Listener {
  const { server } = entry;
  const { tls } = server;
  const protocol = isTls(server) ? 'TLS' : 'TCP';
  return {
    name: `${protocol.toLowerCase()}.${server.port.number}${isTls(server) ? `.${server.hosts.join(',')}` : ''}`,
    port: server.port.number,
    direction: 'gateway',
    protocol,
    ...(server.port.protocol.toUpperCase() === 'MONGO' ? { application: 'MONGO' } : {}),
    ...(isTls(server)
      ? { tls: serverTls(tls?.mode ?? 'PASSTHROUGH', tls, context.scope.namespace) }
      : {}),
    filters,
    virtualHosts: [],
    connections,
    unmatchedHost: 'not-found',
    origins: [serverOrigin(entry, context)],
  };
}
