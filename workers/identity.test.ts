/** Who calls, in workerd: credentials, the platform's word, client certificates; and a proxy that shows who it is. */
import { createServer, request } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import { SignJWT, importJWK } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ProxyScope } from '../src/model/snapshot.ts';
import { CredentialVerifier } from '../src/credential/verifier.ts';
import { ReplayCache } from '../src/credential/replay.ts';
import { testAuthority } from '../test/fixtures/authority.ts';
import { CredentialWorld, IDENTITY, sha256 } from '../test/fixtures/credentials.ts';
import type { Fields } from '../test/fixtures/credentials.ts';
import type { StubControl } from '../test/fixtures/gateway.ts';
import { endServer, listen, startStubControl } from '../test/fixtures/gateway.ts';
import { bundleWorker } from './build.ts';
import type { LocalWorkers } from './local.ts';
import { startLocalWorkers } from './local.ts';

const CART = 'cart.shop.test';
const inbound: ProxyScope = {
  type: 'sidecar-inbound',
  namespace: 'shop',
  name: 'cart',
  labels: { app: 'cart' },
  service: CART,
};
const outbound: ProxyScope = {
  type: 'sidecar-outbound',
  namespace: 'edge',
  name: 'front',
  labels: { app: 'front' },
};

/** Calls another worker in the way that a header names. */
const CALLER = `export default { fetch(request, env) {
  const { pathname, search } = new URL(request.url);
  const headers = new Headers(request.headers);
  const how = headers.get('x-how');
  const cf = headers.get('x-cf');
  headers.delete('x-how'); headers.delete('x-cf');
  const init = { method: request.method, headers, body: request.body, ...(cf === null ? {} : { cf: JSON.parse(cf) }) };
  return env[how].fetch('http://${CART}' + pathname + search, init);
} };`;

const world = new CredentialWorld();
let seen: {
  headers: IncomingMessage['headers'];
  url: string;
  method: string;
  body: string;
}[] = [];
let answer = 200;
let backend: Server;
let control: StubControl;
let outboundControl: StubControl;
let workers: LocalWorkers;
let caller: string;
let front: string;
let backendPort: number;

const mesh = (mode: string, labels = ''): string => `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: cart, namespace: shop}
spec: {hosts: [${CART}], location: MESH_INTERNAL, resolution: STATIC, ports: [{number: 80, name: http, protocol: HTTP, targetPort: ${backendPort}}], endpoints: [{address: 127.0.0.1${labels}}]}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: shop}
spec: {mtls: {mode: ${mode}}}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: front-only, namespace: shop}
spec: {action: DENY, rules: [{from: [{source: {notPrincipals: ["cluster.local/ns/edge/sa/front"]}}], to: [{operation: {paths: [/secret]}}]}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: cart, namespace: edge}
spec: {hosts: [${CART}], http: [{retries: {attempts: 1, retryOn: 5xx}, route: [{destination: {host: ${CART}}}]}]}
`;

const nowS = (): number => Math.floor(Date.now() / 1000);

function credential(claims: Fields = {}): Record<string, string> {
  const wit = world.wit({ iat: nowS(), exp: nowS() + 3600 });
  const wpt = world.wpt(wit, {
    aud: `http://${CART}:80/secret`,
    iat: nowS(),
    exp: nowS() + 30,
    jti: crypto.randomUUID(),
    htq: sha256('?a=1'),
    ...claims,
  });
  return { 'workload-identity-token': wit, 'workload-proof-token': wpt };
}

const call = (how: string, headers: Record<string, string> = {}, path = '/secret?a=1') =>
  fetch(caller + path, { headers: { 'x-how': how, ...headers } });

const pause = (ms: number): Promise<void> =>
  new Promise((wake) => {
    setTimeout(wake, ms);
  });

