import { expect, test } from 'vitest';
import { deliveryOf, packed } from '../../test/fixtures/delivery.ts';
import { listener, route, snapshot, virtualHost } from '../../test/fixtures/snapshots.ts';
import type { Bundle } from '../../src/delivery/bundle.ts';
import {
  assembleBundle,
  checkedEndpoints,
  checkedManifest,
  partsOf,
} from '../../src/delivery/bundle.ts';
import { createCachedLastGood } from './last-good.ts';

const scope = { type: 'gateway', namespace: 'edge', name: 'front', labels: {} } as const;
const HOSTS = 300;

/** Many hosts, of which one has a timeout of its own. */
function bundle(timeoutMs: number, known?: Bundle): Bundle {
  const hosts = Array.from({ length: HOSTS }, (_, index) => ({
    ...virtualHost([route({ timeoutMs: index === 7 ? timeoutMs : 0 })]),
    name: `h${index}`,
    domains: [`h${index}.test`],
  }));
  const { snapshot: whole } = snapshot({ listeners: [listener({ virtualHosts: hosts })] });
  const { pointer, blobs } = deliveryOf(packed(whole), {});
  const parsed = (name: string): unknown => JSON.parse(blobs.get(name) ?? '');
  const head = {
    pointer,
    manifest: checkedManifest(pointer.snapshot, parsed(pointer.snapshot)),
    endpointManifest: checkedEndpoints(pointer.endpoints, parsed(pointer.endpoints)),
    keys: { version: pointer.keys, sets: {} },
  };
  const parts = new Map(partsOf(head).map((name) => [name, parsed(name) as []]));
  return assembleBundle(head, parts, known);
}

class MemoryCache {
  readonly texts = new Map<string, string>();
  written = 0;

  match(url: string): Promise<Response | undefined> {
    const text = this.texts.get(url);
    return Promise.resolve(text === undefined ? undefined : new Response(text));
  }

  async put(url: string, response: Response): Promise<void> {
    const text = await response.text();
    this.written += text.length;
    this.texts.set(url, text);
  }
}

test('what was written last is read, also by another isolate, after many swaps', async () => {
  const cache = new MemoryCache();
  const lastGood = createCachedLastGood(cache, scope);
  let latest = bundle(1);
  await lastGood.write(latest);
  for (let timeoutMs = 2; timeoutMs < 30; timeoutMs++) {
    latest = bundle(timeoutMs, latest);
    await lastGood.write(latest);
    expect(await createCachedLastGood(cache, scope).read()).toEqual(latest);
  }
});

test('a swap writes what is new', async () => {
  const cache = new MemoryCache();
  const lastGood = createCachedLastGood(cache, scope);
  await lastGood.write(bundle(1));
  const whole = cache.written;
  await lastGood.write(bundle(2));
  expect(cache.written - whole).toBeLessThan(whole / 2);
});

test('one that was read is added to, and one that lacks a part counts as none', async () => {
  const cache = new MemoryCache();
  await createCachedLastGood(cache, scope).write(bundle(1));
  const next = createCachedLastGood(cache, scope);
  const found = await next.read();
  const whole = cache.written;
  await next.write(bundle(2, found));
  expect(cache.written - whole).toBeLessThan(whole / 2);
  expect((await next.read())?.pointer).toEqual(bundle(2).pointer);
  const [pack] = [...cache.texts.keys()].filter((url) => !url.endsWith('/front'));
  cache.texts.delete(pack ?? '');
  expect(await next.read()).toBeUndefined();
});
