/** CUSTOM policies whose provider is asked over gRPC, by a real server of grpc-js. */
import { connect } from 'node:http2';
import { status as grpcCode } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startAuthorizer } from '../../test/fixtures/ext-authz.ts';
import type { TestAuthorizer } from '../../test/fixtures/ext-authz.ts';
import {
  gatewayBefore,
  rawExchange,
  startBackend,
  startTestProxy,
} from '../../test/fixtures/node-proxy.ts';
import type { TestBackend, TestProxy } from '../../test/fixtures/node-proxy.ts';

let authorizer: TestAuthorizer;
let backend: TestBackend;
let proxy: TestProxy | undefined;

beforeEach(async () => {
  authorizer = await startAuthorizer();
  backend = await startBackend((socket) => {
    socket.end('HTTP/1.1 200 OK\r\nSet-Cookie: app=1\r\nX-Old: 1\r\nContent-Length: 2\r\n\r\nhi');
  });
});
afterEach(async () => {
  authorizer.close();
  backend.close();
  expect(proxy?.faults ?? []).toEqual([]);
  await proxy?.close();
  proxy = undefined;
});

/** @param fields of the provider, in YAML */
async function proxyAsking(fields = '', port = authorizer.port): Promise<TestProxy> {
  proxy = await startTestProxy({
    yaml: `${gatewayBefore(backend.port)}---
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data:
  mesh: |
    extensionProviders:
    - name: checker
      envoyExtAuthzGrpc: {service: checker.test, port: 9000${fields}}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: checker}
spec: {hosts: [checker.test], location: MESH_INTERNAL, resolution: STATIC, ports: [{number: 9000, name: grpc, protocol: GRPC}], endpoints: [{address: 127.0.0.1, ports: {grpc: ${String(port)}}}]}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: ask}
spec: {action: CUSTOM, provider: {name: checker}, rules: [{to: [{operation: {paths: ['/asked*']}}]}]}
`,
  });
  return proxy;
}

const get = (path = '/asked', fields = ''): string =>
  `GET ${path} HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n${fields}\r\n`;

const lastLine = (): Record<string, unknown> =>
  JSON.parse(proxy?.lines.at(-1) ?? '{}') as Record<string, unknown>;

describe('what is asked', () => {
  it('holds source, destination, head and time of the request', async () => {
    const { port } = await proxyAsking();
    await rawExchange(
      port,
      get(
        '/asked/../asked/x?q=1&r=%20',
        'X-A: 1\r\nx-a: 2\r\nX-Name: caf\xc3\xa9\r\nX-Odd: \xff\r\nCookie: a=1\r\nCookie: b=2\r\n',
      ),
    );
    const [seen] = authorizer.seen;
    const { source, destination, request } = seen?.attributes ?? {};
    expect(source?.address.socket_address.address).toBe('127.0.0.1');
    expect(source?.address.socket_address.port_value).toBeGreaterThan(0);
    expect(destination?.address.socket_address.port_value).toBeGreaterThan(0);
    expect(request?.http).toMatchObject({
      method: 'GET',
      path: '/asked/x?q=1&r=%20',
      query: 'q=1&r=%20',
      host: 'shop.test',
      scheme: 'http',
      protocol: 'HTTP/1.1',
      size: '0',
      body: '',
      id: expect.stringMatching(/./),
    });
    expect(request?.http.headers).toMatchObject({
      ':authority': 'shop.test',
      ':method': 'GET',
      ':path': '/asked/x?q=1&r=%20',
      ':scheme': 'http',
      'x-a': '1,2',
      'x-name': 'café',
      'x-odd': '\ufffd',
      cookie: 'a=1; b=2',
    });
    expect(request?.http.headers).not.toHaveProperty('host');
    expect(Math.abs(Number(request?.time.seconds) * 1000 - Date.now())).toBeLessThan(60_000);
  });

  it('is nothing where no policy matches', async () => {
    const { port } = await proxyAsking();
    expect(await rawExchange(port, get('/free'))).toContain(' 200 OK');
    expect(authorizer.seen).toEqual([]);
  });

  const post = (body: string): string =>
    `POST /asked HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

  it('has the body as text or as bytes, whole or cut off, and the backend gets all of it', async () => {
    const settings = ', includeRequestBodyInCheck: {maxRequestBytes: 4';
    let { port } = await proxyAsking(`${settings}}`);
    await rawExchange(port, post('abcd'));
    expect(authorizer.seen[0]?.attributes.request?.http).toMatchObject({ body: 'abcd', size: '4' });
    expect(authorizer.seen[0]?.attributes.request?.http.headers).toHaveProperty(
      'x-envoy-auth-partial-body',
      'false',
    );
    expect(await rawExchange(port, post('abcde'))).toMatch(/^HTTP\/1\.1 413 /);
    expect(authorizer.seen).toHaveLength(1);
    await proxy?.close();
    ({ port } = await proxyAsking(`${settings}, allowPartialMessage: true, packAsBytes: true}`));
    await rawExchange(port, post('\xff\x00ab more'));
    const http = authorizer.seen[1]?.attributes.request?.http;
    expect(http?.['body']).toBe('');
    expect(http?.['raw_body']).toEqual(Buffer.from([0xff, 0, 97, 98]));
    expect(http?.headers['x-envoy-auth-partial-body']).toBe('true');
    expect(backend.received.at(-1)).toContain('\xff\x00ab more');
  });

  it('says HTTP/2 of a request that came so', async () => {
    const { port } = await proxyAsking();
    const session = connect(`http://127.0.0.1:${String(port)}`);
    const stream = session.request({ ':path': '/asked', ':authority': 'two.test' });
    await new Promise((resolve) => {
      stream.on('response', resolve);
    });
    session.destroy();
    expect(authorizer.seen[0]?.attributes.request?.http).toMatchObject({
      protocol: 'HTTP/2',
      host: 'two.test',
    });
  });
});

