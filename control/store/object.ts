/** A Durable Object's SQLite as the stores' database. */
import type { SqlDatabase, SqlRow } from './sql.ts';

/** The part of the object's storage that is used. */
export interface ObjectStorage {
  readonly sql: {
    exec(query: string, ...parameters: readonly unknown[]): { toArray(): readonly SqlRow[] };
  };
  transactionSync<T>(work: () => T): T;
}

export function databaseOf(storage: ObjectStorage): SqlDatabase {
  return {
    all: (query, ...parameters) => storage.sql.exec(query, ...parameters).toArray(),
    transaction: (work) => storage.transactionSync(work),
  };
}
