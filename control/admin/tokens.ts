/** Tokens: shown once, stored as hashes. */
import { z } from '@hono/zod-openapi';
import { sha256Hex } from '../../src/lib/hash.ts';
import type { ProxyScope } from '../../src/model/snapshot.ts';
import type { StoredRecord } from '../../src/model/store.ts';
import { endOf, isWithin, requireWithin } from '../access/tokens.ts';
import type { Role, TokenRecord } from '../auth.ts';
import { TOKEN_PREFIX, listTokens } from '../auth.ts';
import { Problem } from '../problem.ts';
import type { App, Ctx, Services } from './context.ts';
import { permitSome } from './context.ts';
import { describe } from './describe.ts';
import { readJson } from './input.ts';
import { scope, token as tokenAnswer } from './schemas.ts';

/** Beyond, `ttlSeconds` is no number of anybody's; what a role has at most is less. */
const MAX_TTL_SECONDS = 10 * 366 * 24 * 3600;
const MAX_OVERLAP_SECONDS = 7 * 24 * 3600;
const DEFAULT_OVERLAP_SECONDS = 3600;
const MAX_NAMESPACES = 64;
const MAX_SCOPES = 64;

/** A segment of a SPIFFE ID. */
const ACCOUNT = /^(?!\.{1,2}$)[A-Za-z0-9._-]+$/;

const isOfOne = (scopes: readonly ProxyScope[]): boolean =>
  new Set(scopes.map(({ namespace }) => namespace)).size === 1;

interface Wanted {
  readonly name: string;
  readonly role: Role;
  readonly ttlSeconds?: number | undefined;
  readonly namespaces?: readonly string[] | undefined;
  readonly scopes?: readonly ProxyScope[] | undefined;
  readonly serviceAccount?: string | undefined;
}

const label: z.ZodString = z
  .string()
  .regex(/^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/, 'want the name of a namespace');

const createBody: z.ZodType<Wanted> = z
  .strictObject({
    name: z
      .string()
      .min(1)
      .max(253)
      .regex(/^[^\x00-\x1f\x7f]*$/, 'want a line of text'),
    role: z.enum(['viewer', 'operator', 'editor', 'security-admin', 'admin', 'proxy']),
    ttlSeconds: z.int().min(1).max(MAX_TTL_SECONDS).optional(),
    namespaces: z.array(label).min(1).max(MAX_NAMESPACES).optional().openapi({
      description: 'what it reaches; absent: what its maker reaches',
    }),
    scopes: z.array(scope).max(MAX_SCOPES).optional(),
    serviceAccount: z.string().max(253).regex(ACCOUNT).optional(),
  })
  .refine(({ role, scopes = [] }) => (role === 'proxy') === scopes.length > 0, {
    path: ['scopes'],
    message: 'a proxy token needs its scopes {type, namespace, name, labels}, others take none',
  })
  .refine(({ role, namespaces }) => role !== 'proxy' || namespaces === undefined, {
    path: ['namespaces'],
    message: 'a proxy token reaches its scopes',
  })
  .refine(({ serviceAccount, scopes = [] }) => serviceAccount === undefined || isOfOne(scopes), {
    path: ['serviceAccount'],
    message: 'a service account is of one namespace: the scopes must be too, and must be there',
  });

const rotateBody: z.ZodType<{ overlapSeconds?: number | undefined }> = z.strictObject({
  overlapSeconds: z
    .int()
    .min(0)
    .max(MAX_OVERLAP_SECONDS)
    .optional()
    .openapi({ description: 'how long the old one holds beside the new; default 3600' }),
});

type Shown = Omit<TokenRecord, 'hash'> & { lastUsedMs?: number; lastSource?: string };

async function shown(
  { hash: _hash, ...record }: TokenRecord,
  { guards }: Services,
): Promise<Shown> {
  const use = await guards.lastUses.of(record.id);
  return {
    ...record,
    ...(use === undefined ? {} : { lastUsedMs: use.atMs }),
    ...(use?.source === undefined ? {} : { lastSource: use.source }),
  };
}

function newToken({ deps }: Services): { readonly id: string; readonly token: string } {
  const id = deps.randomHex(8);
  return { id, token: `lat_${id}_${deps.randomHex(24)}` };
}

function createRoute(app: App, services: Services): void {
  const { deps } = services;
  describe(app, {
    method: 'post',
    path: '/v1/tokens',
    summary:
      'make a token, of no more than its maker may; only this answer shows it. Without ttlSeconds it holds 90 days (viewer, operator, editor), 30 days (security-admin, admin), or until it is revoked (proxy)',
    role: 'admin',
    body: createBody,
    status: 201,
    answer: tokenAnswer,
    refusals: { 400: 'not as wanted, or longer than the role has' },
  });
  app.post('/v1/tokens', async (c) => {
    permitSome(c, 'create', 'tokens');
    const maker = c.get('principal');
    const { name, role, ttlSeconds, scopes = [], ...wanted } = await readJson(c, createBody);
    const namespaces = role === 'proxy' ? undefined : (wanted.namespaces ?? maker.namespaces);
    const reach = {
      ...(namespaces === undefined ? {} : { namespaces }),
      ...(scopes.length === 0 ? {} : { scopes }),
    };
    requireWithin(maker, { role, ...reach });
    const createdMs = deps.nowMs();
    const expiresMs = endOf(maker, role, {
      nowMs: createdMs,
      ...(ttlSeconds === undefined ? {} : { ttlMs: ttlSeconds * 1000 }),
    });
    const { id, token } = newToken(services);
    const record: TokenRecord = {
      id,
      name,
      role,
      hash: sha256Hex(token),
      createdMs,
      ...(expiresMs === undefined ? {} : { expiresMs }),
      ...reach,
      ...(wanted.serviceAccount === undefined ? {} : { serviceAccount: wanted.serviceAccount }),
    };
    await deps.store.commit(
      [{ op: 'put', key: TOKEN_PREFIX + id, value: JSON.stringify(record) }],
      { actor: maker.name, message: `token ${name}`, atMs: createdMs },
    );
    return c.json({ ...(await shown(record, services)), token }, 201);
  });
}

