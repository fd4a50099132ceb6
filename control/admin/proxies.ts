/** What proxies ask and say: pointer, blobs, acknowledgements, keys. */
import { z } from '@hono/zod-openapi';
import { MAX_DIAGNOSTICS, MAX_INSTANCE, readRuntime } from '../../src/delivery/messages.ts';
import { pointerName } from '../../src/delivery/pointer.ts';
import type { Diagnostic } from '../../src/model/diagnostic.ts';
import type { Pointer, ProxyScope } from '../../src/model/snapshot.ts';
import { Problem } from '../problem.ts';
import { scopeKey } from '../registry.ts';
import type { App, Ctx, Services } from './context.ts';
import { allow, permitSome, sees } from './context.ts';
import { describe } from './describe.ts';
import { readJson } from './input.ts';
import { diagnostic, pointer as pointerAnswer, proxyPage } from './schemas.ts';

export const PROXY = '/v1/proxies/{type}/{namespace}/{name}';
export const PROXY_PATH = '/v1/proxies/:type/:namespace/:name';

interface Ack {
  readonly pointer: Pointer;
  readonly ok: boolean;
  readonly diagnostics: readonly Diagnostic[];
  readonly instance: string;
}

const ackBody: z.ZodType<Ack> = z.object({
  pointer: pointerAnswer as z.ZodType<Pointer>,
  ok: z.boolean(),
  diagnostics: z.array(diagnostic as z.ZodType<Diagnostic>).max(MAX_DIAGNOSTICS),
  instance: z.string().min(1).max(MAX_INSTANCE),
});

/** A gateway asks for all that it lacks in few requests; a part has some tens of KB. */
const MAX_BLOBS = 128;
const blobsBody: z.ZodType<{ names: string[] }> = z.strictObject({
  names: z.array(z.string().min(1).max(MAX_INSTANCE)).min(1).max(MAX_BLOBS),
});

const keysBody: z.ZodType<{ uri: string; kid?: string | undefined }> = z.strictObject({
  uri: z.string().max(2048),
  /** That no key has. */
  kid: z.string().max(16_384).optional(),
});

/** The scope that a path names, if it is the token's. @throws Problem 403 */
export function scopeFor(c: Ctx): ProxyScope {
  allow(c, 'proxy');
  const { type, namespace, name } = c.req.param();
  const scope = c
    .get('principal')
    .scopes.find((own) => own.type === type && own.namespace === namespace && own.name === name);
  if (scope === undefined) throw new Problem(403, 'forbidden', 'the token is for another proxy');
  return scope;
}

function pullRoutes(app: App, { deps, push, registry }: Services): void {
  describe(app, {
    method: 'get',
    path: `${PROXY}/pointer`,
    summary:
      'what the proxy should run; X-Lateen-Instance, X-Lateen-Runtime (edge or node) and If-None-Match say who asks, in what, and runs what',
    role: 'proxy',
    answer: pointerAnswer,
    refusals: { 403: 'the token is for another proxy' },
  });
  app.get(`${PROXY_PATH}/pointer`, async (c) => {
    const scope = scopeFor(c);
    const { pointer } = await push.compiledFor(scope);
    const etag = `"${pointerName(pointer)}"`;
    const runs = c.req.header('if-none-match');
    const instance = c.req.header('x-lateen-instance');
    const runtime = readRuntime(c.req.header('x-lateen-runtime'));
    if (instance !== undefined && instance !== '')
      registry.seen(
        scope,
        { id: instance.slice(0, MAX_INSTANCE), runtime },
        runs?.replaceAll('"', ''),
      );
    c.header('etag', etag);
    c.header(
      'cache-control',
      `private, max-age=${Math.floor((deps.pointerMaxAgeMs ?? 5000) / 1000)}`,
    );
    return runs === etag ? c.body(null, 304) : c.json(pointer);
  });
}

