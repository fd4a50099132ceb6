/** History and rollback. */
import type { Hono } from 'hono';
import type { StoreChange } from '../../src/model/store.ts';
import { Problem } from '../problem.ts';
import { RESOURCE_PREFIX } from '../resources.ts';
import type { Env, Services } from './context.ts';
import { allow, readBody } from './context.ts';

export function historyRoutes(app: Hono<Env>, { deps }: Services): void {
  app.get('/v1/history', async (c) => {
    allow(c, 'viewer');
    const limit = Math.min(Number(c.req.query('limit') ?? '50') || 50, 500);
    const entries = await deps.store.history({ limit });
    return c.json({
      items: entries.map((entry) => ({
        ...entry,
        changes: entry.changes
          .filter(({ key }) => key.startsWith(RESOURCE_PREFIX))
          .map(({ op, key }) => ({ op, key })),
      })),
    });
  });
  app.post('/v1/rollback', async (c) => {
    allow(c, 'editor');
    const { revision } = JSON.parse(await readBody(c)) as { revision?: unknown };
    if (typeof revision !== 'number')
      throw new Problem(400, 'bad request', 'revision is required, a number');
    const current = await deps.store.revision();
    const { compacted, events } = await deps.store.eventsAfter(revision, 100_000);
    if (compacted || revision < 0 || revision > current)
      throw new Problem(410, 'gone', `revision ${revision} is not kept`);
    const entries = await deps.store.history({ limit: current - revision });
    const before = new Map<string, string | undefined>();
    for (const entry of entries)
      for (const change of entry.changes)
        if (change.key.startsWith(RESOURCE_PREFIX)) before.set(change.key, change.before);
    const changes = [...before].map(([key, value]): StoreChange =>
      value === undefined ? { op: 'delete', key } : { op: 'put', key, value },
    );
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
    return c.json({ revision: result.revision, undone: events.length });
  });
}
