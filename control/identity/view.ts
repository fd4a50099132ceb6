/** The authority's records as of the newest revision; the same object as long as none of them changed. */
import type { Store } from '../../src/model/store.ts';
import type {
  AuthorityState,
  Denied,
  Federation,
  Generation,
  Pending,
  TokenKey,
} from './records.ts';
import {
  CA_PREFIX,
  DENIED_IDENTITY_PREFIX,
  DENIED_SERIAL_PREFIX,
  FEDERATION_PREFIX,
  GENERATION_PREFIX,
  PENDING_KEY,
  STATE_KEY,
  TOKEN_KEY_PREFIX,
} from './records.ts';

export interface View {
  /** Undefined = no authority was set up. */
  readonly state: AuthorityState | undefined;
  /** Of the state's record, to change it by; 0 = there is none. */
  readonly stateRevision: number;
  readonly generations: ReadonlyMap<number, Generation>;
  readonly pending: Pending | undefined;
  /** By serial and by identity. */
  readonly serials: ReadonlyMap<string, Denied>;
  readonly identities: ReadonlyMap<string, Denied>;
  /** The oldest first. */
  readonly tokenKeys: readonly TokenKey[];
  readonly federations: ReadonlyMap<string, Federation>;
  /** Grows with every change of them. */
  readonly sequence: number;
}

export interface Views {
  current(): Promise<View>;
}

/** Behind by more changes, all of it is listed. */
const MAX_EVENTS = 1000;

type Parts = ReadonlyMap<string, { readonly value: string; readonly revision: number }>;

function under<T>(parts: Parts, prefix: string): readonly T[] {
  return [...parts]
    .filter(([key]) => key.startsWith(prefix))
    .map(([, { value }]) => JSON.parse(value) as T);
}

function one<T>(parts: Parts, key: string): T | undefined {
  const found = parts.get(key);
  return found === undefined ? undefined : (JSON.parse(found.value) as T);
}

function viewOf(parts: Parts, sequence: number): View {
  const byName = (list: readonly Denied[]) => new Map(list.map((entry) => [entry.name, entry]));
  return {
    state: one<AuthorityState>(parts, STATE_KEY),
    stateRevision: parts.get(STATE_KEY)?.revision ?? 0,
    generations: new Map(
      under<Generation>(parts, GENERATION_PREFIX).map((entry) => [entry.generation, entry]),
    ),
    pending: one<Pending>(parts, PENDING_KEY),
    serials: byName(under(parts, DENIED_SERIAL_PREFIX)),
    identities: byName(under(parts, DENIED_IDENTITY_PREFIX)),
    tokenKeys: under<TokenKey>(parts, TOKEN_KEY_PREFIX).toSorted((a, b) => a.activeMs - b.activeMs),
    federations: new Map(
      under<Federation>(parts, FEDERATION_PREFIX).map((entry) => [entry.trustDomain, entry]),
    ),
    sequence,
  };
}

class StoreViews implements Views {
  readonly #store: Store;
  #known: { readonly revision: number; readonly view: View } | undefined;
  #running: { readonly revision: number; readonly work: Promise<View> } | undefined;

  constructor(store: Store) {
    this.#store = store;
  }

  async current(): Promise<View> {
    const revision = await this.#store.revision();
    if (this.#known?.revision === revision) return this.#known.view;
    if (this.#running?.revision !== revision)
      this.#running = { revision, work: this.#read(revision) };
    return this.#running.work;
  }

  async #read(revision: number): Promise<View> {
    const before = this.#known;
    if (before !== undefined && (await this.#isSame(before.revision))) {
      this.#keep(revision, before.view);
      return before.view;
    }
    const listed = await this.#store.list(CA_PREFIX);
    const view = viewOf(
      new Map(listed.records.map((record) => [record.key, record])),
      listed.revision,
    );
    this.#keep(listed.revision, view);
    return view;
  }

  /** Nothing of it was changed since. */
  async #isSame(since: number): Promise<boolean> {
    const { compacted, events } = await this.#store.eventsAfter(since, MAX_EVENTS);
    return (
      !compacted &&
      events.length < MAX_EVENTS &&
      events.every(({ key }) => !key.startsWith(CA_PREFIX))
    );
  }

  /** One that began earlier may end later. */
  #keep(revision: number, view: View): void {
    if (this.#known === undefined || this.#known.revision <= revision)
      this.#known = { revision, view };
  }
}

export function createViews(store: Store): Views {
  return new StoreViews(store);
}
