/** The Store port over a small SQL surface that node:sqlite and a Durable Object's SQLite both offer. */
import type {
  CommitResult,
  HistoryEntry,
  Store,
  StoreChange,
  StoredRecord,
  StoreEvent,
} from '../../src/model/store.ts';

export type SqlValue = string | number | null;
export type SqlRow = Readonly<Record<string, SqlValue>>;

export interface SqlDatabase {
  all(query: string, ...parameters: readonly SqlValue[]): readonly SqlRow[];
  /** All or nothing; synchronous, so nobody else is between its statements. */
  transaction<T>(work: () => T): T;
}

const SCHEMA = [
  `CREATE TABLE IF NOT EXISTS records (key TEXT PRIMARY KEY, value TEXT NOT NULL, revision INTEGER NOT NULL, created INTEGER NOT NULL)`,
  // What was there before is the change before: a row with both could pass a Durable Object's 2 MB.
  `CREATE TABLE IF NOT EXISTS changes (revision INTEGER NOT NULL, seq INTEGER NOT NULL, op TEXT NOT NULL, key TEXT NOT NULL, after TEXT, PRIMARY KEY (revision, seq))`,
  `CREATE INDEX IF NOT EXISTS changes_by_key ON changes (key, revision)`,
  `CREATE TABLE IF NOT EXISTS revisions (revision INTEGER PRIMARY KEY, at INTEGER NOT NULL, actor TEXT NOT NULL, message TEXT NOT NULL)`,
  `CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL)`,
];

const text = (value: SqlValue | undefined): string =>
  value === null || value === undefined ? '' : String(value);
const maybe = (value: SqlValue | undefined): string | undefined =>
  value === null || value === undefined ? undefined : String(value);

function toRecord(row: SqlRow): StoredRecord {
  return {
    key: text(row['key']),
    value: text(row['value']),
    revision: Number(row['revision']),
    createdRevision: Number(row['created']),
  };
}

/** The end of all keys that begin with a prefix. */
const after = (prefix: string): string => `${prefix}\uffff`;

class SqlStore implements Store {
  readonly #database: SqlDatabase;
  readonly #listeners = new Set<(revision: number) => void>();

  constructor(database: SqlDatabase) {
    this.#database = database;
    for (const statement of SCHEMA) database.all(statement);
  }

  async revision(): Promise<number> {
    return this.#meta('revision');
  }

  async get(key: string): Promise<StoredRecord | undefined> {
    return this.#find(key);
  }

