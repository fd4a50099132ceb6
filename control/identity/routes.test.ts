import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ADMIN, startTestControl } from '../../test/fixtures/control.ts';
import type { TestControl } from '../../test/fixtures/control.ts';
import { materialUnder, setUpAuthority } from '../../test/fixtures/authority-api.ts';
import { makeRoot } from './offline.ts';
import { readBundle } from './bundle.ts';
import { x509 } from './x509.ts';

const ROUTES = '/v1/identity';
const IDENTITY = 'cluster.local/ns/shop/sa/cart';
const SCOPE = { type: 'gateway', namespace: 'istio-system', name: 'front', labels: {} };
const POINTER = '/v1/proxies/gateway/istio-system/front';
let control: TestControl;
let nowMs: number;
const logged: string[] = [];

beforeEach(async () => {
  nowMs = Date.now();
  logged.length = 0;
  control = await startTestControl({ nowMs: () => nowMs, log: (line) => void logged.push(line) });
});
afterEach(async () => control.close());

const post = async (path: string, body: object) =>
  control.ask('POST', ROUTES + path, { body: JSON.stringify(body) });

async function tokenOf(role: string, scopes?: readonly object[]): Promise<string> {
  const { body } = await control.ask('POST', '/v1/tokens', {
    body: JSON.stringify({ name: role, role, ...(scopes === undefined ? {} : { scopes }) }),
  });
  return String(body['token']);
}

interface Proxy {
  /** Asks for its pointer and says which one it runs; the answer's. */
  poll(runs?: string): Promise<string>;
  trust(): Promise<unknown>;
}

async function proxy(): Promise<Proxy> {
  const token = await tokenOf('proxy', [SCOPE]);
  const poll = async (runs?: string): Promise<string> => {
    const headers: Record<string, string> = { 'x-lateen-instance': 'one' };
    if (runs !== undefined) headers['if-none-match'] = runs;
    const { headers: answered } = await control.ask('GET', `${POINTER}/pointer`, {
      token,
      headers,
    });
    return answered.get('etag') ?? '';
  };
  return {
    poll,
    async trust() {
      const [snapshot = ''] = (await poll()).replaceAll('"', '').split('.');
      const { body } = await control.ask('GET', `${POINTER}/blobs/${snapshot}`, { token });
      return (body['mesh'] as { trust?: unknown } | undefined)?.trust;
    },
  };
}

