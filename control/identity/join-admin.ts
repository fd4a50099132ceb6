/** Join tokens and OIDC joins, for those who may give identities away; and what came of them. */
import { z } from '@hono/zod-openapi';
import { MAX_JOIN_TOKEN_MS } from '../../src/delivery/joining.ts';
import { parseCidr } from '../../src/lib/cidr.ts';
import {
  identityFault,
  identityOf,
  spiffeUri,
  trustDomainOf,
  workloadOf,
} from '../../src/lib/spiffe-id.ts';
import { requireNoMore } from '../access/machines.ts';
import type { App, Services } from '../admin/context.ts';
import { allow } from '../admin/context.ts';
import { describe } from '../admin/describe.ts';
import { readJson } from '../admin/input.ts';
import { uriFault } from '../key-guard.ts';
import { Problem } from '../problem.ts';
import type { JoinTokenRecord } from './join-tokens.ts';
import type { Joining } from './joining.ts';
import type { OidcAlgorithm, OidcJoinRule } from './oidc-rules.ts';
import { OIDC_ALGORITHMS, templateFault } from './oidc-rules.ts';

const TOKENS = '/v1/identity/join-tokens';
const RULES = '/v1/identity/oidc-joins';
const COUNTS = '/v1/identity/joining';

const MAX_CLAIMS = 32;

interface WantedToken {
  readonly identity: string;
  readonly ttlSeconds?: number | undefined;
  readonly cidr?: string | undefined;
}

const tokenBody: z.ZodType<WantedToken> = z.strictObject({
  identity: z.string().max(2048).openapi({ example: 'spiffe://cluster.local/ns/shop/sa/cart' }),
  ttlSeconds: z
    .int()
    .min(1)
    .max(MAX_JOIN_TOKEN_MS / 1000)
    .optional()
    .openapi({ description: 'default 600' }),
  cidr: z
    .string()
    .refine((text) => parseCidr(text) !== undefined, 'want an address or a block, as 10.0.0.0/8')
    .optional(),
});
const DEFAULT_TTL_SECONDS = 600;

const joinToken = z.object({
  id: z.string(),
  identity: z.string(),
  state: z.enum(['usable', 'used', 'expired']),
  createdBy: z.string(),
  createdMs: z.number(),
  expiresMs: z.number(),
  cidr: z.string().optional(),
  usedMs: z.number().optional(),
  usedFrom: z.string().optional(),
  token: z.string().optional().openapi({ description: 'only when it is made' }),
});

interface WantedRule {
  readonly name: string;
  readonly issuer: string;
  readonly audience: string;
  readonly claims: Readonly<Record<string, string>>;
  readonly identity: string;
  readonly algorithms?: readonly OidcAlgorithm[] | undefined;
  readonly maxAgeSeconds?: number | undefined;
}

const ruleBody: z.ZodType<WantedRule> = z.strictObject({
  name: z.string().regex(/^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$/, 'want a-z, 0-9, - and .'),
  issuer: z.string().max(2048).openapi({ example: 'https://token.actions.githubusercontent.com' }),
  audience: z.string().min(1).max(512),
  claims: z
    .record(z.string().min(1).max(128), z.string().min(1).max(512))
    .refine((claims) => Object.keys(claims).length > 0, {
      message: 'want at least one: without any, whoever the issuer knows could join',
    })
    .refine((claims) => Object.keys(claims).length <= MAX_CLAIMS, `at most ${MAX_CLAIMS}`)
    .refine((claims) => Object.values(claims).every((value) => value !== '*'), {
      message: '* alone fits everybody: want a value, or its beginning and *',
    }),
  identity: z.string().max(2048).openapi({ example: 'spiffe://cluster.local/ns/ci/sa/{sub}' }),
  algorithms: z.array(z.enum(OIDC_ALGORITHMS)).min(1).optional(),
  maxAgeSeconds: z.int().min(1).max(3600).optional().openapi({ description: 'default 900' }),
});
const DEFAULT_MAX_AGE_SECONDS = 900;

const oidcJoin = z.object({
  name: z.string(),
  issuer: z.string(),
  audience: z.string(),
  claims: z.record(z.string(), z.string()),
  identity: z.string(),
  algorithms: z.array(z.enum(OIDC_ALGORITHMS)),
  maxAgeMs: z.number(),
  createdBy: z.string(),
  createdMs: z.number(),
});

const bad = (path: string, reason: string): Problem =>
  new Problem(400, 'bad request', `body: ${path}: ${reason}`, [
    { code: 'LAT0300', level: 'error', message: reason, path },
  ]);

function shownToken(
  { hash: _hash, identity, ...record }: JoinTokenRecord,
  nowMs: number,
): Omit<z.infer<typeof joinToken>, 'token'> {
  const isOver = nowMs >= record.expiresMs;
  const state = record.usedMs !== undefined ? 'used' : isOver ? 'expired' : 'usable';
  return { ...record, identity: spiffeUri(identity), state };
}

