/** What is weaker than it could be, of what is stored and of who has tokens. */
import { z } from '@hono/zod-openapi';
import {
  harden,
  hardenAuthority,
  hardenEdge,
  hardenTokens,
} from '../../src/config/harden/index.ts';
import type { TokenFacts } from '../../src/config/harden/index.ts';
import type { Resource } from '../../src/model/api.ts';
import type { Diagnostic } from '../../src/model/diagnostic.ts';
import { kinds } from '../../src/presets/control.ts';
import { isWithin } from '../access/tokens.ts';
import { listTokens } from '../auth.ts';
import { createPlaces } from '../places.ts';
import type { App, Ctx, Services } from './context.ts';
import { permits, permitSome } from './context.ts';
import { refusalOf } from '../access/rights.ts';
import { describe } from './describe.ts';
import { diagnostic } from './schemas.ts';
import { seesResource } from './sift.ts';

async function tokensFor(c: Ctx, { deps, guards }: Services): Promise<readonly TokenFacts[]> {
  const { role } = c.get('principal');
  if (refusalOf({ role }, 'list', { kind: 'tokens' }) !== undefined) return [];
  const tokens = (await listTokens(deps.store)).filter(
    (token) => token.isSession !== true && isWithin(c.get('principal'), token),
  );
  return Promise.all(
    tokens.map(async ({ id, name, role, createdMs, expiresMs, namespaces }) => {
      const use = await guards.lastUses.of(id);
      return {
        id,
        name,
        role,
        createdMs,
        ...(expiresMs === undefined ? {} : { expiresMs }),
        ...(namespaces === undefined ? {} : { namespaces }),
        ...(use === undefined ? {} : { lastUsedMs: use.atMs }),
      };
    }),
  );
}

/** Who joins by what is shown to those who may give identities away; both are of the whole mesh. */
async function authorityFor(c: Ctx, services: Services): Promise<Diagnostic[]> {
  const { deps, identity } = services;
  if (!permits(c, 'list', { kind: 'identities' })) return [];
  const facts = await identity?.facts(services);
  const mayJoin = permits(c, 'list', { kind: 'join-tokens' });
  const shown =
    facts === undefined || mayJoin ? facts : { ...facts, joinTokens: [], oidcJoins: [] };
  return hardenAuthority(shown, deps.nowMs());
}

async function edgeFor({ fleet }: Services, resources: readonly Resource[]): Promise<Diagnostic[]> {
  const proxies = (await fleet.status()).filter(({ runtimes }) => runtimes.edge > 0);
  return hardenEdge(
    proxies.map(({ scope }) => scope),
    resources,
  );
}

async function placed(found: readonly Diagnostic[], services: Services): Promise<Diagnostic[]> {
  const placeOf = createPlaces(services.deps.store, services.inventory);
  return Promise.all(
    found.map(async (finding) => {
      const { resource, path = '' } = finding;
      const place = resource === undefined ? undefined : await placeOf({ resource, path });
      return place === undefined ? finding : { ...finding, place };
    }),
  );
}

export function hardenRoutes(app: App, services: Services): void {
  const { deps, inventory } = services;
  describe(app, {
    method: 'get',
    path: '/v1/harden',
    summary:
      'what in configuration and authority is weaker than it could be, with remedies; of tokens too for role admin, of join tokens and OIDC joins for security-admin',
    role: 'viewer',
    answer: z.object({ items: z.array(diagnostic) }),
  });
  app.get('/v1/harden', async (c) => {
    permitSome(c, 'list', 'analysis');
    const nowMs = deps.nowMs();
    const { resources } = await inventory.current();
    const admitted = resources.map((resource) => ({ resource, placeOf: () => undefined }));
    const found = [
      ...harden(admitted, { kinds, nowMs }),
      ...(await edgeFor(services, resources)),
    ].filter(({ resource }) => seesResource(c, resource));
    const tokens = hardenTokens(await tokensFor(c, services), nowMs);
    const authority = await authorityFor(c, services);
    return c.json({ items: [...(await placed(found, services)), ...authority, ...tokens] });
  });
}