beforeAll(async () => {
  backend = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += String(chunk)));
    request.on('end', () => {
      seen.push({
        headers: request.headers,
        url: request.url ?? '',
        method: request.method ?? '',
        body,
      });
      response.writeHead(answer).end('ok');
    });
  });
  backendPort = await listen(backend);
  control = await startStubControl();
  control.trust = world.trust;
  control.serve(mesh('STRICT'), inbound);
  outboundControl = await startStubControl();
  outboundControl.serve(mesh('STRICT', ', labels: {lateen.io/credential: wimse-wpt.02}'), outbound);
  const script = await bundleWorker('workers/gateway.ts');
  const vars = { PROXY_TOKEN: 'test', SOFT_TTL_MS: '50', WAIT_TTL_MS: '100' };
  workers = await startLocalWorkers({
    workers: [
      {
        name: 'cart',
        script,
        vars: {
          ...vars,
          CONTROL_URL: control.url,
          SCOPE: JSON.stringify(inbound),
          APP_URL: `http://127.0.0.1:${backendPort}`,
          LISTEN_PORT: String(backendPort),
        },
        sockets: [{ port: 0 }],
      },
      {
        name: 'front',
        script,
        vars: {
          ...vars,
          CONTROL_URL: outboundControl.url,
          OUTBOUND_SCOPE: JSON.stringify(outbound),
        },
        sockets: [{ port: 0, entrypoint: 'Outbound' }],
      },
      {
        name: 'caller',
        script: CALLER,
        vars: {},
        services: {
          PUBLIC: 'cart',
          INBOUND: { name: 'cart', entrypoint: 'Inbound' },
          ACCOUNT: { name: 'cart', entrypoint: 'Inbound', props: { lateen: {} } },
          NAMED: {
            name: 'cart',
            entrypoint: 'Inbound',
            props: { lateen: { identity: `spiffe://${IDENTITY}` } },
          },
          OTHER: { name: 'cart', props: { lateen: { identity: 'cluster.local/ns/a/sa/b' } } },
          STRANGER: { name: 'cart', props: { lateen: { identity: 'evil.test/ns/a/sa/b' } } },
          BROKEN: { name: 'cart', props: { lateen: { identity: 'cluster.local/../x' } } },
        },
        sockets: [{ port: 0 }],
      },
    ],
  });
  caller = await workers.url('caller');
  front = await workers.url('front', 'Outbound');
});
afterAll(async () => {
  await workers.close();
  await control.close();
  await outboundControl.close();
  await endServer(backend);
});
beforeEach(() => {
  seen = [];
  answer = 200;
});

describe('STRICT before a service, where no mutual TLS is visible', () => {
  it.each<[string, string, () => Record<string, string>, number]>([
    ['nobody', 'PUBLIC', () => ({}), 421],
    ['somebody over a binding that says nothing', 'INBOUND', () => ({}), 421],
    ['a credential', 'PUBLIC', () => credential(), 200],
    ['a credential over a binding', 'INBOUND', () => credential(), 200],
    [
      'a credential for another path',
      'PUBLIC',
      () => credential({ aud: `http://${CART}:80/x` }),
      401,
    ],
    ['a worker of the account, where an identity is wanted', 'ACCOUNT', () => ({}), 403],
    ['a worker that its binding names', 'NAMED', () => ({}), 200],
    ['another one', 'OTHER', () => ({}), 403],
    ['one of a domain that is not ours', 'STRANGER', () => ({}), 421],
    ['one whose binding names nobody', 'BROKEN', () => ({}), 421],
    ['one with the credential of another', 'OTHER', () => credential(), 401],
    [
      'headers that say so',
      'PUBLIC',
      () => ({
        'x-lateen-platform': 'true',
        'x-lateen-identity': IDENTITY,
        'x-forwarded-client-cert': `URI=spiffe://${IDENTITY}`,
        'cf-worker': 'a.test',
      }),
      421,
    ],
  ])('%s', async (_name, how, headers, status) => {
    expect((await call(how, headers())).status).toBe(status);
    expect(seen.length).toBe(status === 200 ? 1 : 0);
  });

  it('lets a worker of the account pass where no identity is wanted', async () => {
    expect((await call('ACCOUNT', {}, '/open')).status).toBe(200);
  });

  it('a worker whose identity was denied is nobody', async () => {
    control.trust = { ...world.trust, denied: { serials: [], identities: [IDENTITY] } };
    control.serve(`${mesh('STRICT')}---\n`, inbound);
    await pause(200);
    const statuses = [(await call('NAMED')).status, (await call('NAMED', {}, '/open')).status];
    control.trust = world.trust;
    control.serve(mesh('STRICT'), inbound);
    await pause(200);
    expect(statuses).toEqual([421, 421]);
    expect(seen).toEqual([]);
    expect((await call('NAMED')).status).toBe(200);
  });

  it('a proof is taken once', async () => {
    const headers = credential();
    expect((await call('PUBLIC', headers)).status).toBe(200);
    const again = await call('PUBLIC', headers);
    expect([again.status, await again.text()]).toEqual([401, 'mesh credential refused']);
  });

  it('no header of an identity reaches the service', async () => {
    const names = [
      'client-cert',
      'client-cert-chain',
      'client_cert',
      'workload_identity_token',
      'x_forwarded_client_cert',
      'x-forwarded_client-cert',
      'x-lateen-identity',
      'x-forwarded-client-cert',
      'cf-client-cert-der-base64',
    ];
    const more = Object.fromEntries(names.map((name) => [name, 'forged']));
    expect((await call('PUBLIC', { ...credential(), ...more })).status).toBe(200);
    const left = Object.keys(seen[0]?.headers ?? {});
    for (const name of [...names, 'workload-identity-token', 'workload-proof-token'])
      expect(left).not.toContain(name);
  });
});

