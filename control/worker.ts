/** The control plane on Workers: one Durable Object holds the truth and does the work. */
import { DurableObject } from 'cloudflare:workers';
import { createBindingKeys } from './binding-keys.ts';
import { readOidcConfig } from './access/oidc.ts';
import { createIdentity } from './identity/index.ts';
import { ObjectStreams } from './object-streams.ts';
import type { ObjectSocket, ObjectState } from './object-streams.ts';
import type { ControlPlane } from './plane.ts';
import { createControlPlane } from './plane.ts';
import type { KvNamespace } from './store/kv.ts';
import { createKvBlobs } from './store/kv.ts';
import { createSqlStore } from './store/sql.ts';
import { createSqlAudit } from './store/sql-audit.ts';
import { createSqlBlobs, createSqlTexts } from './store/sql-blobs.ts';
import { databaseOf } from './store/object.ts';
import type { ObjectStorage } from './store/object.ts';

interface ControlEnv {
  readonly CONTROL: {
    idFromName(name: string): unknown;
    get(id: unknown): { fetch(request: Request): Promise<Response> };
  };
  /** Holds snapshots and overlays; the object keeps them too, for what KV doesn't have yet. */
  readonly BLOBS: KvNamespace;
  /** SHA-256 (hex) of the first administrator's token. */
  readonly BOOTSTRAP_HASH: string;
  readonly POINTER_MAX_AGE_MS?: string;
  /** @default 5000: what compiles within an object's 128 MB and 30 s. */
  readonly MAX_RESOURCES?: string;
  /** Secret: wraps the keys of the certificate authority at rest; at least 32 characters. Without it nothing is signed. */
  readonly CA_SECRET?: string;
  /** The one before it, until `lateen ca rewrap`. */
  readonly CA_SECRET_OLD?: string;
  /** `true`: JWKS may be fetched by plain http and from private addresses. */
  readonly ALLOW_PRIVATE_KEYS?: string;
  /** Where people log in: JSON (docs/admin-api.md). @default tokens alone */
  readonly OIDC?: string;
  /** Names in Host that are answered, separated by commas. @default any that leads here */
  readonly ALLOWED_HOSTS?: string;
}

const log = (line: string): void => {
  console.log(line);
};

function randomHex(length: number): string {
  return [...crypto.getRandomValues(new Uint8Array(length))]
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join('');
}

export class ControlObject extends DurableObject<ControlEnv> {
  readonly #plane: ControlPlane;
  readonly #streams: ObjectStreams;

  constructor(
    context: ConstructorParameters<typeof DurableObject<ControlEnv>>[0],
    env: ControlEnv,
  ) {
    super(context, env);
    this.#streams = new ObjectStreams(context as unknown as ObjectState);
    const database = databaseOf(context.storage as ObjectStorage);
    this.#plane = createControlPlane({
      store: createSqlStore(database),
      blobs: createKvBlobs(env.BLOBS, createSqlBlobs(database), log),
      audit: createSqlAudit(database),
      texts: createSqlTexts(database),
      nowMs: () => Date.now(),
      randomHex,
      bootstrapHash: env.BOOTSTRAP_HASH,
      pointerMaxAgeMs: Number(env.POINTER_MAX_AGE_MS ?? '5000'),
      fetchKeys: createBindingKeys(env),
      ...(env.OIDC === undefined ? {} : { oidc: readOidcConfig(env.OIDC) }),
      ...(env.ALLOWED_HOSTS === undefined ? {} : { allowedHosts: env.ALLOWED_HOSTS.split(',') }),
      allowPrivateKeys: env.ALLOW_PRIVATE_KEYS === 'true',
      maxResources: Number(env.MAX_RESOURCES ?? '5000'),
      log,
      identity: createIdentity({ secret: env.CA_SECRET, secretBefore: env.CA_SECRET_OLD }),
      upgrade: (request, grant) => this.#streams.upgrade(request, grant),
      wakeAt: (atMs) => this.#streams.wakeAt(atMs),
    });
    this.#streams.attach(this.#plane.streams);
  }

  override async fetch(request: Request): Promise<Response> {
    // Set by the platform alone: what a client sends under this name doesn't arrive.
    const source = request.headers.get('cf-connecting-ip');
    return this.#plane.fetch(request, source === null ? {} : { source });
  }

  webSocketMessage(socket: ObjectSocket, message: string | ArrayBuffer): void {
    this.#streams.receive(socket, message);
  }

  webSocketClose(socket: ObjectSocket): void {
    this.#streams.ended(socket);
  }

  webSocketError(socket: ObjectSocket): void {
    this.#streams.ended(socket);
  }

  async alarm(): Promise<void> {
    this.#streams.tick();
    await this.#plane.tick();
  }
}

export default {
  async fetch(request: Request, env: ControlEnv): Promise<Response> {
    return env.CONTROL.get(env.CONTROL.idFromName('main')).fetch(request);
  },
};
