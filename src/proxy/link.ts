/** A snapshot with its overlays, linked: matchers, tries, closures. One reference; a request keeps the one it began with. */
import type { Host } from '../host/host.ts';
import type { Filter, LinkContext, PolicyFilter } from '../model/policy.ts';
import { canonicalJson } from '../lib/canonical-json.ts';
import { PER_STEP, finish } from '../lib/steps.ts';
import type { Steps } from '../lib/steps.ts';
import type {
  Cluster,
  Endpoint,
  EndpointOverlay,
  FilterConfig,
  KeyOverlay,
  Listener,
  NamedSnapshot,
  Pointer,
  Snapshot,
} from '../model/snapshot.ts';
import type { Balancing } from './balance/balancer.ts';
import { linkBalancer } from './balance/balancer.ts';
import type { FilterLists } from './filter-lists.ts';
import {
  FilterLinker,
  filtersBehind,
  frontFilters,
  ownFilters,
  routeFilters,
} from './filter-lists.ts';
import { LinkError } from './link-error.ts';
import type { ListenerTable, ListenersBefore } from './matcher/hosts.ts';
import { listenerSteps } from './matcher/hosts.ts';
import { schemeTowards, tlsTowards } from './upstream-tls.ts';

export interface LinkOptions {
  readonly host: Host;
  readonly filters: readonly PolicyFilter[];
  /** Drivers turn bodies of gRPC-Web into gRPC's and back, where the exchange says so. @default false */
  readonly bridgesGrpcWeb?: boolean;
  /** Asks the control plane for fresher keys. */
  refreshKeys?(uri: string, kid: string): Promise<void>;
  /** Keys as they are now, where they may be newer than the overlay linked with. */
  currentKeys?(): KeyOverlay;
  /** Entries of a Secret that filters name, `namespace/name`; the same object while they are the same. @default nobody has any */
  secret?(name: string): Readonly<Record<string, string>> | undefined;
}

export interface LinkedCluster {
  readonly cluster: Cluster;
  readonly balancing: Balancing;
}

export interface LinkedSnapshot {
  readonly pointer: Pointer;
  readonly named: NamedSnapshot;
  readonly listeners: ListenerTable;
  readonly clusters: ReadonlyMap<string, LinkedCluster>;
  /** Some listener or route takes gRPC-Web for gRPC, and drivers turn its bodies. */
  readonly bridgesGrpcWeb: boolean;
  /** A place for the state of every filter that one request can meet. */
  readonly emptySlots: readonly undefined[];
  /** Filters of a list of configs, in phase order, without those that yield; the same list gives the same filters. */
  filtersOf(configs: readonly FilterConfig[]): readonly Filter[];
  /** Those of a listener that yield, unless the route has one of the kind, and the route's, in phase order. */
  routeFiltersOf(
    listener: readonly FilterConfig[],
    route: readonly FilterConfig[],
  ): readonly Filter[];
  /** Some filter of the listener's routes says who asks: such run before AuthorizationPolicy judges. */
  asksFirst(listener: Listener): boolean;
  /** The listener's own, and those that say who asks of the route that the request takes as it came, in phase order. */
  frontFiltersOf(
    listener: readonly FilterConfig[],
    route: readonly FilterConfig[],
  ): readonly Filter[];
  /** What `frontFiltersOf` with the route `first` has left over. */
  filtersBehind(
    listener: readonly FilterConfig[],
    routes: Readonly<Record<'first' | 'route', readonly FilterConfig[]>>,
  ): readonly Filter[];
}

const NO_ENDPOINTS: readonly Endpoint[] = [];

