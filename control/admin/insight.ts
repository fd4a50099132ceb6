/** What the stored configuration would do, and what is wrong with it. */
import { z } from '@hono/zod-openapi';
import type { ProxyScope } from '../../src/model/snapshot.ts';
import type { SimulatedRequest } from '../../src/simulate/index.ts';
import { explain } from '../../src/simulate/explain.ts';
import { policyCompilers } from '../../src/presets/control.ts';
import type { App, Services } from './context.ts';
import { allow } from './context.ts';
import { describe } from './describe.ts';
import { readJson, readQuery } from './input.ts';
import { decision, diagnostic, scope } from './schemas.ts';

interface Question {
  readonly scope: ProxyScope;
  readonly request: SimulatedRequest;
  readonly random?: number | undefined;
}

const header: z.ZodType<readonly [string, string]> = z.tuple([z.string(), z.string()]);

const request: z.ZodType<SimulatedRequest> = z.strictObject({
  method: z.string().max(64).exactOptional(),
  scheme: z.enum(['http', 'https']).exactOptional(),
  host: z.string().max(1024).exactOptional(),
  port: z.int().min(1).max(65_535).exactOptional(),
  path: z.string().max(16_384).exactOptional(),
  headers: z.array(header).max(100).exactOptional(),
  peer: z
    .strictObject({
      ip: z.string().exactOptional(),
      principal: z.string().exactOptional(),
      country: z.string().max(2).exactOptional(),
    })
    .exactOptional(),
  tls: z
    .strictObject({ sni: z.string().exactOptional(), mutual: z.boolean().exactOptional() })
    .exactOptional(),
});

const question: z.ZodType<Question> = z.strictObject({
  scope,
  request,
  random: z
    .number()
    .min(0)
    .lt(1)
    .optional()
    .openapi({ description: 'the draw that decides splits and percentages' }),
});

const analyzeQuery: z.ZodType<{ namespace?: string | undefined; resource?: string | undefined }> =
  z.object({
    namespace: z.string().optional(),
    resource: z.string().optional().openapi({ example: 'VirtualService default/reviews' }),
  });

export function insightRoutes(app: App, services: Services): void {
  describe(app, {
    method: 'post',
    path: '/v1/explain',
    summary: 'which route, policy and endpoint a request meets, and why',
    role: 'viewer',
    body: question,
    answer: decision,
  });
  app.post('/v1/explain', async (c) => {
    allow(c, 'viewer');
    const asked = await readJson(c, question);
    const { resources } = await services.inventory.current();
    const { nowMs } = services.deps;
    const answer = await explain({
      resources,
      scope: asked.scope,
      request: asked.request,
      policyCompilers,
      nowMs: nowMs(),
      keysOf: (uri) => services.keys.of(uri),
      ...(asked.random === undefined ? {} : { random: asked.random }),
    });
    return c.json(answer);
  });
  describe(app, {
    method: 'get',
    path: '/v1/analyze',
    summary: 'what analysis finds in what is stored',
    role: 'viewer',
    query: analyzeQuery as z.ZodObject,
    answer: z.object({ items: z.array(diagnostic) }),
  });
  app.get('/v1/analyze', async (c) => {
    allow(c, 'viewer');
    const { namespace, resource } = readQuery(c, analyzeQuery);
    const all = await services.statuses.findings();
    const items = all.filter(
      (finding) =>
        (resource === undefined || finding.resource === resource) &&
        (namespace === undefined || finding.resource?.split(' ')[1]?.split('/')[0] === namespace),
    );
    return c.json({ items });
  });
}
