/** Linked filters by the lists of configs that they came in, and which of them a request meets where. */
import { canonicalJson } from '../lib/canonical-json.ts';
import type { Exchange } from '../model/exchange.ts';
import type { RequestIdentity } from '../model/identity.ts';
import type { Filter, LinkContext, PolicyFilter } from '../model/policy.ts';
import { PHASES } from '../model/policy.ts';
import type { FilterConfig } from '../model/snapshot.ts';
import { LinkError } from './link-error.ts';

const NONE: readonly Filter[] = [];
const NO_FILTERS: readonly FilterConfig[] = [];

interface LinkedFilter {
  readonly kind: string;
  readonly phase: number;
  readonly filter: Filter;
  /** Of one that says who asks: the same text, the same check. */
  readonly check?: string;
}

/** Those of one route, with what its listener yields to it. */
interface Merged {
  /** In phase order. */
  readonly all: readonly Filter[];
  /** Those that say who asks: AuthorizationPolicy judges by it, so they run before it. */
  readonly early: readonly LinkedFilter[];
  readonly late: readonly LinkedFilter[];
  /** The listener's own with the early ones, in phase order. */
  readonly front: readonly Filter[];
  readonly behind: readonly Filter[];
}

/** The filters of one list of configs. */
interface LinkedList {
  /** In phase order. */
  readonly own: readonly Filter[];
  /** Those of `own`, with their kinds. */
  readonly entries: readonly LinkedFilter[];
  readonly yielding: readonly LinkedFilter[];
  /** With those that yield here, by the route's list. */
  readonly merged: WeakMap<readonly FilterConfig[], Merged>;
}

/** By the list of configs that they were linked from. */
export type FilterLists = ReadonlyMap<readonly FilterConfig[], LinkedList>;

const NO_LIST: LinkedList = { own: NONE, entries: [], yielding: [], merged: new WeakMap() };

const AUTHZ = PHASES.indexOf('authz');
const isEarly = ({ phase }: LinkedFilter): boolean => phase < AUTHZ;

const AUTHN = PHASES.indexOf('authn');

const note = (by: string, phase: number): LinkedFilter => ({
  kind: '',
  phase,
  filter: noting(by),
});
const noted = (entry: LinkedFilter): readonly LinkedFilter[] => [
  entry,
  note(entry.check ?? '', entry.phase),
];

const inOrder = (filters: readonly LinkedFilter[]): readonly Filter[] =>
  [...filters].sort((a, b) => a.phase - b.phase).map(({ filter }) => filter);

/** A request meets the filters of one listener, then those of one route. */
type Stage = 'listener' | 'route';

/** By whose word `identity` is what it is. */
interface Told {
  readonly identity: RequestIdentity | undefined;
  /** Its check; '' = the listener's own. */
  readonly by: string;
}

const TOLD_SLOT = 0;
/** For each place in a list: of a listener, of a route, and of a route's early ones, since two routes may have a say. */
const SLOTS_OF_PLACE = 3;

function slotOf(index: number, stage: Stage, phase: number): number {
  const turn = stage === 'listener' ? 0 : phase < AUTHZ ? 2 : 1;
  return 1 + index * SLOTS_OF_PLACE + turn;
}

const toldBy = ({ slots }: Exchange): Told | undefined => slots[TOLD_SLOT] as Told | undefined;

/** Notes whether the filter before it has said who asks. */
const noting = (by: string): Filter => ({
  request(x) {
    if (x.identity !== toldBy(x)?.identity)
      x.slots[TOLD_SLOT] = { identity: x.identity, by } satisfies Told;
    return undefined;
  },
});

/** Who asks is no more who another route's check took them for. */
const forgetting = (checks: ReadonlySet<string | undefined>): Filter => ({
  request(x) {
    const told = toldBy(x);
    if (told !== undefined && told.by !== '' && !checks.has(told.by)) x.identity = undefined;
    return undefined;
  },
});

/** Judges once more, and sees the response only once. */
const anew = ({ filter, ...entry }: LinkedFilter): LinkedFilter => ({
  ...entry,
  filter: { request: (x) => filter.request?.(x) },
});

/** Links lists of filters, each once. */
export class FilterLinker {
  readonly lists: Map<readonly FilterConfig[], LinkedList> = new Map();
  slotCount = 0;
  readonly #policies: ReadonlyMap<string, PolicyFilter>;
  readonly #context: Omit<LinkContext, 'slot'>;
  readonly #before: FilterLists;

  constructor(
    policies: ReadonlyMap<string, PolicyFilter>,
    context: Omit<LinkContext, 'slot'>,
    before: FilterLists,
  ) {
    this.#policies = policies;
    this.#context = context;
    this.#before = before;
  }

