/** Blobs, audit log and text cache over the same small SQL surface as the store. */
import type { AuditEntry, AuditLog, BlobStore, TextCache } from '../../src/model/store.ts';
import type { SqlDatabase, SqlRow } from './sql.ts';

/** In UTF-16 units; three bytes each at most stay under a Durable Object's 2 MB for a value. */
const PART_LENGTH = 600_000;
/** So many blobs stay besides those in use: a proxy may have read its pointer just before they changed. */
const KEPT_BLOBS = 64;
const KEPT_AUDIT = 100_000;
/** The log is cut once for so many entries. */
const AUDIT_SLACK = 1000;

export interface SqlBlobs extends BlobStore {
  has(name: string): boolean;
  /** Names that the last prune dropped. */
  dropped(): readonly string[];
}

class BlobTable implements SqlBlobs {
  readonly #database: SqlDatabase;
  #dropped: readonly string[] = [];

  constructor(database: SqlDatabase) {
    this.#database = database;
    database.all(
      'CREATE TABLE IF NOT EXISTS blob_parts (name TEXT NOT NULL, part INTEGER NOT NULL, value TEXT NOT NULL, PRIMARY KEY (name, part))',
    );
    database.all('CREATE TABLE IF NOT EXISTS blob_names (name TEXT PRIMARY KEY, seq INTEGER)');
  }

  has(name: string): boolean {
    return this.#database.all('SELECT name FROM blob_names WHERE name = ?', name).length > 0;
  }

  async put(name: string, text: string): Promise<void> {
    this.#database.transaction(() => {
      if (this.has(name)) return;
      for (let part = 0; part * PART_LENGTH < Math.max(1, text.length); part++)
        this.#database.all(
          'INSERT INTO blob_parts VALUES (?, ?, ?)',
          name,
          part,
          text.slice(part * PART_LENGTH, (part + 1) * PART_LENGTH),
        );
      this.#database.all(
        'INSERT INTO blob_names SELECT ?, COALESCE(MAX(seq), 0) + 1 FROM blob_names',
        name,
      );
    });
  }

  async get(name: string): Promise<string | undefined> {
    const rows = this.#database.all(
      'SELECT value FROM blob_parts WHERE name = ? ORDER BY part',
      name,
    );
    return rows.length === 0 ? undefined : rows.map((row) => String(row['value'])).join('');
  }

  async prune(keep: ReadonlySet<string>): Promise<void> {
    const old = this.#database
      .all('SELECT name FROM blob_names ORDER BY seq DESC LIMIT -1 OFFSET ?', KEPT_BLOBS)
      .map((row) => String(row['name']))
      .filter((name) => !keep.has(name));
    this.#database.transaction(() => {
      for (const name of old) {
        this.#database.all('DELETE FROM blob_parts WHERE name = ?', name);
        this.#database.all('DELETE FROM blob_names WHERE name = ?', name);
      }
    });
    this.#dropped = old;
  }

  dropped(): readonly string[] {
    return this.#dropped;
  }
}

/** Snapshots and overlays under their hash, beside the records. */
export function createSqlBlobs(database: SqlDatabase): SqlBlobs {
  return new BlobTable(database);
}

function toEntry(row: SqlRow): AuditEntry {
  const text = (name: string): string => String(row[name] ?? '');
  return {
    seq: Number(row['seq']),
    atMs: Number(row['at']),
    actor: text('actor'),
    role: text('role'),
    method: text('method'),
    path: text('path'),
    status: Number(row['status']),
  };
}

export function createSqlAudit(database: SqlDatabase): AuditLog {
  database.all(
    'CREATE TABLE IF NOT EXISTS audit (seq INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, actor TEXT NOT NULL, role TEXT NOT NULL, method TEXT NOT NULL, path TEXT NOT NULL, status INTEGER NOT NULL)',
  );
  return {
    async append({ atMs, actor, role, method, path, status }) {
      database.all(
        'INSERT INTO audit (at, actor, role, method, path, status) VALUES (?, ?, ?, ?, ?, ?)',
        atMs,
        actor,
        role,
        method,
        path,
        status,
      );
      const last = Number(database.all('SELECT MAX(seq) AS seq FROM audit')[0]?.['seq'] ?? 0);
      if (last % AUDIT_SLACK === 0)
        database.all('DELETE FROM audit WHERE seq <= ?', last - KEPT_AUDIT);
    },
    async list({ limit, before }) {
      const rows = database.all(
        'SELECT * FROM audit WHERE seq < ? ORDER BY seq DESC LIMIT ?',
        before ?? Number.MAX_SAFE_INTEGER,
        limit,
      );
      return rows.map((row) => toEntry(row));
    },
  };
}

export function createSqlTexts(database: SqlDatabase): TextCache {
  database.all('CREATE TABLE IF NOT EXISTS texts (name TEXT PRIMARY KEY, value TEXT NOT NULL)');
  return {
    async get(name) {
      const [row] = database.all('SELECT value FROM texts WHERE name = ?', name);
      return row === undefined ? undefined : String(row['value']);
    },
    async set(name, text) {
      database.all(
        'INSERT INTO texts VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value',
        name,
        text,
      );
    },
  };
}
