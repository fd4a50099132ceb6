/** The authority's own routes: set up, status, log of certificates, denials, secrets. */
import { z } from '@hono/zod-openapi';
import type { App } from '../admin/context.ts';
import { allow } from '../admin/context.ts';
import { describe } from '../admin/describe.ts';
import { readJson, readQuery } from '../admin/input.ts';
import { refuse } from './chain.ts';
import type { Core } from './core.ts';
import { commit } from './core.ts';
import { deny, undeny } from './deny.ts';
import type { Federations } from './federation.ts';
import { issuedPage } from './issued.ts';
import { TOKEN_KEY_PREFIX } from './records.ts';
import { rewrap } from './rewrap.ts';
import {
  denied as deniedAnswer,
  denyBody,
  issuedAnswer,
  issuedQuery,
  materialBody,
  requestAnswer,
  statusAnswer,
  tokenKeyBody,
  undenyQuery,
} from './schemas.ts';
import { install, requestIntermediate } from './setup.ts';
import { signingGeneration } from './signers.ts';
import { identityStatus } from './status.ts';
import { makeTokenKey, putTokenKey } from './token-keys.ts';
import { readSerial } from './x509.ts';

const AUTHORITY = '/v1/identity/authority';
const DENIED = '/v1/identity/denied';
/** Known for so long before it signs. */
const AHEAD_MS = 3_600_000;

function setupRoutes(app: App, core: Core, federations: Federations): void {
  describe(app, {
    method: 'get',
    path: AUTHORITY,
    summary: 'how the certificate authority is: signer, roots, conditions, counters',
    role: 'viewer',
    answer: statusAnswer,
  });
  app.get(AUTHORITY, async (c) => {
    allow(c, 'viewer');
    return c.json(await identityStatus(core, await federations.list()));
  });
  describe(app, {
    method: 'post',
    path: `${AUTHORITY}/request`,
    summary:
      'a certificate request for an intermediate, whose key stays here; it replaces the one before',
    role: 'security-admin',
    status: 201,
    answer: requestAnswer,
    refusals: { 503: 'no secret wraps keys' },
  });
  app.post(`${AUTHORITY}/request`, async (c) => {
    allow(c, 'security-admin');
    const request = await requestIntermediate(core, c.get('principal').name);
    const { trustDomain } = await core.domains();
    return c.json({ trustDomain, request }, 201);
  });
  describe(app, {
    method: 'post',
    path: AUTHORITY,
    summary: 'set the authority up, or exchange its intermediate under the same root',
    role: 'security-admin',
    body: materialBody,
    status: 201,
    answer: statusAnswer,
    refusals: {
      400: 'not as wanted',
      409: 'it has another root: that is a rotation',
      422: 'something is wrong with a certificate or the key',
      503: 'no secret wraps keys',
    },
  });
  app.post(AUTHORITY, async (c) => {
    allow(c, 'security-admin');
    const material = await readJson(c, materialBody);
    await install(core, material, c.get('principal').name);
    return c.json(await identityStatus(core, await federations.list()), 201);
  });
}

function secretRoutes(app: App, core: Core): void {
  describe(app, {
    method: 'post',
    path: '/v1/identity/rewrap',
    summary: 'wrap every key with the newest secret',
    role: 'security-admin',
    answer: z.object({ keys: z.int() }),
    refusals: { 503: 'the secret that wraps a key is not given' },
  });
  app.post('/v1/identity/rewrap', async (c) => {
    allow(c, 'security-admin');
    return c.json({ keys: await rewrap(core, c.get('principal').name) });
  });
  describe(app, {
    method: 'post',
    path: '/v1/identity/token-keys',
    summary: 'a new key for workload identity tokens, which signs in an hour',
    role: 'security-admin',
    body: tokenKeyBody,
    status: 201,
    answer: z.object({ kid: z.string(), activeMs: z.int() }),
    refusals: { 503: 'there is no authority' },
  });
  app.post('/v1/identity/token-keys', async (c) => {
    allow(c, 'security-admin');
    const { replace = false } = await readJson(c, tokenKeyBody);
    const view = await core.views.current();
    signingGeneration(view);
    const nowMs = core.nowMs();
    const made = await makeTokenKey(await core.wrapping(), nowMs, nowMs + (replace ? 0 : AHEAD_MS));
    const old = replace ? view.tokenKeys : [];
    await commit(
      core,
      [
        putTokenKey(made),
        ...old.map(({ kid }) => ({ op: 'delete' as const, key: TOKEN_KEY_PREFIX + kid })),
      ],
      { actor: c.get('principal').name, message: `token key ${made.kid}` },
    );
    return c.json({ kid: made.kid, activeMs: made.activeMs }, 201);
  });
}

function logRoutes(app: App, core: Core): void {
  describe(app, {
    method: 'get',
    path: '/v1/identity/issued',
    summary: 'certificates that were issued, what ends first before what ends later',
    role: 'viewer',
    query: issuedQuery as z.ZodObject,
    answer: issuedAnswer,
    refusals: { 400: 'not as wanted' },
  });
  app.get('/v1/identity/issued', async (c) => {
    allow(c, 'viewer');
    const { ended, limit = 100, serial, ...query } = readQuery(c, issuedQuery);
    const wanted = serial === undefined ? undefined : readSerial(serial);
    if (serial !== undefined && wanted === undefined)
      throw refuse(`serial ${JSON.stringify(serial)}: want hex digits`);
    return c.json(
      await issuedPage(
        core.store,
        { ...query, limit, ended: ended === 'true', serial: wanted },
        core.nowMs(),
      ),
    );
  });
}

function denyRoutes(app: App, core: Core): void {
  describe(app, {
    method: 'get',
    path: DENIED,
    summary: 'certificates and identities that hold no more',
    role: 'viewer',
    answer: z.object({ serials: z.array(deniedAnswer), identities: z.array(deniedAnswer) }),
  });
  app.get(DENIED, async (c) => {
    allow(c, 'viewer');
    const { serials, identities } = await core.views.current();
    return c.json({ serials: [...serials.values()], identities: [...identities.values()] });
  });
  describe(app, {
    method: 'post',
    path: DENIED,
    summary: 'deny a certificate by its serial, or all of an identity; proxies hear of it at once',
    role: 'security-admin',
    body: denyBody,
    status: 201,
    answer: deniedAnswer,
    refusals: { 400: 'not as wanted', 422: 'no serial or identity, or the list is full' },
  });
  app.post(DENIED, async (c) => {
    allow(c, 'security-admin');
    const { reason = '', ...subject } = await readJson(c, denyBody);
    return c.json(await deny(core, { ...subject, reason }, c.get('principal').name), 201);
  });
  describe(app, {
    method: 'delete',
    path: DENIED,
    summary: 'deny it no more',
    role: 'security-admin',
    query: undenyQuery as z.ZodObject,
    status: 204,
    refusals: { 404: 'it is not denied', 422: 'no serial or identity' },
  });
  app.delete(DENIED, async (c) => {
    allow(c, 'security-admin');
    await undeny(core, readQuery(c, undenyQuery), c.get('principal').name);
    return c.body(null, 204);
  });
}

export function authorityRoutes(app: App, core: Core, federations: Federations): void {
  setupRoutes(app, core, federations);
  secretRoutes(app, core);
  logRoutes(app, core);
  denyRoutes(app, core);
}
