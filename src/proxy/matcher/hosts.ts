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
  readonly hosts: HostTable;
  readonly connections: ConnectionMatcher | undefined;
}

export interface ListenerTable {
  /** Undefined = nothing listens there, or not for this server name. */
  find(port: number, sni: string | undefined): LinkedListener | undefined;
}

const sameDomains = (a: VirtualHost, b: VirtualHost): boolean =>
  a.domains.length === b.domains.length &&
  a.domains.every((domain, index) => domain === b.domains[index]);

/** Virtual hosts by name, with what the next table like it can use again: domains are many, and routes change more often. */
export class HostTable {
  readonly #hosts: readonly LinkedHost[];
  /** To places in the list. */
  readonly #places: HostMap<number>;

  constructor(hosts: readonly VirtualHost[], before?: HostTable) {
    const old = before === undefined ? [] : before.#hosts;
    const isMoved = hosts.some((host, place) => {
      const same = old[place]?.host;
      return same !== host && same?.name !== host.name;
    });
    const known = new Map(isMoved ? old.map((linked) => [linked.host, linked]) : []);
    this.#hosts = hosts.map((host, place) => {
      const same = old[place];
      if (same?.host === host) return same;
      return known.get(host) ?? { host, matcher: linkRoutes(host.routes) };
    });
    const isAlike =
      before !== undefined &&
      old.length === hosts.length &&
      hosts.every((host, place) => {
        const same = old[place]?.host as VirtualHost;
        return same === host || sameDomains(same, host);
      });
    this.#places = isAlike ? before.#places : new HostMap();
    if (isAlike) return;
    for (const [place, { domains }] of hosts.entries())
      for (const domain of domains) this.#places.add(domain, place);
  }

  lookup(name: string): LinkedHost | undefined {
    const place = this.#places.lookup(name);
    return place === undefined ? undefined : this.#hosts[place];
  }
}

/** Listeners of the snapshot before, by name. */
export type ListenersBefore = ReadonlyMap<string, LinkedListener>;

/** Takes requests to ports that have no listener of their own. */
const ANY_PORT = 0;

interface Port {
  plain: LinkedListener | undefined;
  readonly byName: HostMap<LinkedListener>;
  isTls: boolean;
}

/** Virtual hosts that are the same objects as in `before` are not linked again. */
export function linkListeners(
  listeners: readonly Listener[],
  before: ListenersBefore = new Map(),
): { readonly table: ListenerTable; readonly byName: ListenersBefore } {
  const ports = new Map<number, Port>();
  const byName = new Map<string, LinkedListener>();
  for (const listener of listeners) {
    let port = ports.get(listener.port);
    if (port === undefined) {
      port = { plain: undefined, byName: new HostMap(), isTls: false };
      ports.set(listener.port, port);
    }
    const known = before.get(listener.name)?.hosts;
    const { connections } = listener;
    const linked = {
      listener,
      hosts: new HostTable(listener.virtualHosts, known),
      connections: connections === undefined ? undefined : linkConnections(connections),
    };
    byName.set(listener.name, linked);
    if (listener.serverNames === undefined) port.plain ??= linked;
    else {
      port.isTls = true;
      for (const name of listener.serverNames) port.byName.add(name, linked);
    }
  }
  const table: ListenerTable = {
    find(number, sni) {
      const port = ports.get(number) ?? ports.get(ANY_PORT);
      if (port === undefined) return undefined;
      // Without a server name only a listener for every name answers.
      return port.isTls ? port.byName.lookup((sni ?? '').toLowerCase()) : port.plain;
    },
  };
  return { table, byName };
}
