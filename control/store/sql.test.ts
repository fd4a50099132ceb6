import { KEPT_AUDIT, storeSuite } from '../../test/contract/store-suite.ts';
import { createMemoryAudit, createMemoryBlobs, createMemoryStore } from './memory.ts';
import { createSqlStore } from './sql.ts';
import { createSqlAudit } from './sql-audit.ts';
import { createSqlBlobs } from './sql-blobs.ts';
import { openSqlite } from './sqlite.ts';
import { expect, it } from 'vitest';
import { CHAIN_START, readChain } from '../../src/lib/audit-chain.ts';

storeSuite('sqlite', () => {
  const database = openSqlite(':memory:');
  return {
    store: createSqlStore(database),
    blobs: createSqlBlobs(database),
    audit: createSqlAudit(database, { kept: KEPT_AUDIT }),
  };
});
storeSuite('memory', () => ({
  store: createMemoryStore(),
  blobs: createMemoryBlobs(),
  audit: createMemoryAudit({ kept: KEPT_AUDIT }),
}));

it('takes over the entries of an audit log that had no chain yet, once', async () => {
  const database = openSqlite(':memory:');
  database.all(
    'CREATE TABLE audit (seq INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, actor TEXT NOT NULL, role TEXT NOT NULL, method TEXT NOT NULL, path TEXT NOT NULL, status INTEGER NOT NULL)',
  );
  for (const actor of ['a', 'b'])
    database.all(
      'INSERT INTO audit (at, actor, role, method, path, status) VALUES (?, ?, ?, ?, ?, ?)',
      5,
      actor,
      'admin',
      'POST',
      '/v1/apply',
      200,
    );
  for (let opened = 0; opened < 2; opened++) {
    const audit = createSqlAudit(database);
    const entries = await audit.read({ after: 0, limit: 10 });
    expect(entries.map(({ actor }) => actor)).toEqual(['a', 'b']);
    const chain = readChain(CHAIN_START);
    for (const entry of entries) expect(chain.add(entry)).toBeUndefined();
  }
});
