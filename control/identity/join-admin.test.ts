/** Join tokens and OIDC joins over the admin API: who may, what is refused, what is shown. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestControl } from '../../test/fixtures/control.ts';
import type { Asked, TestControl } from '../../test/fixtures/control.ts';
import { startCertifiedControl } from '../../test/fixtures/mtls-mesh.ts';
import type { CertifiedControl } from '../../test/fixtures/mtls-mesh.ts';

const TOKENS = '/v1/identity/join-tokens';
const RULES = '/v1/identity/oidc-joins';
const IDENTITY = 'spiffe://cluster.local/ns/shop/sa/cart';

let control: CertifiedControl;
let bare: TestControl;
const roles = new Map<string, string>();
beforeAll(async () => {
  control = await startCertifiedControl();
  bare = await startTestControl();
  for (const role of ['viewer', 'editor']) {
    const { body } = await control.ask('POST', '/v1/tokens', {
      body: JSON.stringify({ name: role, role }),
    });
    roles.set(role, String(body['token']));
  }
});
afterAll(async () => {
  await control.close();
  await bare.close();
});

const post = (path: string, body: unknown, token?: string): Promise<Asked> =>
  control.ask('POST', path, {
    body: typeof body === 'string' ? body : JSON.stringify(body),
    ...(token === undefined ? {} : { token }),
  });

const rule = (change: object = {}): object => ({
  name: 'ci',
  issuer: 'https://issuer.example',
  audience: 'lateen',
  claims: { owner: 'shop' },
  identity: 'spiffe://cluster.local/ns/ci/sa/{owner}',
  ...change,
});

describe('join tokens', () => {
  it('are shown once, and listed without their secret', async () => {
    const made = await post(TOKENS, { identity: IDENTITY, ttlSeconds: 60, cidr: '10.0.0.0/8' });
    expect(made.status).toBe(201);
    expect(made.headers.get('cache-control')).toBe('no-store');
    const { token, id } = made.body as { token: string; id: string };
    expect(token).toMatch(/^latjoin_[0-9a-f]{16}_[0-9a-f]{48}_[0-9a-f]{64}_cluster\.local\/ns\//);
    const listed = await control.ask('GET', TOKENS);
    const [item] = listed.body['items'] as Record<string, unknown>[];
    expect(item).toMatchObject({
      id,
      identity: IDENTITY,
      state: 'usable',
      cidr: '10.0.0.0/8',
      createdBy: 'bootstrap',
    });
    expect(Number(item?.['expiresMs']) - Number(item?.['createdMs'])).toBe(60_000);
    expect(JSON.stringify(listed.body)).not.toContain(token.split('_')[2]);
    expect(JSON.stringify(item)).not.toMatch(/hash/);
    expect((await control.ask('DELETE', `${TOKENS}/${id}`)).status).toBe(204);
    expect((await control.ask('DELETE', `${TOKENS}/${id}`)).status).toBe(404);
  });

  it('stand in the audit log, and nowhere else', async () => {
    const { body } = await post(TOKENS, { identity: IDENTITY });
    const secret = String(body['token']).split('_')[2];
    const audit = await control.ask('GET', '/v1/audit');
    expect(JSON.stringify(audit.body)).toContain(TOKENS);
    const history = await control.ask('GET', '/v1/history');
    for (const shown of [audit.body, history.body, control.lines])
      expect(JSON.stringify(shown)).not.toContain(secret);
  });

  it.each([
    ['no identity', {}, /identity/],
    [
      'an identity of another domain',
      { identity: 'spiffe://other.test/ns/a/sa/b' },
      /this mesh is/,
    ],
    ['an identity without a path', { identity: 'spiffe://cluster.local' }, /path/],
    ['an identity of another shape', { identity: 'spiffe://cluster.local/cart' }, /want spiffe:/],
    ['an identity that climbs', { identity: `${IDENTITY}/../admin` }, /segment/],
    ['an encoded identity', { identity: 'spiffe://cluster.local/ns/a/sa/%61' }, /segment/],
    ['an identity with a query', { identity: `${IDENTITY}?a` }, /segment/],
    ['a life of an hour', { identity: IDENTITY, ttlSeconds: 3600 }, /ttlSeconds/],
    ['a life of nothing', { identity: IDENTITY, ttlSeconds: 0 }, /ttlSeconds/],
    ['half a second', { identity: IDENTITY, ttlSeconds: 0.5 }, /ttlSeconds/],
    ['a block that is none', { identity: IDENTITY, cidr: '10.0.0.0/33' }, /cidr/],
    ['a further field', { identity: IDENTITY, hash: 'x' }, /hash/],
    ['a prototype', `{"identity":"${IDENTITY}","__proto__":{"a":1}}`, /body/],
    ['no JSON', '{', /no JSON/],
  ])('with %s are refused', async (_, body, reason) => {
    const { status, body: answer } = await post(TOKENS, body);
    expect(status).toBe(400);
    expect(String(answer['detail'])).toMatch(reason);
  });

  it.each(['viewer', 'editor'])('are not for a %s', async (role) => {
    const token = roles.get(role) ?? '';
    expect((await post(TOKENS, { identity: IDENTITY }, token)).status).toBe(403);
    expect((await control.ask('GET', TOKENS, { token })).status).toBe(403);
    expect((await control.ask('DELETE', `${TOKENS}/x`, { token })).status).toBe(403);
    expect((await post(RULES, rule(), token)).status).toBe(403);
    expect((await control.ask('GET', RULES, { token })).status).toBe(403);
  });

  it.each(['GET', 'POST'])('are for nobody without a token (%s)', async (method) => {
    expect((await control.ask(method, TOKENS, { token: 'x' })).status).toBe(401);
  });

  it('are not made for an identity that is denied', async () => {
    const identity = 'cluster.local/ns/shop/sa/lost';
    await post('/v1/identity/denied', { identity });
    const refused = await post(TOKENS, { identity });
    expect([refused.status, refused.body['detail']]).toEqual([
      409,
      expect.stringContaining('is denied'),
    ]);
    await control.ask('DELETE', `/v1/identity/denied?identity=${encodeURIComponent(identity)}`);
    expect((await post(TOKENS, { identity })).status).toBe(201);
  });

  it('are not made where there is no authority', async () => {
    const made = await bare.ask('POST', TOKENS, { body: JSON.stringify({ identity: IDENTITY }) });
    expect(made.status).toBe(503);
    expect((await bare.ask('GET', '/v1/identity/join-key')).status).toBe(503);
  });
});

describe('OIDC joins', () => {
  it('are added, listed, removed', async () => {
    expect((await post(RULES, rule())).status).toBe(201);
    expect((await post(RULES, rule())).status).toBe(409);
    const { body } = await control.ask('GET', RULES);
    expect(body['items']).toMatchObject([
      { ...rule(), algorithms: ['ES256', 'ES384', 'RS256', 'PS256', 'EdDSA'], maxAgeMs: 900_000 },
    ]);
    expect((await control.ask('DELETE', `${RULES}/ci`)).status).toBe(204);
    expect((await control.ask('DELETE', `${RULES}/ci`)).status).toBe(404);
  });

  it.each([
    ['no claims', { claims: {} }, /whoever the issuer knows/],
    ['a claim that fits everybody', { claims: { sub: '*' } }, /fits everybody/],
    ['no audience', { audience: '' }, /audience/],
    ['an algorithm with a shared secret', { algorithms: ['HS256'] }, /algorithms/],
    ['the algorithm none', { algorithms: ['none'] }, /algorithms/],
    ['no algorithm', { algorithms: [] }, /algorithms/],
    ['an age of a day', { maxAgeSeconds: 86_400 }, /maxAgeSeconds/],
    ['a name with a slash', { name: 'a/b' }, /name/],
    ['an identity of another domain', { identity: 'spiffe://o.test/ns/a/sa/b' }, /this mesh is/],
    ['a domain by a claim', { identity: 'spiffe://{sub}/ns/a/sa/b' }, /identity/],
    ['half a domain by a claim', { identity: 'spiffe://cluster.local{sub}/ns/a/sa/b' }, /identity/],
    ['an identity of another shape', { identity: 'spiffe://cluster.local/{sub}' }, /want spiffe:/],
    ['an identity that climbs', { identity: 'spiffe://cluster.local/ns/../sa/b' }, /segment/],
    ['an issuer that is no URL', { issuer: 'issuer' }, /no URL/],
    ['an issuer of a file', { issuer: 'file:///etc/passwd' }, /scheme/],
    ['an issuer with a password', { issuer: 'https://a:b@issuer.example' }, /credentials/],
    ['a further field', { admin: true }, /admin/],
  ])('with %s are refused', async (_, change, reason) => {
    const { status, body } = await post(RULES, rule(change));
    expect(status).toBe(400);
    expect(String(body['detail'])).toMatch(reason);
  });

  it.each([
    'http://issuer.example',
    'https://127.0.0.1',
    'https://169.254.169.254',
    'https://[::1]',
  ])('are not asked at %s where private addresses are not', async (issuer) => {
    const strict = await startTestControl({ allowPrivateKeys: false });
    const { status } = await strict.ask('POST', RULES, { body: JSON.stringify(rule({ issuer })) });
    expect(status).toBe(400);
    await strict.close();
  });
});
