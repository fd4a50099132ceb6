/** Everything that stands before a route: whose page asks, who asks, how often it failed; and what is written down of it. */
import { bodyLimit } from 'hono/body-limit';
import type { App, ControlDependencies, Ctx, Guards } from '../admin/context.ts';
import { auditPath, auditQuery, holdsToken } from '../audit/redact.ts';
import type { Principal } from '../auth.ts';
import { authenticate, bearerOf } from '../auth.ts';
import { Problem } from '../problem.ts';
import { SECURITY_HEADERS, requireHost, requireOwnOrigin } from './browser.ts';
import type { ShownCertificate } from './machines.ts';
import { machineOf } from './machines.ts';
import { sessionOf } from './session.ts';
import type { Throttle } from './throttle.ts';

const MAX_BODY_BYTES = 16 * 1024 * 1024;
/** What a source is called where the home doesn't know it: they all share one count. */
const UNKNOWN_SOURCE = 'unknown';
/** A stored token's form: its secret can't be guessed. */
const STORED = /^lat_[0-9a-f]{16}_[0-9a-f]{48}$/;

/** POST because the question has a body; they change nothing. */
const ASKS = new Set(['/v1/diff', '/v1/explain', '/v1/access/can-i']);
/** Bodies that a form of any page can send; none of ours is one. */
const FORMS = /^(?:application\/x-www-form-urlencoded|multipart\/form-data)/i;

/** Changes and refusals of known people; proxies' reports and reads are not worth a line each, but for private keys. */
function isAudited(c: Ctx, status: number): boolean {
  if (c.get('principal') === undefined) return false;
  if (c.get('givesSecrets') === true) return true;
  if (status === 403) return true;
  const isRead = c.req.method === 'GET' || ASKS.has(c.req.path);
  return !isRead && c.get('principal').role !== 'proxy';
}

/** Whoever has nothing yet has to ask these. */
const OPEN = new Set(['GET /v1/auth/config', 'POST /v1/auth/login']);

export const sourceOf = (c: Ctx): string => c.env?.source ?? UNKNOWN_SOURCE;

/** One line of the log: who asked for what, and what became of it. */
async function write(
  c: Ctx,
  deps: ControlDependencies,
  line: { readonly status: number; readonly count?: number },
): Promise<void> {
  const principal = c.get('principal') as Principal | undefined;
  const url = new URL(c.req.url);
  const query = auditQuery(url.searchParams);
  const { source } = c.env ?? {};
  const isDryRun = url.searchParams.get('dryRun') === 'true';
  await deps.audit.append({
    atMs: deps.nowMs(),
    actor: principal?.name ?? '',
    role: principal?.role ?? 'none',
    method: c.req.method.slice(0, 16),
    path: auditPath(url.pathname),
    status: line.status,
    requestId: c.get('requestId'),
    ...(principal?.tokenId === undefined ? {} : { tokenId: principal.tokenId }),
    ...(source === undefined ? {} : { source }),
    ...(query === undefined ? {} : { query }),
    ...(isDryRun ? { dryRun: true as const } : {}),
    ...(line.count === undefined ? {} : { count: line.count }),
  });
}

/** A failed login: 401, or 429 when this source had too many. Some of them are written down. */
export async function refuseLogin(
  c: Ctx,
  problem: Problem,
  { deps, throttle }: { readonly deps: ControlDependencies; readonly throttle: Throttle },
): Promise<never> {
  const { retryAfterMs, auditCount } = throttle.failed(sourceOf(c));
  const status = retryAfterMs === undefined ? problem.status : 429;
  if (auditCount !== undefined) await write(c, deps, { status, count: auditCount });
  if (retryAfterMs === undefined) throw problem;
  throw tooMany(retryAfterMs);
}

export function tooMany(retryAfterMs: number): Problem {
  const seconds = Math.ceil(retryAfterMs / 1000);
  return new Problem(
    429,
    'too many requests',
    `too many logins of this address failed: try again in ${seconds} s`,
  ).with({ 'retry-after': String(seconds) });
}

