import { expect, it } from 'vitest';
import type { StoreChange } from '../src/model/store.ts';
import { createInventory } from './inventory.ts';
import { createPlaces } from './places.ts';
import { RESOURCE_PREFIX } from './resources.ts';
import { createMemoryStore } from './store/memory.ts';

const COUNT = 300;

const put = (name: string): StoreChange => ({
  op: 'put',
  key: `${RESOURCE_PREFIX}core/Service/default/${name}`,
  value: JSON.stringify({
    group: '',
    kind: 'Service',
    metadata: { name, namespace: 'default' },
    spec: {},
    source: { file: `${name}.yaml`, places: { spec: [4, 1], 'spec.ports': [5, 3] } },
  }),
});

it('reads the text of a resource once, however many findings it has', async () => {
  const store = createMemoryStore();
  const names = Array.from({ length: COUNT }, (_, index) => `s${index}`);
  await store.commit(
    names.map((name) => put(name)),
    { actor: 'test', message: '', atMs: 0 },
  );
  const inventory = createInventory(store);
  await inventory.current();
  let reads = 0;
  let looks = 0;
  const placeOf = createPlaces(
    {
      ...store,
      get(key) {
        reads++;
        return store.get(key);
      },
    },
    {
      current() {
        looks++;
        return inventory.current();
      },
    },
  );
  const places = await Promise.all(
    names.flatMap((name) => [
      placeOf({ resource: `Service default/${name}`, path: 'spec.ports[0]' }),
      placeOf({ resource: `Service default/${name}`, path: 'spec' }),
    ]),
  );
  expect(places.slice(2, 4)).toEqual([
    { file: 's1.yaml', line: 5, column: 3 },
    { file: 's1.yaml', line: 4, column: 1 },
  ]);
  expect(await placeOf({ resource: 'Service default/gone', path: 'spec' })).toBeUndefined();
  expect({ reads, looks }).toEqual({ reads: COUNT, looks: 1 });
});
