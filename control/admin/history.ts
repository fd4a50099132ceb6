/** History, rollback and the audit log. */
import { z } from '@hono/zod-openapi';
import type { HistoryEntry, StoreChange } from '../../src/model/store.ts';
import { Problem } from '../problem.ts';
import { RESOURCE_PREFIX } from '../resources.ts';
import type { App, Services } from './context.ts';
import { allow } from './context.ts';
import { describe } from './describe.ts';
import { readJson, readQuery } from './input.ts';
import { auditPage, historyPage, revision as revisionAnswer } from './schemas.ts';

const MAX_PAGE = 500;

const pageQuery: z.ZodType<{
  limit?: number | undefined;
  before?: number | undefined;
  resource?: string | undefined;
}> = z.object({
  limit: z.coerce.number().int().min(1).max(MAX_PAGE).optional(),
  before: z.coerce.number().int().min(0).optional().openapi({ description: 'older than that' }),
  resource: z
    .string()
    .optional()
    .openapi({ description: 'history only: group/Kind/namespace/name' }),
});

const rollbackBody: z.ZodType<{ revision: number }> = z.strictObject({
  revision: z.int().min(0),
});

/** Tokens are revisions too, but no configuration. */
const isConfiguration = (entry: HistoryEntry): boolean =>
  entry.changes.some(({ key }) => key.startsWith(RESOURCE_PREFIX));

function shownEntry(entry: HistoryEntry): unknown {
  const changes = entry.changes.filter(({ key }) => key.startsWith(RESOURCE_PREFIX));
  return {
    ...entry,
    changes: changes.map(({ op, key }) => ({ op, key: key.slice(RESOURCE_PREFIX.length) })),
  };
}

function rollbackRoute(app: App, { deps }: Services): void {
  describe(app, {
    method: 'post',
    path: '/v1/rollback',
    summary: 'the configuration as of a revision, as a new revision',
    role: 'editor',
    body: rollbackBody,
    answer: revisionAnswer,
    refusals: { 409: 'changed meanwhile', 410: 'the revision is not kept' },
  });
  app.post('/v1/rollback', async (c) => {
    allow(c, 'editor');
    const { revision } = await readJson(c, rollbackBody);
    const current = await deps.store.revision();
    const { compacted } = await deps.store.eventsAfter(revision, 1);
    if (compacted || revision > current)
      throw new Problem(410, 'gone', `revision ${revision} is not kept`);
    const entries = await deps.store.history({ limit: current - revision });
    const before = new Map<string, string | undefined>();
    for (const entry of entries)
      for (const change of entry.changes.toReversed())
        if (change.key.startsWith(RESOURCE_PREFIX)) before.set(change.key, change.before);
    const changes = [...before].map(([key, value]): StoreChange =>
      value === undefined ? { op: 'delete', key } : { op: 'put', key, value },
    );
    if (changes.length === 0) return c.json({ revision: current });
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
    return c.json({ revision: result.revision });
  });
}

export function historyRoutes(app: App, services: Services): void {
  const { store, audit } = services.deps;
  describe(app, {
    method: 'get',
    path: '/v1/history',
    summary: 'what changed, when, by whom and why; newest first',
    role: 'viewer',
    query: pageQuery as z.ZodObject,
    answer: historyPage,
  });
  app.get('/v1/history', async (c) => {
    allow(c, 'viewer');
    const { limit = 50, before, resource } = readQuery(c, pageQuery);
    const entries = await store.history({
      limit: resource === undefined ? limit * 2 : Number.MAX_SAFE_INTEGER,
      ...(before === undefined ? {} : { before }),
    });
    const key = resource === undefined ? undefined : RESOURCE_PREFIX + resource;
    const chosen = entries.filter(
      (entry) =>
        isConfiguration(entry) &&
        (key === undefined || entry.changes.some((change) => change.key === key)),
    );
    return c.json({ items: chosen.slice(0, limit).map((entry) => shownEntry(entry)) });
  });
  rollbackRoute(app, services);
  describe(app, {
    method: 'get',
    path: '/v1/audit',
    summary: 'who did or was refused what; newest first',
    role: 'admin',
    query: pageQuery as z.ZodObject,
    answer: auditPage,
  });
  app.get('/v1/audit', async (c) => {
    allow(c, 'admin');
    const { limit = 50, before } = readQuery(c, pageQuery);
    const items = await audit.list({ limit, ...(before === undefined ? {} : { before }) });
    return c.json({ items });
  });
}