  async list(
    prefix: string,
    options: { readonly limit?: number; readonly after?: string } = {},
  ): Promise<{ revision: number; records: readonly StoredRecord[]; more: boolean }> {
    const limit = options.limit ?? 100_000;
    const rows = this.#database.all(
      'SELECT * FROM records WHERE key >= ? AND key < ? AND key > ? ORDER BY key LIMIT ?',
      prefix,
      after(prefix),
      options.after ?? '',
      limit + 1,
    );
    return {
      revision: this.#meta('revision'),
      records: rows.slice(0, limit).map((row) => toRecord(row)),
      more: rows.length > limit,
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
    const result = this.#database.transaction((): CommitResult => {
      const current = this.#meta('revision');
      if (by.ifStoreRevision !== undefined && by.ifStoreRevision !== current)
        return { ok: false, conflict: '', expected: by.ifStoreRevision, found: current };
      for (const change of changes) {
        const found = this.#find(change.key)?.revision ?? 0;
        if (change.ifRevision !== undefined && change.ifRevision !== found)
          return { ok: false, conflict: change.key, expected: change.ifRevision, found };
      }
      const revision = current + 1;
      this.#database.all(
        'INSERT INTO revisions VALUES (?, ?, ?, ?)',
        revision,
        by.atMs,
        by.actor,
        by.message,
      );
      for (const [seq, change] of changes.entries()) this.#write(change, revision, seq);
      this.#setMeta('revision', revision);
      return { ok: true, revision };
    });
    if (result.ok) for (const listener of this.#listeners) listener(result.revision);
    return result;
  }

  async eventsAfter(
    revision: number,
    limit: number,
  ): Promise<{ compacted: boolean; events: readonly StoreEvent[] }> {
    if (revision < this.#meta('compacted')) return { compacted: true, events: [] };
    const rows = this.#database.all(
      'SELECT * FROM changes WHERE revision > ? ORDER BY revision, seq LIMIT ?',
      revision,
      limit,
    );
    const events = rows.map((row): StoreEvent => ({
      revision: Number(row['revision']),
      op: row['op'] === 'delete' ? 'delete' : 'put',
      key: text(row['key']),
      value: maybe(row['after']),
    }));
    return { compacted: false, events };
  }

  async history(options: {
    readonly limit: number;
    readonly before?: number;
  }): Promise<readonly HistoryEntry[]> {
    const rows = this.#database.all(
      'SELECT * FROM revisions WHERE revision < ? ORDER BY revision DESC LIMIT ?',
      options.before ?? Number.MAX_SAFE_INTEGER,
      options.limit,
    );
    return rows.map((row) => this.#entry(row));
  }

  async compact(revision: number): Promise<void> {
    this.#database.transaction(() => {
      this.#database.all(
        `DELETE FROM changes WHERE revision <= ? AND (op = 'delete' OR EXISTS (
          SELECT 1 FROM changes AS later WHERE later.key = changes.key AND later.revision <= ?
          AND (later.revision > changes.revision OR (later.revision = changes.revision AND later.seq > changes.seq))))`,
        revision,
        revision,
      );
      this.#database.all('DELETE FROM revisions WHERE revision <= ?', revision);
      this.#setMeta('compacted', revision);
    });
  }

  onCommit(listener: (revision: number) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #entry(row: SqlRow): HistoryEntry {
    const revision = Number(row['revision']);
    const changes = this.#database.all(
      'SELECT * FROM changes WHERE revision = ? ORDER BY seq',
      revision,
    );
    return {
      revision,
      atMs: Number(row['at']),
      actor: text(row['actor']),
      message: text(row['message']),
      changes: changes.map((change) => ({
        op: change['op'] === 'delete' ? 'delete' : 'put',
        key: text(change['key']),
        before: this.#before(change),
        after: maybe(change['after']),
      })),
    };
  }

  #before(change: SqlRow): string | undefined {
    const [row] = this.#database.all(
      'SELECT after FROM changes WHERE key = ? AND (revision < ? OR (revision = ? AND seq < ?)) ORDER BY revision DESC, seq DESC LIMIT 1',
      change['key'] ?? '',
      change['revision'] ?? 0,
      change['revision'] ?? 0,
      change['seq'] ?? 0,
    );
    return maybe(row?.['after']);
  }

  #find(key: string): StoredRecord | undefined {
    const [row] = this.#database.all('SELECT * FROM records WHERE key = ?', key);
    return row === undefined ? undefined : toRecord(row);
  }

  #write(change: StoreChange, revision: number, seq: number): void {
    if (change.op === 'put')
      this.#database.all(
        'INSERT INTO records VALUES (?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value, revision = excluded.revision',
        change.key,
        change.value,
        revision,
        revision,
      );
    else this.#database.all('DELETE FROM records WHERE key = ?', change.key);
    this.#database.all(
      'INSERT INTO changes VALUES (?, ?, ?, ?, ?)',
      revision,
      seq,
      change.op,
      change.key,
      change.op === 'put' ? change.value : null,
    );
  }

  #meta(name: string): number {
    return Number(
      this.#database.all('SELECT value FROM meta WHERE name = ?', name)[0]?.['value'] ?? 0,
    );
  }

  #setMeta(name: string, value: number): void {
    this.#database.all(
      'INSERT INTO meta VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value',
      name,
      value,
    );
  }
}

export function createSqlStore(database: SqlDatabase): Store {
  return new SqlStore(database);
}
