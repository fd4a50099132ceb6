/** CUSTOM policies in workerd, with a real authorizer over HTTP. */
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import type { ProxyScope } from '../src/model/snapshot.ts';
import type { StubControl } from '../test/fixtures/gateway.ts';
import { endServer, listen, startGateway, startStubControl } from '../test/fixtures/gateway.ts';

const scope: ProxyScope = { type: 'gateway', namespace: 'edge', name: 'front', labels: { a: 'b' } };
const SETTLED_MS = 150;

interface Seen {
  readonly line: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

let control: StubControl;
let gateway: Awaited<ReturnType<typeof startGateway>>;
let backend: Server;
let authorizer: Server;
let ports: { readonly backend: number; readonly authorizer: number };
const atBackend: Seen[] = [];
const atAuthorizer: Seen[] = [];
let decide: (seen: Seen, response: ServerResponse) => void;

async function record(list: Seen[], request: IncomingMessage): Promise<Seen> {
  let body = '';
  for await (const chunk of request) body += String(chunk);
  const seen = { line: `${request.method} ${request.url}`, headers: request.headers, body };
  list.push(seen);
  return seen;
}

const entry = (name: string, port: number): string =>
  `apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: ${name}, namespace: edge}\nspec: {hosts: [${name}.test], location: MESH_INTERNAL, resolution: STATIC, ports: [{number: 80, name: http, protocol: HTTP, targetPort: ${port}}], endpoints: [{address: 127.0.0.1}]}\n`;

async function use(provider: string): Promise<void> {
  control.serve(
    [
      entry('shop', ports.backend),
      entry('checker', ports.authorizer),
      'apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: front, namespace: edge}\nspec: {selector: {a: b}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]}\n',
      'apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: all, namespace: edge}\nspec: {hosts: ["*"], gateways: [front], http: [{route: [{destination: {host: shop.test}}]}]}\n',
      `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\ndata:\n  mesh: |\n    extensionProviders:\n    - name: checker\n      envoyExtAuthzHttp: {service: checker.test, port: 80, ${provider}}\n`,
      'apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: ask, namespace: edge}\nspec: {action: CUSTOM, provider: {name: checker}, rules: [{to: [{operation: {paths: ["/asked*"]}}]}]}\n',
    ].join('---\n'),
    scope,
  );
  await new Promise((wake) => {
    setTimeout(wake, SETTLED_MS);
  });
  // The first request under a new configuration may still meet the old one.
  await fetch(`${gateway.url}/`);
  await new Promise((wake) => {
    setTimeout(wake, SETTLED_MS);
  });
}

beforeAll(async () => {
  backend = createServer((request, response) => {
    void record(atBackend, request).then(() => response.end('from the shop'));
  });
  authorizer = createServer((request, response) => {
    void record(atAuthorizer, request).then((seen) => {
      decide(seen, response);
      return undefined;
    });
  });
  ports = { backend: await listen(backend), authorizer: await listen(authorizer) };
  control = await startStubControl();
  control.serve(entry('shop', ports.backend), scope);
  gateway = await startGateway(control, { inbound: scope });
});

afterAll(async () => {
  await gateway.close();
  await control.close();
  await Promise.all([endServer(backend), endServer(authorizer)]);
});

beforeEach(() => {
  atBackend.length = 0;
  atAuthorizer.length = 0;
});

it('asks about what matches, takes headers from the answer, and forwards the whole body', async () => {
  decide = (_, response) => {
    response.writeHead(200, { 'x-user': 'ann', 'x-note': 'seen' }).end();
  };
  await use(
    'includeRequestHeadersInCheck: [x-tenant], headersToUpstreamOnAllow: [x-user], headersToDownstreamOnAllow: [x-note], pathPrefix: /check, includeRequestBodyInCheck: {maxRequestBytes: 1000}',
  );
  atBackend.length = 0;
  const free = await fetch(`${gateway.url}/free`);
  expect(await free.text()).toBe('from the shop');
  expect(atAuthorizer).toEqual([]);
  const response = await fetch(`${gateway.url}/asked?q=1`, {
    method: 'POST',
    body: 'the order',
    headers: { 'x-tenant': '7', 'x-user': 'forged', authorization: 'Bearer t' },
  });
  expect(await response.text()).toBe('from the shop');
  expect(response.headers.get('x-note')).toBe('seen');
  expect(atAuthorizer[0]).toMatchObject({
    line: 'POST /check/asked?q=1',
    body: 'the order',
    headers: { 'x-tenant': '7', authorization: 'Bearer t' },
  });
  expect(atAuthorizer[0]?.headers).not.toHaveProperty('x-user');
  expect(atBackend[1]).toMatchObject({ body: 'the order', headers: { 'x-user': 'ann' } });
});

it('passes a refusal on with status, body and headers', async () => {
  decide = (_, response) => {
    response.writeHead(401, { 'www-authenticate': 'Basic', 'x-why': 'w' }).end('log in first');
  };
  await use('headersToDownstreamOnDeny: [x-other]');
  atBackend.length = 0;
  const response = await fetch(`${gateway.url}/asked`);
  expect([response.status, await response.text()]).toEqual([401, 'log in first']);
  expect(response.headers.get('www-authenticate')).toBe('Basic');
  expect(response.headers.has('x-why')).toBe(false);
  expect(atBackend).toEqual([]);
});

it('refuses a body above the bound with 413, and cuts it off where that is allowed', async () => {
  decide = (_, response) => {
    response.end();
  };
  const send = (): Promise<Response> =>
    fetch(`${gateway.url}/asked`, { method: 'POST', body: 'x'.repeat(200_000) });
  await use('includeRequestBodyInCheck: {maxRequestBytes: 10}');
  expect((await send()).status).toBe(413);
  expect(atAuthorizer).toEqual([]);
  await use('includeRequestBodyInCheck: {maxRequestBytes: 10, allowPartialMessage: true}');
  atBackend.length = 0;
  expect((await send()).status).toBe(200);
  expect(atAuthorizer[0]?.body).toBe('x'.repeat(10));
  expect(atBackend[0]?.body).toHaveLength(200_000);
});

it('an authorizer that is slow, fails or is gone refuses, unless it may fail open', async () => {
  decide = (seen, response) => {
    if (seen.line.endsWith('slow')) return;
    response.writeHead(500).end();
  };
  await use('timeout: 0.2s, statusOnError: "503"');
  for (const path of ['/asked/slow', '/asked/broken']) {
    const response = await fetch(gateway.url + path);
    expect([response.status, await response.text()]).toEqual([503, '']);
  }
  await use('timeout: 0.2s, failOpen: true');
  for (const path of ['/asked/slow', '/asked/broken'])
    expect(await (await fetch(gateway.url + path)).text()).toBe('from the shop');
  authorizer.closeAllConnections();
  await new Promise((resolve) => {
    authorizer.close(resolve);
  });
  expect(await (await fetch(`${gateway.url}/asked`)).text()).toBe('from the shop');
  await use('statusOnError: "401"');
  expect((await fetch(`${gateway.url}/asked`)).status).toBe(401);
});
