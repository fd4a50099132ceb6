/** node:sqlite as the store's database; on disk, or `:memory:`. */
import { chmodSync, closeSync, openSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import type { SqlDatabase, SqlRow, SqlValue } from './sql.ts';

/** Private keys stand in it. The files that SQLite puts beside it get the same mode. */
function ownAlone(path: string): void {
  closeSync(openSync(path, 'a', 0o600));
  for (const file of [path, `${path}-wal`, `${path}-shm`])
    try {
      chmodSync(file, 0o600);
    } catch (error) {
      if ((error as { readonly code?: string }).code !== 'ENOENT') throw error;
    }
}

export function openSqlite(path: string): SqlDatabase & { close(): void } {
  if (path !== ':memory:') ownAlone(path);
  const database = new DatabaseSync(path);
  database.exec('PRAGMA journal_mode = WAL');
  return {
    all: (query, ...parameters: readonly SqlValue[]) =>
      database.prepare(query).all(...parameters) as unknown as readonly SqlRow[],
    transaction(work) {
      database.exec('BEGIN IMMEDIATE');
      try {
        const result = work();
        database.exec('COMMIT');
        return result;
      } catch (error) {
        database.exec('ROLLBACK');
        throw error;
      }
    },
    close: () => {
      database.close();
    },
  };
}
