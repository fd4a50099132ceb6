/** What every Store must do; run on each implementation. */
import { describe, expect, it } from 'vitest';
import type { Store } from '../../src/model/store.ts';

const by = { actor: 'tester', message: 'because', atMs: 1_700_000_000_000 };

export function storeSuite(name: string, make: () => Store): void {
  describe(`store: ${name}`, () => {
    it('commits many changes as one revision and lists by prefix in pages', async () => {
      const store = make();
      const result = await store.commit(
        ['a/1', 'a/2', 'a/3', 'b/1'].map((key) => ({ op: 'put', key, value: key })),
        by,
      );
      expect(result).toEqual({ ok: true, revision: 1 });
      const first = await store.list('a/', { limit: 2 });
      expect([first.records.map(({ key }) => key), first.more]).toEqual([['a/1', 'a/2'], true]);
      const second = await store.list('a/', { limit: 2, after: 'a/2' });
      expect([second.records.map(({ key }) => key), second.more]).toEqual([['a/3'], false]);
    });

    it('compares and swaps: nothing of a refused commit is kept', async () => {
      const store = make();
      await store.commit([{ op: 'put', key: 'a', value: '1' }], by);
      const refused = await store.commit(
        [
          { op: 'put', key: 'b', value: '1' },
          { op: 'put', key: 'a', value: '2', ifRevision: 7 },
        ],
        by,
      );
      expect(refused).toEqual({ ok: false, conflict: 'a', expected: 7, found: 1 });
      expect(await store.get('b')).toBeUndefined();
      expect(await store.revision()).toBe(1);
      expect(
        (await store.commit([{ op: 'put', key: 'a', value: '2', ifRevision: 0 }], by)).ok,
      ).toBe(false);
      expect(
        (await store.commit([{ op: 'delete', key: 'a' }], { ...by, ifStoreRevision: 0 })).ok,
      ).toBe(false);
    });

    it('tells events after a revision, and that they are gone once compacted', async () => {
      const store = make();
      await store.commit([{ op: 'put', key: 'a', value: '1' }], by);
      await store.commit([{ op: 'delete', key: 'a' }], by);
      const { events } = await store.eventsAfter(1, 10);
      expect(events).toEqual([{ revision: 2, op: 'delete', key: 'a', value: undefined }]);
      await store.compact(1);
      expect((await store.eventsAfter(0, 10)).compacted).toBe(true);
      expect((await store.eventsAfter(1, 10)).compacted).toBe(false);
    });

    it('keeps who changed what, newest first', async () => {
      const store = make();
      await store.commit([{ op: 'put', key: 'a', value: '1' }], by);
      await store.commit([{ op: 'put', key: 'a', value: '2' }], { ...by, actor: 'other' });
      const [latest] = await store.history({ limit: 1 });
      expect(latest?.actor).toBe('other');
      expect(latest?.changes).toEqual([{ op: 'put', key: 'a', before: '1', after: '2' }]);
    });

    it('calls listeners after a commit until they end', async () => {
      const store = make();
      const seen: number[] = [];
      const end = store.onCommit((revision) => seen.push(revision));
      await store.commit([{ op: 'put', key: 'a', value: '1' }], by);
      end();
      await store.commit([{ op: 'put', key: 'a', value: '2' }], by);
      expect(seen).toEqual([1]);
    });
  });
}
