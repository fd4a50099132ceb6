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
  /** Filters of a list of configs, in phase order; the same list gives the same filters. */
  filtersOf(configs: readonly FilterConfig[]): readonly Filter[];
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
const NO_ENDPOINTS: readonly Endpoint[] = [];

interface FilterLinker {
  /** One more than the highest slot given. */
  slotCount: number;
  /** Lists linked from now on may meet those before in one request: they get slots of their own. */
  beginStage(): void;
  filtersOf(configs: readonly FilterConfig[]): readonly Filter[];
}

/** Slots are counted by place in a list and not over the snapshot: one request meets few filters of thousands. */
function createFilterLinker(
  named: NamedSnapshot,
  keys: KeyOverlay,
  options: LinkOptions,
  call: LinkContext['call'],
): FilterLinker {
  const byKind = new Map(options.filters.map((filter) => [filter.kind, filter]));
  const linked = new Map<readonly FilterConfig[], readonly Filter[]>();
  let firstSlot = 0;
  const linkOne = (
    { kind, config }: FilterConfig,
    slot: number,
  ): { phase: number; filter: Filter } => {
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
    return { phase: PHASES.indexOf(policy.phase), filter };
  };
  const linker: FilterLinker = {
    slotCount: 0,
    beginStage() {
      firstSlot = linker.slotCount;
    },
    filtersOf(configs) {
      if (configs.length === 0) return NONE;
      let filters = linked.get(configs);
      if (filters === undefined) {
        filters = configs
          .map((config, index) => linkOne(config, firstSlot + index))
          .sort((a, b) => a.phase - b.phase)
          .map(({ filter }) => filter);
        linker.slotCount = Math.max(linker.slotCount, firstSlot + configs.length);
        linked.set(configs, filters);
      }
      return filters;
    },
  };
  return linker;
}

/** Everything that the snapshot names, so that what can't be linked is found now. */
function linkFilters(linker: FilterLinker, { snapshot }: NamedSnapshot): void {
  for (const listener of snapshot.listeners) linker.filtersOf(listener.filters);
  linker.beginStage();
  for (const listener of snapshot.listeners)
    for (const host of listener.virtualHosts)
      for (const route of host.routes) linker.filtersOf(route.filters);
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
      filtersOf: (configs) => linker.filtersOf(configs),
    };
  } catch (error) {
    if (error instanceof LinkError) throw error;
    throw new LinkError(
      `snapshot ${named.version} can't be linked: ${error instanceof Error ? error.message : 'unknown fault'}`,
      error,
    );
  }
}