/** Requests of the proxy's own go to endpoints of the snapshot's clusters, as those of clients do. */
function callOf(clusters: ReadonlyMap<string, LinkedCluster>, host: Host): LinkContext['call'] {
  return async (name, request) => {
    const linked = clusters.get(name);
    const isOriginal = linked?.cluster.discovery === 'original';
    const endpoint = isOriginal ? undefined : linked?.balancing.pick(NO_ENDPOINTS);
    if (linked === undefined || (endpoint === undefined && !isOriginal))
      throw new Error(`no endpoint of ${name} is healthy`);
    const { cluster } = linked;
    if (isOriginal && cluster.service.includes('*'))
      throw new Error(`${cluster.service} is no host that can be called`);
    const scheme = schemeTowards(cluster);
    const { needsTls, ...plain } = request;
    const isSecured = tlsTowards(cluster, endpoint) !== undefined;
    if (needsTls === true && !isSecured && endpoint?.address.startsWith('binding:') !== true)
      throw new Error(`${name} is not spoken to by TLS: give it a DestinationRule with tls`);
    if (endpoint !== undefined) linked.balancing.begin(endpoint);
    try {
      return await host.dial({ ...plain, cluster, endpoint, scheme });
    } finally {
      if (endpoint !== undefined) linked.balancing.end(endpoint);
    }
  };
}

/** What the next snapshot can use of the one before. */
interface Linked {
  readonly listeners: ListenersBefore;
  readonly filters: FilterLists;
  /** Filters see the mesh's settings and keys: with others they are linked anew. */
  readonly filterContext: string;
  readonly clusters: ReadonlyMap<string, LinkedCluster & { readonly members: readonly Endpoint[] }>;
}

interface LinkedFilters {
  readonly lists: FilterLists;
  readonly slotCount: number;
  /** Listeners of which some route's filter says who asks. */
  readonly asking: ReadonlySet<Listener>;
}

const NOTHING: Linked = {
  listeners: new Map(),
  filters: new Map(),
  filterContext: '',
  clusters: new Map(),
};

/** Links one snapshot after the other. */
export interface Linker {
  /**
   * What is the same object as in the snapshot before is used again as it was linked, with what it has learned: matchers,
   * filters, and balancers whose endpoints are the same.
   * @throws LinkError when anything can't be linked: nothing of it is used then.
   */
  link(named: NamedSnapshot, endpoints: EndpointOverlay, keys: KeyOverlay): LinkedSnapshot;
  /**
   * The same in steps, the last of which throws or returns what `link` does. Until then nothing has changed: steps that
   * nobody takes any further were never begun.
   */
  steps(named: NamedSnapshot, endpoints: EndpointOverlay, keys: KeyOverlay): Steps<LinkedSnapshot>;
}

const bridgesGrpcWeb = ({ grpcWeb, virtualHosts }: Listener): boolean =>
  grpcWeb === true ||
  virtualHosts.some(({ routes }) => routes.some((route) => route.grpcWeb === true));