/** Was the certificate of a machine, or its identity, denied? */
export async function isTakenBack(
  { serial, name }: Principal,
  { isDenied }: Guards,
): Promise<boolean> {
  if (serial === undefined || isDenied === undefined) return false;
  return isDenied({ serial, identity: name.replace(/^spiffe:\/\//, '') });
}

async function machine(
  certificate: ShownCertificate,
  { machines = [], nowMs }: ControlDependencies,
  guards: Guards,
): Promise<Principal> {
  const principal = machineOf(certificate, machines, nowMs());
  if (await isTakenBack(principal, guards))
    throw new Problem(401, 'unauthorized', 'the client certificate was taken back');
  return principal;
}

async function whoAsks(c: Ctx, deps: ControlDependencies, guards: Guards): Promise<Principal> {
  const known = { bootstrapHash: deps.bootstrapHash, nowMs: deps.nowMs() };
  try {
    const bearer = bearerOf(c.req.raw);
    const token = bearer ?? sessionOf(c.req.raw);
    const { certificate } = c.env ?? {};
    if (token === undefined && certificate !== undefined && deps.machines !== undefined)
      return await machine(certificate, deps, guards);
    if (token === undefined) throw new Problem(401, 'unauthorized', 'a bearer token is required');
    const principal = await authenticate(token, deps.store, known);
    if (bearer === undefined && principal.by !== 'session')
      throw new Problem(401, 'unauthorized', 'a cookie is for sessions: send the token as bearer');
    // What somebody chose could be guessed: while its address fails too often, it isn't heard.
    const waitMs = STORED.test(token) ? undefined : guards.throttle.waitMs(sourceOf(c));
    if (waitMs !== undefined) throw tooMany(waitMs);
    return principal;
  } catch (error) {
    if (!(error instanceof Problem) || error.status !== 401) throw error;
    return refuseLogin(c, error, { deps, throttle: guards.throttle });
  }
}

/** @throws Problem 400, 415 */
function requireClean(c: Ctx): void {
  const url = new URL(c.req.url);
  if (holdsToken(url.search) || holdsToken(url.pathname))
    throw new Problem(
      400,
      'bad request',
      'a token stands in the address, where logs keep it: revoke it, and send Authorization: Bearer <token>',
    );
  const type = c.req.header('content-type') ?? '';
  if (FORMS.test(type))
    throw new Problem(415, 'unsupported media type', 'want application/json or application/yaml');
  const charset = /charset\s*=\s*"?([^";\s]+)/i.exec(type)?.[1];
  if (charset !== undefined && !/^utf-?8$/i.test(charset))
    throw new Problem(415, 'unsupported media type', 'text is UTF-8');
  const encoding = c.req.header('content-encoding') ?? 'identity';
  if (encoding.toLowerCase() !== 'identity')
    throw new Problem(415, 'unsupported media type', 'bodies are not compressed');
}

export function secureAnswers(app: App): void {
  app.use(async (c, next) => {
    await next();
    // A WebSocket's answer is the runtime's own.
    if (c.res.status === 101) return;
    for (const [name, value] of Object.entries(SECURITY_HEADERS)) c.res.headers.set(name, value);
    if (!c.res.headers.has('cache-control')) c.res.headers.set('cache-control', 'no-store');
  });
}

export function guard(app: App, deps: ControlDependencies, guards: Guards): void {
  app.use('/v1/*', async (c, next) => {
    await next();
    const { status } = c.res;
    if (isAudited(c, status)) await write(c, deps, { status });
  });
  app.use('/v1/*', async (c, next) => {
    requireHost(c.req.raw, deps.allowedHosts);
    requireOwnOrigin(c.req.raw);
    requireClean(c);
    if (OPEN.has(`${c.req.method} ${c.req.path}`)) return next();
    const principal = await whoAsks(c, deps, guards);
    c.set('principal', principal);
    if (principal.tokenId !== undefined)
      await guards.lastUses.note(principal.tokenId, c.env?.source);
    await next();
  });
  app.use(
    '/v1/*',
    bodyLimit({
      maxSize: MAX_BODY_BYTES,
      onError: () => {
        throw new Problem(413, 'too large', `a body may have ${MAX_BODY_BYTES} bytes`);
      },
    }),
  );
}
