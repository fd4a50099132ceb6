/** Where parts of stored resources stand in the files that they were applied from. */
import { placeIn } from '../src/config/source-map.ts';
import type { Place } from '../src/model/diagnostic.ts';
import type { Origin } from '../src/model/snapshot.ts';
import type { Store } from '../src/model/store.ts';
import type { Inventory } from './inventory.ts';
import { keyOf, nameOf, readSourceMap } from './resources.ts';

/** Undefined = the resource is gone, or was applied without a file. */
export type FindPlace = (origin: Origin) => Promise<Place | undefined>;

/** Of the newest revision. Kinds of two groups may share a name: the one that has such a path is meant. */
export function createPlaces(store: Store, inventory: Inventory): FindPlace {
  return async ({ resource: name, path }) => {
    const { resources } = await inventory.current();
    let nearest: Place | undefined;
    for (const resource of resources) {
      if (nameOf(resource) !== name) continue;
      const record = await store.get(keyOf(resource));
      const map = record === undefined ? undefined : readSourceMap(record.value);
      if (map === undefined) continue;
      const place = placeIn(map, path);
      if (path in map.places) return place;
      nearest ??= place;
    }
    return nearest;
  };
}
