/** A snapshot with its overlays, linked: matchers, tries, closures. One reference; a request keeps the one it began with. */
import type { Host } from '../host/host.ts';
import type { Filter, LinkContext, PolicyFilter } from '../model/policy.ts';
import { PHASES } from '../model/policy.ts';
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
import type { ListenerTable, ListenersBefore } from './matcher/hosts.ts';
import { listenerSteps } from './matcher/hosts.ts';
import { schemeTowards } from './upstream-tls.ts';

export interface LinkOptions {
  readonly host: Host;
  readonly filters: readonly PolicyFilter[];
  /** Drivers turn bodies of gRPC-Web into gRPC's and back, where the exchange says so. @default false */
  readonly bridgesGrpcWeb?: boolean;
  /** Asks the control plane for fresher keys. */
  refreshKeys?(uri: string): Promise<void>;
  /** Keys as they are now, where they may be newer than the overlay linked with. */
  currentKeys?(): KeyOverlay;
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
}

/** The snapshot can't be run; the one before stays. */
export class LinkError extends Error {
  readonly code = 'LAT0201';

  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'LinkError';
  }
}

const NONE: readonly Filter[] = [];
const NO_FILTERS: readonly FilterConfig[] = [];
const NO_ENDPOINTS: readonly Endpoint[] = [];

interface LinkedFilter {
  readonly kind: string;
  readonly phase: number;
  readonly filter: Filter;
}

/** The filters of one list of configs. */
interface LinkedList {
  /** In phase order. */
  readonly own: readonly Filter[];
  /** Those of `own`, with their kinds. */
  readonly entries: readonly LinkedFilter[];
  readonly yielding: readonly LinkedFilter[];
  /** With those that yield here, by the route's list. */
  readonly merged: WeakMap<readonly FilterConfig[], readonly Filter[]>;
}

const NO_LIST: LinkedList = { own: NONE, entries: [], yielding: [], merged: new WeakMap() };

const inOrder = (filters: readonly LinkedFilter[]): readonly Filter[] =>
  [...filters].sort((a, b) => a.phase - b.phase).map(({ filter }) => filter);

/** A request meets the filters of one listener, then those of one route. */
const STAGES = ['listener', 'route'] as const;
type Stage = (typeof STAGES)[number];

/** By the list of configs that they were linked from. */
type FilterLists = ReadonlyMap<readonly FilterConfig[], LinkedList>;

/** Links lists of filters, each once. */
class FilterLinker {
  readonly lists = new Map<readonly FilterConfig[], LinkedList>();
  slotCount = 0;
  readonly #policies: ReadonlyMap<string, PolicyFilter>;
  readonly #context: Omit<LinkContext, 'slot'>;
  readonly #before: FilterLists;

  constructor(
    policies: ReadonlyMap<string, PolicyFilter>,
    context: Omit<LinkContext, 'slot'>,
    before: FilterLists,
  ) {
    this.#policies = policies;
    this.#context = context;
    this.#before = before;
  }

  /** Whether it was worth a step: there are filters, and they weren't met before. */
  add(configs: readonly FilterConfig[], stage: Stage): boolean {
    if (configs.length === 0 || this.lists.has(configs)) return false;
    this.slotCount = Math.max(this.slotCount, configs.length * STAGES.length);
    this.lists.set(configs, this.#before.get(configs) ?? this.#link(configs, stage));
    return true;
  }

  /**
   * Slots are counted by place in a list and not over the snapshot: one request meets few filters of thousands. The
   * stages take turns, so that no slot depends on another list, and a list of the snapshot before keeps its own.
   */
  #link(configs: readonly FilterConfig[], stage: Stage): LinkedList {
    const filters = configs.map((config, index) =>
      this.#linkOne(config, index * STAGES.length + STAGES.indexOf(stage)),
    );
    const entries = filters.filter((_, index) => configs[index]?.yields !== true);
    const yielding = filters.filter((_, index) => configs[index]?.yields === true);
    return { own: inOrder(entries), entries, yielding, merged: new WeakMap() };
  }

  #linkOne({ kind, config }: FilterConfig, slot: number): LinkedFilter {
    const policy = this.#policies.get(kind);
    if (policy === undefined)
      throw new LinkError(`filter ${kind} is not part of this proxy: it must not run without it`);
    const filter = policy.link(config, { ...this.#context, slot });
    return { kind, phase: PHASES.indexOf(policy.phase), filter };
  }
}

/** Running without filters that were given would let through what they refuse. */
function listOf(lists: FilterLists, configs: readonly FilterConfig[]): LinkedList {
  if (configs.length === 0) return NO_LIST;
  const list = lists.get(configs);
  if (list === undefined) throw new Error('filters that are not of this snapshot');
  return list;
}

/** Most listeners have none that yield: the route's list is then all there is. */
function routeFilters(
  lists: FilterLists,
  listener: readonly FilterConfig[],
  route: readonly FilterConfig[],
): readonly Filter[] {
  const { yielding, merged } = listOf(lists, listener);
  const { own, entries } = listOf(lists, route);
  if (yielding.length === 0) return own;
  const key = entries.length === 0 ? NO_FILTERS : route;
  let filters = merged.get(key);
  if (filters === undefined) {
    const kinds = new Set(entries.map(({ kind }) => kind));
    filters = inOrder([...yielding.filter(({ kind }) => !kinds.has(kind)), ...entries]);
    merged.set(key, filters);
  }
  return filters;
}

/** Requests of the proxy's own go to endpoints of the snapshot's clusters, as those of clients do. */
function callOf(clusters: ReadonlyMap<string, LinkedCluster>, host: Host): LinkContext['call'] {
  return async (name, request) => {
    const linked = clusters.get(name);
    const isOriginal = linked?.cluster.discovery === 'original';
    const endpoint = isOriginal ? undefined : linked?.balancing.pick(NO_ENDPOINTS);
    if (linked === undefined || (endpoint === undefined && !isOriginal))
      throw new Error(`no endpoint of ${name} is healthy`);
    const scheme = schemeTowards(linked.cluster);
    if (endpoint !== undefined) linked.balancing.begin(endpoint);
    try {
      return await host.dial({ ...request, cluster: linked.cluster, endpoint, scheme });
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
      const { lists, slotCount } = yield* this.#filters(snapshot, keys, {
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
        filtersOf: (configs) => listOf(lists, configs).own,
        routeFiltersOf: (listener, route) => routeFilters(lists, listener, route),
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
  ): Steps<FilterLinker> {
    const options = this.#options;
    const linker = new FilterLinker(
      this.#policies,
      {
        host: options.host,
        mesh: snapshot.mesh,
        keys: (uri) => (options.currentKeys?.() ?? keys).sets[uri],
        refreshKeys: (uri) => options.refreshKeys?.(uri) ?? Promise.resolve(),
        call,
      },
      this.#before.filterContext === filterContext ? this.#before.filters : NOTHING.filters,
    );
    for (const { filters } of snapshot.listeners) linker.add(filters, 'listener');
    for (const { virtualHosts } of snapshot.listeners)
      for (const { routes } of virtualHosts)
        for (const { filters } of routes) if (linker.add(filters, 'route')) yield;
    return linker;
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