describe('client certificates of request.cf', () => {
  it('show who calls by the roots of the mesh, on the public side alone', async () => {
    const authority = await testAuthority();
    const keys = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, [
      'sign',
      'verify',
    ]);
    const { chain } = await authority.issue({
      identity: 'mesh.test/ns/edge/sa/front',
      publicKey: new Uint8Array(await crypto.subtle.exportKey('spki', keys.publicKey)),
      actor: 'test',
      provenBy: 'operator',
    });
    const [leaf = '', ...between] = [...chain.matchAll(/CERTIFICATE-----([^-]+)-----END/g)].map(
      ([, text = '']) => `:${text.replaceAll(/\s/g, '')}:`,
    );
    const trust = await authority.trust();
    if (trust === undefined) throw new Error('no trust');
    control.trust = trust;
    const aliased = `${mesh('STRICT')}---
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data: {mesh: "trustDomain: mesh.test"}
`;
    control.serve(aliased.replace('cluster.local/ns', 'mesh.test/ns'), inbound);
    await pause(200);
    const cf = JSON.stringify({
      tlsClientAuth: {
        certPresented: '1',
        certVerified: 'FAILED:self signed certificate',
        certRevoked: '0',
        certRFC9440: leaf,
        certRFC9440TooLarge: false,
        certChainRFC9440: between.join(', '),
        certChainRFC9440TooLarge: false,
      },
    });
    const cut = cf
      .replace(leaf, '')
      .replace('"certRFC9440TooLarge":false', '"certRFC9440TooLarge":true');
    const statuses = [
      (await call('PUBLIC', { 'x-cf': cf })).status,
      (await call('PUBLIC', { 'x-cf': cf })).status,
      (await call('INBOUND', { 'x-cf': cf })).status,
      (await call('PUBLIC', { 'x-cf': cut })).status,
    ];
    expect(statuses).toEqual([200, 200, 421, 421]);
    control.serve(
      aliased.replace('cluster.local/ns', 'mesh.test/ns').replace('STRICT', 'PERMISSIVE'),
      inbound,
    );
    await pause(200);
    // Who could be anybody is refused by what is refused to anybody else.
    expect((await call('PUBLIC', { 'x-cf': cut })).status).toBe(403);
    control.trust = world.trust;
    control.serve(mesh('STRICT'), inbound);
    await pause(200);
  });
});

