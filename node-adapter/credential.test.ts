/** Credentials over sockets: shown by one proxy, and believed by another, where no mutual TLS stands between them. */
import { createServer, request } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SignJWT, importJWK } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ProxyScope } from '../src/model/snapshot.ts';
import type { TrustSettings } from '../src/model/trust.ts';
import { CredentialWorld, IDENTITY } from '../test/fixtures/credentials.ts';
import type { Fields } from '../test/fixtures/credentials.ts';
import { startMeshProxy } from '../test/fixtures/mesh-proxy.ts';
import type { MeshProxy } from '../test/fixtures/mesh-proxy.ts';

const CART = 'cart.shop.test';
const inbound: ProxyScope = {
  type: 'sidecar-inbound',
  namespace: 'shop',
  name: 'cart',
  labels: { app: 'cart' },
  service: CART,
};
const front: ProxyScope = { type: 'gateway', namespace: 'edge', name: 'front', labels: { a: 'b' } };
const world = new CredentialWorld();

async function issue(key: Fields): Promise<{ token: string; expiresMs: number }> {
  const signer = world.signer.private.export({ format: 'jwk' }) as Parameters<typeof importJWK>[0];
  const token = await new SignJWT({ cnf: { jwk: { ...key, alg: 'ES256' } } })
    .setProtectedHeader({ alg: 'ES256', typ: 'wit+jwt', kid: 'k1' })
    .setSubject(`spiffe://${IDENTITY}`)
    .setIssuedAt()
    .setExpirationTime('1h')
    .sign(await importJWK(signer, 'ES256'));
  return { token, expiresMs: Date.now() + 3_600_000 };
}

let app: Server;
let cart: MeshProxy;
let gateway: MeshProxy;
let isIssuing = true;
let seen: { headers: IncomingMessage['headers']; body: string }[] = [];
let answers: number[] = [];

const LABELS = 'lateen.io/credential: wimse-wpt.02';
const cartYaml = (mode: string, credential = ''): string => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: cart, namespace: shop}
spec: {hosts: [${CART}], location: MESH_INTERNAL, resolution: STATIC, ports: [{number: 80, name: http, protocol: HTTP, targetPort: 8080}], endpoints: [{address: 127.0.0.1}]}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: shop}
spec: {mtls: {mode: ${mode}}}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: front, namespace: shop}
spec: {action: ALLOW, rules: [{from: [{source: {principals: [${IDENTITY}]}}]}]}
${credential}`;
const frontYaml = (labels = LABELS): string => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: cart, namespace: shop}
spec: {hosts: [${CART}], location: MESH_INTERNAL, resolution: STATIC, ports: [{number: 80, name: http, protocol: HTTP}], endpoints: [{address: 127.0.0.1, ports: {http: ${cart.ports[0]}}, labels: {${labels}}}]}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: front, namespace: edge}
spec: {selector: {a: b}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: cart, namespace: edge}
spec: {hosts: ['*'], gateways: [front], http: [{retries: {attempts: 1, retryOn: 5xx}, route: [{destination: {host: ${CART}}}]}]}
`;

