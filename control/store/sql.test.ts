import { storeSuite } from '../../test/contract/store-suite.ts';
import { createMemoryAudit, createMemoryBlobs, createMemoryStore } from './memory.ts';
import { createSqlStore } from './sql.ts';
import { createSqlAudit, createSqlBlobs } from './sql-blobs.ts';
import { openSqlite } from './sqlite.ts';

storeSuite('sqlite', () => {
  const database = openSqlite(':memory:');
  return {
    store: createSqlStore(database),
    blobs: createSqlBlobs(database),
    audit: createSqlAudit(database),
  };
});
storeSuite('memory', () => ({
  store: createMemoryStore(),
  blobs: createMemoryBlobs(),
  audit: createMemoryAudit(),
}));
