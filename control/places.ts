/** Where parts of stored resources stand in the files that they were applied from. */
import { nearestPlace } from '../src/config/source-map.ts';
import type { Resource } from '../src/model/api.ts';
import type { SourceMap } from '../src/model/config.ts';
import type { Place } from '../src/model/diagnostic.ts';
import type { Origin } from '../src/model/snapshot.ts';
import type { Store } from '../src/model/store.ts';
import type { Inventory } from './inventory.ts';
import { keyOf, nameOf, readSourceMap } from './resources.ts';

/** Undefined = the resource is gone, or was applied without a file. */
export type FindPlace = (origin: Origin) => Promise<Place | undefined>;

async function readMaps(store: Store, resources: readonly Resource[]): Promise<SourceMap[]> {
  const records = await Promise.all(resources.map((resource) => store.get(keyOf(resource))));
  return records.flatMap((record) =>
    record === undefined ? [] : (readSourceMap(record.value) ?? []),
  );
}

/** Of the newest revision when first asked; for the findings of one answer, each text is read once. */
export function createPlaces(store: Store, inventory: Inventory): FindPlace {
  let known: Promise<ReadonlyMap<string, readonly Resource[]>> | undefined;
  const maps = new Map<string, Promise<readonly SourceMap[]>>();
  return async ({ resource: name, path }) => {
    known ??= inventory.current().then(({ resources }) => Map.groupBy(resources, nameOf));
    const named = (await known).get(name) ?? [];
    const read = maps.get(name) ?? readMaps(store, named);
    maps.set(name, read);
    return nearestPlace(await read, path);
  };
}
