/** Every recipe, applied to a real control plane and asked through gateway workers in workerd. */
import { globSync, readFileSync } from 'node:fs';
import { request as send } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ProxyScope } from '../../src/model/snapshot.ts';
import type { TestControl } from '../../test/fixtures/control.ts';
import { startTestControl } from '../../test/fixtures/control.ts';
import { bundleWorker } from '../../workers/build.ts';
import type { LocalWorkers } from '../../workers/local.ts';
import { startLocalWorkers } from '../../workers/local.ts';
import type { EchoServer } from './echo.ts';
import { SERVERS, startEcho } from './echo.ts';

const folder = new URL('.', import.meta.url);
const ingress: ProxyScope = {
  type: 'gateway',
  namespace: 'istio-system',
  name: 'ingressgateway',
  labels: { istio: 'ingressgateway' },
};
const egress: ProxyScope = {
  type: 'gateway',
  namespace: 'istio-system',
  name: 'egressgateway',
  labels: { istio: 'egressgateway' },
};
const client: ProxyScope = {
  type: 'sidecar-outbound',
  namespace: 'shop',
  name: 'client',
  labels: {},
};

let control: TestControl;
let workers: LocalWorkers;
const servers = new Map<string, EchoServer>();

async function tokenFor(scope: ProxyScope): Promise<string> {
  const body = JSON.stringify({ name: scope.name, role: 'proxy', scopes: [scope] });
  return String((await control.ask('POST', '/v1/tokens', { body })).body['token']);
}

async function worker(scope: ProxyScope, listenPort: string, services = {}) {
  return {
    name: scope.name,
    script: await bundleWorker('workers/gateway.ts'),
    vars: {
      PROXY_TOKEN: await tokenFor(scope),
      CONTROL_URL: control.url,
      SCOPE: JSON.stringify(scope),
      ...(scope.type === 'sidecar-outbound' ? { OUTBOUND_SCOPE: JSON.stringify(scope) } : {}),
      LISTEN_PORT: listenPort,
      SOFT_TTL_MS: '50',
      WAIT_TTL_MS: '50',
    },
    services,
    sockets: [
      { port: 0, ...(scope.type === 'sidecar-outbound' ? { entrypoint: 'Outbound' } : {}) },
    ],
  };
}

/** The files' ports are those of `node examples/recipes/echo.ts`; here any that are free. */
function textOf(file: string): string {
  const ports = new Map(
    Object.entries(SERVERS).map(([name, port]) => [String(port), servers.get(name)?.port ?? 0]),
  );
  return readFileSync(new URL(file, folder), 'utf8').replaceAll(/\b93\d\d\b/g, (port) =>
    String(ports.get(port) ?? port),
  );
}

async function apply(file: string): Promise<void> {
  const sources = [{ file, text: textOf(file) }];
  const { status, body } = await control.ask('POST', '/v1/apply', {
    body: JSON.stringify({ sources }),
    headers: { 'content-type': 'application/json' },
  });
  expect(JSON.stringify(body)).not.toContain('"level":"error"');
  expect(status).toBe(200);
  // The first request under a new configuration may still meet the old one.
  for (let i = 0; i < 2; i++) {
    await new Promise((wake) => {
      setTimeout(wake, 120);
    });
    await ask('warm.shop.example', '/');
    if (file.startsWith('egress')) await ask('api.vendor.example', '/', {}, 'client');
  }
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Of the server that answered; '' = the gateway itself. */
  readonly name: string;
  readonly text: string;
  readonly seen: IncomingHttpHeaders;
}

interface Sent {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

async function ask(
  host: string,
  path: string,
  sent: Sent = {},
  at = 'ingressgateway',
): Promise<Answer> {
  const { hostname, port } = new URL(
    await workers.url(at, at === 'client' ? 'Outbound' : undefined),
  );
  return new Promise((resolve, reject) => {
    const { method = 'GET', headers = {}, body } = sent;
    const asked = send(
      { hostname, port, path, method, headers: { host, ...headers } },
      (response) => {
        let text = '';
        response.on('data', (chunk) => (text += String(chunk)));
        response.on('end', () => {
          const echoed = text.startsWith('{')
            ? (JSON.parse(text) as { name: string; headers: IncomingHttpHeaders })
            : { name: '', headers: {} };
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            name: echoed.name,
            text,
            seen: echoed.headers,
          });
        });
      },
    );
    asked.on('error', reject);
    asked.end(body);
  });
}

beforeAll(async () => {
  for (const name of Object.keys(SERVERS)) servers.set(name, await startEcho(name, 0));
  control = await startTestControl({ pointerMaxAgeMs: 0 });
  workers = await startLocalWorkers({
    workers: [
      await worker(ingress, '8080'),
      await worker(egress, '80'),
      await worker(client, '80', { EGRESS: 'egressgateway' }),
    ],
  });
  await apply('services.yaml');
});
afterAll(async () => {
  await workers.close();
  await control.close();
  await Promise.all([...servers.values()].map((server) => server.close()));
});

