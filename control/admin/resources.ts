/** Single resources and lists. */
import { z } from '@hono/zod-openapi';
import type { Store, StoreChange, StoredRecord } from '../../src/model/store.ts';
import type { Target, Verb } from '../access/rights.ts';
import { dependsOnContent, isClusterWide, targetOf } from '../access/rights.ts';
import { Problem } from '../problem.ts';
import { RESOURCE_PREFIX, applyOne, readResource, redact } from '../resources.ts';
import type { App, Ctx, Services } from './context.ts';
import { applyOptions, permit, permitSome, readMessage } from './context.ts';
import { describe } from './describe.ts';
import { readQuery } from './input.ts';
import { applyResult, resource, resourcePage, revision } from './schemas.ts';
import { selects } from './selector.ts';

const ONE = '/v1/resources/{group}/{kind}/{namespace}/{name}';
const ONE_PATH = '/v1/resources/:group/:kind/:namespace/:name';
const MAX_PAGE = 1000;
const MAX_TRIES = 5;

const listQuery: z.ZodType<{
  limit?: number | undefined;
  continue?: string | undefined;
  labelSelector?: string | undefined;
}> = z.object({
  limit: z.coerce.number().int().min(1).max(MAX_PAGE).optional(),
  continue: z.string().optional(),
  labelSelector: z.string().optional().openapi({ example: 'app=reviews,version!=v1' }),
});