class SnapshotLinker implements Linker {
  readonly #options: LinkOptions;
  readonly #policies: ReadonlyMap<string, PolicyFilter>;
  #before = NOTHING;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#policies = new Map(options.filters.map((filter) => [filter.kind, filter]));
  }

  link(named: NamedSnapshot, endpoints: EndpointOverlay, keys: KeyOverlay): LinkedSnapshot {
    return finish(this.steps(named, endpoints, keys));
  }

  *steps(
    named: NamedSnapshot,
    endpoints: EndpointOverlay,
    keys: KeyOverlay,
  ): Steps<LinkedSnapshot> {
    const { snapshot } = named;
    if (snapshot.format !== 1)
      throw new LinkError(`snapshot format ${String(snapshot.format)} is not known, want 1`);
    try {
      const filterContext = canonicalJson([snapshot.mesh, keys.version]);
      const clusters = yield* this.#clusters(snapshot.clusters, endpoints);
      const call = this.#callOf(clusters);
      const { lists, slotCount, asking } = yield* this.#filters(snapshot, keys, {
        filterContext,
        call,
      });
      const { table, byName } = yield* listenerSteps(snapshot.listeners, this.#before.listeners);
      this.#before = { listeners: byName, filters: lists, filterContext, clusters };
      return {
        pointer: { snapshot: named.version, endpoints: endpoints.version, keys: keys.version },
        named,
        listeners: table,
        clusters,
        bridgesGrpcWeb:
          this.#options.bridgesGrpcWeb === true &&
          snapshot.listeners.some((listener) => bridgesGrpcWeb(listener)),
        emptySlots: Array.from({ length: slotCount }, () => undefined),
        filtersOf: (configs) => ownFilters(lists, configs),
        routeFiltersOf: (listener, route) => routeFilters(lists, listener, route),
        asksFirst: (listener) => asking.has(listener),
        frontFiltersOf: (listener, route) => frontFilters(lists, listener, route),
        filtersBehind: (listener, routes) => filtersBehind(lists, listener, routes),
      };
    } catch (error) {
      if (error instanceof LinkError) throw error;
      throw new LinkError(
        `snapshot ${named.version} can't be linked: ${error instanceof Error ? error.message : 'unknown fault'}`,
        error,
      );
    }
  }

  /** Everything that the snapshot names, so that what can't be linked is found now. */
  *#filters(
    snapshot: Snapshot,
    keys: KeyOverlay,
    { filterContext, call }: { readonly filterContext: string; readonly call: LinkContext['call'] },
  ): Steps<LinkedFilters> {
    const options = this.#options;
    const linker = new FilterLinker(
      this.#policies,
      {
        host: options.host,
        mesh: snapshot.mesh,
        keys: (uri) => (options.currentKeys?.() ?? keys).sets[uri],
        refreshKeys: (uri, kid) => options.refreshKeys?.(uri, kid) ?? Promise.resolve(),
        call,
        secret: (name) => options.secret?.(name),
      },
      this.#before.filterContext === filterContext ? this.#before.filters : NOTHING.filters,
    );
    const asking = new Set<Listener>();
    for (const listener of snapshot.listeners) {
      linker.add(listener.filters, 'listener');
      if (linker.hasEarly(listener.filters, 'listener')) asking.add(listener);
    }
    for (const listener of snapshot.listeners)
      for (const { routes } of listener.virtualHosts)
        for (const { filters } of routes) {
          if (linker.add(filters, 'route')) yield;
          if (linker.hasEarly(filters, 'route')) asking.add(listener);
        }
    return { lists: linker.lists, slotCount: linker.slotCount, asking };
  }

  /** A filter may outlive the snapshot that it was linked in: it calls where the one in force leads. */
  #callOf(own: ReadonlyMap<string, LinkedCluster>): LinkContext['call'] {
    const { host } = this.#options;
    return (name, request) => {
      const { clusters } = this.#before;
      return callOf(clusters.has(name) ? clusters : own, host)(name, request);
    };
  }

  *#clusters(clusters: readonly Cluster[], endpoints: EndpointOverlay): Steps<Linked['clusters']> {
    const linked = new Map<string, LinkedCluster & { readonly members: readonly Endpoint[] }>();
    for (const cluster of clusters) {
      if (linked.size % PER_STEP === PER_STEP - 1) yield;
      const members = endpoints.clusters[cluster.name] ?? NO_ENDPOINTS;
      const before = this.#before.clusters.get(cluster.name);
      linked.set(
        cluster.name,
        before?.cluster === cluster && before.members === members
          ? before
          : {
              cluster,
              members,
              balancing: linkBalancer(cluster, members, this.#options.host.random),
            },
      );
    }
    return linked;
  }
}

export function createLinker(options: LinkOptions): Linker {
  return new SnapshotLinker(options);
}

/** One snapshot by itself. @throws LinkError when anything can't be linked: nothing of it is used then. */
export function link(
  named: NamedSnapshot,
  endpoints: EndpointOverlay,
  keys: KeyOverlay,
  options: LinkOptions,
): LinkedSnapshot {
  return createLinker(options).link(named, endpoints, keys);
}
