/** What the admin routes share: dependencies, bodies, roles. */
import type { OpenAPIHono } from '@hono/zod-openapi';
import type { Context } from 'hono';
import type { SourceText } from '../../src/model/config.ts';
import type { AuditLog, BlobStore, Store, TextCache } from '../../src/model/store.ts';
import type { Principal, Role } from '../auth.ts';
import { requireRole } from '../auth.ts';
import type { Fleet } from '../fleet.ts';
import type { Inventory } from '../inventory.ts';
import type { Authority } from '../identity/authority.ts';
import type { Keys } from '../keys.ts';
import type { MeshDomains } from '../mesh-domains.ts';
import { Problem } from '../problem.ts';
import type { Push } from '../push.ts';
import type { Registry } from '../registry.ts';
import { BODY } from '../resources.ts';
import type { ApplyOptions } from '../resources.ts';
import type { Statuses } from '../status.ts';
import type { StreamHub } from '../stream/hub.ts';
import type { Grant } from '../stream/socket.ts';

export interface ControlDependencies {
  readonly store: Store;
  readonly blobs: BlobStore;
  readonly audit: AuditLog;
  readonly texts: TextCache;
  nowMs: () => number;
  /** `length` random bytes in hex. */
  randomHex(length: number): string;
  /** SHA-256 (hex) of the first administrator's token. */
  readonly bootstrapHash: string;
  /** How long a gateway may keep a pointer before asking again. @default 5000 */
  readonly pointerMaxAgeMs?: number;
  /** How many resources this home holds; more is refused whole. @default 50000 */
  readonly maxResources?: number;
  /** Revisions that history, rollback and watch reach back. @default 1000 */
  readonly keepRevisions?: number;
  /** For JWKS; redirects are not followed. */
  fetchKeys: (
    url: string,
    init: { readonly signal: AbortSignal; readonly redirect: 'manual' },
  ) => Promise<Response>;
  /** JWKS on private addresses may be fetched. @default false */
  readonly allowPrivateKeys?: boolean;
  log: (line: string) => void;
  /** Brings the certificate authority. @default there is none, and proxies believe nobody */
  readonly identity?: (base: IdentityBase) => Identity;
  /** Takes the WebSocket that a request asks for and gives it to `streams`. @default this home has none */
  readonly upgrade?: (request: Request, grant: Grant) => Response;
  /** Has `streams.tick` called then, instead of when it was said last. @default nobody does */
  readonly wakeAt?: (atMs: number) => void;
}

/** What the certificate authority needs of the control plane. */
export interface IdentityBase {
  readonly deps: ControlDependencies;
  readonly domains: () => Promise<MeshDomains>;
}

/** The certificate authority as a home brings it: in modules of its own, so that nothing else carries them. */
export interface Identity {
  readonly authority: Authority;
  /** Those that ask for no token. */
  addPublicRoutes(app: App, services: Services): void;
  addRoutes(app: App, services: Services): void;
  /** Does what is due. Called now and then. */
  tick(): Promise<void>;
}

export interface Env {
  Variables: {
    principal: Principal;
    /** The answer holds private keys that this token hasn't been given before. */
    givesSecrets: boolean | undefined;
  };
}
export type App = OpenAPIHono<Env>;
export type Ctx = Context<Env>;

export interface Services {
  readonly deps: ControlDependencies;
  readonly inventory: Inventory;
  readonly keys: Keys;
  readonly push: Push;
  readonly registry: Registry;
  readonly fleet: Fleet;
  readonly statuses: Statuses;
  readonly streams: StreamHub;
  readonly identity?: Identity | undefined;
}

const DEFAULT_MAX_RESOURCES = 50_000;

/** Plain YAML or JSON documents, or `{sources: [{file, text}]}` so that findings point into files. */
export async function readSources(c: Ctx): Promise<SourceText[]> {
  const text = await c.req.text();
  if (!(c.req.header('content-type') ?? '').includes('json')) return [{ file: BODY, text }];
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Problem(400, 'bad request', 'the body is no JSON');
  }
  const sources = (value as { sources?: unknown } | null)?.sources;
  if (!Array.isArray(sources)) return [{ file: BODY, text }];
  return sources.map((source: unknown) => {
    const { file, text: content } = (source ?? {}) as { file?: unknown; text?: unknown };
    if (typeof file !== 'string' || typeof content !== 'string')
      throw new Problem(400, 'bad request', 'a source needs file and text');
    return { file, text: content };
  });
}

export async function applyOptions(c: Ctx, { deps, inventory }: Services): Promise<ApplyOptions> {
  return {
    stock: () => inventory.current(),
    sources: await readSources(c),
    namespace: c.req.query('namespace') ?? 'default',
    dryRun: c.req.query('dryRun') === 'true',
    lenient: c.req.query('fieldValidation') === 'Warn',
    actor: c.get('principal').name,
    message: c.req.query('message') ?? '',
    nowMs: deps.nowMs(),
    maxResources: deps.maxResources ?? DEFAULT_MAX_RESOURCES,
  };
}

export function allow(c: Ctx, role: Role): void {
  requireRole(c.get('principal'), role);
}
