/** The resources of the newest revision. One that nobody changed is the same object as before, so that compile knows it again. */
import type { Resource } from '../src/model/api.ts';
import type { Store } from '../src/model/store.ts';
import { RESOURCE_PREFIX, readResource } from './resources.ts';

export interface Stock {
  readonly revision: number;
  /** By their keys in the store; the same list as long as none of them changed. */
  readonly resources: readonly Resource[];
}

export interface Inventory {
  current(): Promise<Stock>;
}

/** Behind by more changes, all of it is listed. */
const MAX_EVENTS = 1000;

interface Item {
  readonly key: string;
  readonly revision: number;
  readonly resource: Resource;
}

const parse = (key: string, value: string, revision: number): Item => ({
  key,
  revision,
  resource: readResource(value, revision),
});

class StoreInventory implements Inventory {
  readonly #store: Store;
  #items: ReadonlyMap<string, Item> = new Map();
  #stock: Stock | undefined;
  #running: { readonly revision: number; readonly work: Promise<Stock> } | undefined;

  constructor(store: Store) {
    this.#store = store;
  }

  async current(): Promise<Stock> {
    const revision = await this.#store.revision();
    if (this.#stock?.revision === revision) return this.#stock;
    if (this.#running?.revision !== revision) this.#running = { revision, work: this.#read() };
    return this.#running.work;
  }

  async #read(): Promise<Stock> {
    const read = (await this.#follow()) ?? (await this.#list());
    // One that began earlier may end later.
    if (this.#stock !== undefined && this.#stock.revision > read.revision) return this.#stock;
    const before = read.items === this.#items ? this.#stock?.resources : undefined;
    this.#items = read.items;
    this.#stock = {
      revision: read.revision,
      resources: before ?? [...read.items.values()].map(({ resource }) => resource),
    };
    return this.#stock;
  }

  /** What has changed since; undefined = too much, or nobody knows any more. */
  async #follow(): Promise<{ revision: number; items: ReadonlyMap<string, Item> } | undefined> {
    const from = this.#stock?.revision;
    if (from === undefined) return undefined;
    const items = new Map(this.#items);
    const { compacted, events } = await this.#store.eventsAfter(from, MAX_EVENTS);
    const last = events.at(-1);
    if (compacted || last === undefined || events.length === MAX_EVENTS) return undefined;
    let isGrown = false;
    let isChanged = false;
    for (const { key, op, value, revision } of events) {
      if (!key.startsWith(RESOURCE_PREFIX)) continue;
      isChanged = true;
      if (op === 'delete' || value === undefined) items.delete(key);
      else {
        isGrown ||= !items.has(key);
        items.set(key, parse(key, value, revision));
      }
    }
    // Certificates and tokens are revisions too, and more of them than of resources.
    if (!isChanged) return { revision: last.revision, items: this.#items };
    const byKey = ([a]: readonly [string, Item], [b]: readonly [string, Item]): number =>
      a < b ? -1 : 1;
    return { revision: last.revision, items: isGrown ? new Map([...items].sort(byKey)) : items };
  }

  async #list(): Promise<{ revision: number; items: ReadonlyMap<string, Item> }> {
    const { revision, records } = await this.#store.list(RESOURCE_PREFIX);
    const items = records.map((record): [string, Item] => {
      const known = this.#items.get(record.key);
      const isSame = known?.revision === record.revision;
      return [record.key, isSame ? known : parse(record.key, record.value, record.revision)];
    });
    return { revision, items: new Map(items) };
  }
}

export function createInventory(store: Store): Inventory {
  return new StoreInventory(store);
}