interface Address {
  readonly group: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

/** Names as they stand in keys: no slash, however it was encoded, makes another key of one. */
const PART = /^[A-Za-z0-9](?:[-.A-Za-z0-9_:]{0,251}[A-Za-z0-9])?$/;

/** @throws Problem 400 */
function requireParts(parameters: Readonly<Record<string, string | undefined>>): void {
  for (const [name, value] of Object.entries(parameters))
    if (value !== undefined && !PART.test(value))
      throw new Problem(
        400,
        'bad request',
        `${name} ${JSON.stringify(value.slice(0, 80))} is no name`,
      );
}

function targetAt({ group, kind, namespace, name }: Address): Target {
  const wanted = `${group}/${kind}`;
  return { kind: wanted, name, ...(isClusterWide(wanted) ? {} : { namespace }) };
}

function keyAt(address: Address): string {
  requireParts({ ...address });
  const { group, kind, namespace, name } = address;
  return `${RESOURCE_PREFIX}${group}/${kind}/${namespace}/${name}`;
}

/** Undefined = no condition; 0 = must not exist. @throws Problem 400 */
function precondition(c: Ctx): number | '*' | undefined {
  if (c.req.header('if-none-match') === '*') return 0;
  const text = c.req.header('if-match');
  if (text === undefined) return undefined;
  if (text === '*') return '*';
  const expected = /^"(\d+)"$/.exec(text)?.[1];
  if (expected === undefined)
    throw new Problem(400, 'bad request', `If-Match ${text.slice(0, 80)}: want "<revision>" or *`);
  return Number(expected);
}

function requireMatch(expected: number | '*' | undefined, found: number): void {
  const isMet = expected === '*' ? found > 0 : expected === undefined || expected === found;
  if (!isMet)
    throw new Problem(
      412,
      'precondition failed',
      `revision ${expected} was expected, ${found === 0 ? 'none' : found} is stored: read it again`,
    );
}

/** By the address alone; where the content decides, it is asked again when that is known. @throws Problem 403 */
function permitWrite(c: Ctx, verb: Verb, target: Target): void {
  permit(c, dependsOnContent(target.kind) ? 'get' : verb, target);
}

interface Asked {
  readonly kind: string;
  readonly namespace: string | undefined;
  readonly limit: number;
  readonly after: string | undefined;
}

type Page = Awaited<ReturnType<Store['list']>>;

/** A page of what the credential reaches: what it doesn't isn't counted, and is no mark to go on from. */
async function listSeen(c: Ctx, store: Store, asked: Asked): Promise<Page> {
  const { kind, namespace } = asked;
  const { namespaces } = c.get('principal');
  const prefix = `${RESOURCE_PREFIX}${kind}/`;
  const after = asked.after === undefined ? {} : { after: asked.after };
  if (namespace !== undefined || namespaces === undefined || isClusterWide(kind)) {
    const isNamed = namespace !== undefined && !isClusterWide(kind);
    permit(c, 'list', { kind, ...(isNamed ? { namespace } : {}) });
    const within = namespace === undefined ? prefix : `${prefix}${namespace}/`;
    return store.list(within, { limit: asked.limit, ...after });
  }
  permitSome(c, 'list', kind);
  return listWithin(store, [...namespaces].sort(), { prefix, limit: asked.limit, ...after });
}

/** Several namespaces as one list; again from the start where something was committed between them. */
async function listWithin(
  store: Store,
  namespaces: readonly string[],
  options: { readonly prefix: string; readonly limit: number; readonly after?: string },
): Promise<Page> {
  for (let tries = 0; ; tries++) {
    const records: StoredRecord[] = [];
    const revision = await store.revision();
    let more = false;
    let isWhole = true;
    for (const namespace of namespaces) {
      const room = options.limit - records.length;
      const page = await store.list(`${options.prefix}${namespace}/`, {
        limit: Math.max(1, room),
        ...(options.after === undefined ? {} : { after: options.after }),
      });
      isWhole &&= page.revision === revision;
      more ||= page.more || (room === 0 && page.records.length > 0);
      if (room > 0) records.push(...page.records);
    }
    if (isWhole || tries >= MAX_TRIES) return { revision, records, more };
  }
}

function readRoutes(app: App, services: Services): void {
  const { store } = services.deps;
  describe(app, {
    method: 'get',
    path: ONE,
    summary: 'one resource with its conditions; ETag is its revision',
    role: 'viewer',
    answer: resource,
    refusals: { 404: 'there is none' },
  });
  app.get(ONE_PATH, async (c) => {
    const { kind, namespace, name } = c.req.param();
    const key = keyAt(c.req.param());
    permit(c, 'get', targetAt(c.req.param()));
    const found = await store.get(key);
    if (found === undefined) throw new Problem(404, 'not found', `no ${kind} ${namespace}/${name}`);
    const etag = `"${found.revision}"`;
    c.header('etag', etag);
    if (c.req.header('if-none-match') === etag) return c.body(null, 304);
    const shown = readResource(found.value, found.revision);
    return c.json({ ...redact(shown), status: await services.statuses.of(shown) });
  });
  for (const path of ['/v1/resources/{group}/{kind}', '/v1/resources/{group}/{kind}/{namespace}'])
    describe(app, {
      method: 'get',
      path,
      summary: 'resources of a kind, in pages',
      role: 'viewer',
      query: listQuery as z.ZodObject,
      answer: resourcePage,
      refusals: { 400: 'a parameter is not as wanted' },
    });
  app.get('/v1/resources/:group/:kind/:namespace?', async (c) => {
    const { group, kind, namespace } = c.req.param();
    requireParts({ group, kind, namespace });
    const query = readQuery(c, listQuery);
    const page = await listSeen(c, store, {
      kind: `${group}/${kind}`,
      namespace,
      limit: query.limit ?? 500,
      after: query.continue,
    });
    const items = page.records.map((record) => redact(readResource(record.value, record.revision)));
    const last = page.records.at(-1)?.key;
    const matches = selects(query.labelSelector ?? '');
    return c.json({
      revision: page.revision,
      items: items.filter((item) => matches(item)),
      ...(page.more && last !== undefined ? { continue: last } : {}),
    });
  });
}

export function resourceRoutes(app: App, services: Services): void {
  const { store, nowMs } = services.deps;
  readRoutes(app, services);
  describe(app, {
    method: 'put',
    path: ONE,
    summary:
      'create or replace one; If-Match "<revision>" or * to replace, If-None-Match * to create',
    role: 'editor',
    takesDocuments: true,
    answer: applyResult,
    refusals: {
      412: 'it was changed meanwhile',
      422: 'faults; nothing was applied',
      428: 'it exists, and no If-Match was given',
    },
  });
  app.put(ONE_PATH, async (c) => {
    const key = keyAt(c.req.param());
    const isNew = (await store.get(key)) === undefined;
    permitWrite(c, isNew ? 'create' : 'update', targetAt(c.req.param()));
    const expected = precondition(c);
    const found = (await store.get(key))?.revision ?? 0;
    if (expected === undefined && found > 0)
      throw new Problem(428, 'precondition required', 'it exists: give If-Match with its ETag');
    requireMatch(expected, found);
    const options = await applyOptions(c, services);
    const result = await applyOne(store, { ...options, key, ifRevision: found });
    const now = await store.get(key);
    if (now !== undefined) c.header('etag', `"${now.revision}"`);
    return c.json(result, found === 0 ? 201 : 200);
  });
  describe(app, {
    method: 'delete',
    path: ONE,
    summary: 'delete one; If-Match "<revision>" deletes that version only',
    role: 'editor',
    answer: revision,
    refusals: { 404: 'there is none', 412: 'it was changed meanwhile' },
  });
  app.delete(ONE_PATH, async (c) => {
    const { kind, namespace, name } = c.req.param();
    const key = keyAt(c.req.param());
    permitWrite(c, 'delete', targetAt(c.req.param()));
    const found = await store.get(key);
    if (found === undefined) throw new Problem(404, 'not found', `no ${kind} ${namespace}/${name}`);
    permit(c, 'delete', targetOf(readResource(found.value, found.revision)));
    requireMatch(precondition(c), found.revision);
    const change: StoreChange = { op: 'delete', key, ifRevision: found.revision };
    const result = await store.commit([change], {
      actor: c.get('principal').name,
      message: readMessage(c),
      atMs: nowMs(),
    });
    if (!result.ok) requireMatch(result.expected, result.found);
    return c.json({ revision: result.ok ? result.revision : 0 });
  });
}
