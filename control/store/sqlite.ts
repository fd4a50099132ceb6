/** node:sqlite as the store's database; on disk, or `:memory:`. */
import { DatabaseSync } from 'node:sqlite';
import type { SqlDatabase, SqlRow, SqlValue } from './sql.ts';

export function openSqlite(path: string): SqlDatabase & { close(): void } {
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
