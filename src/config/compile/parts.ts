/** A snapshot and its endpoints as they travel: parts under their hashes, and manifests that name them. */
import { canonicalJson } from '../../lib/canonical-json.ts';
import { hashName } from '../../lib/hash.ts';
import type {
  Blob,
  ClusterEndpoints,
  EndpointManifest,
  LargeHost,
  ListenerHead,
  Manifest,
  PartItem,
} from '../../model/manifest.ts';
import type {
  Cluster,
  EndpointOverlay,
  FilterConfig,
  Listener,
  NamedSnapshot,
  Route,
  Snapshot,
  VirtualHost,
} from '../../model/snapshot.ts';
import type { ChunkList, ChunkRule } from './chunks.ts';
import { Chunk, chunksByName, chunksInOrder } from './chunks.ts';

/** A host with more routes travels by its routes. With some 500 bytes a route, a part has some tens of KB. */
const MAX_ROUTES = 64;

const HOSTS: ChunkRule<VirtualHost> = {
  nameOf: ({ name }) => name,
  weightOf: ({ routes }) => Math.max(1, routes.length),
  limit: MAX_ROUTES,
};
const ROUTES = { limit: MAX_ROUTES, groupOf: ({ origin }: Route) => origin.resource };
const CLUSTERS: ChunkRule<Cluster> = { nameOf: ({ name }) => name, weightOf: () => 1, limit: 128 };
const ENDPOINTS: ChunkRule<ClusterEndpoints> = {
  nameOf: ([name]) => name,
  weightOf: ([, endpoints]) => Math.max(1, endpoints.length),
  limit: 256,
};

export interface Packed {
  /** Virtual hosts and clusters stand in the order of their parts. */
  readonly named: NamedSnapshot;
  readonly endpoints: EndpointOverlay;
  /** All that has to be stored before anybody is told the versions: parts and manifests. */
  readonly blobs: readonly Blob[];
}

function manifestBlob(manifest: Manifest | EndpointManifest): Blob {
  const text = canonicalJson(manifest);
  return { name: hashName(text), text: () => text };
}

/** Splits one snapshot after the other of one scope; what is the same object as in the one before is not looked at again. */
export class Packer {
  #before = new Map<string, ChunkList<PartItem>>();
  #lists = new Map<string, ChunkList<PartItem>>();
  #filtersBefore = new Map<readonly FilterConfig[], Chunk<FilterConfig>>();
  #filters = new Map<readonly FilterConfig[], Chunk<FilterConfig>>();
  #endpoints: Packed['endpoints'] | undefined;
  #blobs = new Map<string, Blob>();

  /** Pure but for what it remembers: the same input gives the same output, whatever was packed before. */
  pack(snapshot: Snapshot, endpoints: readonly ClusterEndpoints[]): Packed {
    this.#before = this.#lists;
    this.#lists = new Map();
    this.#filtersBefore = this.#filters;
    this.#filters = new Map();
    this.#blobs = new Map();
    const listeners = snapshot.listeners.map((listener) => this.#listener(listener));
    const clusters = this.#byName('clusters', snapshot.clusters, CLUSTERS);
    const manifest = manifestBlob({
      format: snapshot.format,
      scope: snapshot.scope,
      mesh: snapshot.mesh,
      listeners: listeners.map(({ head }) => head),
      clusters: clusters.map(({ name }) => name),
    });
    const members = this.#byName('endpoints', endpoints, ENDPOINTS);
    const overlay = manifestBlob({ parts: members.map(({ name }) => name) });
    if (this.#endpoints?.version !== overlay.name)
      this.#endpoints = { version: overlay.name, clusters: Object.fromEntries(endpoints) };
    return {
      named: {
        version: manifest.name,
        snapshot: {
          ...snapshot,
          listeners: listeners.map(({ listener }) => listener),
          clusters: clusters.flatMap(({ items }) => items),
        },
      },
      endpoints: this.#endpoints,
      blobs: [...this.#blobs.values(), manifest, overlay],
    };
  }

  #listener(listener: Listener): { readonly head: ListenerHead; readonly listener: Listener } {
    const { filters, virtualHosts, ...rest } = listener;
    const isLarge = ({ routes }: VirtualHost): boolean => routes.length > MAX_ROUTES;
    const small = virtualHosts.filter((host) => !isLarge(host));
    const large = virtualHosts.filter(isLarge);
    const hosts = this.#byName(`hosts ${listener.name}`, small, HOSTS);
    const heads = large.map(({ routes, ...host }): LargeHost => ({
      ...host,
      routes: this.#inOrder(`routes ${listener.name} ${host.name}`, routes),
    }));
    const filterPart = filters.length === 0 ? undefined : this.#filterPart(filters);
    return {
      head: {
        ...rest,
        ...(filterPart === undefined ? {} : { filters: filterPart.name }),
        virtualHosts: hosts.map(({ name }) => name),
        ...(heads.length === 0 ? {} : { largeHosts: heads }),
      },
      listener: { ...listener, virtualHosts: [...hosts.flatMap(({ items }) => items), ...large] },
    };
  }

  /** Listeners share their workload's filters. */
  #filterPart(filters: readonly FilterConfig[]): Chunk<FilterConfig> {
    const chunk =
      this.#filters.get(filters) ?? this.#filtersBefore.get(filters) ?? new Chunk(filters);
    this.#filters.set(filters, chunk);
    this.#keep([chunk]);
    return chunk;
  }

  #byName<Item extends PartItem>(
    place: string,
    items: readonly Item[],
    rule: ChunkRule<Item>,
  ): readonly Chunk<Item>[] {
    const before = this.#before.get(place) as ReturnType<typeof chunksByName<Item>> | undefined;
    const list = chunksByName(items, rule, before);
    this.#lists.set(place, list);
    return this.#keep(list.chunks);
  }

  #inOrder(place: string, routes: readonly Route[]): readonly string[] {
    const list = chunksInOrder(routes, ROUTES, this.#before.get(place) as ChunkList<Route>);
    this.#lists.set(place, list);
    return this.#keep(list.chunks).map(({ name }) => name);
  }

  #keep<Item>(chunks: readonly Chunk<Item>[]): readonly Chunk<Item>[] {
    for (const chunk of chunks) this.#blobs.set(chunk.name, chunk);
    return chunks;
  }
}
