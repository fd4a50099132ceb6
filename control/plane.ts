/** The control plane as one fetch handler; three homes give it a store and a clock. */
import { Hono } from 'hono';
import type { Context } from 'hono';
import { diffResources } from '../src/config/diff.ts';
import { readConfig } from '../src/config/pipeline.ts';
import { sha256Hex } from '../src/lib/hash.ts';
import type { Resource } from '../src/model/api.ts';
import type { SourceText } from '../src/model/config.ts';
import type { Pointer, ProxyScope } from '../src/model/snapshot.ts';
import type { BlobStore, Store, StoreChange } from '../src/model/store.ts';
import { kinds } from '../src/presets/control.ts';
import type { Principal, Role, TokenRecord } from './auth.ts';
import { TOKEN_PREFIX, authenticate, requireRole } from './auth.ts';
import { Problem, problemResponse } from './problem.ts';
import { createPush, scopeKey } from './push.ts';
import type { Ack, Push } from './push.ts';
import {
  RESOURCE_PREFIX,
  applyDocuments,
  deleteDocuments,
  listResources,
  nameOf,
  withRevision,
} from './resources.ts';
import type { ApplyOptions } from './resources.ts';

export interface ControlDependencies {
  readonly store: Store;
  readonly blobs: BlobStore;
  nowMs(): number;
  /** `length` random bytes in hex. */
  randomHex(length: number): string;
  /** SHA-256 (hex) of the first administrator's token. */
  readonly bootstrapHash: string;
  /** How long a gateway may keep a pointer before asking again. @default 5000 */
  readonly pointerMaxAgeMs?: number;
  log(line: string): void;
}

export interface ControlPlane {
  fetch(request: Request): Promise<Response>;
}

const MAX_BODY_BYTES = 8 * 1024 * 1024;
const TEST_SCOPES: readonly ProxyScope['type'][] = [
  'gateway',
  'sidecar-outbound',
  'sidecar-inbound',
];

interface Env {
  Variables: { principal: Principal };
}
type Ctx = Context<Env>;

interface Services {
  readonly deps: ControlDependencies;
  readonly push: Push;
}

async function readBody(c: Ctx): Promise<string> {
  const declared = Number(c.req.header('content-length') ?? '0');
  const text = declared > MAX_BODY_BYTES ? '' : await c.req.text();
  if (declared > MAX_BODY_BYTES || text.length > MAX_BODY_BYTES)
    throw new Problem(413, 'too large', `a body may have ${MAX_BODY_BYTES} bytes`);
  return text;
}

/** Plain YAML or JSON documents, or `{sources: [{file, text}]}` so that findings point into files. */
async function readSources(c: Ctx): Promise<SourceText[]> {
  const text = await readBody(c);
  if (!(c.req.header('content-type') ?? '').includes('json')) return [{ file: 'body', text }];
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Problem(400, 'bad request', 'the body is no JSON');
  }
  const sources = (value as { sources?: unknown } | null)?.sources;
  if (!Array.isArray(sources)) return [{ file: 'body', text }];
  return sources.map((source: unknown) => {
    const { file, text: content } = (source ?? {}) as { file?: unknown; text?: unknown };
    if (typeof file !== 'string' || typeof content !== 'string')
      throw new Problem(400, 'bad request', 'a source needs file and text');
    return { file, text: content };
  });
}

async function applyOptions(c: Ctx, { deps }: Services): Promise<ApplyOptions> {
  return {
    sources: await readSources(c),
    namespace: c.req.query('namespace') ?? 'default',
    dryRun: c.req.query('dryRun') === 'true',
    lenient: c.req.query('fieldValidation') === 'Warn',
    actor: c.get('principal').name,
    message: c.req.query('message') ?? '',
    nowMs: deps.nowMs(),
  };
}

function allow(c: Ctx, role: Role): void {
  requireRole(c.get('principal'), role);
}

