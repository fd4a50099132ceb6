/** Everything that touches a host, by what is stored. */
import { z } from '@hono/zod-openapi';
import { describeHost, unknownHostText } from '../../src/config/describe/index.ts';
import { Problem } from '../problem.ts';
import type { App, Services } from './context.ts';
import { permit, permitSome, sees } from './context.ts';
import { describe } from './describe.ts';
import { readQuery } from './input.ts';
import { diagnostic } from './schemas.ts';
import { sift } from './sift.ts';

const MAX_HOST = 253;

const hostQuery: z.ZodObject<{
  host: z.ZodString;
  namespace: z.ZodOptional<z.ZodString>;
}> = z.object({
  host: z.string().min(1).max(MAX_HOST).openapi({
    example: 'reviews',
    description: 'full, or short as clients of the namespace say it',
  }),
  namespace: z
    .string()
    .min(1)
    .max(63)
    .optional()
    .openapi({ description: "whose clients' view; else that of the service's own namespace" }),
});

const named = { resource: z.string(), path: z.string() } as const;
const item = z.looseObject(named);

const attachment = z.object({
  parent: z.string().openapi({ example: 'mesh' }),
  accepted: z.boolean(),
  inForce: z.boolean(),
  reason: z.string().optional(),
});

const route = z
  .looseObject({
    ...named,
    roles: z.array(z.enum(['for', 'to', 'mirror', 'ext_authz'])),
    hosts: z.array(z.string()),
    match: z.string(),
    action: z.string(),
    destinations: z.array(z.looseObject({ host: z.string() })),
    attachments: z.array(attachment),
  })
  .openapi('DescribedRoute');

const gateway = z
  .looseObject({
    ...named,
    takesHost: z.boolean(),
    hosts: z.array(z.string()),
    port: z.int(),
    protocol: z.string(),
    tlsMode: z.string().optional(),
    certificates: z.array(
      z.object({
        secret: z.string(),
        exists: z.boolean(),
        reason: z.string().optional(),
        names: z.array(z.string()).optional(),
        notAfter: z.string().optional(),
      }),
    ),
    accepted: z.boolean(),
    reason: z.string().optional(),
  })
  .openapi('DescribedGateway');

const hostDescription: z.ZodType = z
  .object({
    host: z.string(),
    namespace: z.string(),
    names: z.array(z.string()),
    service: item.optional(),
    trafficPolicy: z.array(z.looseObject({ words: z.string(), ports: z.array(z.int()) })),
    endpoints: z.array(item),
    subsets: z.array(item),
    routes: z.array(route),
    gateways: z.array(gateway),
    mtls: z.array(z.looseObject({ workloads: z.string(), mode: z.string() })),
    policies: z.array(item),
    findings: z.array(diagnostic),
  })
  .openapi('HostDescription', { description: 'contents of Secrets are never in it' });

export function hostRoutes(app: App, services: Services): void {
  describe(app, {
    method: 'get',
    path: '/v1/describe',
    summary: 'everything that touches a host: routes, gateways, policies, endpoints, findings',
    role: 'viewer',
    query: hostQuery,
    answer: hostDescription,
    refusals: { 404: 'nothing knows the host; the detail names similar ones' },
  });
  app.get('/v1/describe', async (c) => {
    permitSome(c, 'get', 'analysis');
    const { host, namespace } = readQuery(c, hostQuery);
    const { namespaces } = c.get('principal');
    if (namespace !== undefined) permit(c, 'get', { kind: 'analysis', namespace });
    const { resources } = await services.inventory.current();
    const asked = { resources, host, ...(namespace === undefined ? {} : { namespace }) };
    const findings = await services.statuses.findings();
    const description = describeHost({ ...asked, findings });
    if (description !== undefined && sees(c, description.namespace))
      return c.json(sift(c, description) as typeof description);
    // What others' hosts are called is not said.
    const detail =
      namespaces === undefined ? unknownHostText(asked) : `nothing of yours knows host ${host}`;
    throw new Problem(404, 'not found', detail);
  });
}
