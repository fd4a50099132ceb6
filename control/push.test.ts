import { expect, it } from 'vitest';
import type { ProxyScope } from '../src/model/snapshot.ts';
import type { StoreChange } from '../src/model/store.ts';
import { createInventory } from './inventory.ts';
import { createPush } from './push.ts';
import { RESOURCE_PREFIX } from './resources.ts';
import { createMemoryBlobs, createMemoryStore } from './store/memory.ts';

const scope: ProxyScope = { type: 'sidecar-outbound', namespace: 'default', name: 'a', labels: {} };
const service: StoreChange = {
  op: 'put',
  key: `${RESOURCE_PREFIX}core/Service/default/cart`,
  value: JSON.stringify({
    group: '',
    version: 'v1',
    kind: 'Service',
    metadata: { name: 'cart', namespace: 'default' },
    spec: { ports: [{ name: 'http', port: 80 }] },
  }),
};
const keys = {
  of: () => undefined,
  ensure: () => Promise.resolve(),
  refresh: () => Promise.resolve(),
  generation: 0,
};

it('previews what a proxy would be sent, writes nothing, and makes it once', async () => {
  const store = createMemoryStore();
  await store.commit([service], { actor: 'test', message: '', atMs: 0 });
  const blobs = createMemoryBlobs();
  const push = createPush({ inventory: createInventory(store), blobs, keys });
  const { named } = await push.preview(scope);
  expect(await blobs.get(named.version)).toBeUndefined();
  const again = await push.preview({ ...scope, labels: {} });
  expect(again.named.snapshot.clusters[0]).toBe(named.snapshot.clusters[0]);
  expect((await push.compiledFor(scope)).pointer.snapshot).toBe(named.version);
  expect(await blobs.get(named.version)).toBeDefined();
});
