/**
 * Configurations to another process. What was sent before is named, not sent again, and is the same object there: a
 * linker that finds the same objects has nothing to do for them.
 */
import type {
  Cluster,
  Endpoint,
  FilterConfig,
  KeyOverlay,
  Listener,
  ProxyScope,
  Route,
  Snapshot,
  VirtualHost,
} from '../../src/model/snapshot.ts';
import type { Configuration } from '../plane.ts';

type Id = number;

interface SentHost {
  readonly host: Id;
  readonly routes: readonly Id[];
}

interface SentListener extends Omit<Listener, 'filters' | 'virtualHosts'> {
  readonly filters: Id;
  readonly virtualHosts: readonly SentHost[];
}

export interface SentConfiguration {
  readonly version: string;
  readonly snapshot: Omit<Snapshot, 'listeners' | 'clusters'>;
  readonly listeners: readonly SentListener[];
  readonly clusters: readonly Id[];
  readonly endpointsVersion: string;
  readonly endpoints: readonly (readonly [cluster: string, members: Id])[];
  readonly keys: KeyOverlay;
}

/** Objects that are sent beside, before what names them. */
export type SentParts = readonly (readonly [Id, object])[];

export interface Packed {
  readonly sent: SentConfiguration;
  /** What wasn't sent before, in pieces: each is parsed in one go, where traffic waits. */
  readonly fresh: readonly SentParts[];
}

/** Routes or clusters of some hundred bytes. */
const PIECE = 128;

/** One for all receivers: what it numbers are objects of this process. */
export class Numbering {
  readonly #ids = new WeakMap<object, Id>();
  #next = 0;

  of(object: object): Id {
    const known = this.#ids.get(object);
    if (known !== undefined) return known;
    const id = ++this.#next;
    this.#ids.set(object, id);
    return id;
  }
}

/** To one receiver. */
export class ConfigurationSender {
  readonly #numbering: Numbering;
  readonly #sent = new Map<ProxyScope['type'], ReadonlySet<Id>>();

  constructor(numbering: Numbering) {
    this.#numbering = numbering;
  }

  pack(type: ProxyScope['type'], configuration: Configuration): Packed {
    const before = this.#sent.get(type) ?? new Set<Id>();
    const now = new Set<Id>();
    const fresh: [Id, object][] = [];
    const idOf = (object: object, sent: () => object = () => object): Id => {
      const id = this.#numbering.of(object);
      if (!before.has(id) && !now.has(id)) fresh.push([id, sent()]);
      now.add(id);
      return id;
    };
    const { named, endpoints, keys } = configuration;
    const { listeners, clusters, ...snapshot } = named.snapshot;
    const sent: SentConfiguration = {
      version: named.version,
      snapshot,
      listeners: listeners.map((listener) => ({
        ...listener,
        filters: idOf(listener.filters),
        virtualHosts: listener.virtualHosts.map((host): SentHost => {
          const routes = host.routes.map((route) => idOf(route));
          return { host: idOf(host, () => ({ ...host, routes: [] })), routes };
        }),
      })),
      clusters: clusters.map((cluster) => idOf(cluster)),
      endpointsVersion: endpoints.version,
      endpoints: Object.entries(endpoints.clusters).map(
        ([name, members]) => [name, idOf(members)] as const,
      ),
      keys,
    };
    this.#sent.set(type, now);
    const count = Math.ceil(fresh.length / PIECE);
    return {
      sent,
      fresh: Array.from({ length: count }, (_, at) => fresh.slice(at * PIECE, (at + 1) * PIECE)),
    };
  }
}

/** From one sender. */
export class ConfigurationReceiver {
  readonly #known = new Map<ProxyScope['type'], ReadonlyMap<Id, object>>();
  /** Of the configuration that comes next. */
  readonly #fresh = new Map<ProxyScope['type'], Map<Id, object>>();

  take(type: ProxyScope['type'], parts: SentParts): void {
    const fresh = this.#fresh.get(type) ?? new Map<Id, object>();
    this.#fresh.set(type, fresh);
    for (const [id, object] of parts) fresh.set(id, object);
  }

  unpack(type: ProxyScope['type'], sent: SentConfiguration): Configuration {
    const before = this.#known.get(type) ?? new Map<Id, object>();
    const now = new Map<Id, object>();
    const fresh = this.#fresh.get(type);
    this.#fresh.delete(type);
    const take = (id: Id): object => {
      const object = now.get(id) ?? before.get(id) ?? fresh?.get(id);
      if (object === undefined) throw new Error(`part ${id} of a configuration was never sent`);
      now.set(id, object);
      return object;
    };
    const hostOf = ({ host: id, routes: ids }: SentHost): VirtualHost => {
      const isKnown = now.has(id) || before.has(id);
      const host = take(id) as VirtualHost;
      const routes = ids.map((route) => take(route) as Route);
      if (isKnown) return host;
      const whole = { ...host, routes };
      now.set(id, whole);
      return whole;
    };
    const configuration: Configuration = {
      named: {
        version: sent.version,
        snapshot: {
          ...sent.snapshot,
          listeners: sent.listeners.map((listener): Listener => ({
            ...listener,
            filters: take(listener.filters) as readonly FilterConfig[],
            virtualHosts: listener.virtualHosts.map((host) => hostOf(host)),
          })),
          clusters: sent.clusters.map((id) => take(id) as Cluster),
        },
      },
      endpoints: {
        version: sent.endpointsVersion,
        clusters: Object.fromEntries(
          sent.endpoints.map(([name, id]) => [name, take(id) as readonly Endpoint[]]),
        ),
      },
      keys: sent.keys,
    };
    this.#known.set(type, now);
    return configuration;
  }
}