/** One that this credential may see and end. @throws Problem 404 */
async function tokenAt(
  c: Ctx,
  { deps }: Services,
): Promise<{ readonly record: TokenRecord; readonly stored: StoredRecord }> {
  const id = c.req.param('id') ?? '';
  const stored = /^[0-9a-f]{16}$/.test(id) ? await deps.store.get(TOKEN_PREFIX + id) : undefined;
  const record = stored === undefined ? undefined : (JSON.parse(stored.value) as TokenRecord);
  if (stored === undefined || record === undefined || !isWithin(c.get('principal'), record))
    throw new Problem(404, 'not found', `no token ${id.slice(0, 16)}`);
  return { record, stored };
}

function rotateRoute(app: App, services: Services): void {
  const { deps } = services;
  describe(app, {
    method: 'post',
    path: '/v1/tokens/{id}/rotate',
    summary:
      'a token in the place of another, for as long again; the old one holds a while beside it',
    role: 'admin',
    body: rotateBody,
    status: 201,
    answer: tokenAnswer,
    refusals: { 404: 'there is none', 409: 'it was changed meanwhile' },
  });
  app.post('/v1/tokens/:id/rotate', async (c) => {
    permitSome(c, 'create', 'tokens');
    const maker = c.get('principal');
    const { record: old, stored } = await tokenAt(c, services);
    const { overlapSeconds = DEFAULT_OVERLAP_SECONDS } = await readJson(c, rotateBody);
    requireWithin(maker, old);
    const nowMs = deps.nowMs();
    if (old.isSession === true)
      throw new Problem(409, 'conflict', 'a session is made anew by logging in');
    if (old.expiresMs !== undefined && nowMs >= old.expiresMs)
      throw new Problem(409, 'conflict', 'the token has expired: make one');
    const { expiresMs: _expires, ...lasting } = old;
    const expiresMs = endOf(maker, old.role, {
      nowMs,
      ...(old.expiresMs === undefined ? {} : { ttlMs: old.expiresMs - old.createdMs }),
    });
    const { id, token } = newToken(services);
    const next: TokenRecord = {
      ...lasting,
      id,
      hash: sha256Hex(token),
      createdMs: nowMs,
      rotatedFrom: old.id,
      ...(expiresMs === undefined ? {} : { expiresMs }),
    };
    const endsMs = Math.min(
      old.expiresMs ?? Number.POSITIVE_INFINITY,
      nowMs + overlapSeconds * 1000,
    );
    const result = await deps.store.commit(
      [
        { op: 'put', key: TOKEN_PREFIX + id, value: JSON.stringify(next) },
        {
          op: 'put',
          key: stored.key,
          value: JSON.stringify({ ...old, expiresMs: endsMs }),
          ifRevision: stored.revision,
        },
      ],
      { actor: maker.name, message: `token ${old.name} rotated`, atMs: nowMs },
    );
    if (!result.ok) throw new Problem(409, 'conflict', 'somebody else changed it: try again');
    return c.json({ ...(await shown(next, services)), token, oldExpiresMs: endsMs }, 201);
  });
}

export function tokenRoutes(app: App, services: Services): void {
  const { deps, guards } = services;
  createRoute(app, services);
  rotateRoute(app, services);
  describe(app, {
    method: 'get',
    path: '/v1/tokens',
    summary: 'tokens without their secrets, with when and from where they were used last',
    role: 'admin',
    answer: z.object({ items: z.array(tokenAnswer) }),
  });
  app.get('/v1/tokens', async (c) => {
    permitSome(c, 'list', 'tokens');
    const tokens = await listTokens(deps.store);
    const seen = tokens.filter((token) => isWithin(c.get('principal'), token));
    return c.json({ items: await Promise.all(seen.map((record) => shown(record, services))) });
  });
  describe(app, {
    method: 'delete',
    path: '/v1/tokens/{id}',
    summary: 'revoke a token, at once: its sockets and watches end too',
    role: 'admin',
    status: 204,
    refusals: { 404: 'there is none' },
  });
  app.delete('/v1/tokens/:id', async (c) => {
    permitSome(c, 'delete', 'tokens');
    const { record, stored } = await tokenAt(c, services);
    await deps.store.commit([{ op: 'delete', key: stored.key }], {
      actor: c.get('principal').name,
      message: `token ${record.id} revoked`,
      atMs: deps.nowMs(),
    });
    await guards.lastUses.forget(record.id);
    return c.body(null, 204);
  });
}
