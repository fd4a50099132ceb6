/** Machines that show a certificate to the control plane: whose it is, and what is made to look like one. */
import { X509Certificate } from 'node:crypto';
import { request as send } from 'node:https';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { NodeControl } from '../../control/node.ts';
import { startControlPlane } from '../../control/node.ts';
import { ADMIN, serviceEntry } from '../fixtures/control.ts';
import type { Authority, Issued, IssueOptions } from '../fixtures/pki.ts';
import { Pki } from '../fixtures/pki.ts';

const ROLES = [
  { identity: 'spiffe://mesh.test/ns/ci/sa/deployer', role: 'editor', namespaces: ['shop'] },
  { identity: 'spiffe://mesh.test/ns/ops/*', role: 'viewer' },
  { identity: 'spiffe://cluster.local/ns/ci/sa/release', role: 'admin' },
  { identity: 'spiffe://cluster.local/ns/ops/*', role: 'editor', namespaces: ['shop'] },
  { identity: 'spiffe://cluster.local/ns/eyes/*', role: 'viewer' },
];

let pki: Pki;
let own: Authority;
let stranger: Authority;
let namesake: Authority;
let others: Pki;
let control: NodeControl;
let nowMs = Date.now();
beforeAll(async () => {
  pki = new Pki();
  own = pki.authority('own');
  stranger = pki.authority('stranger');
  others = new Pki();
  namesake = others.authority('own');
  const server = own.issue({ names: 'DNS:localhost,IP:127.0.0.1' });
  control = await startControlPlane({
    database: ':memory:',
    port: 0,
    adminToken: ADMIN,
    caSecret: 'a secret of tests, of more than 32 characters',
    nowMs: () => nowMs,
    tls: {
      certificate: server.certificate,
      key: server.key,
      clientCa: own.certificate,
      machines: JSON.stringify(ROLES),
    },
    log: () => undefined,
  });
});
afterAll(async () => {
  await control.close();
  pki.remove();
  others.remove();
});

interface Options {
  readonly shown?: Issued;
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
  readonly maxVersion?: 'TLSv1.2';
  /** The answer has begun. */
  readonly onBegun?: () => void;
}

function ask({ shown, method = 'GET', path = '/v1/access/whoami', ...more }: Options): Promise<{
  status: number;
  text: string;
}> {
  return new Promise((resolve, reject) => {
    const sent = send(
      control.url + path,
      {
        method,
        ca: own.certificate,
        agent: false,
        headers: more.headers ?? {},
        ...(more.maxVersion === undefined ? {} : { maxVersion: more.maxVersion }),
        ...(shown === undefined ? {} : { cert: shown.certificate, key: shown.key }),
      },
      (response) => {
        more.onBegun?.();
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
      },
    );
    sent.on('error', reject);
    sent.end(more.body);
  });
}

const deployer = 'URI:spiffe://mesh.test/ns/ci/sa/deployer';
const issue = (options: IssueOptions, by: Authority = own): Issued =>
  by.issue({ usage: 'clientAuth', ...options });

