/** Tokens: shown once, stored as hashes. */
import type { Hono } from 'hono';
import { sha256Hex } from '../../src/lib/hash.ts';
import type { ProxyScope } from '../../src/model/snapshot.ts';
import type { TokenRecord } from '../auth.ts';
import { TOKEN_PREFIX } from '../auth.ts';
import { Problem } from '../problem.ts';
import type { Env, Services } from './context.ts';
import { allow, readBody } from './context.ts';

const SCOPE_TYPES: readonly ProxyScope['type'][] = [
  'gateway',
  'sidecar-outbound',
  'sidecar-inbound',
];

function isScope(value: unknown): value is ProxyScope {
  const scope = value as Partial<ProxyScope> | null;
  return (
    scope !== null &&
    typeof scope === 'object' &&
    SCOPE_TYPES.includes(scope.type as ProxyScope['type']) &&
    typeof scope.namespace === 'string' &&
    typeof scope.name === 'string' &&
    typeof scope.labels === 'object'
  );
}

export function tokenRoutes(app: Hono<Env>, { deps }: Services): void {
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