function blobRoutes(app: App, { deps, push }: Services): void {
  const refusals = { 403: 'the token is for another proxy', 404: 'not for this proxy' };
  const read = async (scope: ProxyScope, name: string): Promise<string> => {
    const blob = (await push.mayRead(scope, name)) ? await deps.blobs.get(name) : undefined;
    if (blob === undefined) throw new Problem(404, 'not found', `no blob ${name} for this proxy`);
    return blob;
  };
  describe(app, {
    method: 'get',
    path: `${PROXY}/blobs/{hash}`,
    summary: 'a manifest, overlay or part that its pointer leads to, or led to before',
    role: 'proxy',
    answer: z.unknown(),
    refusals,
  });
  app.get(`${PROXY_PATH}/blobs/:hash`, async (c) =>
    c.body(await read(scopeFor(c), c.req.param('hash')), 200, {
      'content-type': 'application/json',
      'cache-control': 'private, max-age=31536000, immutable',
    }),
  );
  describe(app, {
    method: 'post',
    path: `${PROXY}/blobs`,
    summary: `up to ${MAX_BLOBS} of them, a line each, in the order asked for`,
    role: 'proxy',
    body: blobsBody,
    answer: z.string(),
    answerType: 'application/jsonl',
    refusals,
  });
  app.post(`${PROXY_PATH}/blobs`, async (c) => {
    const scope = scopeFor(c);
    const { names } = await readJson(c, blobsBody);
    const lines = await Promise.all(names.map((name) => read(scope, name)));
    return c.body(lines.join('\n'), 200, { 'content-type': 'application/jsonl' });
  });
}

export function proxyRoutes(app: App, services: Services): void {
  const { deps, push, registry, keys, fleet } = services;
  pullRoutes(app, services);
  blobRoutes(app, services);
  describe(app, {
    method: 'post',
    path: `${PROXY}/ack`,
    summary: 'an instance runs a pointer, or refuses it and says why',
    role: 'proxy',
    body: ackBody,
    status: 204,
  });
  app.post(`${PROXY_PATH}/ack`, async (c) => {
    const scope = scopeFor(c);
    const ack = await readJson(c, ackBody);
    const runtime = readRuntime(c.req.header('x-lateen-runtime'));
    // Who polls says it with each poll; the log has it once.
    const isKnown = registry
      .instances(scope)
      .some(
        ({ id, refused }) => id === ack.instance && refused?.pointer === pointerName(ack.pointer),
      );
    registry.acknowledge(scope, { ...ack, runtime });
    if (!ack.ok && !isKnown)
      deps.log(`nack from ${scopeKey(scope)}: ${JSON.stringify(ack.diagnostics).slice(0, 500)}`);
    return c.body(null, 204);
  });
  describe(app, {
    method: 'post',
    path: `${PROXY}/keys`,
    summary:
      'a token named a kid that no key has: fetch that key set again, at most once in 30 s, and for that kid once in 5 min',
    role: 'proxy',
    body: keysBody,
    status: 204,
    refusals: { 404: 'no policy of this proxy uses that key set' },
  });
  app.post(`${PROXY_PATH}/keys`, async (c) => {
    const scope = scopeFor(c);
    const { uri, kid } = await readJson(c, keysBody);
    const { jwksUris } = await push.compiledFor(scope);
    if (!jwksUris.includes(uri))
      throw new Problem(404, 'not found', 'no policy of this proxy uses that key set');
    await keys.refresh(uri, kid);
    return c.body(null, 204);
  });
  describe(app, {
    method: 'get',
    path: '/v1/proxies',
    summary: 'which proxy runs what',
    role: 'viewer',
    answer: proxyPage,
  });
  app.get('/v1/proxies', async (c) => {
    permitSome(c, 'list', 'proxies');
    const items = await fleet.status();
    return c.json({ items: items.filter(({ scope }) => sees(c, scope.namespace)) });
  });
}