describe('a machine', () => {
  it('has the role of its identity, in its namespaces', async () => {
    const shown = issue({ names: deployer });
    const who = await ask({ shown });
    expect(JSON.parse(who.text)).toMatchObject({
      name: 'spiffe://mesh.test/ns/ci/sa/deployer',
      role: 'editor',
      namespaces: ['shop'],
      by: 'certificate',
    });
    const apply = (namespace: string): ReturnType<typeof ask> =>
      ask({
        shown,
        method: 'POST',
        path: `/v1/apply?namespace=${namespace}`,
        body: serviceEntry('x'),
      });
    expect((await apply('shop')).status).toBe(200);
    expect((await apply('other')).status).toBe(403);
  });

  it('below a prefix has its role', async () => {
    const { text } = await ask({ shown: issue({ names: 'URI:spiffe://mesh.test/ns/ops/sa/x' }) });
    expect(JSON.parse(text)).toMatchObject({ role: 'viewer' });
  });

  it('that shows a token too is the token', async () => {
    const headers = { authorization: `Bearer ${ADMIN}` };
    const { text } = await ask({ shown: issue({ names: deployer }), headers });
    expect(JSON.parse(text)).toMatchObject({ by: 'bootstrap' });
  });

  it.each<[string, () => Issued, number]>([
    ['of another authority', () => issue({ names: deployer }, stranger), 401],
    ['of another authority, by its name', () => issue({ names: deployer }, namesake), 401],
    ['that has expired', () => issue({ names: deployer, isExpired: true }), 401],
    ['of a server', () => issue({ names: deployer, usage: 'serverAuth' }), 401],
    ['without a name', () => issue({}), 401],
    ['with a DNS name', () => issue({ names: 'DNS:mesh.test' }), 401],
    [
      'with the identity as DNS name',
      () => issue({ names: 'DNS:spiffe://mesh.test/ns/ci/sa/deployer' }),
      401,
    ],
    [
      'with two identities',
      () => issue({ names: `${deployer},URI:spiffe://mesh.test/ns/ops/sa/x` }),
      401,
    ],
    ['with the identity twice', () => issue({ names: `${deployer},${deployer}` }), 401],
    ['with a comma in a name', () => issue({ names: 'URI:spiffe://mesh.test/ns/x"' }), 401],
    ['of a web page', () => issue({ names: 'URI:https://mesh.test/ns/ci/sa/deployer' }), 401],
    ['in capitals', () => issue({ names: 'URI:SPIFFE://mesh.test/ns/ci/sa/deployer' }), 401],
    ['with a query', () => issue({ names: `${deployer}?x` }), 401],
    ['with a fragment', () => issue({ names: `${deployer}#x` }), 401],
    ['with a port', () => issue({ names: 'URI:spiffe://mesh.test:80/ns/ci/sa/deployer' }), 401],
    ['with a user', () => issue({ names: 'URI:spiffe://x@mesh.test/ns/ci/sa/deployer' }), 401],
    ['with dots in its path', () => issue({ names: 'URI:spiffe://mesh.test/ns/ops/../ci' }), 401],
    ['with an encoded slash', () => issue({ names: 'URI:spiffe://mesh.test/ns/ops%2fx' }), 401],
    ['with a slash at its end', () => issue({ names: `${deployer}/` }), 401],
    ['with two slashes', () => issue({ names: 'URI:spiffe://mesh.test//ns/ci/sa/deployer' }), 401],
    ['with NUL', () => issue({ names: `${deployer}\u0000.evil` }), 401],
    ['with a space', () => issue({ names: `${deployer} ` }), 401],
    ['with a line break', () => issue({ names: `${deployer}\n` }), 401],
    ['of a domain alone', () => issue({ names: 'URI:spiffe://mesh.test' }), 401],
    ['of another domain', () => issue({ names: 'URI:spiffe://other.test/ns/ci/sa/deployer' }), 403],
    [
      'of a domain that ends so',
      () => issue({ names: 'URI:spiffe://evil.mesh.test/ns/ci/sa/deployer' }),
      403,
    ],
    ['whose name begins so', () => issue({ names: `${deployer}-2` }), 403],
    ['below one that is named', () => issue({ names: `${deployer}/x` }), 403],
    ['beside a prefix', () => issue({ names: 'URI:spiffe://mesh.test/ns/ops-2/x' }), 403],
    ['of the prefix itself', () => issue({ names: 'URI:spiffe://mesh.test/ns/ops' }), 403],
    ['in other letters', () => issue({ names: 'URI:spiffe://mesh.test/NS/ci/sa/deployer' }), 403],
  ])('with a certificate %s is nobody', async (_what, make, status) => {
    nowMs += 10_000;
    expect((await ask({ shown: make() })).status).toBe(status);
  });

  it('whose certificate or identity was taken back is nobody', async () => {
    const names = 'URI:spiffe://mesh.test/ns/ops/sa/gone';
    const [shown, other] = [issue({ names }), issue({ names })];
    const deny = (subject: object): ReturnType<typeof ask> =>
      ask({
        method: 'POST',
        path: '/v1/identity/denied',
        headers: { authorization: `Bearer ${ADMIN}`, 'content-type': 'application/json' },
        body: JSON.stringify(subject),
      });
    const serial = new X509Certificate(shown.certificate).serialNumber.toLowerCase();
    expect((await ask({ shown })).status).toBe(200);
    expect((await deny({ serial })).status).toBe(201);
    nowMs += 10_000;
    expect((await ask({ shown })).status).toBe(401);
    expect((await ask({ shown: other })).status).toBe(200);
    expect((await deny({ identity: 'spiffe://mesh.test/ns/ops/sa/gone' })).status).toBe(201);
    expect((await ask({ shown: other })).status).toBe(401);
  });

  it.each(['serial', 'identity'])('that watches sees no more once its %s is denied', async (of) => {
    const identity = `spiffe://mesh.test/ns/ops/sa/watching-${of}`;
    const shown = issue({ names: `URI:${identity}` });
    const serial = new X509Certificate(shown.certificate).serialNumber.toLowerCase();
    let watching: ReturnType<typeof ask> | undefined;
    await new Promise<void>((begun) => {
      watching = ask({ shown, path: '/v1/watch', onBegun: begun });
    });
    await ask({
      method: 'POST',
      path: '/v1/identity/denied',
      headers: { authorization: `Bearer ${ADMIN}`, 'content-type': 'application/json' },
      body: JSON.stringify(of === 'serial' ? { serial } : { identity }),
    });
    expect(await watching).toMatchObject({
      status: 200,
      text: expect.stringContaining('revoked or has expired') as unknown,
    });
  });

  it('that shows nothing is nobody, whatever it writes into fields', async () => {
    nowMs += 10_000;
    const headers = { 'x-forwarded-client-cert': deployer, 'x-client-cert': 'x' };
    expect((await ask({ headers })).status).toBe(401);
  });

  it('is not spoken to in an old version', async () => {
    await expect(ask({ maxVersion: 'TLSv1.2' })).rejects.toThrow(/version|alert|EPROTO/i);
  });
});