  /** Whether it was worth a step: there are filters, and they weren't met before. */
  add(configs: readonly FilterConfig[], stage: Stage): boolean {
    if (configs.length === 0 || this.lists.has(configs)) return false;
    this.slotCount = Math.max(this.slotCount, 1 + configs.length * SLOTS_OF_PLACE);
    this.lists.set(configs, this.#before.get(configs) ?? this.#link(configs, stage));
    return true;
  }

  /** Does any filter of it, that isn't the listener's own, say who asks? */
  hasEarly(configs: readonly FilterConfig[], stage: Stage): boolean {
    const { entries, yielding } = listOf(this.lists, configs);
    return (stage === 'listener' ? yielding : entries).some((entry) => isEarly(entry));
  }

  /**
   * Slots are counted by place in a list and not over the snapshot: one request meets few filters of thousands. The
   * stages take turns, so that no slot depends on another list, and a list of the snapshot before keeps its own.
   */
  #link(configs: readonly FilterConfig[], stage: Stage): LinkedList {
    const filters = configs.map((config, index) => this.#linkOne(config, index, stage));
    const entries = filters.filter((_, index) => configs[index]?.yields !== true);
    const yielding = filters.filter((_, index) => configs[index]?.yields === true);
    return { own: inOrder(entries), entries, yielding, merged: new WeakMap() };
  }

  #linkOne({ kind, config }: FilterConfig, index: number, stage: Stage): LinkedFilter {
    const policy = this.#policies.get(kind);
    if (policy === undefined)
      throw new LinkError(`filter ${kind} is not part of this proxy: it must not run without it`);
    const phase = PHASES.indexOf(policy.phase);
    const slot = slotOf(index, stage, phase);
    const filter = policy.link(config, { ...this.#context, slot });
    return phase < AUTHZ
      ? { kind, phase, filter, check: canonicalJson([kind, config]) }
      : { kind, phase, filter };
  }
}

/** Running without filters that were given would let through what they refuse. */
function listOf(lists: FilterLists, configs: readonly FilterConfig[]): LinkedList {
  if (configs.length === 0) return NO_LIST;
  const list = lists.get(configs);
  if (list === undefined) throw new Error('filters that are not of this snapshot');
  return list;
}

/** Of a list of configs, in phase order, without those that yield. */
export const ownFilters = (
  lists: FilterLists,
  configs: readonly FilterConfig[],
): readonly Filter[] => listOf(lists, configs).own;

function mergedOf(
  lists: FilterLists,
  listener: readonly FilterConfig[],
  route: readonly FilterConfig[],
): Merged {
  const { yielding, merged, entries: ofListener } = listOf(lists, listener);
  const ofRoute = listOf(lists, route);
  const { entries } = ofRoute;
  const key = listener.length === 0 || entries.length === 0 ? NO_FILTERS : route;
  // Listeners without filters share an empty list: what is merged with it is the route's.
  const known = listener.length === 0 ? ofRoute.merged : merged;
  let found = known.get(key);
  if (found === undefined) {
    const kinds = new Set(entries.map(({ kind }) => kind));
    const all = [...yielding.filter(({ kind }) => !kinds.has(kind)), ...entries];
    const early = all.filter((entry) => isEarly(entry));
    const late = all.filter((entry) => !isEarly(entry));
    found = {
      all: inOrder(all),
      early,
      late,
      front: inOrder([...ofListener, note('', AUTHN), ...early.flatMap(noted)]),
      behind: inOrder(late),
    };
    known.set(key, found);
  }
  return found;
}

/** Most listeners have none that yield: the route's list is then all there is. */
export function routeFilters(
  lists: FilterLists,
  listener: readonly FilterConfig[],
  route: readonly FilterConfig[],
): readonly Filter[] {
  const { yielding } = listOf(lists, listener);
  return yielding.length === 0 ? listOf(lists, route).own : mergedOf(lists, listener, route).all;
}

/** What runs before the route is decided, by the route that the request takes as it came. */
export function frontFilters(
  lists: FilterLists,
  listener: readonly FilterConfig[],
  route: readonly FilterConfig[],
): readonly Filter[] {
  return mergedOf(lists, listener, route).front;
}

/**
 * What is left for behind the decision. Who asks may lead to another route than `first`: checks of that one which
 * weren't made then are made now, and what the listener judges by them is judged again, by their word.
 */
export function filtersBehind(
  lists: FilterLists,
  listener: readonly FilterConfig[],
  { first, route }: Readonly<Record<'first' | 'route', readonly FilterConfig[]>>,
): readonly Filter[] {
  const merged = mergedOf(lists, listener, route);
  if (first === route || merged.early.length === 0) return merged.behind;
  const made = new Set(mergedOf(lists, listener, first).early.map(({ check }) => check));
  const missing = merged.early.filter(({ check }) => !made.has(check));
  if (missing.length === 0) return merged.behind;
  const { entries } = listOf(lists, listener);
  const judging = entries.filter(({ phase }) => phase === AUTHZ).map((entry) => anew(entry));
  const own = new Set(merged.early.map(({ check }) => check));
  return [forgetting(own), ...inOrder([...missing, ...judging, ...merged.late])];
}
