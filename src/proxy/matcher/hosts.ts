/** Listener and virtual host of a request. */
import { HostMap } from '../../lib/host-map.ts';
import type { Listener, VirtualHost } from '../../model/snapshot.ts';
import type { ConnectionMatcher } from './connections.ts';
import { linkConnections } from './connections.ts';
import type { RouteMatcher } from './routes.ts';
import { linkRoutes } from './routes.ts';

export interface LinkedHost {
  readonly host: VirtualHost;
  readonly matcher: RouteMatcher;
}

export interface LinkedListener {
  readonly listener: Listener;
  readonly hosts: HostMap<LinkedHost>;
  readonly connections: ConnectionMatcher | undefined;
}

export interface ListenerTable {
  /** Undefined = nothing listens there, or not for this server name. */
  find(port: number, sni: string | undefined): LinkedListener | undefined;
}

function linkListener(listener: Listener): LinkedListener {
  const hosts = new HostMap<LinkedHost>();
  for (const host of listener.virtualHosts) {
    const linked = { host, matcher: linkRoutes(host.routes) };
    for (const domain of host.domains) hosts.add(domain, linked);
  }
  const { connections } = listener;
  return {
    listener,
    hosts,
    connections: connections === undefined ? undefined : linkConnections(connections),
  };
}

/** Takes requests to ports that have no listener of their own. */
const ANY_PORT = 0;

interface Port {
  plain: LinkedListener | undefined;
  readonly byName: HostMap<LinkedListener>;
  isTls: boolean;
}

export function linkListeners(listeners: readonly Listener[]): ListenerTable {
  const ports = new Map<number, Port>();
  for (const listener of listeners) {
    let port = ports.get(listener.port);
    if (port === undefined) {
      port = { plain: undefined, byName: new HostMap(), isTls: false };
      ports.set(listener.port, port);
    }
    const linked = linkListener(listener);
    if (listener.serverNames === undefined) port.plain ??= linked;
    else {
      port.isTls = true;
      for (const name of listener.serverNames) port.byName.add(name, linked);
    }
  }
  return {
    find(number, sni) {
      const port = ports.get(number) ?? ports.get(ANY_PORT);
      if (port === undefined) return undefined;
      // Without a server name only a listener for every name answers.
      return port.isTls ? port.byName.lookup((sni ?? '').toLowerCase()) : port.plain;
    },
  };
}
