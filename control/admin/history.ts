/** History and rollback. */
import { z } from '@hono/zod-openapi';
import type { HistoryEntry, Store, StoreChange } from '../../src/model/store.ts';
import type { Target, Verb } from '../access/rights.ts';
import { isClusterWide, targetOf } from '../access/rights.ts';
import { Problem } from '../problem.ts';
import { RESOURCE_PREFIX, readResource, requireRights } from '../resources.ts';
import type { App, Ctx, Services } from './context.ts';
import { permitChange, permitSome, refusalFor, sees } from './context.ts';
import { describe } from './describe.ts';
import { readJson, readQuery } from './input.ts';
import { historyPage, revision as revisionAnswer } from './schemas.ts';

const MAX_PAGE = 500;

const pageQuery: z.ZodType<{
  limit?: number | undefined;
  before?: number | undefined;
  resource?: string | undefined;
}> = z.object({
  limit: z.coerce.number().int().min(1).max(MAX_PAGE).optional(),
  before: z.coerce.number().int().min(0).optional().openapi({ description: 'older than that' }),
  resource: z.string().optional().openapi({ description: 'group/Kind/namespace/name' }),
});

const rollbackBody: z.ZodType<{ revision: number }> = z.strictObject({
  revision: z.int().min(0),
});

interface Shown {
  readonly group: string;
  readonly kind: string;
  readonly namespace: string | undefined;
}

/** Undefined = it is no configuration: tokens are revisions too. */
function shownOf(key: string): Shown | undefined {
  if (!key.startsWith(RESOURCE_PREFIX)) return undefined;
  const [group = '', kind = '', namespace] = key.slice(RESOURCE_PREFIX.length).split('/');
  return { group, kind, namespace: isClusterWide(`${group}/${kind}`) ? undefined : namespace };
}

/** Does it concern configuration that the credential reaches? */
function seesKey(c: Ctx, key: string): boolean {
  const shown = shownOf(key);
  return shown !== undefined && sees(c, shown.namespace);
}

/** Undefined = nothing of it is for this credential. What was said of more than it may see isn't told. */
function shownEntry(c: Ctx, entry: HistoryEntry): unknown {
  const configuration = entry.changes.filter(({ key }) => shownOf(key) !== undefined);
  const changes = configuration.filter(({ key }) => seesKey(c, key));
  if (changes.length === 0) return undefined;
  return {
    ...entry,
    message: changes.length === configuration.length ? entry.message : '',
    changes: changes.map(({ op, key }) => ({ op, key: key.slice(RESOURCE_PREFIX.length) })),
  };
}

/** What takes the keys that a credential reaches back to a revision. */
function reverting(c: Ctx, entries: readonly HistoryEntry[]): StoreChange[] {
  const before = new Map<string, string | undefined>();
  for (const entry of entries)
    for (const change of entry.changes.toReversed())
      if (seesKey(c, change.key)) before.set(change.key, change.before);
  return [...before].map(([key, value]): StoreChange =>
    value === undefined ? { op: 'delete', key } : { op: 'put', key, value },
  );
}

/** All of them may be changed so, or none is. @throws Problem 403 */
async function requireReverting(
  c: Ctx,
  store: Store,
  changes: readonly StoreChange[],
): Promise<void> {
  const touched: { verb: Verb; target: Target }[] = [];
  for (const change of changes) {
    const stored = await store.get(change.key);
    const is = stored === undefined ? undefined : readResource(stored.value, stored.revision);
    const becomes = change.op === 'put' ? readResource(change.value, 0) : undefined;
    const resource = becomes ?? is;
    if (resource === undefined) continue;
    const verb = becomes === undefined ? 'delete' : is === undefined ? 'create' : 'update';
    touched.push({ verb, target: targetOf(resource, is) });
  }
  requireRights(touched, refusalFor(c));
}

function rollbackRoute(app: App, { deps }: Services): void {
  describe(app, {
    method: 'post',
    path: '/v1/rollback',
    summary:
      'the configuration as of a revision, as a new revision; that of its namespaces for a credential that has some',
    role: 'editor',
    body: rollbackBody,
    answer: revisionAnswer,
    refusals: { 409: 'changed meanwhile', 410: 'the revision is not kept' },
  });
  app.post('/v1/rollback', async (c) => {
    permitChange(c);
    const { revision } = await readJson(c, rollbackBody);
    const current = await deps.store.revision();
    const { compacted } = await deps.store.eventsAfter(revision, 1);
    if (compacted || revision > current)
      throw new Problem(410, 'gone', `revision ${revision} is not kept`);
    const entries = await deps.store.history({ limit: current - revision });
    const changes = reverting(c, entries);
    await requireReverting(c, deps.store, changes);
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
  const { store } = services.deps;
  describe(app, {
    method: 'get',
    path: '/v1/history',
    summary: 'what changed, when, by whom and why; newest first',
    role: 'viewer',
    query: pageQuery as z.ZodObject,
    answer: historyPage,
  });
  app.get('/v1/history', async (c) => {
    permitSome(c, 'list', 'history');
    const { limit = 50, before, resource } = readQuery(c, pageQuery);
    const isAll = resource === undefined && c.get('principal').namespaces === undefined;
    const entries = await store.history({
      limit: isAll ? limit * 2 : Number.MAX_SAFE_INTEGER,
      ...(before === undefined ? {} : { before }),
    });
    const key = resource === undefined ? undefined : RESOURCE_PREFIX + resource;
    const items = entries
      .filter(({ changes }) => key === undefined || changes.some((change) => change.key === key))
      .map((entry) => shownEntry(c, entry))
      .filter((entry) => entry !== undefined);
    return c.json({ items: items.slice(0, limit) });
  });
  rollbackRoute(app, services);
}
