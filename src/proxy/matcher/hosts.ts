/** Listener and virtual host of a request. */
import { HostMap } from '../../lib/host-map.ts';
import { PER_STEP, finish } from '../../lib/steps.ts';
import type { Steps } from '../../lib/steps.ts';
import type { Listener, VirtualHost } from '../../model/snapshot.ts';
import type { ConnectionMatcher } from './connections.ts';
import { connectionSteps } from './connections.ts';
import type { RouteMatcher } from './routes.ts';
import { routeSteps } from './routes.ts';

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

  private constructor(hosts: readonly LinkedHost[], places: HostMap<number>) {
    this.#hosts = hosts;
    this.#places = places;
  }

  static *steps(hosts: readonly VirtualHost[], before?: HostTable): Steps<HostTable> {
    const old = before === undefined ? [] : before.#hosts;
    const isMoved = hosts.some((host, place) => {
      const same = old[place]?.host;
      return same !== host && same?.name !== host.name;
    });
    const known = new Map(isMoved ? old.map((linked) => [linked.host, linked]) : []);
    const linked: LinkedHost[] = [];
    for (const [place, host] of hosts.entries()) {
      const same = old[place];
      if (same?.host === host) linked.push(same);
      else {
        linked.push(known.get(host) ?? { host, matcher: yield* routeSteps(host.routes) });
        yield;
      }
    }
    const isAlike =
      before !== undefined &&
      old.length === hosts.length &&
      hosts.every((host, place) => {
        const same = old[place]?.host as VirtualHost;
        return same === host || sameDomains(same, host);
      });
    return new HostTable(linked, isAlike ? before.#places : yield* placeSteps(hosts));
  }

  lookup(name: string): LinkedHost | undefined {
    const place = this.#places.lookup(name);
    return place === undefined ? undefined : this.#hosts[place];
  }
}

function* placeSteps(hosts: readonly VirtualHost[]): Steps<HostMap<number>> {
  const places = new HostMap<number>();
  for (const [place, { domains }] of hosts.entries()) {
    if (place % PER_STEP === PER_STEP - 1) yield;
    for (const domain of domains) places.add(domain, place);
  }
  return places;
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

interface LinkedListeners {
  readonly table: ListenerTable;
  readonly byName: ListenersBefore;
}

export function linkListeners(
  listeners: readonly Listener[],
  before?: ListenersBefore,
): LinkedListeners {
  return finish(listenerSteps(listeners, before));
}

/** Virtual hosts that are the same objects as in `before` are not linked again. */
export function* listenerSteps(
  listeners: readonly Listener[],
  before: ListenersBefore = new Map(),
): Steps<LinkedListeners> {
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
      hosts: yield* HostTable.steps(listener.virtualHosts, known),
      connections: connections === undefined ? undefined : yield* connectionSteps(connections),
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