/** Secrets are for the mesh alone: people see their keys. */
function redact(resource: Resource): Resource {
  if (resource.kind !== 'Secret' || resource.data === undefined) return resource;
  return {
    ...resource,
    data: Object.fromEntries(Object.keys(resource.data).map((key) => [key, '<hidden>'])),
  };
}

function resourceRoutes(app: Hono<Env>, services: Services): void {
  const { store } = services.deps;
  app.post('/v1/apply', async (c) => {
    allow(c, 'editor');
    return c.json(await applyDocuments(store, await applyOptions(c, services)));
  });
  app.delete('/v1/apply', async (c) => {
    allow(c, 'editor');
    return c.json(await deleteDocuments(store, await applyOptions(c, services)));
  });
  app.post('/v1/diff', async (c) => {
    allow(c, 'viewer');
    const admission = readConfig(await readSources(c), {
      kinds,
      defaultNamespace: c.req.query('namespace') ?? 'default',
    });
    const errors = admission.diagnostics.filter((finding) => finding.level === 'error');
    if (errors.length > 0)
      throw new Problem(422, 'invalid configuration', `${errors.length} faults`, errors);
    const given = admission.resources.map(({ resource }) => resource);
    const names = new Set(given.map((resource) => nameOf(resource)));
    const before = (await listResources(store)).filter((resource) => names.has(nameOf(resource)));
    return c.json({ changes: diffResources(before, given) });
  });
  app.get('/v1/resources/:group/:kind/:namespace/:name', async (c) => {
    allow(c, 'viewer');
    const { group, kind, namespace, name } = c.req.param();
    const found = await store.get(`${RESOURCE_PREFIX}${group}/${kind}/${namespace}/${name}`);
    if (found === undefined) throw new Problem(404, 'not found', `no ${kind} ${namespace}/${name}`);
    c.header('etag', `"${found.revision}"`);
    return c.json(redact(withRevision(JSON.parse(found.value) as Resource, found.revision)));
  });
  app.delete('/v1/resources/:group/:kind/:namespace/:name', async (c) => {
    allow(c, 'editor');
    const { group, kind, namespace, name } = c.req.param();
    const key = `${RESOURCE_PREFIX}${group}/${kind}/${namespace}/${name}`;
    if ((await store.get(key)) === undefined)
      throw new Problem(404, 'not found', `no ${kind} ${namespace}/${name}`);
    const expected = /^"(\d+)"$/.exec(c.req.header('if-match') ?? '')?.[1];
    const change: StoreChange = {
      op: 'delete',
      key,
      ...(expected === undefined ? {} : { ifRevision: Number(expected) }),
    };
    const result = await store.commit([change], {
      actor: c.get('principal').name,
      message: c.req.query('message') ?? '',
      atMs: services.deps.nowMs(),
    });
    if (!result.ok)
      throw new Problem(
        412,
        'precondition failed',
        `revision ${result.expected} was expected, ${result.found} is stored`,
      );
    return c.json({ revision: result.revision });
  });
  app.get('/v1/resources/:group/:kind/:namespace?', async (c) => {
    allow(c, 'viewer');
    const { group, kind, namespace } = c.req.param();
    const prefix = `${RESOURCE_PREFIX}${group}/${kind}/${namespace === undefined ? '' : `${namespace}/`}`;
    const limit = Math.min(Number(c.req.query('limit') ?? '500') || 500, 1000);
    const page = await store.list(prefix, {
      limit,
      ...(c.req.query('continue') === undefined ? {} : { after: c.req.query('continue') ?? '' }),
    });
    const items = page.records.map((record) =>
      redact(withRevision(JSON.parse(record.value) as Resource, record.revision)),
    );
    const last = page.records.at(-1)?.key;
    return c.json({
      revision: page.revision,
      items: items.filter((item) => selected(item, c.req.query('labelSelector'))),
      ...(page.more && last !== undefined ? { continue: last } : {}),
    });
  });
}

