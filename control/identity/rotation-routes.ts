/** Routes of root rotation and of federation with other trust domains. */
import { z } from '@hono/zod-openapi';
import type { App, Ctx, Services } from '../admin/context.ts';
import { allow } from '../admin/context.ts';
import { describe } from '../admin/describe.ts';
import { readJson } from '../admin/input.ts';
import { Problem } from '../problem.ts';
import type { Core } from './core.ts';
import type { Federations } from './federation.ts';
import type { Followers } from './rotation.ts';
import { advanceRotation, cancelRotation, rotationStatus, startRotation } from './rotation.ts';
import {
  advanceBody,
  federationAnswer,
  federationBody,
  materialBody,
  rotationAnswer,
} from './schemas.ts';

const ROTATION = '/v1/identity/rotation';
const FEDERATION = '/v1/identity/federation';
const MAX_AUDITED = 2000;

interface Rotating {
  readonly core: Core;
  readonly followers: Followers;
  readonly services: Services;
}

async function statusOf({ core, followers }: Rotating): Promise<object> {
  const status = await rotationStatus(core, followers);
  if (status === undefined)
    throw new Problem(404, 'not found', 'this mesh has no certificate authority: `lateen ca init`');
  return status;
}

/** The audit log says who was cut off, beside the request itself. */
async function auditForce(
  c: Ctx,
  { services }: Rotating,
  waited: readonly string[],
): Promise<void> {
  const { name, role } = c.get('principal');
  const { audit, nowMs } = services.deps;
  await audit.append({
    atMs: nowMs(),
    actor: name,
    role,
    method: 'FORCE',
    path: `${ROTATION}/advance past ${waited.length}: ${waited.join('; ')}`.slice(0, MAX_AUDITED),
    status: 200,
  });
}

function advanceRoute(app: App, rotating: Rotating): void {
  const { core, followers } = rotating;
  describe(app, {
    method: 'post',
    path: `${ROTATION}/advance`,
    summary: 'the next step: the new root signs, then the old one is dropped',
    role: 'security-admin',
    body: advanceBody,
    answer: rotationAnswer,
    refusals: { 409: 'somebody would be cut off; the answer names them' },
  });
  app.post(`${ROTATION}/advance`, async (c) => {
    allow(c, 'security-admin');
    const { force = false } = await readJson(c, advanceBody);
    await advanceRotation(core, followers, {
      actor: c.get('principal').name,
      force,
      forced: (waited) => auditForce(c, rotating, waited),
    });
    return c.json(await statusOf(rotating));
  });
}

export function rotationRoutes(app: App, rotating: Rotating): void {
  const { core } = rotating;
  describe(app, {
    method: 'get',
    path: ROTATION,
    summary: 'the stage of a root rotation, and what the next step waits for',
    role: 'viewer',
    answer: rotationAnswer,
    refusals: { 404: 'there is no authority' },
  });
  app.get(ROTATION, async (c) => {
    allow(c, 'viewer');
    return c.json(await statusOf(rotating));
  });
  describe(app, {
    method: 'post',
    path: ROTATION,
    summary: 'begin a root rotation: both roots are believed from now on',
    role: 'security-admin',
    body: materialBody,
    status: 201,
    answer: rotationAnswer,
    refusals: {
      409: 'one runs, or the root is the same',
      422: 'something is wrong with the chain',
    },
  });
  app.post(ROTATION, async (c) => {
    allow(c, 'security-admin');
    await startRotation(core, await readJson(c, materialBody), c.get('principal').name);
    return c.json(await statusOf(rotating), 201);
  });
  describe(app, {
    method: 'delete',
    path: ROTATION,
    summary: 'cancel it, as long as the new root has signed nothing',
    role: 'security-admin',
    status: 204,
    refusals: { 409: 'it is too late, or none runs' },
  });
  app.delete(ROTATION, async (c) => {
    allow(c, 'security-admin');
    await cancelRotation(core, c.get('principal').name);
    return c.body(null, 204);
  });
  advanceRoute(app, rotating);
}

export function federationRoutes(app: App, federations: Federations): void {
  const page = z.object({ items: z.array(federationAnswer) });
  describe(app, {
    method: 'get',
    path: FEDERATION,
    summary: 'other trust domains, and how fresh their bundles are',
    role: 'viewer',
    answer: page,
  });
  app.get(FEDERATION, async (c) => {
    allow(c, 'viewer');
    return c.json({ items: await federations.list() });
  });
  describe(app, {
    method: 'post',
    path: FEDERATION,
    summary: 'believe another trust domain, for identities of its own; again: replaces it',
    role: 'security-admin',
    body: federationBody,
    status: 201,
    answer: page,
    refusals: {
      409: "it is the mesh's own domain",
      422: 'the bundle or URL is not as wanted',
      502: 'the endpoint gave no bundle',
    },
  });
  app.post(FEDERATION, async (c) => {
    allow(c, 'security-admin');
    await federations.add(await readJson(c, federationBody), c.get('principal').name);
    return c.json({ items: await federations.list() }, 201);
  });
  describe(app, {
    method: 'delete',
    path: `${FEDERATION}/{trustDomain}`,
    summary: 'believe it no more',
    role: 'security-admin',
    status: 204,
    refusals: { 404: 'there is none' },
  });
  app.delete(`${FEDERATION}/:trustDomain`, async (c) => {
    allow(c, 'security-admin');
    await federations.remove(c.req.param('trustDomain'), c.get('principal').name);
    return c.body(null, 204);
  });
}
