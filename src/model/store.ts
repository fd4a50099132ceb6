/**
 * The Store port: one revision for the whole store, compare-and-swap, list at a revision, watch from a revision.
 * One contract suite runs on the memory, Durable Object and sqlite stores.
 */
export interface StoredRecord {
  /** `group/Kind/namespace/name`. */
  readonly key: string;
  /** JSON text. */
  readonly value: string;
  /** Store revision of the last change of this record. */
  readonly revision: number;
  /** Store revision at which the record was created. */
  readonly createdRevision: number;
}

export type StoreChange =
  | {
      readonly op: 'put';
      readonly key: string;
      readonly value: string;
      readonly ifRevision?: number;
    }
  /** `ifRevision` 0 = must not exist. */
  | { readonly op: 'delete'; readonly key: string; readonly ifRevision?: number };

export interface StoreEvent {
  readonly revision: number;
  readonly op: 'put' | 'delete';
  readonly key: string;
  readonly value: string | undefined;
}

export type CommitResult =
  | { readonly ok: true; readonly revision: number }
  | {
      readonly ok: false;
      readonly conflict: string;
      readonly expected: number;
      readonly found: number;
    };

/** One line of history: what a revision changed, by whom and why. */
export interface HistoryEntry {
  readonly revision: number;
  readonly atMs: number;
  readonly actor: string;
  readonly message: string;
  readonly changes: readonly {
    readonly op: 'put' | 'delete';
    readonly key: string;
    readonly before: string | undefined;
    readonly after: string | undefined;
  }[];
}

export interface Store {
  revision(): Promise<number>;
  get(key: string): Promise<StoredRecord | undefined>;
  /** Sorted by key; all of it is of one revision. `after` = last key of the page before. */
  list(
    prefix: string,
    options?: { readonly limit?: number; readonly after?: string },
  ): Promise<{
    readonly revision: number;
    readonly records: readonly StoredRecord[];
    readonly more: boolean;
  }>;
  /** All or nothing, one new revision; `ifStoreRevision` compares with the whole store's revision. */
  commit(
    changes: readonly StoreChange[],
    by: {
      readonly actor: string;
      readonly message: string;
      readonly atMs: number;
      readonly ifStoreRevision?: number;
    },
  ): Promise<CommitResult>;
  /** Events after `revision`, oldest first; `compacted` when they are no longer kept (HTTP 410). */
  eventsAfter(
    revision: number,
    limit: number,
  ): Promise<{ readonly compacted: boolean; readonly events: readonly StoreEvent[] }>;
  history(options: {
    readonly limit: number;
    readonly before?: number;
  }): Promise<readonly HistoryEntry[]>;
  /** Drops events and history up to `revision`; the last value of each key stays known to later history. */
  compact(revision: number): Promise<void>;
  /** Called after each commit, in this process; returns a function that ends it. */
  onCommit(listener: (revision: number) => void): () => void;
}

/** Immutable blobs under their hash (KV at the edge): snapshots and overlays. */
export interface BlobStore {
  put(name: string, text: string): Promise<void>;
  get(name: string): Promise<string | undefined>;
  /** Drops what isn't named here, but for the newest few, which proxies may still be asking for. */
  prune(keep: ReadonlySet<string>): Promise<void>;
}

/** What somebody did or was refused; what a change contained stands in the history. */
export interface AuditEntry {
  readonly seq: number;
  readonly atMs: number;
  readonly actor: string;
  /** `none`: nobody who was known. */
  readonly role: string;
  readonly method: string;
  readonly path: string;
  readonly status: number;
  /** Absent for the first administrator, and for who showed a certificate or nothing. */
  readonly tokenId?: string;
  /** Address that asked, as this home knows it. */
  readonly source?: string;
  readonly requestId?: string;
  /** Without what could be a secret. */
  readonly query?: string;
  readonly dryRun?: true;
  /** One line stands for so many refusals of a source. */
  readonly count?: number;
  /** SHA-256 (hex) of the canonical JSON of the entry before, with its own `previous`; the first has zeros. */
  readonly previous: string;
}

/** Append-only; the oldest entries go when there are more than a home keeps (100,000). */
export interface AuditLog {
  /** Chains the entry to the last one; appends at once make one chain all the same. */
  append(entry: Omit<AuditEntry, 'seq' | 'previous'>): Promise<void>;
  /** Newest first; `before` = seq of the last entry of the page before. */
  list(options: {
    readonly limit: number;
    readonly before?: number;
  }): Promise<readonly AuditEntry[]>;
  /** Oldest first, from the one after `after`. */
  read(options: { readonly limit: number; readonly after: number }): Promise<readonly AuditEntry[]>;
  /** The last entry, and the last one that was dropped; zeros where there is none. */
  ends(): Promise<{ readonly head: AuditPoint; readonly anchor: AuditPoint }>;
}

/** An entry by its number and the SHA-256 of its canonical JSON. */
export interface AuditPoint {
  readonly seq: number;
  readonly hash: string;
}

/** Small texts that may be lost and change often, outside the revisions: fetched keys, for when their issuer is away. */
export interface TextCache {
  get(name: string): Promise<string | undefined>;
  set(name: string, text: string): Promise<void>;
  delete(name: string): Promise<void>;
}
