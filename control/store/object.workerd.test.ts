/** The stores in a Durable Object's SQLite, inside workerd. */
import { env } from 'cloudflare:workers';
import { runInDurableObject } from 'cloudflare:test';
import { KEPT_AUDIT, storeSuite } from '../../test/contract/store-suite.ts';
import type { Stores } from '../../test/contract/store-suite.ts';
import type { AuditLog, BlobStore, Store } from '../../src/model/store.ts';
import type { ObjectStorage } from './object.ts';
import { databaseOf } from './object.ts';
import { createSqlStore } from './sql.ts';
import { createSqlAudit } from './sql-audit.ts';
import { createSqlBlobs } from './sql-blobs.ts';

let count = 0;

function objectStores(): Stores {
  const { CONTROL: namespace } = env as {
    readonly CONTROL: { idFromName(name: string): unknown; get(id: unknown): unknown };
  };
  const stub = namespace.get(namespace.idFromName(`suite-${count++}`));
  let stores: Stores | undefined;
  /** Each call runs inside the object, as the control plane's own do. */
  const within = <T>(work: (stores: Stores) => Promise<T>): Promise<T> =>
    runInDurableObject(stub, (_object, state) => {
      const database = databaseOf(state.storage as ObjectStorage);
      stores ??= {
        store: createSqlStore(database),
        blobs: createSqlBlobs(database),
        audit: createSqlAudit(database, { kept: KEPT_AUDIT }),
      };
      return work(stores);
    });
  const listeners = new Set<(revision: number) => void>();
  const store: Store = {
    revision: () => within((own) => own.store.revision()),
    get: (key) => within((own) => own.store.get(key)),
    list: (prefix, options) => within((own) => own.store.list(prefix, options)),
    commit: (changes, by) => within((own) => own.store.commit(changes, by)),
    eventsAfter: (revision, limit) => within((own) => own.store.eventsAfter(revision, limit)),
    history: (options) => within((own) => own.store.history(options)),
    compact: (revision) => within((own) => own.store.compact(revision)),
    onCommit(listener) {
      listeners.add(listener);
      let end = (): void => undefined;
      void within(async (own) => {
        end = own.store.onCommit((revision) => {
          if (listeners.has(listener)) listener(revision);
        });
      });
      return () => {
        listeners.delete(listener);
        end();
      };
    },
  };
  const blobs: BlobStore = {
    put: (name, text) => within((own) => own.blobs.put(name, text)),
    get: (name) => within((own) => own.blobs.get(name)),
    prune: (keep) => within((own) => own.blobs.prune(keep)),
  };
  const audit: AuditLog = {
    append: (entry) => within((own) => own.audit.append(entry)),
    list: (options) => within((own) => own.audit.list(options)),
    read: (options) => within((own) => own.audit.read(options)),
    ends: () => within((own) => own.audit.ends()),
  };
  return { store, blobs, audit };
}

storeSuite('Durable Object', objectStores);