/** `a=b,c!=d,e`. */
function selected(resource: Resource, selector: string | undefined): boolean {
  return (selector ?? '')
    .split(',')
    .filter((term) => term !== '')
    .every((term) => {
      const [, name = '', operator, value] = /^([^!=]+)(!=|==?)?(.*)$/.exec(term) ?? [];
      const label = resource.metadata.labels?.[name];
      if (operator === undefined) return label !== undefined;
      return operator === '!=' ? label !== value : label === value;
    });
}

function historyRoutes(app: Hono<Env>, { deps }: Services): void {
  app.get('/v1/history', async (c) => {
    allow(c, 'viewer');
    const limit = Math.min(Number(c.req.query('limit') ?? '50') || 50, 500);
    const entries = await deps.store.history({ limit });
    return c.json({
      items: entries.map((entry) => ({
        ...entry,
        changes: entry.changes
          .filter(({ key }) => key.startsWith(RESOURCE_PREFIX))
          .map(({ op, key }) => ({ op, key })),
      })),
    });
  });
  app.post('/v1/rollback', async (c) => {
    allow(c, 'editor');
    const { revision } = JSON.parse(await readBody(c)) as { revision?: unknown };
    if (typeof revision !== 'number')
      throw new Problem(400, 'bad request', 'revision is required, a number');
    const current = await deps.store.revision();
    const { compacted, events } = await deps.store.eventsAfter(revision, 100_000);
    if (compacted || revision < 0 || revision > current)
      throw new Problem(410, 'gone', `revision ${revision} is not kept`);
    const entries = await deps.store.history({ limit: current - revision });
    const before = new Map<string, string | undefined>();
    for (const entry of entries)
      for (const change of entry.changes)
        if (change.key.startsWith(RESOURCE_PREFIX)) before.set(change.key, change.before);
    const changes = [...before].map(([key, value]): StoreChange =>
      value === undefined ? { op: 'delete', key } : { op: 'put', key, value },
    );
    const result = await deps.store.commit(changes, {
      actor: c.get('principal').name,
      message: `rollback to ${revision}`,
      atMs: deps.nowMs(),
      ifStoreRevision: current,
    });
    if (!result.ok)
      throw new Problem(
        409,
        'conflict',
        'somebody else changed the configuration meanwhile: try again',
      );
    return c.json({ revision: result.revision, undone: events.length });
  });
}

function scopeFor(c: Ctx, type: string, namespace: string, name: string): ProxyScope {
  allow(c, 'proxy');
  const scope = c
    .get('principal')
    .scopes.find((own) => own.type === type && own.namespace === namespace && own.name === name);
  if (scope === undefined) throw new Problem(403, 'forbidden', 'the token is for another proxy');
  return scope;
}

function proxyRoutes(app: Hono<Env>, { deps, push }: Services): void {
  app.get('/v1/proxies/:type/:namespace/:name/pointer', async (c) => {
    const { type, namespace, name } = c.req.param();
    const pointer = await push.pointerFor(scopeFor(c, type, namespace, name));
    const etag = `"${pointer.snapshot}.${pointer.endpoints}.${pointer.keys}"`;
    c.header('etag', etag);
    c.header(
      'cache-control',
      `private, max-age=${Math.floor((deps.pointerMaxAgeMs ?? 5000) / 1000)}`,
    );
    return c.req.header('if-none-match') === etag ? c.body(null, 304) : c.json(pointer);
  });
  app.get('/v1/proxies/:type/:namespace/:name/blobs/:hash', async (c) => {
    const { type, namespace, name, hash } = c.req.param();
    const scope = scopeFor(c, type, namespace, name);
    const blob = (await push.mayRead(scope, hash)) ? await deps.blobs.get(hash) : undefined;
    if (blob === undefined) throw new Problem(404, 'not found', `no blob ${hash} for this proxy`);
    return c.body(blob, 200, {
      'content-type': 'application/json',
      'cache-control': 'private, max-age=31536000, immutable',
    });
  });
  app.post('/v1/proxies/:type/:namespace/:name/ack', async (c) => {
    const { type, namespace, name } = c.req.param();
    const scope = scopeFor(c, type, namespace, name);
    const body = JSON.parse(await readBody(c)) as Partial<Ack> & { pointer: Pointer };
    push.acknowledge(scope, {
      pointer: body.pointer,
      ok: body.ok === true,
      diagnostics: (body.diagnostics ?? []).slice(0, 20),
      instance: String(body.instance ?? '').slice(0, 64),
      atMs: deps.nowMs(),
    });
    if (body.ok !== true)
      deps.log(
        `nack from ${scopeKey(scope)}: ${JSON.stringify(body.diagnostics ?? []).slice(0, 500)}`,
      );
    return c.body(null, 204);
  });
  app.get('/v1/proxies', async (c) => {
    allow(c, 'viewer');
    return c.json({ items: await push.status() });
  });
}