describe('the routes of the authority', () => {
  it('sets up with a key that never travels, then says how it is', async () => {
    const before = await control.ask('GET', `${ROUTES}/authority`);
    expect(before.body['conditions']).toMatchObject([{ type: 'Ready', reason: 'NoSigner' }]);
    const { root, answer } = await setUpAuthority(control);
    expect(answer.status).toBe(201);
    const { body } = await control.ask('GET', `${ROUTES}/authority`);
    expect(body).toMatchObject({
      trustDomain: 'cluster.local',
      signer: { generation: 1, key: 'P-256', warnings: [] },
      denied: { serials: 0, identities: 0 },
    });
    expect((body['conditions'] as { status: string }[]).map(({ status }) => status)).toEqual([
      'True',
      'True',
      'True',
      'True',
    ]);
    expect(JSON.stringify(body)).not.toContain('PRIVATE');
    expect(body['roots']).toMatchObject([
      { subject: new x509.X509Certificate(root.certificate).subject },
    ]);
  });

  it('exchanges an intermediate under its root, and no other so', async () => {
    const { root } = await setUpAuthority(control);
    const again = await setUpAuthority(control, root);
    expect(again.answer.body).toMatchObject({ signer: { generation: 2 } });
    const other = await setUpAuthority(control);
    expect(other.answer.status).toBe(409);
    expect(other.answer.body['detail']).toContain('lateen ca rotate start');
  });

  it('are documented, with who may ask', async () => {
    const { body } = await control.ask('GET', '/openapi.json');
    const paths = body['paths'] as Record<string, Record<string, { summary: string }>>;
    const said = Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(
        ([method, { summary }]) => `${method} ${path} ${/\(([a-z-]+)\)$/.exec(summary)?.[1]}`,
      ),
    );
    for (const route of [
      'get /v1/identity/bundle nobody',
      'get /v1/identity/crl nobody',
      'get /v1/identity/crl/{generation} nobody',
      'get /v1/identity/authority viewer',
      'get /v1/identity/issued viewer',
      'post /v1/identity/authority security-admin',
      'post /v1/identity/rotation/advance security-admin',
      'delete /v1/identity/denied security-admin',
    ])
      expect(said).toContain(route);
  });

  it('is for security administrators', async () => {
    await setUpAuthority(control);
    const viewer = await tokenOf('viewer');
    const editor = await tokenOf('editor');
    const ask = async (token: string, method: string, path: string) =>
      (
        await control.ask(method, ROUTES + path, {
          token,
          ...(method === 'GET' ? {} : { body: '{}' }),
        })
      ).status;
    for (const path of ['/authority', '/issued', '/denied', '/rotation', '/federation'])
      expect([path, await ask(viewer, 'GET', path)]).toEqual([path, 200]);
    for (const [method, path] of [
      ['POST', '/authority'],
      ['POST', '/authority/request'],
      ['POST', '/denied'],
      ['DELETE', '/denied'],
      ['POST', '/rotation'],
      ['DELETE', '/rotation'],
      ['POST', '/rotation/advance'],
      ['POST', '/federation'],
      ['DELETE', '/federation/a.test'],
      ['POST', '/rewrap'],
      ['POST', '/token-keys'],
    ] as const)
      expect([path, await ask(editor, method, path)]).toEqual([path, 403]);
  });

  it('tells proxies whom to believe, and whom no more', async () => {
    const { poll, trust } = await proxy();
    expect(await trust()).toBeUndefined();
    const { root } = await setUpAuthority(control);
    expect(await trust()).toMatchObject({
      roots: { 'cluster.local': [root.certificate] },
      tokenKeys: { 'cluster.local': [{ alg: 'ES256', crv: 'P-256', use: 'wit-svid' }] },
      denied: { serials: [], identities: [] },
    });
    const before = await poll();
    expect(
      (await post('/denied', { identity: `spiffe://${IDENTITY}`, reason: 'lost' })).status,
    ).toBe(201);
    expect((await post('/denied', { serial: '0A:BC' })).body).toMatchObject({ name: 'abc' });
    expect(await poll()).not.toBe(before);
    expect(await trust()).toMatchObject({ denied: { serials: ['abc'], identities: [IDENTITY] } });
    await control.ask('DELETE', `${ROUTES}/denied?serial=abc`);
    await control.ask('DELETE', `${ROUTES}/denied?identity=${IDENTITY}`);
    expect(await poll()).toBe(before);
    expect((await control.ask('DELETE', `${ROUTES}/denied?serial=abc`)).status).toBe(404);
  });

  it.each([
    [{}],
    [{ serial: 'abc', identity: IDENTITY }],
    [{ serial: 'xyz' }],
    [{ serial: '' }],
    [{ identity: 'cluster.local' }],
    [{ identity: 'cluster.local/a/../b' }],
  ])('refuses to deny %j', async (body) => {
    expect((await post('/denied', body)).status).toBe(422);
  });

  it('calls its aliases its own, but no domain that has a bundle of its own', async () => {
    const { root } = await setUpAuthority(control);
    const mesh = 'trustDomain: cluster.local\ntrustDomainAliases: [old.test, apart.test]\n';
    await control.ask('POST', '/v1/apply', {
      body: `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\ndata: {mesh: ${JSON.stringify(mesh)}}\n`,
    });
    expect(
      (await post('/federation', { trustDomain: 'old.test', bundle: '{"keys":[]}' })).status,
    ).toBe(409);
    const { trust } = await proxy();
    expect(await trust()).toMatchObject({
      roots: { 'old.test': [root.certificate], 'apart.test': [root.certificate] },
    });
  });

  it('publishes its bundle, and reads it again as another domain would', async () => {
    expect((await control.ask('GET', `${ROUTES}/bundle`, { token: 'none' })).status).toBe(404);
    const { root } = await setUpAuthority(control);
    const { headers, body, status } = await control.ask('GET', `${ROUTES}/bundle`, {
      token: 'none',
    });
    expect(status).toBe(200);
    expect(headers.get('cache-control')).toBe('public, max-age=300');
    expect(body).toMatchObject({ spiffe_refresh_hint: 300 });
    const keys = body['keys'] as Record<string, unknown>[];
    expect(keys.map(({ use, kid }) => [use, kid === undefined])).toEqual([
      ['x509-svid', true],
      ['wit-svid', false],
    ]);
    expect(JSON.stringify(body)).not.toContain('"d"');
    const read = readBundle(JSON.stringify(body));
    expect(read.roots).toEqual([root.certificate]);
    expect(read.tokenKeys).toMatchObject([{ alg: 'ES256' }]);
    const again = await control.ask('GET', `${ROUTES}/bundle`, {
      headers: { 'if-none-match': headers.get('etag') ?? '' },
    });
    expect(again.status).toBe(304);
    await post('/token-keys', {});
    const changed = await control.ask('GET', `${ROUTES}/bundle`);
    expect(changed.body['spiffe_sequence']).toBeGreaterThan(Number(body['spiffe_sequence']));
    expect(changed.body['keys']).toHaveLength(3);
  });

  it('publishes revoked certificates, signed and numbered', async () => {
    expect((await control.ask('GET', `${ROUTES}/crl`)).status).toBe(503);
    await setUpAuthority(control);
    const read = async (path = '/crl') => {
      const response = await fetch(control.url + ROUTES + path);
      expect(response.headers.get('content-type')).toBe('application/pkix-crl');
      const crl = new x509.X509Crl(await response.arrayBuffer());
      const number = new Uint8Array(crl.getExtension('2.5.29.20')?.value ?? new ArrayBuffer(0));
      return {
        crl,
        number: Number(
          `0x${[...number.subarray(2)].map((b) => b.toString(16).padStart(2, '0')).join('')}`,
        ),
      };
    };
    const first = await read();
    expect(first.crl.entries).toHaveLength(0);
    expect((await read()).number).toBe(first.number);
    await post('/denied', { serial: 'abcd' });
    const second = await read();
    expect(second.number).toBeGreaterThan(first.number);
    expect(second.crl.entries.map(({ serialNumber }) => serialNumber)).toEqual(['abcd']);
    expect((await read('/crl/1')).crl.entries).toHaveLength(1);
    expect((await fetch(`${control.url}${ROUTES}/crl/7`)).status).toBe(404);
    nowMs += 13 * 3_600_000;
    expect((await read()).number).toBeGreaterThan(second.number);
  });

  it('rotates its root, waiting for proxies that are there', async () => {
    const { root } = await setUpAuthority(control);
    const { poll, trust } = await proxy();
    const before = await poll();
    const next = await makeRoot('cluster.local', nowMs);
    const start = await control.ask('POST', `${ROUTES}/rotation`, {
      body: await materialUnder(control, next),
    });
    expect(start.body).toMatchObject({ stage: 'trusting', signer: 1, next: 2 });
    const early = await post('/rotation/advance', {});
    expect([early.status, early.body['detail']]).toEqual([
      409,
      expect.stringContaining('started lately'),
    ]);
    nowMs += 100_000;
    await poll(before);
    const refused = await post('/rotation/advance', {});
    expect(refused.status).toBe(409);
    expect(refused.body['detail']).toContain(
      'gateway/istio-system/front (instance one) has not acknowledged the new root',
    );
    expect(await trust()).toMatchObject({
      roots: { 'cluster.local': [root.certificate, next.certificate].sort() },
    });
    await poll(await poll());
    expect((await control.ask('GET', `${ROUTES}/rotation`)).body).toMatchObject({ waitsFor: [] });
    expect((await post('/rotation/advance', {})).body).toMatchObject({
      stage: 'switched',
      signer: 2,
      previous: 1,
    });
    expect((await control.ask('DELETE', `${ROUTES}/rotation`)).status).toBe(409);
    await poll(await poll());
    expect((await post('/rotation/advance', {})).body).toMatchObject({
      stage: 'steady',
      signer: 2,
    });
    expect(await trust()).toMatchObject({ roots: { 'cluster.local': [next.certificate] } });
    expect((await fetch(`${control.url}${ROUTES}/crl/1`)).status).toBe(404);
  });

  it('can be forced, which the audit log remembers with names', async () => {
    await setUpAuthority(control);
    const { poll } = await proxy();
    nowMs += 100_000;
    const before = await poll();
    await poll(before);
    await control.ask('POST', `${ROUTES}/rotation`, {
      body: await materialUnder(control, await makeRoot('cluster.local', Date.now())),
    });
    expect((await post('/rotation/advance', {})).status).toBe(409);
    expect((await post('/rotation/advance', { force: true })).body).toMatchObject({
      stage: 'switched',
    });
    const { body } = await control.ask('GET', '/v1/audit');
    const forced = (body['items'] as { method: string; path: string; actor: string }[]).find(
      ({ method }) => method === 'FORCE',
    );
    expect(forced).toMatchObject({ actor: 'bootstrap' });
    expect(forced?.path).toContain('front (instance one)');
  });

  it('keeps its keys out of everything that can be read', async () => {
    const { root } = await setUpAuthority(control);
    const paths = [
      '/v1/history',
      '/v1/audit',
      '/v1/resources',
      `${ROUTES}/authority`,
      `${ROUTES}/bundle`,
    ];
    const texts = await Promise.all(
      paths.map(async (path) =>
        (await fetch(control.url + path, { headers: { authorization: `Bearer ${ADMIN}` } })).text(),
      ),
    );
    for (const text of [...texts, ...logged])
      for (const secret of ['PRIVATE', 'kekId', '!ca/', root.key.slice(40, 80)])
        expect(text).not.toContain(secret);
  });
});

