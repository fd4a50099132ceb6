/** Documents: apply, delete, diff. */
import { z } from '@hono/zod-openapi';
import { diffResources } from '../../src/config/diff.ts';
import { readConfig } from '../../src/config/pipeline.ts';
import { kinds } from '../../src/presets/control.ts';
import { targetOf } from '../access/rights.ts';
import { Problem } from '../problem.ts';
import { applyDocuments, deleteDocuments, nameOf, requireRights } from '../resources.ts';
import type { App, Services } from './context.ts';
import { applyOptions, permitChange, permitSome, readSources, refusalFor } from './context.ts';
import { describe } from './describe.ts';
import { applyResult, changes } from './schemas.ts';

const applyQuery: z.ZodObject = z.object({
  namespace: z.string().optional().openapi({ description: 'for documents that name none' }),
  dryRun: z.enum(['true', 'false']).optional(),
  fieldValidation: z
    .enum(['Strict', 'Warn'])
    .optional()
    .openapi({ description: 'what unknown fields are' }),
  message: z.string().optional().openapi({ description: 'why; kept in the history' }),
});

const refusals = {
  400: 'not readable',
  409: 'somebody else changed the configuration meanwhile',
  413: 'body over 16 MiB, or more resources than this control plane holds',
  422: 'faults; nothing was applied',
};

export function documentRoutes(app: App, services: Services): void {
  const { store } = services.deps;
  const common = {
    path: '/v1/apply',
    role: 'editor',
    query: applyQuery,
    takesDocuments: true,
    answer: applyResult,
    refusals,
  } as const;
  describe(app, { ...common, method: 'post', summary: 'create or change, as one transaction' });
  app.post('/v1/apply', async (c) => {
    permitChange(c);
    return c.json(await applyDocuments(store, await applyOptions(c, services)));
  });
  describe(app, { ...common, method: 'delete', summary: 'delete what the documents name' });
  app.delete('/v1/apply', async (c) => {
    permitChange(c);
    return c.json(await deleteDocuments(store, await applyOptions(c, services)));
  });
  describe(app, {
    ...common,
    method: 'post',
    path: '/v1/diff',
    role: 'viewer',
    summary: 'what apply would change',
    answer: changes,
  });
  app.post('/v1/diff', async (c) => {
    permitSome(c, 'get', 'configuration');
    const admission = readConfig(await readSources(c), {
      kinds,
      defaultNamespace: c.req.query('namespace') ?? 'default',
    });
    const errors = admission.diagnostics.filter((finding) => finding.level === 'error');
    if (errors.length > 0)
      throw new Problem(422, 'invalid configuration', `${errors.length} faults`, errors);
    const given = admission.resources.map(({ resource }) => resource);
    const refusal = refusalFor(c);
    requireRights(
      given.map((resource) => ({ verb: 'get', target: targetOf(resource) })),
      refusal,
    );
    const names = new Set(given.map((resource) => nameOf(resource)));
    const { resources } = await services.inventory.current();
    const before = resources.filter((resource) => names.has(nameOf(resource)));
    return c.json({ changes: diffResources(before, given) });
  });
}