const option = (key: string, value: string, more: object = {}): object => ({
  header: { key, value },
  ...more,
});

describe('an answer that allows', () => {
  it('sets, appends and removes headers of the request, edits its query, and adds to the response', async () => {
    authorizer.answer = {
      status: { code: 0 },
      ok_response: {
        headers: [
          option('X-User', 'ann'),
          option('x-list', '2', { append: { value: true } }),
          option('x-new', '1', { append: { value: true } }),
          option('x-there', 'no', { append_action: 1 }),
          option('x-absent', 'no', { append_action: 3 }),
          { header: { key: 'x-raw', raw_value: Buffer.from([0xe9]) } },
          option('x-utf8', 'Ċ'),
        ],
        headers_to_remove: ['Authorization', 'host', ':path', 'content-length'],
        response_headers_to_add: [
          option('set-cookie', 's=1'),
          option('set-cookie', 's=2'),
          option('x-old', '2', { append: { value: false } }),
        ],
        query_parameters_to_set: [
          { key: 'q', value: 'a&b#c d' },
          { key: 'n', value: '1' },
        ],
        query_parameters_to_remove: ['gone'],
      },
    };
    const { port } = await proxyAsking();
    const text = await rawExchange(
      port,
      get(
        '/asked?gone=1&q=0&kept=%20&q=9',
        'X-User: forged\r\nX-List: 1\r\nX-There: yes\r\nAuthorization: Bearer t\r\n',
      ),
    );
    expect(text).toContain(' 200 OK');
    expect(text.match(/set-cookie: .*/gi)).toEqual([
      'Set-Cookie: app=1',
      'set-cookie: s=1',
      'set-cookie: s=2',
    ]);
    expect(text.match(/x-old: .*/gi)).toEqual(['x-old: 2']);
    const [received = ''] = backend.received;
    expect(received).toMatch(/^GET \/asked\?q=a%26b%23c%20d&kept=%20&n=1 HTTP\/1\.1\r\n/);
    expect(received.match(/^x-(?:user|list|new|there|absent|raw|utf8): .*$/gim)).toEqual([
      'x-user: ann',
      'x-list: 1',
      'x-there: yes',
      'x-list: 2',
      'x-new: 1',
      'x-raw: \xe9',
      'x-utf8: \xc4\x8a',
    ]);
    expect(received).toMatch(/^host: shop\.test/im);
    expect(received).not.toContain('Bearer');
    expect(lastLine()).toMatchObject({ ext_authz: 'checker=ok' });
  });

  it.each([
    'connection',
    'content-length',
    'transfer-encoding',
    'upgrade',
    'te',
    'host',
    ':path',
    ':authority',
    'x-forwarded-client-cert',
  ])('never writes %s', async (name) => {
    authorizer.answer = { status: {}, ok_response: { headers: [option(name, '/evil')] } };
    const { port } = await proxyAsking();
    expect(await rawExchange(port, get())).toContain(' 200 OK');
    expect(backend.received[0]).not.toContain('evil');
  });

  it.each([
    ['a line break in a value', option('x-a', '1\r\nx-admin: 1')],
    ['a NUL in a value', option('x-a', '1\0')],
    ['a line break in a name', option('x-a: 1\r\nx-b', '1')],
    ['a name of nothing', option('', '1')],
    ['a blank in a name', option('x a', '1')],
  ])('with %s is refused, also under failOpen', async (_, broken) => {
    authorizer.answer = { status: {}, ok_response: { headers: [broken] } };
    const { port } = await proxyAsking(', failOpen: true, statusOnError: "500"');
    expect(await rawExchange(port, get())).toMatch(/^HTTP\/1\.1 500 /);
    expect(backend.received).toEqual([]);
    expect(lastLine()).toMatchObject({
      flags: 'UAEX',
      ext_authz: 'checker=error',
      policy: 'default/ask',
    });
  });

  it('that says nothing, or both, is refused', async () => {
    const { port } = await proxyAsking();
    authorizer.answer = {};
    expect(await rawExchange(port, get())).toMatch(/^HTTP\/1\.1 403 /);
    authorizer.answer = { status: {}, denied_response: {} };
    expect(await rawExchange(port, get())).toMatch(/^HTTP\/1\.1 403 /);
    expect(backend.received).toEqual([]);
  });
});