describe('a proxy that shows who it is', () => {
  const issue = async (key: Fields): Promise<string> => {
    const { kid: _kid, ...signer } = { ...world.signer.private.export({ format: 'jwk' }), kid: '' };
    return new SignJWT({ cnf: { jwk: { ...key, alg: 'ES256' } } })
      .setProtectedHeader({ alg: 'ES256', typ: 'wit+jwt', kid: 'k1' })
      .setSubject(`spiffe://${IDENTITY}`)
      .setIssuedAt()
      .setExpirationTime('1h')
      .sign(await importJWK(signer as Parameters<typeof importJWK>[0], 'ES256'));
  };
  const send = (
    path: string,
    init: { method?: string; body?: string; headers?: Record<string, string> } = {},
  ): Promise<number> =>
    new Promise((resolve, reject) => {
      const { hostname, port } = new URL(front);
      const headers = { ...init.headers, host: CART };
      const sent = request({ hostname, port, path, method: init.method ?? 'GET', headers });
      sent.on('response', (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      });
      sent.on('error', reject);
      sent.end(init.body);
    });

  /** What the service at the other end would say of it. */
  async function judge(
    verifier: CredentialVerifier,
    { headers, url, method, body }: (typeof seen)[number],
    wantsDigest = false,
  ): Promise<unknown> {
    const [path = '', query] = url.split('?');
    return verifier.verify(
      {
        identityToken: String(headers['workload-identity-token']),
        proofToken: String(headers['workload-proof-token']),
        call: {
          scheme: 'http',
          path,
          query: query === undefined ? '' : `?${query}`,
          method,
          isHere: (host, port) => host === CART && port === 80,
        },
        body: () => Promise.resolve(new TextEncoder().encode(body)),
        wantsDigest,
      },
      Date.now(),
    );
  }
  const verifier = () => new CredentialVerifier({ trust: world.trust, replays: new ReplayCache() });
  const shown = { ok: true, identity: IDENTITY };

  it('sends nothing while nobody gives it a token, and asks once in a while', async () => {
    const statuses = [await send('/buy'), await send('/buy'), await send('/buy')];
    expect(statuses).toEqual([503, 503, 503]);
    expect(seen).toEqual([]);
    expect(outboundControl.issued).toBe(1);
  });

  it('proves each attempt by itself, for what it calls', async () => {
    outboundControl.issue = issue;
    await pause(1100);
    answer = 503;
    const forged = { 'workload-identity-token': 'x', 'workload-proof-token': 'y' };
    expect(await send("/buy/it's%20a?b=1&c='2'", { headers: forged })).toBe(503);
    expect(seen.length).toBe(2);
    const one = verifier();
    for (const sent of seen) expect(await judge(one, sent)).toEqual(shown);
    const [first] = seen;
    expect(first && (await judge(one, first))).toEqual({ ok: false, fault: 'replayed' });
  });

  it('keeps its token, whoever calls at once', async () => {
    const before = outboundControl.issued;
    await Promise.all(Array.from({ length: 8 }, () => send('/buy')));
    expect(outboundControl.issued).toBe(before);
    expect(new Set(seen.map(({ headers }) => headers['workload-identity-token'])).size).toBe(1);
    const one = verifier();
    for (const sent of seen) expect(await judge(one, sent)).toEqual(shown);
  });

  it('binds bodies where the upstream wants that', async () => {
    const labels = '{lateen.io/credential: wimse-wpt.02, lateen.io/credential-digest: sha-256}';
    outboundControl.serve(mesh('STRICT', `, labels: ${labels}`), outbound);
    await pause(200);
    expect(await send('/buy', { method: 'POST', body: 'money' })).toBe(200);
    expect(await send('/buy')).toBe(200);
    const one = verifier();
    for (const sent of seen) expect(await judge(one, sent, true)).toEqual(shown);
    const [first] = seen;
    const changed = first && { ...first, body: 'Money' };
    expect(changed && (await judge(verifier(), changed))).toEqual({
      ok: false,
      fault: 'body_digest',
    });
    expect(await send('/buy', { method: 'POST', body: 'x'.repeat(1_048_577) })).toBe(503);
    expect(seen.length).toBe(2);
  });

  it('sends nothing to who wants credentials that it can not make', async () => {
    outboundControl.serve(
      mesh('STRICT', ', labels: {lateen.io/credential: wimse-wpt.99}'),
      outbound,
    );
    await pause(200);
    expect(await send('/buy')).toBe(503);
    expect(seen).toEqual([]);
  });

  it('shows nobody anything who does not ask', async () => {
    outboundControl.serve(mesh('STRICT'), outbound);
    await pause(200);
    expect(await send('/buy')).toBe(200);
    expect(
      Object.keys(seen[0]?.headers ?? {}).filter((name) => name.startsWith('workload')),
    ).toEqual([]);
  });
});