describe('a security-admin makes nobody a machine that may do more', () => {
  const post = (token: string, path: string, body: object): ReturnType<typeof ask> =>
    ask({
      method: 'POST',
      path,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  let rules = 0;
  const rule = (token: string, identity: string): ReturnType<typeof ask> =>
    post(token, '/v1/identity/oidc-joins', {
      name: `r${rules++}`,
      issuer: 'https://ci.test',
      audience: 'lateen',
      claims: { sub: 'x' },
      identity,
    });
  const joinToken = (token: string, identity: string): ReturnType<typeof ask> =>
    post(token, '/v1/identity/join-tokens', { identity });
  let security: string;
  beforeAll(async () => {
    const { text } = await post(ADMIN, '/v1/tokens', { name: 'sec', role: 'security-admin' });
    security = (JSON.parse(text) as { token: string }).token;
  });

  it.each([
    'cluster.local/ns/ci/sa/release',
    'spiffe://cluster.local/ns/ci/sa/release',
    'spiffe://cluster.local/ns/ops/sa/x',
  ])('by a join token for %s', async (identity) => {
    expect((await joinToken(security, identity)).status).toBe(403);
  });

  it.each([
    'cluster.local/ns/ci/sa/release',
    'spiffe://cluster.local/ns/ci/sa/{sub}',
    'spiffe://cluster.local/ns/{ns}/sa/release',
    'spiffe://cluster.local/ns/{ns}/sa/{sub}',
    'spiffe://cluster.local/ns/ci/sa/re{sub}',
    'spiffe://cluster.local/ns/ops/sa/{sub}',
    'spiffe://cluster.local/ns/o{x}/sa/y',
    'spiffe://cluster.local/ns/{https://ci.test/ns}/sa/release',
    'spiffe://cluster.local/ns/{a}{b}/sa/r{c}e',
  ])('by a rule for %s', async (identity) => {
    expect((await rule(security, identity)).status).toBe(403);
    expect((await rule(ADMIN, identity)).status).toBe(201);
  });

  it.each([
    'spiffe://cluster.local/ns/ci/sa/test',
    'spiffe://cluster.local/ns/ci/sa/test-{sub}',
    'spiffe://cluster.local/ns/eyes/sa/{sub}',
    'spiffe://cluster.local/ns/shop/sa/{sub}',
  ])('and may give others: %s', async (identity) => {
    expect((await rule(security, identity)).status).toBe(201);
    expect((await joinToken(security, identity.replace('{sub}', 'x'))).status).not.toBe(403);
  });
});