describe('an answer that refuses', () => {
  it('reaches the client with its status, headers and body', async () => {
    authorizer.answer = {
      status: { code: grpcCode.UNAUTHENTICATED },
      denied_response: {
        status: { code: 401 },
        headers: [
          option('www-authenticate', 'Bearer'),
          option('set-cookie', 'a=1'),
          option('set-cookie', 'b=2', { append: { value: true } }),
          option('content-length', '999'),
          option('transfer-encoding', 'chunked'),
          option('x-broken', 'a\r\nx-admin: 1'),
        ],
        body: 'log in',
      },
    };
    const { port } = await proxyAsking();
    const text = await rawExchange(port, get());
    expect(text).toMatch(/^HTTP\/1\.1 401 /);
    expect(text).toMatch(/\r\n\r\nlog in$/);
    expect(
      text.match(
        /^(?:www-authenticate|set-cookie|content-length|transfer-encoding|x-broken|x-admin|content-type): .*$/gim,
      ),
    ).toEqual([
      'www-authenticate: Bearer',
      'set-cookie: a=1',
      'set-cookie: b=2',
      'content-type: text/plain',
      'content-length: 6',
    ]);
    expect(lastLine()).toMatchObject({
      flags: 'UAEX',
      details: 'ext_authz_denied',
      policy: 'default/ask',
      policy_rule: 0,
      ext_authz: 'checker=denied',
    });
  });

  it('without more is 403', async () => {
    const { port } = await proxyAsking();
    for (const answer of [{ status: { code: 7 } }, { status: { code: 7 }, ok_response: {} }]) {
      authorizer.answer = answer;
      expect(await rawExchange(port, get())).toMatch(/^HTTP\/1\.1 403 /);
    }
    expect(backend.received).toEqual([]);
  });
});

describe('no answer', () => {
  it('refuses with statusOnError: the call fails, takes too long, or finds nobody', async () => {
    authorizer.answer = new Error('broken');
    let { port } = await proxyAsking(', statusOnError: "503", timeout: 1s');
    expect(await rawExchange(port, get())).toMatch(/^HTTP\/1\.1 503 /);
    expect(lastLine()).toMatchObject({ details: 'ext_authz_error{grpc-status_2}' });
    authorizer.answer = new Promise(() => undefined);
    expect(await rawExchange(port, get())).toMatch(/^HTTP\/1\.1 503 /);
    await proxy?.close();
    authorizer.close();
    ({ port } = await proxyAsking(', statusOnError: "503"'));
    expect(await rawExchange(port, get())).toMatch(/^HTTP\/1\.1 503 /);
    expect(backend.received).toEqual([]);
  });

  it('lets pass under failOpen', async () => {
    authorizer.answer = new Error('broken');
    const { port } = await proxyAsking(', failOpen: true');
    expect(await rawExchange(port, get())).toContain(' 200 OK');
    expect(lastLine()).toMatchObject({ ext_authz: 'checker=failure_mode_allowed' });
  });

  it('a server that is asked over HTTP/1.1 only is nobody to ask', async () => {
    const { port } = await proxyAsking('', backend.port);
    expect(await rawExchange(port, get())).toMatch(/^HTTP\/1\.1 403 /);
  });
});
