/** What proxies ask and say: pointer, blobs, acknowledgements. */
import type { Hono } from 'hono';
import type { Pointer, ProxyScope } from '../../src/model/snapshot.ts';
import { Problem } from '../problem.ts';
import type { Ack } from '../push.ts';
import { scopeKey } from '../push.ts';
import type { Ctx, Env, Services } from './context.ts';
import { allow, readBody } from './context.ts';

function scopeFor(c: Ctx, type: string, namespace: string, name: string): ProxyScope {
  allow(c, 'proxy');
  const scope = c
    .get('principal')
    .scopes.find((own) => own.type === type && own.namespace === namespace && own.name === name);
  if (scope === undefined) throw new Problem(403, 'forbidden', 'the token is for another proxy');
  return scope;
}

export function proxyRoutes(app: Hono<Env>, { deps, push }: Services): void {
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
      instance: (body.instance ?? '').slice(0, 64),
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
