/** Logins of people: an issuer's token is exchanged for a session, which ends by itself or when its owner says so. */
import { z } from '@hono/zod-openapi';
import { refuseLogin, sourceOf, tooMany } from '../access/guard.ts';
import type { Oidc } from '../access/oidc.ts';
import { createOidc } from '../access/oidc.ts';
import { cookieOf, csrfOf, openSession, sessionOf } from '../access/session.ts';
import type { TokenRecord } from '../auth.ts';
import { TOKEN_PREFIX, principalOf } from '../auth.ts';
import { Problem } from '../problem.ts';
import { SeenOnce } from '../seen.ts';
import type { App, ControlDependencies, Services } from './context.ts';
import { describe } from './describe.ts';
import { readJson } from './input.ts';

const DEFAULT_SESSION_SECONDS = 8 * 3600;
const DEFAULT_SCOPES = ['openid', 'profile', 'email'];

const loginBody: z.ZodType<{ idToken: string; cookie?: boolean | undefined }> = z.strictObject({
  idToken: z.string().min(1).max(16_384),
  cookie: z.boolean().optional().openapi({
    description: 'the session comes as an HttpOnly cookie, and the answer has its CSRF token',
  }),
});

const settings: z.ZodType = z
  .object({ issuer: z.string(), clientId: z.string(), scopes: z.array(z.string()) })
  .openapi('LoginSettings');

const session: z.ZodType = z
  .object({
    name: z.string(),
    role: z.string(),
    namespaces: z.array(z.string()).optional(),
    expiresMs: z.int(),
    token: z.string().optional(),
    csrf: z.string().optional().openapi({ description: 'goes with each change: X-Lateen-Csrf' }),
  })
  .openapi('Session');

function settingsRoute(app: App, oidc: Oidc | undefined): void {
  describe(app, {
    method: 'get',
    path: '/v1/auth/config',
    summary: 'where people log in',
    role: 'nobody',
    answer: settings,
    refusals: { 404: 'nowhere: this control plane has tokens alone' },
  });
  app.get('/v1/auth/config', (c) => {
    if (oidc === undefined)
      throw new Problem(404, 'not found', 'this control plane has no logins, tokens alone');
    const { issuer, clientId, scopes = DEFAULT_SCOPES } = oidc.config;
    return c.json({ issuer, clientId, scopes });
  });
}

/** In the transaction that opens the session its token is used, once for all processes. */
async function openFor(
  idToken: string,
  oidc: Oidc,
  { deps, seen }: { readonly deps: ControlDependencies; readonly seen: SeenOnce },
): Promise<{ readonly record: TokenRecord; readonly token: string; readonly seconds: number }> {
  const { once, onceUntilMs, ...login } = await oidc.verify(idToken);
  const nowMs = deps.nowMs();
  const seconds = oidc.config.sessionSeconds ?? DEFAULT_SESSION_SECONDS;
  const id = deps.randomHex(8);
  const token = `lat_${id}_${deps.randomHex(24)}`;
  const record = await openSession(deps.store, {
    ...login,
    id,
    token,
    nowMs,
    expiresMs: nowMs + seconds * 1000,
    alongside: await seen.use(once, onceUntilMs),
  });
  return { record, token, seconds };
}

function loginRoute(app: App, services: Services, oidc: Oidc | undefined): void {
  const { deps, guards } = services;
  const seen = new SeenOnce(deps.store, deps.nowMs);
  describe(app, {
    method: 'post',
    path: '/v1/auth/login',
    summary: "exchanges an issuer's ID token, at most 10 minutes old and once, for a session",
    role: 'nobody',
    body: loginBody,
    status: 201,
    answer: session,
    refusals: {
      401: 'the token is not good',
      403: 'its holder is in no group that has a role',
      404: 'there are no logins',
      429: 'too many failed',
      503: "the issuer's keys can't be had, or too many sessions",
    },
  });
  app.post('/v1/auth/login', async (c) => {
    if (oidc === undefined)
      throw new Problem(404, 'not found', 'this control plane has no logins, tokens alone');
    const waitMs = guards.throttle.waitMs(sourceOf(c));
    if (waitMs !== undefined) throw tooMany(waitMs);
    const { idToken, cookie = false } = await readJson(c, loginBody);
    const opening = openFor(idToken, oidc, { deps, seen });
    const { record, token, seconds } = await opening.catch(async (error: unknown) => {
      if (!(error instanceof Problem) || error.status === 503) throw error;
      return refuseLogin(c, error, { deps, throttle: guards.throttle });
    });
    c.set('principal', principalOf(record));
    const { name, role, namespaces, expiresMs } = record;
    const login = { name, role, expiresMs, ...(namespaces === undefined ? {} : { namespaces }) };
    if (!cookie) return c.json({ ...login, token }, 201);
    c.header('set-cookie', cookieOf(c.req.raw, token, seconds));
    return c.json({ ...login, csrf: csrfOf(token) }, 201);
  });
}

export function loginRoutes(app: App, services: Services): void {
  const { deps, guards, keys } = services;
  const oidc = deps.oidc === undefined ? undefined : createOidc(deps.oidc, keys, deps.nowMs);
  settingsRoute(app, oidc);
  loginRoute(app, services, oidc);
  describe(app, {
    method: 'get',
    path: '/v1/auth/session',
    summary: "a browser's own session with its CSRF token, after a page was loaded anew",
    role: 'viewer',
    answer: session,
    refusals: { 404: 'who asks has no cookie' },
  });
  app.get('/v1/auth/session', (c) => {
    const token = c.get('principal').by === 'session' ? sessionOf(c.req.raw) : undefined;
    if (token === undefined) throw new Problem(404, 'not found', 'no session of a browser');
    const { name, role, namespaces, expiresMs } = c.get('principal');
    return c.json({ name, role, namespaces, expiresMs, csrf: csrfOf(token) });
  });
  describe(app, {
    method: 'post',
    path: '/v1/auth/logout',
    summary: 'ends the session that asks',
    role: 'viewer',
    status: 204,
    refusals: { 409: 'who asks has no session' },
  });
  app.post('/v1/auth/logout', async (c) => {
    const { by, tokenId = '', name } = c.get('principal');
    if (by !== 'session')
      throw new Problem(409, 'conflict', 'this is no session: tokens are revoked');
    await deps.store.commit([{ op: 'delete', key: TOKEN_PREFIX + tokenId }], {
      actor: name,
      message: `logout ${name}`,
      atMs: deps.nowMs(),
    });
    await guards.lastUses.forget(tokenId);
    c.header('set-cookie', cookieOf(c.req.raw, '', 0));
    return c.body(null, 204);
  });
}
