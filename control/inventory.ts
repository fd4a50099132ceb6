/** The resources of a revision, parsed once for all who ask. */
import type { Resource } from '../src/model/api.ts';
import type { Store } from '../src/model/store.ts';
import { RESOURCE_PREFIX, withRevision } from './resources.ts';

export interface Stock {
  readonly revision: number;
  readonly resources: readonly Resource[];
}

export interface Inventory {
  current(): Promise<Stock>;
}

export function createInventory(store: Store): Inventory {
  let stock: Stock | undefined;
  let running: { readonly revision: number; readonly work: Promise<Stock> } | undefined;
  const read = async (): Promise<Stock> => {
    const { revision, records } = await store.list(RESOURCE_PREFIX);
    const resources = records.map((record) =>
      withRevision(JSON.parse(record.value) as Resource, record.revision),
    );
    stock = { revision, resources };
    return stock;
  };
  return {
    async current() {
      const revision = await store.revision();
      if (stock?.revision === revision) return stock;
      if (running?.revision !== revision) running = { revision, work: read() };
      return running.work;
    },
  };
}
