import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Resource } from '../src/model/api.ts';
import type { Store, StoreChange } from '../src/model/store.ts';
import { createInventory } from './inventory.ts';
import { RESOURCE_PREFIX, readResource } from './resources.ts';
import { createMemoryStore } from './store/memory.ts';
import { openSqlite } from './store/sqlite.ts';
import { createSqlStore } from './store/sql.ts';

const by = { actor: 'test', message: '', atMs: 0 };
const put = (name: string, value: number): StoreChange => ({
  op: 'put',
  key: `${RESOURCE_PREFIX}core/Service/default/${name}`,
  value: JSON.stringify({ kind: 'Service', metadata: { name, namespace: 'default' }, spec: value }),
});
const nameOf = ({ metadata }: Resource): string => metadata.name;

const edit = fc.oneof(
  fc.tuple(fc.constantFrom('a', 'b', 'c', 'd'), fc.nat(3)).map(([name, value]) => put(name, value)),
  fc
    .constantFrom('a', 'b', 'c', 'd')
    .map((name): StoreChange => ({ op: 'delete', key: put(name, 0).key })),
  fc.constant<StoreChange>({ op: 'put', key: 't/token', value: '{}' }),
);
/** Some revisions are never looked at, and history may be dropped. */
const steps = fc.array(
  fc.record({
    edits: fc.array(edit, { minLength: 1, maxLength: 3 }),
    looks: fc.boolean(),
    compacts: fc.boolean(),
  }),
  { maxLength: 12 },
);

describe.each([
  ['memory', createMemoryStore],
  ['sqlite', () => createSqlStore(openSqlite(':memory:'))],
] as const)('inventory over %s', (_name, make) => {
  it('holds what the store holds, in its order, whatever has happened since it was read', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (list) => {
        const store: Store = make();
        const inventory = createInventory(store);
        for (const { edits, looks, compacts } of list) {
          await store.commit(edits, by);
          if (compacts) await store.compact(await store.revision());
          if (!looks) continue;
          const { revision, resources } = await inventory.current();
          expect(revision).toBe(await store.revision());
          const { records } = await store.list(RESOURCE_PREFIX);
          expect(resources).toEqual(
            records.map(({ value, revision: changed }) => readResource(value, changed)),
          );
        }
      }),
      { numRuns: 60 },
    );
  });

  it.each([false, true])(
    'keeps the objects that nobody changed, also when all is listed again (%s)',
    async (compacts) => {
      const store: Store = make();
      const inventory = createInventory(store);
      await store.commit([put('a', 1), put('b', 1)], by);
      const before = await inventory.current();
      await store.commit([put('b', 2), put('c', 1)], by);
      if (compacts) await store.compact(await store.revision());
      const after = await inventory.current();
      expect(after.resources.map(nameOf)).toEqual(['a', 'b', 'c']);
      expect(after.resources[0]).toBe(before.resources[0]);
      expect(after.resources[1]).not.toBe(before.resources[1]);
    },
  );
});