/** `spiffe://` may be left out. @throws Problem 400 */
function ownIdentity(text: string, trustDomain: string): string {
  const identity = identityOf(text.startsWith('spiffe://') ? text : spiffeUri(text));
  const bare = identity ?? text.replace(/^spiffe:\/\//, '');
  const fault = identityFault(bare);
  if (fault !== undefined) throw bad('identity', fault);
  if (trustDomainOf(bare) !== trustDomain)
    throw bad('identity', `it is of ${trustDomainOf(bare)}, and this mesh is ${trustDomain}`);
  if (workloadOf(bare) === undefined)
    throw bad('identity', `want spiffe://${trustDomain}/ns/<namespace>/sa/<service account>`);
  return bare;
}

function tokenRoutes(app: App, { deps }: Services, joining: Joining): void {
  app.post(TOKENS, async (c) => {
    allow(c, 'security-admin');
    const { identity, ttlSeconds = DEFAULT_TTL_SECONDS, cidr } = await readJson(c, tokenBody);
    const own = ownIdentity(identity, await joining.trustDomain());
    requireNoMore(c.get('principal'), spiffeUri(own), deps.machines);
    if (await joining.isDenied(own))
      throw new Problem(
        409,
        'conflict',
        `identity ${own} is denied, and no token would give it: \`lateen ca undeny\` takes that back`,
      );
    const { record, token } = await joining.tokens.create({
      identity: own,
      ttlMs: ttlSeconds * 1000,
      ...(cidr === undefined ? {} : { cidr }),
      actor: c.get('principal').name,
      root: await joining.rootHash(),
    });
    const shown = { ...shownToken(record, deps.nowMs()), token };
    return c.json(shown, 201, { 'cache-control': 'no-store' });
  });
  app.get(TOKENS, async (c) => {
    allow(c, 'security-admin');
    const nowMs = deps.nowMs();
    const items = (await joining.tokens.list()).map((record) => shownToken(record, nowMs));
    return c.json({ items });
  });
  app.delete(`${TOKENS}/:id`, async (c) => {
    allow(c, 'security-admin');
    await joining.tokens.revoke(c.req.param('id'), c.get('principal').name);
    return c.body(null, 204);
  });
}

function ruleRoutes(app: App, { deps }: Services, joining: Joining): void {
  app.post(RULES, async (c) => {
    allow(c, 'security-admin');
    const wanted = await readJson(c, ruleBody);
    const fault = uriFault(wanted.issuer, deps.allowPrivateKeys === true);
    if (fault !== undefined) throw bad('issuer', fault);
    if (!wanted.issuer.startsWith('https:') && deps.allowPrivateKeys !== true)
      throw bad('issuer', 'want https');
    const identity = wanted.identity.replace(/^spiffe:\/\//, '');
    const unfit = templateFault(identity, await joining.trustDomain());
    if (unfit !== undefined) throw bad('identity', unfit);
    requireNoMore(c.get('principal'), spiffeUri(identity), deps.machines);
    const { name, issuer, audience, claims, algorithms = OIDC_ALGORITHMS } = wanted;
    const rule: OidcJoinRule = {
      name,
      issuer,
      audience,
      claims,
      identity,
      algorithms,
      maxAgeMs: (wanted.maxAgeSeconds ?? DEFAULT_MAX_AGE_SECONDS) * 1000,
      createdBy: c.get('principal').name,
      createdMs: deps.nowMs(),
    };
    await joining.rules.add(rule);
    return c.json(shownRule(rule), 201);
  });
  app.get(RULES, async (c) => {
    allow(c, 'security-admin');
    return c.json({ items: (await joining.rules.list()).map((rule) => shownRule(rule)) });
  });
  app.delete(`${RULES}/:name`, async (c) => {
    allow(c, 'security-admin');
    await joining.rules.remove(c.req.param('name'), c.get('principal').name);
    return c.body(null, 204);
  });
}

const shownRule = (rule: OidcJoinRule): OidcJoinRule => ({
  ...rule,
  identity: spiffeUri(rule.identity),
});

export function joinAdminRoutes(app: App, services: Services, joining: Joining): void {
  documentation(app);
  tokenRoutes(app, services, joining);
  ruleRoutes(app, services, joining);
  app.get(COUNTS, (c) => {
    allow(c, 'viewer');
    return c.json(joining.counts);
  });
}

const role = 'security-admin';

function tokenDocumentation(app: App): void {
  describe(app, {
    method: 'post',
    path: TOKENS,
    summary: 'make a join token; only this answer shows it',
    role,
    body: tokenBody,
    status: 201,
    answer: joinToken,
    refusals: {
      400: 'not as wanted',
      409: 'too many, or the identity is denied',
      503: 'there is no authority',
    },
  });
  describe(app, {
    method: 'get',
    path: TOKENS,
    summary: 'join tokens of the last day, without their secrets',
    role,
    answer: z.object({ items: z.array(joinToken) }),
  });
  describe(app, {
    method: 'delete',
    path: `${TOKENS}/{id}`,
    summary: 'revoke a join token, at once',
    role,
    status: 204,
    refusals: { 404: 'there is none' },
  });
}

function documentation(app: App): void {
  tokenDocumentation(app);
  describe(app, {
    method: 'post',
    path: RULES,
    summary: 'let workloads join by tokens of their platform',
    role,
    body: ruleBody,
    status: 201,
    answer: oidcJoin,
    refusals: { 400: 'not as wanted', 409: 'the name is taken' },
  });
  describe(app, {
    method: 'get',
    path: RULES,
    summary: 'who may join by tokens of their platform',
    role,
    answer: z.object({ items: z.array(oidcJoin) }),
  });
  describe(app, {
    method: 'delete',
    path: `${RULES}/{name}`,
    summary: 'end an OIDC join, at once; certificates stay',
    role,
    status: 204,
    refusals: { 404: 'there is none' },
  });
  describe(app, {
    method: 'get',
    path: COUNTS,
    summary: 'certificates that were given and refused since this process began, by reason',
    role: 'viewer',
    answer: z.object({
      issued: z.record(z.string(), z.number()),
      refused: z.record(z.string(), z.number()),
    }),
  });
}
