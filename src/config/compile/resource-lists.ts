/** Resources by kind, oldest first. A list whose resources are the same objects as before is the same list. */
import type { Resource } from '../../model/api.ts';
import { API_GROUP } from '../gateway-api/words.ts';
import { byAge, sortByAge } from './names.ts';

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

/** Fewer than these are put in one by one. */
const FEW = 32;

function insert(sorted: Resource[], added: Resource): void {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (byAge(sorted[middle] as Resource, added) <= 0) low = middle + 1;
    else high = middle;
  }
  sorted.splice(low, 0, added);
}

function withAdded(sorted: Resource[], added: readonly Resource[]): readonly Resource[] {
  if (added.length > FEW) return sortByAge([...sorted, ...added]);
  for (const resource of added) insert(sorted, resource);
  return sorted;
}

interface Difference {
  readonly added: readonly Resource[];
  readonly removed: ReadonlySet<Resource>;
}

/** Most changes leave most places as they are, so only what lies between the first and the last difference is sorted out. */
function differenceOf(before: readonly Resource[], after: readonly Resource[]): Difference {
  let from = 0;
  const shorter = Math.min(before.length, after.length);
  while (from < shorter && before[from] === after[from]) from++;
  let end = 0;
  while (end < shorter - from && before[before.length - 1 - end] === after[after.length - 1 - end])
    end++;
  const old = new Set(before.slice(from, before.length - end));
  const added = new Set<Resource>();
  for (const resource of after.slice(from, after.length - end))
    if (!old.delete(resource)) added.add(resource);
  return { added: [...added], removed: old };
}

export class ResourceLists {
  #all = EMPTY;
  #byKind = new Map<string, readonly Resource[]>();
  #forApi = EMPTY;

  /** The same list again costs nothing. */
  update(resources: readonly Resource[]): void {
    if (this.#all === resources) return;
    const { added, removed } = differenceOf(this.#all, resources);
    this.#all = resources;
    if (added.length === 0 && removed.size === 0) return;
    const addedByKind = Map.groupBy(added, keyOf);
    const touched = new Set([...addedByKind.keys(), ...[...removed].map(keyOf)]);
    for (const kind of touched) {
      const kept = (this.#byKind.get(kind) ?? EMPTY).filter((one) => !removed.has(one));
      this.#byKind.set(kind, withAdded(kept, addedByKind.get(kind) ?? []));
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