const recipes: Readonly<Record<string, () => Promise<void>>> = {
  async 'canary-by-weight.yaml'() {
    const names: string[] = [];
    for (let i = 0; i < 120; i++) names.push((await ask('weight.api.example', '/')).name);
    const share = names.filter((name) => name === 'shop-v2').length;
    expect(new Set(names)).toEqual(new Set(['shop-v1', 'shop-v2']));
    expect(share).toBeLessThan(40);
  },

  async 'canary-by-header.yaml'() {
    expect((await ask('header.shop.example', '/')).name).toBe('shop-v1');
    const headers = { 'x-canary': 'yes' };
    expect((await ask('header.shop.example', '/', { headers })).name).toBe('shop-v2');
  },

  async 'delegates.yaml'() {
    expect((await ask('team.shop.example', '/cart/items')).name).toBe('cart');
    expect((await ask('team.shop.example', '/pay/now')).name).toBe('bank');
    const moved = await ask('team.shop.example', '/cart/old/1');
    expect([moved.status, moved.headers.location]).toEqual([
      308,
      'http://team.shop.example/cart/items',
    ]);
    expect((await ask('team.shop.example', '/')).status).toBe(404);
  },

  async 'egress-through-gateway.yaml'() {
    const answer = await ask('api.vendor.example', '/orders', {}, 'client');
    expect([answer.status, answer.name]).toEqual([200, 'bank']);
    expect(answer.seen['x-left-by']).toBe('egress');
  },

  async 'jwt-and-rbac.yaml'() {
    const token = (name: string): string =>
      new RegExp(`^#   ${name} (\\S+)$`, 'm').exec(textOf('jwt-and-rbac.yaml'))?.[1] ?? '';
    const as = (bearer: string): Sent => ({ headers: { authorization: `Bearer ${bearer}` } });
    const host = 'tokens.shop.example';
    expect((await ask(host, '/orders')).status).toBe(403);
    expect((await ask(host, '/public/page')).status).toBe(200);
    expect((await ask(host, '/orders', as(token('guest')))).status).toBe(403);
    expect((await ask(host, '/orders', as(`${token('buyer')}x`))).status).toBe(401);
    const buyer = await ask(host, '/orders', as(token('buyer')));
    expect([buyer.status, buyer.seen['x-user'], buyer.seen.authorization]).toEqual([
      200,
      'ann',
      undefined,
    ]);
  },

  async 'mirroring.yaml'() {
    expect((await ask('mirror.api.example', '/mirrored')).name).toBe('shop-v1');
    const copies = servers.get('shop-v2')?.seen ?? [];
    await expect.poll(() => copies.includes('/mirrored')).toBe(true);
  },

  async 'fault-injection.yaml'() {
    const as = (tester: string): Sent => ({ headers: { 'x-tester': tester } });
    expect((await ask('fault.shop.example', '/')).name).toBe('shop-v1');
    const down = await ask('fault.shop.example', '/', as('down'));
    expect([down.status, down.text]).toEqual([503, 'fault filter abort']);
    const begun = Date.now();
    expect((await ask('fault.shop.example', '/', as('slow'))).name).toBe('shop-v1');
    expect(Date.now() - begun).toBeGreaterThan(900);
  },

  async 'cross-namespace.yaml'() {
    expect((await ask('bank.api.example', '/pay')).name).toBe('bank');
    expect((await ask('bank.api.example', '/safe')).status).toBe(500);
  },

  async 'grpc.yaml'() {
    const call = (path: string, type: string): Promise<Answer> =>
      ask('rpc.api.example', path, { method: 'POST', headers: { 'content-type': type } });
    expect((await call('/shop.v1.Cart/Get', 'application/grpc-web')).name).toBe('cart');
    expect((await call('/shop.v1.Shop/Open', 'application/connect+proto')).name).toBe('shop-v1');
    const unknown = await call('/shop.v1.Shop/Close', 'application/grpc');
    expect([unknown.status, unknown.headers['grpc-status']]).toEqual([200, '12']);
  },

  async 'tls-passthrough.yaml'() {
    const scope = { ...ingress, name: 'passthrough', labels: {} };
    const explain = (host: string) =>
      control.ask('POST', '/v1/explain', {
        body: JSON.stringify({ scope, request: { scheme: 'https', host, port: 8443 } }),
      });
    expect((await explain('db.secure.example')).body).toMatchObject({
      outcome: 'forward',
      service: 'bank.bank.svc.cluster.local',
    });
    expect((await explain('other.secure.example')).body).toMatchObject({ outcome: 'close' });
    const path = '/v1/resources/gateway.networking.k8s.io/TLSRoute/bank/db';
    const { status } = (await control.ask('GET', path)).body as {
      status: { conditions: { type: string }[] };
    };
    expect(status.conditions.find(({ type }) => type === 'Enforced')).toMatchObject({
      status: 'True',
      reason: 'EnforcedByNodeProxies',
      message: expect.stringContaining('Node proxies alone') as string,
    });
  },

  async 'policy.yaml'() {
    const post = (fields: Sent): Promise<Answer> =>
      ask('policy.api.example', '/desk', {
        method: 'POST',
        body: 'hello',
        ...fields,
        headers: { 'content-type': 'text/plain', 'x-request-from': 'office', ...fields.headers },
      });
    const fine = await post({});
    expect([fine.status, fine.seen['x-asked-for'], fine.headers['x-served-by']]).toEqual([
      200,
      '/desk',
      'lateen',
    ]);
    expect((await post({ headers: { 'x-request-from': 'street' } })).status).toBe(403);
    expect((await post({ headers: { 'content-type': 'image/png' } })).status).toBe(415);
    expect((await post({ body: 'x'.repeat(2000) })).status).toBe(413);
    const headers = { 'x-request-from': 'office' };
    expect((await ask('policy.api.example', '/admin/x', { headers })).status).toBe(403);
  },
};

describe('recipes', () => {
  it('are all tried here', () => {
    const files = globSync('*.yaml', { cwd: folder }).filter((file) => file !== 'services.yaml');
    expect(files.sort()).toEqual(Object.keys(recipes).sort());
  });

  it.each(Object.entries(recipes))('%s', async (file, check) => {
    await apply(file);
    await check();
  });
});
