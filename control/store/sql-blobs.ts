/** Blobs and text cache over the same small SQL surface as the store. */
import type { BlobStore, TextCache } from '../../src/model/store.ts';
import type { SqlDatabase } from './sql.ts';

/** In UTF-16 units; three bytes each at most stay under a Durable Object's 2 MB for a value. */
const PART_LENGTH = 600_000;
/** So many blobs stay besides those in use: a proxy may have read its pointer just before they changed. */
const KEPT_BLOBS = 64;

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
    async delete(name) {
      database.all('DELETE FROM texts WHERE name = ?', name);
    },
  };
}
