/** The control plane on Workers: one Durable Object holds the truth and does the work. */
import { DurableObject } from 'cloudflare:workers';
import type { ControlPlane } from './plane.ts';
import { createControlPlane } from './plane.ts';
import { createSqlBlobs, createSqlStore } from './store/sql.ts';
import type { SqlDatabase, SqlRow } from './store/sql.ts';

interface ControlEnv {
  readonly CONTROL: {
    idFromName(name: string): unknown;
    get(id: unknown): { fetch(request: Request): Promise<Response> };
  };
  /** SHA-256 (hex) of the first administrator's token. */
  readonly BOOTSTRAP_HASH: string;
  readonly POINTER_MAX_AGE_MS?: string;
  /** `true`: JWKS on private addresses may be fetched. */
  readonly ALLOW_PRIVATE_KEYS?: string;
}

interface ObjectStorage {
  readonly sql: {
    exec(query: string, ...parameters: readonly unknown[]): { toArray(): readonly SqlRow[] };
  };
  transactionSync<T>(work: () => T): T;
}

function databaseOf(storage: ObjectStorage): SqlDatabase {
  return {
    all: (query, ...parameters) => storage.sql.exec(query, ...parameters).toArray(),
    transaction: (work) => storage.transactionSync(work),
  };
}

function randomHex(length: number): string {
  return [...crypto.getRandomValues(new Uint8Array(length))]
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join('');
}

export class ControlObject extends DurableObject<ControlEnv> {
  readonly #plane: ControlPlane;

  constructor(
    context: ConstructorParameters<typeof DurableObject<ControlEnv>>[0],
    env: ControlEnv,
  ) {
    super(context, env);
    const database = databaseOf(context.storage as ObjectStorage);
    this.#plane = createControlPlane({
      store: createSqlStore(database),
      blobs: createSqlBlobs(database),
      nowMs: () => Date.now(),
      randomHex,
      bootstrapHash: env.BOOTSTRAP_HASH,
      pointerMaxAgeMs: Number(env.POINTER_MAX_AGE_MS ?? '5000'),
      fetchKeys: (url, init) => fetch(url, init),
      allowPrivateKeys: env.ALLOW_PRIVATE_KEYS === 'true',
      log: (line) => {
        console.log(line);
      },
    });
  }

  override async fetch(request: Request): Promise<Response> {
    return this.#plane.fetch(request);
  }
}

export default {
  async fetch(request: Request, env: ControlEnv): Promise<Response> {
    return env.CONTROL.get(env.CONTROL.idFromName('main')).fetch(request);
  },
};