function isScope(value: unknown): value is ProxyScope {
  const scope = value as Partial<ProxyScope> | null;
  return (
    scope !== null &&
    typeof scope === 'object' &&
    TEST_SCOPES.includes(scope.type as ProxyScope['type']) &&
    typeof scope.namespace === 'string' &&
    typeof scope.name === 'string' &&
    typeof scope.labels === 'object'
  );
}

function tokenRoutes(app: Hono<Env>, { deps }: Services): void {
  app.post('/v1/tokens', async (c) => {
    allow(c, 'admin');
    const {
      name,
      role,
      scopes = [],
    } = JSON.parse(await readBody(c)) as { name?: unknown; role?: unknown; scopes?: unknown };
    const isRole = role === 'viewer' || role === 'editor' || role === 'admin' || role === 'proxy';
    if (typeof name !== 'string' || !isRole)
      throw new Problem(
        400,
        'bad request',
        'name and role (viewer, editor, admin, proxy) are required',
      );
    if (
      !Array.isArray(scopes) ||
      !scopes.every((scope) => isScope(scope)) ||
      (role === 'proxy') !== scopes.length > 0
    )
      throw new Problem(
        400,
        'bad request',
        'a proxy token needs its scopes {type, namespace, name, labels}, others take none',
      );
    const token = `lat_${deps.randomHex(24)}`;
    const record: TokenRecord = {
      name,
      role,
      hash: sha256Hex(token),
      ...(scopes.length === 0 ? {} : { scopes }),
    };
    await deps.store.commit(
      [{ op: 'put', key: TOKEN_PREFIX + record.hash, value: JSON.stringify(record) }],
      { actor: c.get('principal').name, message: `token ${name}`, atMs: deps.nowMs() },
    );
    return c.json({ name, role, token }, 201);
  });
}

export function createControlPlane(deps: ControlDependencies): ControlPlane {
  const services: Services = {
    deps,
    push: createPush({ store: deps.store, blobs: deps.blobs, keysOf: () => undefined }),
  };
  const app = new Hono<Env>();
  app.get('/healthz', (c) => c.text('ok'));
  app.use('/v1/*', async (c, next) => {
    c.set('principal', await authenticate(c.req.raw, deps.store, deps.bootstrapHash));
    await next();
  });
  resourceRoutes(app, services);
  historyRoutes(app, services);
  proxyRoutes(app, services);
  tokenRoutes(app, services);
  app.notFound((c) =>
    problemResponse(new Problem(404, 'not found', `no ${c.req.method} ${c.req.path}`), c.req.path),
  );
  app.onError((error, c) => {
    if (error instanceof Problem) return problemResponse(error, c.req.path);
    if (error instanceof SyntaxError)
      return problemResponse(new Problem(400, 'bad request', 'the body is no JSON'), c.req.path);
    deps.log(`error ${c.req.method} ${c.req.path}: ${error.stack ?? error.message}`);
    return problemResponse(
      new Problem(500, 'internal error', 'the request failed; the log has the cause'),
      c.req.path,
    );
  });
  return { fetch: async (request) => app.fetch(request) };
}
