/** What a proxy runs, read back from the blobs that its pointer leads to. */
import type { EndpointManifest, Manifest, PartItem } from '../model/manifest.ts';
import type { KeyOverlay, Pointer } from '../model/snapshot.ts';
import { assembleEndpoints, assembleSnapshot, partNames } from '../proxy/index.ts';
import type { RunningOptions } from './explain.ts';

type Running = Pick<RunningOptions, 'named' | 'endpoints' | 'keys'>;

/** Undefined = some of it is no longer kept. */
export async function readRunning(
  pointer: Pointer,
  read: (name: string) => Promise<string | undefined>,
): Promise<Running | undefined> {
  const heads = await Promise.all([
    read(pointer.snapshot),
    read(pointer.endpoints),
    read(pointer.keys),
  ]);
  const [snapshot, endpoints, keys] = heads;
  if (snapshot === undefined || endpoints === undefined || keys === undefined) return undefined;
  const manifest = JSON.parse(snapshot) as Manifest;
  const endpointManifest = JSON.parse(endpoints) as EndpointManifest;
  const parts = new Map<string, readonly PartItem[]>();
  for (const name of [...partNames(manifest), ...endpointManifest.parts]) {
    const text = await read(name);
    if (text === undefined) return undefined;
    parts.set(name, JSON.parse(text) as readonly PartItem[]);
  }
  const { sets } = JSON.parse(keys) as Pick<KeyOverlay, 'sets'>;
  return {
    named: assembleSnapshot(pointer.snapshot, manifest, parts),
    endpoints: assembleEndpoints(pointer.endpoints, endpointManifest, parts),
    keys: { version: pointer.keys, sets },
  };
}
