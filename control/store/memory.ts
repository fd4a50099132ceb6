/** The Store port in plain maps: for tests and for meshes that live as long as their process. */
import { CHAIN_START, pointOf } from '../../src/lib/audit-chain.ts';
import type {
  AuditEntry,
  AuditLog,
  BlobStore,
  CommitResult,
  HistoryEntry,
  Store,
  StoreChange,
  StoredRecord,
  StoreEvent,
  TextCache,
} from '../../src/model/store.ts';

class MemoryStore implements Store {
  readonly #records = new Map<string, StoredRecord>();
  #history: HistoryEntry[] = [];
  readonly #listeners = new Set<(revision: number) => void>();
  #revision = 0;
  #compacted = 0;

  async revision(): Promise<number> {
    return this.#revision;
  }

  async get(key: string): Promise<StoredRecord | undefined> {
    return this.#records.get(key);
  }

  async list(
    prefix: string,
    options: { readonly limit?: number; readonly after?: string } = {},
  ): Promise<{ revision: number; records: readonly StoredRecord[]; more: boolean }> {
    const all = [...this.#records.values()]
      .filter(({ key }) => key.startsWith(prefix) && key > (options.after ?? ''))
      .sort((a, b) => (a.key < b.key ? -1 : 1));
    const limit = options.limit ?? all.length;
    return {
      revision: this.#revision,
      records: all.slice(0, limit),
      more: all.length > limit,
    };
  }

  async commit(
    changes: readonly StoreChange[],
    by: {
      readonly actor: string;
      readonly message: string;
      readonly atMs: number;
      readonly ifStoreRevision?: number;
    },
  ): Promise<CommitResult> {
    const refused = this.#refusal(changes, by.ifStoreRevision);
    if (refused !== undefined) return refused;
    const revision = ++this.#revision;
    const done = changes.map((change) => {
      const before = this.#records.get(change.key);
      const after = change.op === 'put' ? change.value : undefined;
      if (after === undefined) this.#records.delete(change.key);
      else
        this.#records.set(change.key, {
          key: change.key,
          value: after,
          revision,
          createdRevision: before?.createdRevision ?? revision,
        });
      return { op: change.op, key: change.key, before: before?.value, after };
    });
    const { actor, message, atMs } = by;
    this.#history.push({ revision, atMs, actor, message, changes: done });
    for (const listener of this.#listeners) listener(revision);
    return { ok: true, revision };
  }

  async eventsAfter(
    revision: number,
    limit: number,
  ): Promise<{ compacted: boolean; events: readonly StoreEvent[] }> {
    if (revision < this.#compacted) return { compacted: true, events: [] };
    const events = this.#history
      .filter((entry) => entry.revision > revision)
      .flatMap((entry) =>
        entry.changes.map(({ op, key, after }) => ({
          revision: entry.revision,
          op,
          key,
          value: after,
        })),
      );
    return { compacted: false, events: events.slice(0, limit) };
  }

  async history(options: {
    readonly limit: number;
    readonly before?: number;
  }): Promise<readonly HistoryEntry[]> {
    const before = options.before ?? Number.MAX_SAFE_INTEGER;
    return this.#history
      .filter(({ revision }) => revision < before)
      .toReversed()
      .slice(0, options.limit);
  }

  async compact(revision: number): Promise<void> {
    this.#history = this.#history.filter((entry) => entry.revision > revision);
    this.#compacted = Math.max(this.#compacted, revision);
  }

  onCommit(listener: (revision: number) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #refusal(
    changes: readonly StoreChange[],
    expected: number | undefined,
  ): CommitResult | undefined {
    if (expected !== undefined && expected !== this.#revision)
      return { ok: false, conflict: '', expected, found: this.#revision };
    for (const { key, ifRevision } of changes) {
      const found = this.#records.get(key)?.revision ?? 0;
      if (ifRevision !== undefined && ifRevision !== found)
        return { ok: false, conflict: key, expected: ifRevision, found };
    }
    return undefined;
  }
}

export function createMemoryStore(): Store {
  return new MemoryStore();
}

export function createMemoryBlobs(): BlobStore {
  const texts = new Map<string, string>();
  return {
    put: async (name, text) => void texts.set(name, text),
    get: async (name) => texts.get(name),
    async prune(keep) {
      for (const name of texts.keys()) if (!keep.has(name)) texts.delete(name);
    },
  };
}

export function createMemoryAudit(options: { readonly kept?: number } = {}): AuditLog {
  const { kept = 100_000 } = options;
  const entries: AuditEntry[] = [];
  let anchor = CHAIN_START;
  let head = CHAIN_START;
  return {
    async append(entry) {
      const next: AuditEntry = { seq: head.seq + 1, ...entry, previous: head.hash };
      entries.push(next);
      head = pointOf(next);
      const [oldest] = entries;
      if (entries.length <= kept || oldest === undefined) return;
      entries.shift();
      anchor = pointOf(oldest);
    },
    list: async ({ limit, before = Number.MAX_SAFE_INTEGER }) =>
      entries
        .filter((entry) => entry.seq < before)
        .toReversed()
        .slice(0, limit),
    read: async ({ limit, after }) => entries.filter((entry) => entry.seq > after).slice(0, limit),
    ends: async () => ({ head, anchor }),
  };
}

export function createMemoryTexts(): TextCache {
  const texts = new Map<string, string>();
  return {
    get: async (name) => texts.get(name),
    set: async (name, text) => void texts.set(name, text),
    delete: async (name) => void texts.delete(name),
  };
}
