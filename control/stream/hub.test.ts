import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { ProxyScope } from '../../src/model/snapshot.ts';
import type { Store } from '../../src/model/store.ts';
import { TOKEN_PREFIX } from '../auth.ts';
import { createKeys } from '../keys.ts';
import type { Compiled } from '../push.ts';
import { createMemoryBlobs, createMemoryStore, createMemoryTexts } from '../store/memory.ts';
import type { StreamHub } from './hub.ts';
import { createStreamHub } from './hub.ts';
import type { StreamSocket } from './socket.ts';

const scope: ProxyScope = { type: 'gateway', namespace: 'edge', name: 'front', labels: {} };
const by = { actor: 'test', message: '', atMs: 0 };

let store: Store;
let hub: StreamHub;
let wakes: number[] = [];
let isFaulty = false;

beforeEach(async () => {
  vi.useFakeTimers();
  store = createMemoryStore();
  wakes = [];
  isFaulty = false;
  const blobs = createMemoryBlobs();
  const keys = createKeys({
    fetch: () => Promise.reject(new Error('away')),
    nowMs: () => Date.now(),
    log: () => undefined,
    cache: createMemoryTexts(),
  });
  /** The pointer changes with each revision. */
  const compiledFor = async (): Promise<Compiled> => {
    if (isFaulty) throw new Error('a fault of the compiler');
    const revision = await store.revision();
    const name = String(revision).padStart(32, '0');
    return {
      scope,
      revision,
      pointer: { snapshot: name, endpoints: name, keys: name },
      blobs: new Set(),
      resources: new Set(),
      inputs: { resources: [], trust: undefined },
      jwksUris: [],
      secrets: [],
      generation: 0,
    };
  };
  hub = createStreamHub({
    store,
    blobs,
    keys,
    inventory: { current: () => Promise.resolve({ revision: 0, resources: [] }) },
    push: {
      compiledFor,
      mayRead: () => Promise.resolve(false),
      namesOf: () => Promise.resolve(undefined),
      trustAt: () => undefined,
      preview: () => Promise.reject(new Error('not asked for')),
    },
    nowMs: () => Date.now(),
    log: () => undefined,
    wakeAt: (atMs) => void wakes.push(atMs),
  });
  await commit(`${TOKEN_PREFIX}t`, JSON.stringify({ scopes: [scope] }));
});
afterEach(() => {
  hub.close();
  vi.useRealTimers();
});

async function commit(key: string, value: string): Promise<void> {
  await store.commit([{ op: 'put', key, value }], by);
}

/** A proxy that acknowledges whatever comes. */
function proxy(): { pushes: string[]; closed: number[]; socket: StreamSocket } {
  const pushes: string[] = [];
  const closed: number[] = [];
  const socket: StreamSocket = {
    send(text) {
      const { nonce, pointer } = JSON.parse(text) as {
        nonce: string;
        pointer: { snapshot: string };
      };
      pushes.push(pointer.snapshot);
      hub.receive(socket, JSON.stringify({ type: 'ack', scope, nonce, pointer }));
    },
    close: (code) => void closed.push(code),
    buffered: () => 0,
    pingedMs: () => 0,
    save: () => undefined,
  };
  return { pushes, closed, socket };
}

async function subscribed(): Promise<ReturnType<typeof proxy>> {
  const made = proxy();
  hub.open(made.socket, { tokenId: 't' });
  hub.receive(made.socket, JSON.stringify({ type: 'subscribe', scope, instance: 'one' }));
  await vi.advanceTimersByTimeAsync(1);
  return made;
}

it('makes one push of a burst, and does not let it wait for ever', async () => {
  const { pushes } = await subscribed();
  expect(pushes).toHaveLength(1);
  for (let count = 0; count < 10; count++) {
    await commit('r/x', String(count));
    await vi.advanceTimersByTimeAsync(20);
  }
  expect(pushes).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(60);
  expect(pushes).toHaveLength(2);
  expect(Number(pushes[1])).toBe(await store.revision());
  for (let count = 0; count < 50; count++) {
    await commit('r/x', String(count));
    await vi.advanceTimersByTimeAsync(40);
  }
  await vi.advanceTimersByTimeAsync(60);
  expect(pushes.length).toBeGreaterThanOrEqual(6);
  expect(pushes.length).toBeLessThanOrEqual(8);
});

it('goes on when a compile fails', async () => {
  const { pushes, closed } = await subscribed();
  isFaulty = true;
  await commit('r/x', 'bad');
  await vi.advanceTimersByTimeAsync(100);
  isFaulty = false;
  await commit('r/x', 'good');
  await vi.advanceTimersByTimeAsync(100);
  expect([pushes.length, closed]).toEqual([2, []]);
});

it('asks to be woken for the earliest thing that is due, and ends what is over', async () => {
  const early = proxy();
  const late = proxy();
  hub.open(late.socket, { tokenId: 't', expiresMs: Date.now() + 50_000 });
  hub.open(early.socket, { tokenId: 't', expiresMs: Date.now() + 10_000 });
  expect(wakes).toEqual([Date.now() + 50_000, Date.now() + 10_000]);
  await vi.advanceTimersByTimeAsync(10_000);
  hub.tick();
  expect([early.closed, late.closed]).toEqual([[4401], []]);
  expect(wakes.at(-1)).toBe(Date.now() + 40_000);
});

it('ends the sockets of a token that goes, and of no other', async () => {
  await commit(`${TOKEN_PREFIX}u`, JSON.stringify({ scopes: [scope] }));
  const { closed } = await subscribed();
  const other = proxy();
  hub.open(other.socket, { tokenId: 'u' });
  await store.commit([{ op: 'delete', key: `${TOKEN_PREFIX}t` }], by);
  await vi.advanceTimersByTimeAsync(1);
  expect([closed, other.closed]).toEqual([[4401], []]);
  expect(hub.instances(scope)).toEqual([]);
});
