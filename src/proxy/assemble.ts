/** Manifests and parts, as they travel, to the snapshot and endpoints that are linked. The same part gives the same objects. */
import type {
  ClusterEndpoints,
  EndpointManifest,
  ListenerHead,
  Manifest,
  PartItem,
  PartName,
  PartTable,
} from '../model/manifest.ts';
import type {
  Cluster,
  EndpointOverlay,
  FilterConfig,
  Listener,
  NamedSnapshot,
  Route,
  VirtualHost,
} from '../model/snapshot.ts';

const NO_FILTERS: readonly FilterConfig[] = [];

/** Every part that a manifest names, each once. */
export function partNames(manifest: Manifest): ReadonlySet<PartName> {
  const names = new Set(manifest.clusters);
  for (const { filters, virtualHosts, largeHosts = [] } of manifest.listeners) {
    if (filters !== undefined) names.add(filters);
    for (const name of virtualHosts) names.add(name);
    for (const { routes } of largeHosts) for (const name of routes) names.add(name);
  }
  return names;
}

function membersOf<Item extends PartItem>(
  names: readonly PartName[],
  parts: PartTable,
): readonly Item[] {
  return names.flatMap((name) => {
    const part = parts.get(name);
    if (part === undefined) throw new Error(`part ${name} is missing`);
    return part as readonly Item[];
  });
}

/** What was assembled before, and from what. */
export interface Assembled {
  readonly manifest: Manifest;
  readonly named: NamedSnapshot;
}

type LargeHosts = ReadonlyMap<string, VirtualHost>;

/** Those that were made of the same routes, in the same order, and say the same of themselves. */
function largeHostsOf({ manifest, named }: Assembled): LargeHosts {
  return new Map(
    manifest.listeners.flatMap(({ largeHosts = [] }, index) => {
      const hosts = named.snapshot.listeners[index]?.virtualHosts ?? [];
      // They stand behind the others.
      const large = hosts.slice(hosts.length - largeHosts.length);
      return large.map((host, place) => [JSON.stringify(largeHosts[place]), host] as const);
    }),
  );
}

function listenerOf(head: ListenerHead, parts: PartTable, known: LargeHosts): Listener {
  const { filters, virtualHosts, largeHosts = [], ...rest } = head;
  const large = largeHosts.map((largeHead): VirtualHost => {
    const { routes, ...host } = largeHead;
    return (
      known.get(JSON.stringify(largeHead)) ?? { ...host, routes: membersOf<Route>(routes, parts) }
    );
  });
  return {
    ...rest,
    filters:
      filters === undefined
        ? NO_FILTERS
        : ((parts.get(filters) ?? membersOf([filters], parts)) as readonly FilterConfig[]),
    virtualHosts: [...membersOf<VirtualHost>(virtualHosts, parts), ...large],
  };
}

/**
 * Hosts of many routes that are the same in `before` are the same objects.
 * @throws Error when a part is missing
 */
export function assembleSnapshot(
  version: string,
  manifest: Manifest,
  parts: PartTable,
  before?: Assembled,
): NamedSnapshot {
  const { format, scope, mesh } = manifest;
  const known = before === undefined ? new Map() : largeHostsOf(before);
  const listeners = manifest.listeners.map((head) => listenerOf(head, parts, known));
  const clusters = membersOf<Cluster>(manifest.clusters, parts);
  return { version, snapshot: { format, scope, mesh, listeners, clusters } };
}

/** @throws Error when a part is missing */
export function assembleEndpoints(
  version: string,
  manifest: EndpointManifest,
  parts: PartTable,
): EndpointOverlay {
  return {
    version,
    clusters: Object.fromEntries(membersOf<ClusterEndpoints>(manifest.parts, parts)),
  };
}
