/** What the admin routes share: dependencies, bodies, roles. */
import type { OpenAPIHono } from '@hono/zod-openapi';
import type { Context } from 'hono';
import type { AuthorityFacts } from '../../src/config/harden/index.ts';
import type { SourceText } from '../../src/model/config.ts';
import type { MachineRole, ShownCertificate } from '../access/machines.ts';
import type { OidcConfig } from '../access/oidc.ts';
import type { LastUses } from '../access/last-use.ts';
import type { Throttle } from '../access/throttle.ts';
import type { Target, Verb } from '../access/rights.ts';
import { refusalOf } from '../access/rights.ts';
import type { AuditLog, BlobStore, Store, TextCache } from '../../src/model/store.ts';
import type { Principal, Role } from '../auth.ts';
import { requireRole } from '../auth.ts';
import { parseStrictJson } from '../strict-json.ts';
import type { Fleet } from '../fleet.ts';
import type { Inventory } from '../inventory.ts';
import type { FetchKeys, Keys } from '../keys.ts';
import type { Authority } from '../identity/authority.ts';
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
  readonly fetchKeys: FetchKeys;
  /** JWKS may be fetched by plain http and from private addresses. @default false */
  readonly allowPrivateKeys?: boolean;
  /** Names in Host that are answered, without port. @default any: the platform in front knows its own */
  readonly allowedHosts?: readonly string[];
  /** Where people log in. @default nowhere: tokens alone */
  readonly oidc?: OidcConfig;
  /** Roles of machines that show a certificate. @default none has one */
  readonly machines?: readonly MachineRole[];
  log: (line: string) => void;
  /** Brings the certificate authority. @default there is none, and proxies believe nobody */
  readonly identity?: (base: IdentityBase) => Identity;
  /** Takes the WebSocket that a request asks for and gives it to `streams`. @default this home has none */
  readonly upgrade?: (request: Request, grant: Grant) => Response;
  /** Has `streams.tick` called then, instead of when it was said last. @default nobody does */
  readonly wakeAt?: (atMs: number) => void;
}

/** Who is at the other end of a request, as the home knows it: never what the request says of itself. */
export interface Peer {
  /** Address that failed logins are counted by. @default all that have none share a count */
  readonly source?: string;
  /** What the client showed in TLS, where this home has ended it. */
  readonly certificate?: ShownCertificate;
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
  /** What can be judged of it, without any secret. */
  facts(services: Services): Promise<AuthorityFacts>;
  /** Does what is due. Called now and then. */
  tick(): Promise<void>;
}

export interface Env {
  Bindings: Peer;
  Variables: {
    requestId: string;
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
  readonly guards: Guards;
  readonly identity?: Identity | undefined;
}

export interface Guards {
  readonly throttle: Throttle;
  readonly lastUses: LastUses;
  /** Was a machine's certificate or identity taken back? @default nobody keeps an authority */
  readonly isDenied?: (shown: { serial: string; identity: string }) => Promise<boolean>;
}

const DEFAULT_MAX_RESOURCES = 50_000;

/** Plain YAML or JSON documents, or `{sources: [{file, text}]}` so that findings point into files. */
export async function readSources(c: Ctx): Promise<SourceText[]> {
  const text = await c.req.text();
  if (!(c.req.header('content-type') ?? '').includes('json')) return [{ file: BODY, text }];
  const value = parseStrictJson(text);
  const sources = (value as { sources?: unknown } | null)?.sources;
  if (!Array.isArray(sources)) return [{ file: BODY, text }];
  return sources.map((source: unknown) => {
    const { file, text: content } = (source ?? {}) as { file?: unknown; text?: unknown };
    if (typeof file !== 'string' || typeof content !== 'string')
      throw new Problem(400, 'bad request', 'a source needs file and text');
    return { file, text: content };
  });
}

const MAX_MESSAGE = 1024;

/** Why somebody changed something: a line of text, kept in the history. @throws Problem 400 */
export function readMessage(c: Ctx): string {
  const message = c.req.query('message') ?? '';
  if (message.length > MAX_MESSAGE || /[\x00-\x1f\x7f]/.test(message))
    throw new Problem(
      400,
      'bad request',
      `message: want a line of at most ${MAX_MESSAGE} characters`,
    );
  return message;
}

export async function applyOptions(c: Ctx, { deps, inventory }: Services): Promise<ApplyOptions> {
  return {
    stock: () => inventory.current(),
    sources: await readSources(c),
    namespace: c.req.query('namespace') ?? 'default',
    dryRun: c.req.query('dryRun') === 'true',
    lenient: c.req.query('fieldValidation') === 'Warn',
    actor: c.get('principal').name,
    message: readMessage(c),
    refusal: refusalFor(c),
    nowMs: deps.nowMs(),
    maxResources: deps.maxResources ?? DEFAULT_MAX_RESOURCES,
  };
}

/** For what is of the whole mesh. @throws Problem 403 */
export function allow(c: Ctx, role: Role): void {
  requireRole(c.get('principal'), role);
}

/** Undefined = it may; else why not. */
export function refusalFor(c: Ctx): ApplyOptions['refusal'] {
  return (verb, target) => refusalOf(c.get('principal'), verb, target);
}

export function permits(c: Ctx, verb: Verb, target: Target): boolean {
  return refusalOf(c.get('principal'), verb, target) === undefined;
}

/** @throws Problem 403 */
export function permit(c: Ctx, verb: Verb, target: Target): void {
  const refusal = refusalOf(c.get('principal'), verb, target);
  if (refusal !== undefined) throw new Problem(403, 'forbidden', refusal);
}

/** A role that may read something, whatever its namespaces: what it is shown has to be sifted. @throws Problem 403 */
export function permitSome(c: Ctx, verb: Verb, kind: string): void {
  const { role } = c.get('principal');
  const refusal = refusalOf({ role }, verb, { kind });
  if (refusal !== undefined) throw new Problem(403, 'forbidden', refusal);
}

/** Whoever may change nothing at all isn't read. @throws Problem 403 */
export function permitChange(c: Ctx): void {
  const { role } = c.get('principal');
  const refusals = ['configuration', 'core/Secret'].map((kind) =>
    refusalOf({ role }, 'update', { kind }),
  );
  if (refusals.every((refusal) => refusal !== undefined))
    throw new Problem(
      403,
      'forbidden',
      `role ${role} may not change configuration, want editor, security-admin or admin`,
    );
}

/** May it see what is of a namespace? Undefined = of the whole mesh. */
export function sees(c: Ctx, namespace: string | undefined): boolean {
  const { namespaces } = c.get('principal');
  return namespaces === undefined || (namespace !== undefined && namespaces.includes(namespace));
}
