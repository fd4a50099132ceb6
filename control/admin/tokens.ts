/** Tokens: shown once, stored as hashes. */
import { z } from '@hono/zod-openapi';
import { sha256Hex } from '../../src/lib/hash.ts';
import type { ProxyScope } from '../../src/model/snapshot.ts';
import type { Role, TokenRecord } from '../auth.ts';
import { TOKEN_PREFIX, listTokens } from '../auth.ts';
import { Problem } from '../problem.ts';
import type { App, Services } from './context.ts';
import { allow } from './context.ts';
import { describe } from './describe.ts';
import { readJson } from './input.ts';
import { scope, token as tokenAnswer } from './schemas.ts';

const MAX_TTL_SECONDS = 366 * 24 * 3600;

/** A segment of a SPIFFE ID. */
const ACCOUNT = /^(?!\.{1,2}$)[A-Za-z0-9._-]+$/;

const isOfOne = (scopes: readonly ProxyScope[]): boolean =>
  new Set(scopes.map(({ namespace }) => namespace)).size === 1;

interface Wanted {
  readonly name: string;
  readonly role: Role;
  readonly ttlSeconds?: number | undefined;
  readonly scopes?: readonly ProxyScope[] | undefined;
  readonly serviceAccount?: string | undefined;
}

const createBody: z.ZodType<Wanted> = z
  .strictObject({
    name: z.string().min(1).max(253),
    role: z.enum(['viewer', 'editor', 'admin', 'proxy']),
    ttlSeconds: z.int().min(1).max(MAX_TTL_SECONDS).optional(),
    scopes: z.array(scope).optional(),
    serviceAccount: z.string().max(253).regex(ACCOUNT).optional(),
  })
  .refine(({ role, scopes = [] }) => (role === 'proxy') === scopes.length > 0, {
    path: ['scopes'],
    message: 'a proxy token needs its scopes {type, namespace, name, labels}, others take none',
  })
  .refine(({ serviceAccount, scopes = [] }) => serviceAccount === undefined || isOfOne(scopes), {
    path: ['serviceAccount'],
    message: 'a service account is of one namespace: the scopes must be too, and must be there',
  });

function shown({ hash: _hash, ...record }: TokenRecord): Omit<TokenRecord, 'hash'> {
  return record;
}

function createRoute(app: App, { deps }: Services): void {
  describe(app, {
    method: 'post',
    path: '/v1/tokens',
    summary: 'make a token; only this answer shows it',
    role: 'admin',
    body: createBody,
    status: 201,
    answer: tokenAnswer,
    refusals: { 400: 'not as wanted' },
  });
  app.post('/v1/tokens', async (c) => {
    allow(c, 'admin');
    const { name, role, ttlSeconds, scopes = [], serviceAccount } = await readJson(c, createBody);
    const id = deps.randomHex(8);
    const token = `lat_${id}_${deps.randomHex(24)}`;
    const createdMs = deps.nowMs();
    const record: TokenRecord = {
      id,
      name,
      role,
      hash: sha256Hex(token),
      createdMs,
      ...(ttlSeconds === undefined ? {} : { expiresMs: createdMs + ttlSeconds * 1000 }),
      ...(scopes.length === 0 ? {} : { scopes }),
      ...(serviceAccount === undefined ? {} : { serviceAccount }),
    };
    await deps.store.commit(
      [{ op: 'put', key: TOKEN_PREFIX + id, value: JSON.stringify(record) }],
      { actor: c.get('principal').name, message: `token ${name}`, atMs: createdMs },
    );
    return c.json({ ...shown(record), token }, 201, { 'cache-control': 'no-store' });
  });
}

export function tokenRoutes(app: App, services: Services): void {
  const { deps } = services;
  createRoute(app, services);
  describe(app, {
    method: 'get',
    path: '/v1/tokens',
    summary: 'tokens without their secrets',
    role: 'admin',
    answer: z.object({ items: z.array(tokenAnswer) }),
  });
  app.get('/v1/tokens', async (c) => {
    allow(c, 'admin');
    return c.json({ items: (await listTokens(deps.store)).map((record) => shown(record)) });
  });
  describe(app, {
    method: 'delete',
    path: '/v1/tokens/{id}',
    summary: 'revoke a token, at once',
    role: 'admin',
    status: 204,
    refusals: { 404: 'there is none' },
  });
  app.delete('/v1/tokens/:id', async (c) => {
    allow(c, 'admin');
    const key = TOKEN_PREFIX + c.req.param('id');
    if ((await deps.store.get(key)) === undefined)
      throw new Problem(404, 'not found', `no token ${c.req.param('id')}`);
    await deps.store.commit([{ op: 'delete', key }], {
      actor: c.get('principal').name,
      message: `token ${c.req.param('id')} revoked`,
      atMs: deps.nowMs(),
    });
    return c.body(null, 204);
  });
}
