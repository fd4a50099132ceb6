import { describe, expect, it } from 'vitest';
import { createMemoryStore } from './store/memory.ts';
import { SeenOnce } from './seen.ts';

const by = { actor: 'test', message: '', atMs: 0 };

describe('what may be used once', () => {
  it('conflicts the second time, also in another process', async () => {
    const store = createMemoryStore();
    const [one, other] = [new SeenOnce(store, () => 0), new SeenOnce(store, () => 0)];
    const [first, second] = [await one.use('a', 1000), await other.use('a', 1000)];
    expect((await store.commit(first, by)).ok).toBe(true);
    expect((await store.commit(second, by)).ok).toBe(false);
    expect(await other.has('a')).toBe(true);
    expect(await other.has('b')).toBe(false);
  });

  it('is forgotten when it has expired, so that the store keeps its size', async () => {
    const store = createMemoryStore();
    let nowMs = 0;
    const seen = new SeenOnce(store, () => nowMs);
    let most = 0;
    for (let i = 0; i < 500; i++) {
      nowMs += 10;
      await store.commit(await seen.use(`n${i}`, nowMs + 200), by);
      most = Math.max(most, (await store.list('!seen/')).records.length);
    }
    expect(most).toBeLessThan(80);
  });
});