const send = (
  path: string,
  options: { method?: string; body?: string; headers?: Record<string, string> } = {},
  port = gateway.ports[0],
): Promise<number> =>
  new Promise((resolve, reject) => {
    const { method = 'GET', headers = {} } = options;
    const sent = request({ host: '127.0.0.1', port, path, method, headers }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    sent.on('error', reject);
    sent.end(options.body);
  });

beforeAll(async () => {
  app = createServer((incoming, outgoing) => {
    let body = '';
    incoming.on('data', (chunk) => (body += String(chunk)));
    incoming.on('end', () => {
      seen.push({ headers: incoming.headers, body });
      outgoing.writeHead(answers.shift() ?? 200).end('ok');
    });
  });
  await new Promise<void>((resolve) => {
    app.listen(0, '127.0.0.1', resolve);
  });
  const at = { host: '127.0.0.1', port: 0 } as const;
  const trust: TrustSettings = world.trust;
  cart = await startMeshProxy({
    scope: inbound,
    fronts: [{ kind: 'inbound', at, listenerPort: 8080 }],
    yaml: cartYaml('PERMISSIVE'),
    given: {},
    trust,
    app: { host: '127.0.0.1', port: (app.address() as AddressInfo).port },
  });
  gateway = await startMeshProxy({
    scope: front,
    fronts: [{ kind: 'gateway', host: '127.0.0.1', portOf: () => 0 }],
    yaml: frontYaml(),
    given: {},
    trust,
    issueToken: (key) =>
      isIssuing ? issue(key) : Promise.reject(new Error('control plane answers 403')),
  });
});
afterAll(async () => {
  await gateway.close();
  await cart.close();
  app.close();
});
beforeEach(async () => {
  seen = [];
  answers = [];
  await cart.configure(cartYaml('PERMISSIVE'), world.trust);
  await gateway.configure(frontYaml(), world.trust);
});

describe('a gateway before a sidecar, in plain text', () => {
  it('is who it proves to be, attempt by attempt, and its service sees nothing of that', async () => {
    answers = [503];
    expect(await send("/a/it's?b='1'")).toBe(200);
    expect(seen.length).toBe(2);
    for (const { headers } of seen)
      expect(Object.keys(headers).filter((name) => name.startsWith('workload'))).toEqual([]);
    const line = cart.lines.find((one) => one.includes('"status":200')) ?? '{}';
    expect(JSON.parse(line)).toMatchObject({
      principal: IDENTITY,
      connection_security_policy: 'credential',
    });
  });

  it('is nobody without being asked, and is refused', async () => {
    await gateway.configure(frontYaml('app: cart'), world.trust);
    expect(await send('/')).toBe(403);
    expect(seen).toEqual([]);
  });

  it('takes no credential of a client for its own', async () => {
    const forged = { 'workload-identity-token': 'x', 'workload-proof-token': 'y' };
    expect(await send('/', { headers: forged })).toBe(401);
    expect(seen).toEqual([]);
  });

  it('nobody else gets there', async () => {
    expect(await send('/', {}, cart.ports[0])).toBe(403);
    expect(await send('/', { headers: { 'workload-identity-token': 'x' } }, cart.ports[0])).toBe(
      401,
    );
    expect(seen).toEqual([]);
  });

  it('binds bodies', async () => {
    const wanted = `---
apiVersion: lateen.io/v1
kind: Policy
metadata: {name: digest, namespace: shop}
spec: {credential: {bodyDigest: REQUIRED}}
`;
    await cart.configure(cartYaml('PERMISSIVE', wanted), world.trust);
    expect(await send('/', { method: 'POST', body: 'money' })).toBe(401);
    await gateway.configure(
      frontYaml(`${LABELS}, lateen.io/credential-digest: sha-256`),
      world.trust,
    );
    expect(await send('/', { method: 'POST', body: 'money' })).toBe(200);
    expect(await send('/')).toBe(200);
    expect(seen.map(({ body }) => body)).toEqual(['money', '']);
    expect(await send('/', { method: 'POST', body: 'x'.repeat(1_048_577) })).toBe(503);
  });

  it('a port that takes mutual TLS alone is closed to it all the same', async () => {
    await cart.configure(cartYaml('STRICT'), world.trust);
    expect(await send('/')).toBe(503);
    expect(seen).toEqual([]);
  });
});

it('sends nothing where nobody gives it a token', async () => {
  isIssuing = false;
  const at = { kind: 'gateway', host: '127.0.0.1', portOf: () => 0 } as const;
  const poor = await startMeshProxy({
    scope: front,
    fronts: [at],
    yaml: frontYaml(),
    given: {},
    issueToken: () => Promise.reject(new Error('control plane answers 403')),
  });
  expect(await send('/', {}, poor.ports[0])).toBe(503);
  expect(poor.lines.join('\n')).toContain('control plane answers 403');
  await poor.close();
  expect(seen).toEqual([]);
});
