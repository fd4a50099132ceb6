/** All that one pointer stands for: manifests, their parts, and what was assembled from them. */
import type { EndpointManifest, Manifest, PartName, PartTable } from '../model/manifest.ts';
import type { EndpointOverlay, KeyOverlay, NamedSnapshot, Pointer } from '../model/snapshot.ts';
import { LinkError, assembleEndpoints, assembleSnapshot, partNames } from '../proxy/index.ts';
import { isRecord } from './pointer.ts';

export interface BundleHead {
  readonly pointer: Pointer;
  readonly manifest: Manifest;
  readonly endpointManifest: EndpointManifest;
  readonly keys: KeyOverlay;
}

export interface Bundle extends BundleHead {
  readonly named: NamedSnapshot;
  readonly endpoints: EndpointOverlay;
  /** Those that are named, and no others. */
  readonly parts: PartTable;
}

/** Some hundred times what a mesh of 10,000 hosts has. */
const MAX_PARTS = 50_000;

export function checkedManifest(version: string, value: unknown): Manifest {
  if (!isRecord(value)) throw new Error(`blob ${version} is no manifest`);
  const { format, listeners, clusters } = value;
  if (format !== 1) throw new LinkError(`snapshot format ${String(format)} is not known, want 1`);
  if (!Array.isArray(listeners) || !Array.isArray(clusters))
    throw new Error(`blob ${version} is no manifest`);
  return value as unknown as Manifest;
}

export function checkedEndpoints(version: string, value: unknown): EndpointManifest {
  if (!isRecord(value) || !Array.isArray(value['parts']))
    throw new Error(`blob ${version} is no list of endpoints`);
  return value as unknown as EndpointManifest;
}

/** @throws Error when there are more than any mesh has */
export function partsOf({ manifest, endpointManifest }: BundleHead): readonly PartName[] {
  const names = [...partNames(manifest), ...endpointManifest.parts];
  if (names.length > MAX_PARTS)
    throw new Error(`a snapshot of ${names.length} parts is refused, at most ${MAX_PARTS}`);
  return names;
}

/** Parts of `known` are used again as they are, so that what was linked from them can be as well. */
export function assembleBundle(
  head: BundleHead,
  fetched: PartTable,
  known: Bundle | undefined,
): Bundle {
  const { pointer, manifest, endpointManifest } = head;
  const parts = new Map(
    partsOf(head).map((name) => [name, known?.parts.get(name) ?? fetched.get(name) ?? []]),
  );
  return {
    ...head,
    parts,
    named:
      known?.named.version === pointer.snapshot
        ? known.named
        : assembleSnapshot(pointer.snapshot, manifest, parts, known),
    endpoints:
      known?.endpoints.version === pointer.endpoints
        ? known.endpoints
        : assembleEndpoints(pointer.endpoints, endpointManifest, parts),
  };
}

/** Names of all that a pointer leads to, by its manifests. */
export function blobNames(
  pointer: Pointer,
  heads: Pick<BundleHead, 'manifest' | 'endpointManifest'>,
): ReadonlySet<string> {
  const { manifest, endpointManifest } = heads;
  return new Set([...Object.values(pointer), ...partNames(manifest), ...endpointManifest.parts]);
}
