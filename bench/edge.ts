/**
 * CPU of workerd for one request through the gateway worker (routing, JWT from cache, RBAC,
 * CORS, header work both ways, log line), as a multiple of a worker that only passes on. Both run in one workerd,
 * in turns, towards one backend; the load is closed-loop over kept connections.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { Agent, createServer, request as send } from 'node:http';
import { SignJWT, exportJWK, generateKeyPair } from 'jose';
import type { ProxyScope } from '../src/model/snapshot.ts';
import { endServer, listen, startStubControl } from '../test/fixtures/gateway.ts';
import { bundleWorker } from '../workers/build.ts';
import { startLocalWorkers } from '../workers/local.ts';
import { median } from './measure.ts';

const ROUNDS = 11;
const PER_ROUND = 3000;
const CONNECTIONS = 16;
const ROUTES = 100;
const ISSUER = 'https://issuer.test';
/** Clock ticks a second of /proc, which Linux fixes at 100 for user space. */
const TICK_MS = 10;

const scope: ProxyScope = { type: 'gateway', namespace: 'edge', name: 'front', labels: { a: 'b' } };

function mesh(port: number, jwks: string): string {
  const rules = Array.from(
    { length: ROUTES },
    (_, index) =>
      `{match: [{uri: {prefix: /v1/item${index}/}}], route: [{destination: {host: shop.test}}], corsPolicy: {allowOrigins: [{exact: "https://shop.example"}], allowMethods: [GET]}, headers: {request: {set: {x-route: "${index}"}, remove: [x-debug]}, response: {set: {x-served-by: shop}}}}`,
  );
  return [
    `apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: shop, namespace: edge}\nspec: {hosts: [shop.test], location: MESH_INTERNAL, resolution: STATIC, ports: [{number: 80, name: http, protocol: HTTP, targetPort: ${port}}], endpoints: [{address: 127.0.0.1}]}`,
    'apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: front, namespace: edge}\nspec: {selector: {a: b}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]}',
    `apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: all, namespace: edge}\nspec: {hosts: ["*"], gateways: [front], http: [${rules.join(', ')}]}`,
    `apiVersion: security.istio.io/v1\nkind: RequestAuthentication\nmetadata: {name: jwt, namespace: edge}\nspec: {jwtRules: [{issuer: "${ISSUER}", jwks: ${JSON.stringify(jwks)}}]}`,
    `apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: signed, namespace: edge}\nspec: {rules: [{from: [{source: {requestPrincipals: ["${ISSUER}/*"]}}], to: [{operation: {methods: [GET], paths: ["/v1/*"]}}]}]}`,
  ].join('\n---\n');
}

async function signedToken(): Promise<{ readonly jwks: string; readonly token: string }> {
  const { privateKey, publicKey } = await generateKeyPair('ES256');
  const jwk = { ...(await exportJWK(publicKey)), kid: 'bench', alg: 'ES256' };
  const token = await new SignJWT({ iss: ISSUER, sub: 'ann' })
    .setProtectedHeader({ alg: 'ES256', kid: 'bench' })
    .setExpirationTime('1h')
    .sign(privateKey);
  return { jwks: JSON.stringify({ keys: [jwk] }), token };
}

/** User and system time of this process' workerd, in milliseconds. */
function workerdCpuMs(): number {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    let stat: string;
    try {
      stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    } catch {
      continue;
    }
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (!stat.includes('(workerd)') || Number(fields[1]) !== process.pid) continue;
    return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
  }
  throw new Error('no workerd runs under this process');
}

function once(agent: Agent, url: URL, token: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const sent = send(
      {
        agent,
        hostname: url.hostname,
        port: url.port,
        path: '/v1/item42/x?y=1',
        headers: {
          authorization: `Bearer ${token}`,
          origin: 'https://shop.example',
          accept: 'application/json',
          'user-agent': 'bench/1.0',
          'x-debug': '1',
        },
      },
      (response) => {
        if (response.statusCode !== 200) reject(new Error(`HTTP ${response.statusCode}`));
        response.on('end', resolve).resume();
      },
    );
    sent.on('error', reject);
    sent.end();
  });
}

/** CPU of workerd in microseconds for one request. */
async function round(agent: Agent, url: URL, token: string): Promise<number> {
  const before = workerdCpuMs();
  let left = PER_ROUND;
  const loop = async (): Promise<void> => {
    while (left-- > 0) await once(agent, url, token);
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, () => loop()));
  return ((workerdCpuMs() - before) * 1000) / PER_ROUND;
}

/** @returns the ratio of medians */
export async function benchEdge(): Promise<void> {
  const body = JSON.stringify({ items: 'x'.repeat(1000) });
  const backend = createServer((_request, response) => {
    response.setHeader('content-type', 'application/json');
    response.end(body);
  });
  const port = await listen(backend);
  const control = await startStubControl();
  const { jwks, token } = await signedToken();
  control.serve(mesh(port, jwks), scope);
  const bare = `export default { fetch(request) { const url = new URL(request.url); url.port = '${port}'; return fetch(new Request(url, request)); } };`;
  const workers = await startLocalWorkers({
    workers: [
      { name: 'bare', script: bare, vars: {}, sockets: [{ port: 0 }] },
      {
        name: 'gateway',
        script: await bundleWorker('workers/gateway.ts'),
        vars: {
          PROXY_TOKEN: 'bench',
          CONTROL_URL: control.url,
          SCOPE: JSON.stringify(scope),
          LISTEN_PORT: '80',
        },
        sockets: [{ port: 0 }],
      },
    ],
  });
  const urls = {
    bare: new URL(await workers.url('bare')),
    gateway: new URL(await workers.url('gateway')),
  };
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  const cost = { bare: [] as number[], gateway: [] as number[] };
  for (const name of ['bare', 'gateway', 'bare', 'gateway'] as const)
    await round(agent, urls[name], token);
  for (let index = 0; index < ROUNDS; index++)
    for (const name of ['bare', 'gateway'] as const)
      cost[name].push(await round(agent, urls[name], token));
  agent.destroy();
  await workers.close();
  await control.close();
  await endServer(backend);
  const [bareUs, gatewayUs] = [median(cost.bare), median(cost.gateway)];
  console.log(
    `edge: bare worker ${bareUs.toFixed(0)} us CPU a request, gateway worker ${gatewayUs.toFixed(0)} us: ${(gatewayUs / bareUs).toFixed(2)} x`,
  );
}