describe('federation', () => {
  let bundle = '{"keys":[]}';
  let status = 200;
  const endpoint = createServer((_request, response) => {
    response.writeHead(status, { location: 'http://127.0.0.1:1/' }).end(bundle);
  });
  let url = '';
  beforeEach(async () => {
    await new Promise<void>((resolve) => {
      endpoint.listen(0, '127.0.0.1', resolve);
    });
    url = `http://127.0.0.1:${(endpoint.address() as AddressInfo).port}/bundle`;
    status = 200;
  });
  afterEach(async () => {
    endpoint.closeAllConnections();
    await new Promise((resolve) => {
      endpoint.close(resolve);
    });
  });

  async function partner(): Promise<{ text: string; root: string; close(): Promise<void> }> {
    const other = await startTestControl();
    const { root } = await setUpAuthority(other);
    const text = await (await fetch(`${other.url}${ROUTES}/bundle`)).text();
    return { text, root: root.certificate, close: () => other.close() };
  }

  it('keeps the bundles of other domains apart from its own', async () => {
    const { root } = await setUpAuthority(control);
    const other = await partner();
    await other.close();
    bundle = other.text;
    const added = await post('/federation', { trustDomain: 'partner.test', url });
    expect(added.body).toMatchObject({
      items: [{ trustDomain: 'partner.test', url, roots: 1, tokenKeys: 1, refreshHintMs: 300_000 }],
    });
    const { trust } = await proxy();
    expect(await trust()).toMatchObject({
      roots: { 'cluster.local': [root.certificate], 'partner.test': [other.root] },
    });
    await control.ask('DELETE', `${ROUTES}/federation/partner.test`);
    expect(Object.keys(((await trust()) as { roots: object }).roots)).toEqual(['cluster.local']);
    expect((await control.ask('DELETE', `${ROUTES}/federation/partner.test`)).status).toBe(404);
  });

  it('takes a file', async () => {
    await setUpAuthority(control);
    const answer = await post('/federation', { trustDomain: 'file.test', bundle: '{"keys":[]}' });
    expect(answer.body).toMatchObject({ items: [{ trustDomain: 'file.test', roots: 0 }] });
    const { trust } = await proxy();
    expect(await trust()).toMatchObject({ roots: { 'file.test': [] } });
  });

  it.each([
    ['the own domain', { trustDomain: 'cluster.local', bundle: '{"keys":[]}' }, 409],
    ['no domain', { trustDomain: 'A b', bundle: '{"keys":[]}' }, 422],
    ['neither url nor bundle', { trustDomain: 'a.test' }, 422],
    ['a file', { trustDomain: 'a.test', url: 'file:///etc/passwd' }, 422],
    ['credentials', { trustDomain: 'a.test', url: 'https://a:b@a.test/' }, 422],
    ['nobody there', { trustDomain: 'a.test', url: 'http://127.0.0.1:1/' }, 502],
    ['no JSON', { trustDomain: 'a.test', bundle: 'x' }, 422],
    ['no keys', { trustDomain: 'a.test', bundle: '{}' }, 422],
    [
      'no kid',
      { trustDomain: 'a.test', bundle: '{"keys":[{"use":"wit-svid","kty":"EC","crv":"P-256"}]}' },
      422,
    ],
    [
      'a private key',
      {
        trustDomain: 'a.test',
        bundle: '{"keys":[{"use":"wit-svid","kid":"a","kty":"EC","crv":"P-256","d":"x"}]}',
      },
      422,
    ],
    [
      'EdDSA',
      {
        trustDomain: 'a.test',
        bundle: '{"keys":[{"use":"wit-svid","kid":"a","kty":"OKP","crv":"Ed25519"}]}',
      },
      422,
    ],
    [
      'another alg than the curve',
      {
        trustDomain: 'a.test',
        bundle: '{"keys":[{"use":"wit-svid","kid":"a","kty":"EC","crv":"P-256","alg":"none"}]}',
      },
      422,
    ],
    [
      'no certificate',
      { trustDomain: 'a.test', bundle: '{"keys":[{"use":"x509-svid","x5c":["AAAA"]}]}' },
      422,
    ],
  ])('refuses %s', async (_what, body, wanted) => {
    await setUpAuthority(control);
    const answer = await post('/federation', body);
    expect([answer.status, answer.body['detail']]).toEqual([wanted, expect.any(String)]);
  });

  it('follows no redirect', async () => {
    await setUpAuthority(control);
    status = 302;
    const answer = await post('/federation', { trustDomain: 'a.test', url });
    expect([answer.status, answer.body['detail']]).toEqual([502, expect.stringContaining('302')]);
  });

  it('asks nobody on private addresses or in the clear', async () => {
    const strict = await startTestControl({ allowPrivateKeys: false });
    await setUpAuthority(strict);
    for (const [target, why] of [
      [url, 'private'],
      ['https://169.254.169.254/', 'private'],
      ['https://[::ffff:127.0.0.1]/', 'private'],
      ['https://localhost./', 'private'],
      ['http://partner.test/', 'want https'],
    ]) {
      const { body } = await strict.ask('POST', `${ROUTES}/federation`, {
        body: JSON.stringify({ trustDomain: 'a.test', url: target }),
      });
      expect(body['detail']).toContain(why);
    }
    await strict.close();
  });
});
