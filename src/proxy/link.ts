/** A snapshot with its overlays, linked: matchers, tries, closures. One reference; a request keeps the one it began with. */
import type { Host } from '../host/host.ts';
import type { Filter, LinkContext, PolicyFilter } from '../model/policy.ts';
import { PHASES } from '../model/policy.ts';
import type {
  Cluster,
  Endpoint,
  EndpointOverlay,
  FilterConfig,
  KeyOverlay,
  NamedSnapshot,
  Pointer,
} from '../model/snapshot.ts';
import type { Balancing } from './balance/balancer.ts';
import { linkBalancer } from './balance/balancer.ts';
import type { ListenerTable } from './matcher/hosts.ts';
import { linkListeners } from './matcher/hosts.ts';

export interface LinkOptions {
  readonly host: Host;
  readonly filters: readonly PolicyFilter[];
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
  readonly merged: Map<readonly FilterConfig[], readonly Filter[]>;
}

interface FilterLinker {
  /** One more than the highest slot given. */
  slotCount: number;
  /** Lists linked from now on may meet those before in one request: they get slots of their own. */
  beginStage(): void;
  listOf(configs: readonly FilterConfig[]): LinkedList;
}

const NO_LIST: LinkedList = { own: NONE, entries: [], yielding: [], merged: new Map() };

const inOrder = (filters: readonly LinkedFilter[]): readonly Filter[] =>
  [...filters].sort((a, b) => a.phase - b.phase).map(({ filter }) => filter);

/** Slots are counted by place in a list and not over the snapshot: one request meets few filters of thousands. */
function createFilterLinker(
  named: NamedSnapshot,
  keys: KeyOverlay,
  options: LinkOptions,
  call: LinkContext['call'],
): FilterLinker {
  const byKind = new Map(options.filters.map((filter) => [filter.kind, filter]));
  const linked = new Map<readonly FilterConfig[], LinkedList>();
  let firstSlot = 0;
  const linkOne = ({ kind, config }: FilterConfig, slot: number): LinkedFilter => {
    const policy = byKind.get(kind);
    if (policy === undefined)
      throw new LinkError(`filter ${kind} is not part of this proxy: it must not run without it`);
    const filter = policy.link(config, {
      host: options.host,
      slot,
      mesh: named.snapshot.mesh,
      keys: (uri) => (options.currentKeys?.() ?? keys).sets[uri],
      refreshKeys: (uri) => options.refreshKeys?.(uri) ?? Promise.resolve(),
      call,
    });
    return { kind, phase: PHASES.indexOf(policy.phase), filter };
  };
  const linker: FilterLinker = {
    slotCount: 0,
    beginStage() {
      firstSlot = linker.slotCount;
    },
    listOf(configs) {
      if (configs.length === 0) return NO_LIST;
      let list = linked.get(configs);
      if (list === undefined) {
        const filters = configs.map((config, index) => linkOne(config, firstSlot + index));
        const entries = filters.filter((_, index) => configs[index]?.yields !== true);
        const yielding = filters.filter((_, index) => configs[index]?.yields === true);
        list = { own: inOrder(entries), entries, yielding, merged: new Map() };
        linker.slotCount = Math.max(linker.slotCount, firstSlot + configs.length);
        linked.set(configs, list);
      }
      return list;
    },
  };
  return linker;
}

/** Most listeners have none that yield: the route's list is then all there is. */
function routeFilters(
  linker: FilterLinker,
  listener: readonly FilterConfig[],
  route: readonly FilterConfig[],
): readonly Filter[] {
  const { yielding, merged } = linker.listOf(listener);
  const { own, entries } = linker.listOf(route);
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

/** Everything that the snapshot names, so that what can't be linked is found now. */
function linkFilters(linker: FilterLinker, { snapshot }: NamedSnapshot): void {
  for (const listener of snapshot.listeners) linker.listOf(listener.filters);
  linker.beginStage();
  for (const listener of snapshot.listeners)
    for (const host of listener.virtualHosts)
      for (const route of host.routes) linker.listOf(route.filters);
}

/** Requests of the proxy's own go to endpoints of the snapshot's clusters, as those of clients do. */
function callOf(clusters: ReadonlyMap<string, LinkedCluster>, host: Host): LinkContext['call'] {
  return async (name, request) => {
    const linked = clusters.get(name);
    const isOriginal = linked?.cluster.discovery === 'original';
    const endpoint = isOriginal ? undefined : linked?.balancing.pick(NO_ENDPOINTS);
    if (linked === undefined || (endpoint === undefined && !isOriginal))
      throw new Error(`no endpoint of ${name} is healthy`);
    const scheme = linked.cluster.tls === undefined ? 'http' : 'https';
    if (endpoint !== undefined) linked.balancing.begin(endpoint);
    try {
      return await host.dial({ ...request, endpoint, scheme });
    } finally {
      if (endpoint !== undefined) linked.balancing.end(endpoint);
    }
  };
}

/** @throws LinkError when anything can't be linked: nothing of it is used then. */
export function link(
  named: NamedSnapshot,
  endpoints: EndpointOverlay,
  keys: KeyOverlay,
  options: LinkOptions,
): LinkedSnapshot {
  const { snapshot } = named;
  if (snapshot.format !== 1)
    throw new LinkError(`snapshot format ${String(snapshot.format)} is not known, want 1`);
  try {
    const clusters = new Map(
      snapshot.clusters.map((cluster): [string, LinkedCluster] => [
        cluster.name,
        {
          cluster,
          balancing: linkBalancer(
            cluster,
            endpoints.clusters[cluster.name] ?? NO_ENDPOINTS,
            options.host.random,
          ),
        },
      ]),
    );
    const linker = createFilterLinker(named, keys, options, callOf(clusters, options.host));
    linkFilters(linker, named);
    return {
      pointer: { snapshot: named.version, endpoints: endpoints.version, keys: keys.version },
      named,
      listeners: linkListeners(snapshot.listeners),
      clusters,
      emptySlots: Array.from({ length: linker.slotCount }, () => undefined),
      filtersOf: (configs) => linker.listOf(configs).own,
      routeFiltersOf: (listener, route) => routeFilters(linker, listener, route),
    };
  } catch (error) {
    if (error instanceof LinkError) throw error;
    throw new LinkError(
      `snapshot ${named.version} can't be linked: ${error instanceof Error ? error.message : 'unknown fault'}`,
      error,
    );
  }
}
