/** The control plane as one fetch handler; its homes give it a store and a clock. */
import { Hono } from 'hono';
import type { ControlDependencies, Env, Services } from './admin/context.ts';
import { historyRoutes } from './admin/history.ts';
import { proxyRoutes } from './admin/proxies.ts';
import { documentRoutes, resourceRoutes } from './admin/resources.ts';
import { tokenRoutes } from './admin/tokens.ts';
import { authenticate } from './auth.ts';
import { createKeys } from './keys.ts';
import { Problem, problemResponse } from './problem.ts';
import { createPush } from './push.ts';

export type { ControlDependencies } from './admin/context.ts';

export interface ControlPlane {
  fetch(request: Request): Promise<Response>;
}

export function createControlPlane(deps: ControlDependencies): ControlPlane {
  const keys = createKeys({
    fetch: deps.fetchKeys,
    nowMs: deps.nowMs,
    log: deps.log,
    allowPrivate: deps.allowPrivateKeys === true,
  });
  const services: Services = {
    deps,
    push: createPush({ store: deps.store, blobs: deps.blobs, keys }),
  };
  const app = new Hono<Env>();
  app.get('/healthz', (c) => c.text('ok'));
  app.use('/v1/*', async (c, next) => {
    c.set('principal', await authenticate(c.req.raw, deps.store, deps.bootstrapHash));
    await next();
  });
  documentRoutes(app, services);
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
