/** What the stored configuration would do, what a proxy does with what it runs, and what is wrong with it. */
import { z } from '@hono/zod-openapi';
import type { Pointer, ProxyScope } from '../../src/model/snapshot.ts';
import type { SimulatedRequest } from '../../src/simulate/index.ts';
import { explainRunning } from '../../src/simulate/explain.ts';
import type { Explanation } from '../../src/simulate/explain.ts';
import { requestFaults } from '../../src/simulate/request.ts';
import { readRunning } from '../../src/simulate/running.ts';
import { createPlaces } from '../places.ts';
import { Problem } from '../problem.ts';
import { pointerName } from '../../src/delivery/pointer.ts';
import type { App, Services } from './context.ts';
import { permit, permitSome } from './context.ts';
import { describe } from './describe.ts';
import { readJson, readQuery } from './input.ts';
import { decision, diagnostic, scope } from './schemas.ts';
import { seesResource, siftDecision } from './sift.ts';

type ProxyName = Pick<ProxyScope, 'namespace' | 'name'> & {
  readonly type?: ProxyScope['type'] | undefined;
};

interface Question {
  readonly scope?: ProxyScope | undefined;
  readonly proxy?: ProxyName | undefined;
  readonly request: SimulatedRequest;
  readonly random?: number | undefined;
}

const header: z.ZodType<readonly [string, string]> = z.tuple([z.string(), z.string()]);

const request: z.ZodType<SimulatedRequest> = z
  .strictObject({
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
        proof: z.enum(['credential', 'platform', 'none']).exactOptional(),
      })
      .exactOptional(),
    tls: z
      .strictObject({ sni: z.string().exactOptional(), mutual: z.boolean().exactOptional() })
      .exactOptional(),
  })
  .superRefine((asked, refinement) => {
    for (const { path, message } of requestFaults(asked))
      refinement.addIssue({ code: 'custom', path: [...path], message });
  });

const question: z.ZodType<Question> = z
  .strictObject({
    scope: scope
      .optional()
      .openapi({ description: 'asks what is stored, compiled for this proxy' }),
    proxy: z
      .strictObject({
        type: z.enum(['gateway', 'sidecar-outbound', 'sidecar-inbound']).optional(),
        namespace: z.string(),
        name: z.string(),
      })
      .optional()
      .openapi({ description: 'asks what the latest instance of this proxy runs' }),
    request,
    random: z
      .number()
      .min(0)
      .lt(1)
      .optional()
      .openapi({ description: 'the draw that decides splits and percentages' }),
  })
  .refine((asked) => (asked.scope === undefined) !== (asked.proxy === undefined), {
    message: 'want one of scope and proxy',
    path: ['scope'],
  });

const analyzeQuery: z.ZodType<{ namespace?: string | undefined; resource?: string | undefined }> =
  z.object({
    namespace: z.string().optional(),
    resource: z.string().optional().openapi({ example: 'VirtualService default/reviews' }),
  });

/** What the instance of a proxy that was seen last said that it runs. @throws Problem 404 */
async function runningOf(
  { type, namespace, name }: ProxyName,
  { fleet, registry }: Services,
): Promise<{ pointer: Pointer; isCurrent: boolean }> {
  const proxies = await fleet.status();
  const found = proxies.find(
    ({ scope: own }) =>
      own.namespace === namespace && own.name === name && (type === undefined || own.type === type),
  );
  if (found === undefined)
    throw new Problem(
      404,
      'not found',
      `no proxy ${namespace}/${name} has a token: see /v1/proxies`,
    );
  const runs = registry
    .instances(found.scope)
    .find((instance) => instance.runs !== undefined)?.runs;
  const [snapshot, endpoints, keys] = runs?.split('.') ?? [];
  if (snapshot === undefined || endpoints === undefined || keys === undefined)
    throw new Problem(
      404,
      'not found',
      `no instance of ${namespace}/${name} with a live lease has said what it runs: ask with its scope instead`,
    );
  return { pointer: { snapshot, endpoints, keys }, isCurrent: runs === pointerName(found.current) };
}

async function answer(asked: Question, services: Services): Promise<Explanation> {
  const { deps, inventory, push } = services;
  const common = {
    request: asked.request,
    nowMs: deps.nowMs(),
    placeOf: createPlaces(deps.store, inventory),
    ...(asked.random === undefined ? {} : { random: asked.random }),
  };
  if (asked.proxy !== undefined) {
    const { pointer, isCurrent } = await runningOf(asked.proxy, services);
    const running = await readRunning(pointer, (name) => deps.blobs.get(name));
    if (running === undefined)
      throw new Problem(
        410,
        'gone',
        `snapshot ${pointer.snapshot} is no longer kept: ask with a scope`,
      );
    return { ...(await explainRunning({ ...common, ...running })), isCurrent };
  }
  return explainRunning({ ...common, ...(await push.preview(asked.scope as ProxyScope)) });
}

export function insightRoutes(app: App, services: Services): void {
  describe(app, {
    method: 'post',
    path: '/v1/explain',
    summary: 'which route, policy and endpoint a request meets, and why',
    role: 'viewer',
    body: question,
    answer: decision,
    refusals: { 404: 'no such proxy, or none that runs anything', 410: 'what it runs is not kept' },
  });
  app.post('/v1/explain', async (c) => {
    permitSome(c, 'get', 'analysis');
    const asked = await readJson(c, question);
    permit(c, 'get', {
      kind: 'analysis',
      namespace: asked.scope?.namespace ?? asked.proxy?.namespace ?? '',
    });
    return c.json(siftDecision(c, await answer(asked, services)));
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
    permitSome(c, 'list', 'analysis');
    const { namespace, resource } = readQuery(c, analyzeQuery);
    const all = await services.statuses.findings();
    const placeOf = createPlaces(services.deps.store, services.inventory);
    const wanted = all.filter(
      (finding) =>
        seesResource(c, finding.resource) &&
        (resource === undefined || finding.resource === resource) &&
        (namespace === undefined || finding.resource?.split(' ')[1]?.split('/')[0] === namespace),
    );
    const items = await Promise.all(
      wanted.map(async (finding) => {
        if (finding.resource === undefined) return finding;
        const place = await placeOf({ resource: finding.resource, path: finding.path ?? '' });
        return place === undefined ? finding : { ...finding, place };
      }),
    );
    return c.json({ items });
  });
}
