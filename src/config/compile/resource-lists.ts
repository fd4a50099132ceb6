/** Resources by kind, oldest first. A list whose resources are the same objects as before is the same list. */
import type { Resource } from '../../model/api.ts';
import { API_GROUP } from '../gateway-api/words.ts';
import { byAge } from './names.ts';

/** The Gateway API refers to none of these. */
const NOT_FOR_API = new Set([
  'AuthorizationPolicy',
  'DestinationRule',
  'EndpointSlice',
  'EnvoyFilter',
  'PeerAuthentication',
  'RequestAuthentication',
  'Sidecar',
  'Telemetry',
  'VirtualService',
  'WorkloadEntry',
]);

const EMPTY: readonly Resource[] = [];

/** Two APIs have a Gateway. */
const keyOf = ({ group, kind }: Resource): string =>
  group === API_GROUP ? `${group}/${kind}` : kind;

/** Sorts in what was added; both lists are sorted. */
function merge(sorted: readonly Resource[], added: readonly Resource[]): readonly Resource[] {
  const merged: Resource[] = [];
  let next = 0;
  for (const resource of sorted) {
    while (next < added.length && byAge(added[next] as Resource, resource) < 0)
      merged.push(added[next++] as Resource);
    merged.push(resource);
  }
  return [...merged, ...added.slice(next)];
}

export class ResourceLists {
  #all: ReadonlySet<Resource> = new Set();
  #byKind = new Map<string, readonly Resource[]>();
  #forApi = EMPTY;

  update(resources: readonly Resource[]): void {
    const all = new Set(resources);
    const added = [...all].filter((resource) => !this.#all.has(resource));
    const removed = new Set([...this.#all].filter((resource) => !all.has(resource)));
    this.#all = all;
    if (added.length === 0 && removed.size === 0) return;
    const addedByKind = Map.groupBy(added, keyOf);
    const touched = new Set([...addedByKind.keys(), ...[...removed].map(keyOf)]);
    for (const kind of touched) {
      const kept = (this.#byKind.get(kind) ?? EMPTY).filter((one) => !removed.has(one));
      this.#byKind.set(kind, merge(kept, (addedByKind.get(kind) ?? []).sort(byAge)));
    }
    if ([...touched].some((kind) => !NOT_FOR_API.has(kind))) this.#forApi = this.#findForApi();
  }

  of<Spec>(kind: string): readonly Resource<Spec>[] {
    return (this.#byKind.get(kind) ?? EMPTY) as readonly Resource<Spec>[];
  }

  /** All that the Gateway API may refer to; none where nobody uses it. */
  forApi(): readonly Resource[] {
    return this.#forApi;
  }

  #findForApi(): readonly Resource[] {
    const isUsed = [...this.#byKind].some(
      ([kind, list]) => kind.startsWith(`${API_GROUP}/`) && list.length > 0,
    );
    if (!isUsed) return EMPTY;
    return [...this.#byKind].flatMap(([kind, list]) => (NOT_FOR_API.has(kind) ? [] : list));
  }
}
