/** What every Store must do; run on each implementation. */
import { describe, expect, it } from 'vitest';
import { CHAIN_START, pointOf, readChain } from '../../src/lib/audit-chain.ts';
import type { AuditLog, BlobStore, Store } from '../../src/model/store.ts';

/** One home's stores, empty. */
export interface Stores {
  readonly store: Store;
  readonly blobs: BlobStore;
  readonly audit: AuditLog;
}

/** Entries of the audit log that the suite's homes keep. */
export const KEPT_AUDIT = 8;

const by = { actor: 'tester', message: 'because', atMs: 1_700_000_000_000 };

export function storeSuite(name: string, make: () => Stores): void {
  describe(`store: ${name}`, () => {
    it('commits many changes as one revision and lists by prefix in pages', async () => {
      const { store } = make();
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
      const { store } = make();
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
      const { store } = make();
      await store.commit([{ op: 'put', key: 'a', value: '1' }], by);
      await store.commit([{ op: 'delete', key: 'a' }], by);
      const { events } = await store.eventsAfter(1, 10);
      expect(events).toEqual([{ revision: 2, op: 'delete', key: 'a', value: undefined }]);
      await store.compact(1);
      expect((await store.eventsAfter(0, 10)).compacted).toBe(true);
      expect((await store.eventsAfter(1, 10)).compacted).toBe(false);
    });

    it('keeps who changed what, newest first', async () => {
      const { store } = make();
      await store.commit([{ op: 'put', key: 'a', value: '1' }], by);
      await store.commit([{ op: 'put', key: 'a', value: '2' }], { ...by, actor: 'other' });
      const [latest] = await store.history({ limit: 1 });
      expect(latest?.actor).toBe('other');
      expect(latest?.changes).toEqual([{ op: 'put', key: 'a', before: '1', after: '2' }]);
    });

    it('calls listeners after a commit until they end', async () => {
      const { store } = make();
      const seen: number[] = [];
      const end = store.onCommit((revision) => seen.push(revision));
      await store.commit([{ op: 'put', key: 'a', value: '1' }], by);
      end();
      await store.commit([{ op: 'put', key: 'a', value: '2' }], by);
      expect(seen).toEqual([1]);
    });

    it('reads a range of revisions in order, many changes of one together', async () => {
      const { store } = make();
      await store.commit(
        [
          { op: 'put', key: 'a', value: '1' },
          { op: 'put', key: 'b', value: '1' },
        ],
        by,
      );
      await store.commit([{ op: 'put', key: 'a', value: '2' }], by);
      const { events } = await store.eventsAfter(0, 10);
      expect(events.map(({ revision, key, value }) => [revision, key, value])).toEqual([
        [1, 'a', '1'],
        [1, 'b', '1'],
        [2, 'a', '2'],
      ]);
      expect((await store.get('a'))?.createdRevision).toBe(1);
    });

    it('still knows what was there before a change after older history is gone', async () => {
      const { store } = make();
      for (const value of ['1', '2', '3']) await store.commit([{ op: 'put', key: 'a', value }], by);
      await store.commit([{ op: 'put', key: 'b', value: '1' }], by);
      await store.compact(2);
      const entries = await store.history({ limit: 10 });
      expect(entries.map(({ revision }) => revision)).toEqual([4, 3]);
      expect(entries[1]?.changes[0]).toMatchObject({ before: '2', after: '3' });
      expect(entries[0]?.changes[0]).toMatchObject({ before: undefined, after: '1' });
      expect((await store.get('a'))?.value).toBe('3');
    });

    it('takes a record of a megabyte, and its change', async () => {
      const { store } = make();
      const value = 'x'.repeat(1_000_000);
      await store.commit([{ op: 'put', key: 'a', value }], by);
      await store.commit([{ op: 'put', key: 'a', value: `${value}y` }], by);
      expect((await store.get('a'))?.value.length).toBe(1_000_001);
      expect((await store.history({ limit: 1 }))[0]?.changes[0]?.before).toBe(value);
    });

    it('keeps blobs of any size under their name, and drops those that nobody uses', async () => {
      const { blobs } = make();
      const text = `${'\u20ac'.repeat(1_500_000)}.`;
      await blobs.put('large', text);
      await blobs.put('empty', '');
      expect((await blobs.get('large')) === text).toBe(true);
      expect(await blobs.get('empty')).toBe('');
      expect(await blobs.get('none')).toBeUndefined();
      for (let index = 0; index < 70; index++) await blobs.put(`other-${index}`, 'x');
      await blobs.prune(new Set(['large']));
      expect((await blobs.get('large'))?.length).toBe(text.length);
      expect(await blobs.get('empty')).toBeUndefined();
    });

    it('appends to the audit log and reads it newest first, in pages', async () => {
      const { audit } = make();
      const entry = { atMs: 1, actor: 'a', role: 'admin', path: '/v1/apply', status: 200 };
      for (const method of ['POST', 'PUT', 'DELETE']) await audit.append({ ...entry, method });
      const first = await audit.list({ limit: 2 });
      expect(first.map(({ method }) => method)).toEqual(['DELETE', 'PUT']);
      const rest = await audit.list({ limit: 2, before: first[1]?.seq ?? 0 });
      expect(rest.map(({ method }) => method)).toEqual(['POST']);
    });

    const line = {
      atMs: 1,
      actor: 'a',
      role: 'admin',
      method: 'POST',
      path: '/v1/apply',
      status: 200,
    };

    it('chains what is appended at once, and knows both ends', async () => {
      const { audit } = make();
      expect(await audit.ends()).toEqual({ head: CHAIN_START, anchor: CHAIN_START });
      await Promise.all(
        ['a', 'b', 'c', 'd'].map((actor) => audit.append({ ...line, actor, source: '192.0.2.1' })),
      );
      const chain = readChain(CHAIN_START);
      for (const entry of await audit.read({ after: 0, limit: 10 }))
        expect(chain.add(entry)).toBeUndefined();
      expect(chain.count).toBe(4);
      expect((await audit.ends()).head).toEqual(chain.head);
      expect((await audit.read({ after: 2, limit: 1 })).map(({ seq }) => seq)).toEqual([3]);
    });

    it('drops the oldest entries of the audit log and keeps where the rest begins', async () => {
      const { audit } = make();
      let last = CHAIN_START;
      for (let count = 1; count <= 3 * KEPT_AUDIT; count++) {
        await audit.append({ ...line, status: count });
        const [entry] = await audit.list({ limit: 1 });
        if (entry !== undefined && count === 2 * KEPT_AUDIT) last = pointOf(entry);
      }
      const { anchor, head } = await audit.ends();
      expect(anchor).toEqual(last);
      const entries = await audit.read({ after: 0, limit: 100 });
      expect(entries).toHaveLength(KEPT_AUDIT);
      const chain = readChain(anchor);
      for (const entry of entries) expect(chain.add(entry)).toBeUndefined();
      expect(chain.head).toEqual(head);
    });
  });
}
