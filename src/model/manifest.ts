/**
 * How a snapshot travels: a small manifest that names parts, each canonical JSON under its own hash.
 * What changed is a part or two and the manifest; what didn't is at the gateway already.
 */
import type {
  Cluster,
  Endpoint,
  FilterConfig,
  Listener,
  Route,
  Snapshot,
  VirtualHost,
} from './snapshot.ts';

/** Name of a part: the hash of its canonical JSON, which is a list. */
export type PartName = string;

/** A snapshot's version is the hash of the canonical JSON of its manifest. */
export interface Manifest extends Pick<Snapshot, 'format' | 'scope' | 'mesh'> {
  readonly listeners: readonly ListenerHead[];
  /** Lists of clusters. */
  readonly clusters: readonly PartName[];
}

export interface ListenerHead extends Omit<Listener, 'filters' | 'virtualHosts'> {
  /** A list of filters; absent = none. */
  readonly filters?: PartName;
  /** Lists of virtual hosts. */
  readonly virtualHosts: readonly PartName[];
  /** Virtual hosts of many routes; they come behind the others. */
  readonly largeHosts?: readonly LargeHost[];
}

export interface LargeHost extends Omit<VirtualHost, 'routes'> {
  /** Lists of routes, in their order. */
  readonly routes: readonly PartName[];
}

/** The version of an endpoint overlay is the hash of the canonical JSON of this. */
export interface EndpointManifest {
  /** Lists of clusters' names with their endpoints. */
  readonly parts: readonly PartName[];
}

export type ClusterEndpoints = readonly [cluster: string, endpoints: readonly Endpoint[]];

/** What stands in a part, told by who names it. */
export type PartItem = VirtualHost | Route | Cluster | FilterConfig | ClusterEndpoints;

/** Parts by name, parsed. */
export type PartTable = ReadonlyMap<PartName, readonly PartItem[]>;

/** Text under its hash. It is made when asked for, so that nobody keeps the text of what is stored already. */
export interface Blob {
  readonly name: string;
  text(): string;
}
