/** The gateway worker in workerd: what passes, what ends, and what it does when control fails. */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, request as send } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { SignJWT, exportJWK, generateKeyPair } from 'jose';
import type { CryptoKey } from 'jose';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { MeshSettings, ProxyScope } from '../src/model/snapshot.ts';
import type { StubControl } from '../test/fixtures/gateway.ts';
import { endServer, listen, startGateway, startStubControl } from '../test/fixtures/gateway.ts';

const scope: ProxyScope = { type: 'gateway', namespace: 'edge', name: 'front', labels: { a: 'b' } };

type Handler = (request: IncomingMessage, response: ServerResponse) => void;
let handler: Handler;
let backend: Server;
let copies: Server;
const copied: string[] = [];
let port: number;
let copyPort: number;
let control: StubControl;
let gateway: Awaited<ReturnType<typeof startGateway>>;

const entry = (name: string, at: number): string =>
  `apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: ${name}, namespace: edge}\nspec: {hosts: [${name}.test], location: MESH_INTERNAL, resolution: STATIC, ports: [{number: 80, name: http, protocol: HTTP, targetPort: ${at}}], endpoints: [{address: 127.0.0.1}]}\n`;

function mesh(route = ''): string {
  return [
    entry('shop', port),
    entry('copy', copyPort),
    'apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: front, namespace: edge}\nspec: {selector: {a: b}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]}\n',
    `apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: all, namespace: edge}\nspec: {hosts: ["*"], gateways: [front], http: [{route: [{destination: {host: shop.test}}]${route === '' ? '' : `, ${route}`}}]}\n`,
  ].join('---\n');
}

/** Of a request whose path is sent as it stands. */
async function statusOf(path: string): Promise<number> {
  const { hostname, port: at } = new URL(gateway.url);
  return new Promise((resolve, reject) => {
    send({ hostname, port: at, path }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    })
      .on('error', reject)
      .end();
  });
}

const pause = (ms: number): Promise<void> =>
  new Promise((wake) => {
    setTimeout(wake, ms);
  });
/** Longer than the gateway's soft and waiting bounds. */
const SETTLED_MS = 150;

/** After a failure a gateway leaves control alone for a second. */
const RESTED_MS = 1100;

async function use(route: string): Promise<void> {
  control.serve(mesh(route), scope);
  await pause(SETTLED_MS);
}

beforeAll(async () => {
  backend = createServer((request, response) => {
    handler(request, response);
  });
  copies = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk) => (text += String(chunk)));
    request.on('end', () => {
      copied.push(`${request.method} ${request.url} ${text}`);
      response.end();
    });
  });
  port = await listen(backend);
  copyPort = await listen(copies);
  control = await startStubControl();
  control.serve(mesh(), scope);
  gateway = await startGateway(control, { inbound: scope }, { ADMIN_TOKEN: 'operator' });
});
afterAll(async () => {
  await gateway.close();
  await control.close();
  await endServer(backend);
  await endServer(copies);
});
beforeEach(() => {
  handler = (_request, response) => response.end('ok');
});
afterEach(async () => {
  control.answer = undefined;
  await use('');
});

describe('bodies', () => {
  it('streams server-sent events as they come', async () => {
    let emit = (): void => undefined;
    handler = (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('data: 1\n\n');
      emit = () => response.end('data: 2\n\n');
    };
    const response = await fetch(`${gateway.url}/events`);
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    expect(new TextDecoder().decode((await reader.read()).value)).toBe('data: 1\n\n');
    emit();
    expect(new TextDecoder().decode((await reader.read()).value)).toBe('data: 2\n\n');
  });

  it('streams requests and responses at once, echoed chunk by chunk', async () => {
    handler = (request, response) => void request.pipe(response);
    const { hostname, port: at } = new URL(gateway.url);
    const seen: string[] = [];
    await new Promise<void>((resolve, reject) => {
      const sent = send({ hostname, port: at, method: 'POST', path: '/' }, (response) => {
        response.on('data', (chunk: Buffer) => {
          seen.push(chunk.toString());
          if (seen.length === 1) sent.end('second');
        });
        response.on('end', resolve);
      });
      sent.on('error', reject);
      sent.write('first');
    });
    expect(seen.join('')).toBe('firstsecond');
  });

  it('cancels the upstream when the client goes away', async () => {
    const closed = new Promise<void>((resolve) => {
      handler = (_request, response) => {
        // A Worker learns of it when it can't write any more.
        const timer = setInterval(() => response.write('x'), 20);
        response.on('close', () => {
          clearInterval(timer);
          resolve();
        });
      };
    });
    const ended = new AbortController();
    const response = await fetch(`${gateway.url}/`, { signal: ended.signal });
    await (response.body as ReadableStream<Uint8Array>).getReader().read();
    ended.abort();
    await closed;
  });

  it('passes compressed bodies as they are, also where the head is changed', async () => {
    await use('headers: {response: {set: {x-seen: "1"}}}');
    handler = (_request, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip', 'content-type': 'text/plain' });
      response.end(gzipSync('packed'));
    };
    const response = await fetch(`${gateway.url}/`, { headers: { 'accept-encoding': 'gzip' } });
    expect(response.headers.get('content-encoding')).toBe('gzip');
    expect(response.headers.get('x-seen')).toBe('1');
    expect(await response.text()).toBe('packed');
  });

  it('sends a body without length again when the first attempt breaks', async () => {
    await use('retries: {attempts: 2, retryOn: 5xx}');
    const bodies: string[] = [];
    handler = (request, response) => {
      let text = '';
      request.on('data', (chunk) => (text += String(chunk)));
      request.on('end', () => {
        bodies.push(text);
        response.writeHead(bodies.length === 1 ? 503 : 200).end();
      });
    };
    const parts = ['some ', 'text'];
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        const part = parts.shift();
        if (part === undefined) controller.close();
        else controller.enqueue(new TextEncoder().encode(part));
      },
    });
    const init: RequestInit & { duplex: 'half' } = { method: 'PUT', body, duplex: 'half' };
    expect((await fetch(`${gateway.url}/`, init)).status).toBe(200);
    expect(bodies).toEqual(['some text', 'some text']);
  });
});

describe('WebSocket', () => {
  it('passes both ways', async () => {
    let upstream: Duplex | undefined;
    backend.once('upgrade', (request, socket) => {
      upstream = socket;
      const accept = createHash('sha1')
        .update(`${request.headers['sec-websocket-key'] ?? ''}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
        .digest('base64');
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
      );
      // An unmasked text frame: "hello".
      socket.write(Buffer.from([0x81, 5, ...Buffer.from('hello')]));
      socket.on('data', () => socket.write(Buffer.from([0x81, 4, ...Buffer.from('echo')])));
    });
    const socket = new WebSocket(`${gateway.url.replace('http', 'ws')}/socket`);
    const messages: unknown[] = [];
    await new Promise<void>((resolve, reject) => {
      socket.addEventListener('error', () => reject(new Error('no socket')));
      socket.addEventListener('message', ({ data }) => {
        messages.push(data);
        if (messages.length === 1) socket.send('ping');
        else resolve();
      });
    });
    expect(messages).toEqual(['hello', 'echo']);
    socket.close();
    upstream?.destroy();
  });
});

describe('mirrors', () => {
  it('get a copy with the body, and their failure is nobody else’s', async () => {
    await use('mirrors: [{destination: {host: copy.test}}]');
    const answer = await fetch(`${gateway.url}/copied?x=1`, { method: 'POST', body: 'text' });
    expect(await answer.text()).toBe('ok');
    for (let i = 0; i < 50 && copied.length === 0; i++) await pause(20);
    expect(copied).toEqual(['POST /copied?x=1 text']);
    await use('mirrors: [{destination: {host: nowhere.test}}]');
    expect((await fetch(`${gateway.url}/`)).status).toBe(200);
  });
});

describe('trust', () => {
  it('lets no client write what the mesh says of itself', async () => {
    let received: IncomingMessage['headers'] = {};
    handler = (request, response) => {
      received = request.headers;
      response.end();
    };
    const headers = {
      'x-forwarded-host': 'admin.test',
      'x-forwarded-client-cert': 'By=spiffe://x',
      'x-lateen-identity': 'root',
      'x-envoy-original-path': '/admin',
      'cf-connecting-ip': '10.0.0.1',
    };
    await fetch(`${gateway.url}/`, { headers });
    expect(received['x-forwarded-host']).toBe(new URL(gateway.url).host);
    expect(received['x-forwarded-for']).toBe('127.0.0.1');
    for (const name of ['x-forwarded-client-cert', 'x-lateen-identity', 'x-envoy-original-path'])
      expect(received[name]).toBeUndefined();
  });

  it('answers its own endpoints itself, whatever routes say', async () => {
    let forwarded = 0;
    handler = (_request, response) => {
      forwarded++;
      response.end();
    };
    const spellings = ['/_lateen/nothing', '/_lateen', '/x/../_lateen/config_dump'];
    for (const path of [
      ...spellings,
      '/%5flateen/health',
      String.raw`/.\_lateen/x`,
      '/x/%2e%2e/_lateen/x',
    ])
      expect(await statusOf(path), path).toBeGreaterThan(400);
    expect(forwarded).toBe(0);
    expect((await fetch(`${gateway.url}/_lateen/config_dump`)).status).toBe(401);
    expect((await fetch(`${gateway.url}/_lateen/stats`)).status).toBe(401);
    const headers = { authorization: 'Bearer operator' };
    const stats = await (await fetch(`${gateway.url}/_lateen/stats`, { headers })).json();
    expect(JSON.stringify(stats)).toContain('http.80');
  });
});

const MESH: MeshSettings = {
  trustDomain: 'cluster.local',
  trustDomainAliases: [],
  domain: 'cluster.local',
  pathNormalization: 'BASE',
  outboundPolicy: 'ALLOW_ANY',
  trustedHops: 0,
};

describe('when control fails', () => {
  it.each([
    ['nothing', (response: ServerResponse) => void response.destroy()],
    ['an error', (response: ServerResponse) => void response.writeHead(500).end('oops')],
    ['a page', (response: ServerResponse) => void response.end('<html>')],
    ['null', (response: ServerResponse) => void response.end('null')],
    ['another shape', (response: ServerResponse) => void response.end('{"snapshot":1}')],
    [
      'a pointer to nothing',
      (response: ServerResponse) =>
        void response.end('{"snapshot":"aaaaaaaaaa","endpoints":"bbbbbbbbbb","keys":"cccccccccc"}'),
    ],
  ])('and answers %s, the last good configuration serves', async (_name, answer) => {
    expect((await fetch(`${gateway.url}/`)).status).toBe(200);
    control.answer = answer;
    await pause(SETTLED_MS);
    for (let i = 0; i < 3; i++) expect((await fetch(`${gateway.url}/`)).status).toBe(200);
  });

  it('and answers other content than a name stands for, the last good configuration serves', async () => {
    await pause(RESTED_MS);
    expect((await fetch(`${gateway.url}/`)).status).toBe(200);
    await pause(SETTLED_MS);
    let asked = 0;
    control.answer = (response) => {
      const manifest = { format: 1, scope, mesh: MESH, listeners: [], clusters: [] };
      const lines = [manifest, { parts: [] }, { sets: {} }].map((one) => JSON.stringify(one));
      const pointer = '{"snapshot":"aaaaaaaaaa","endpoints":"bbbbbbbbbb","keys":"cccccccccc"}';
      if (response.req.url?.endsWith('/blobs') === true) asked++;
      const isPointer = response.req.url?.endsWith('/pointer') === true;
      response.end(isPointer ? pointer : lines.join('\n'));
    };
    for (let i = 0; i < 3; i++) {
      expect((await fetch(`${gateway.url}/`)).status).toBe(200);
      await pause(SETTLED_MS);
    }
    expect(asked).toBeGreaterThan(0);
  });

  it('and hangs, requests wait once and then no more', async () => {
    await pause(RESTED_MS);
    expect((await fetch(`${gateway.url}/`)).status).toBe(200);
    const hung: ServerResponse[] = [];
    control.answer = (response) => void hung.push(response);
    await pause(SETTLED_MS);
    const first = performance.now();
    expect((await fetch(`${gateway.url}/`)).status).toBe(200);
    expect(performance.now() - first).toBeGreaterThan(1500);
    const begun = performance.now();
    for (let i = 0; i < 3; i++) expect((await fetch(`${gateway.url}/`)).status).toBe(200);
    expect(performance.now() - begun).toBeLessThan(1000);
    for (const response of hung) response.destroy();
    await pause(RESTED_MS);
  }, 20_000);

  it('keeps serving what it has when a snapshot cannot be linked, and says so', async () => {
    const { acks } = control;
    acks.length = 0;
    const filters = [{ kind: 'from-the-future', config: {} }];
    const listener = {
      name: 'x',
      port: 80,
      direction: 'gateway',
      protocol: 'HTTP',
      filters,
      virtualHosts: [],
      unmatchedHost: 'not-found',
    } as const;
    control.serveSnapshot({
      format: 1,
      scope,
      mesh: MESH,
      listeners: [listener],
      clusters: [],
    });
    await pause(SETTLED_MS);
    for (let i = 0; i < 3; i++) {
      expect((await fetch(`${gateway.url}/`)).status).toBe(200);
      await pause(SETTLED_MS);
    }
    expect(acks.filter(({ ok }) => !ok)).toHaveLength(1);
    expect(acks[0]?.diagnostics[0]?.message).toContain('from-the-future');
  });
});

describe('keys', () => {
  const SIGNED_BY = 'https://login.test';
  const withJwt = (): string =>
    `${mesh()}---\napiVersion: security.istio.io/v1\nkind: RequestAuthentication\nmetadata: {name: jwt, namespace: edge}\nspec: {jwtRules: [{issuer: "${SIGNED_BY}", jwksUri: "https://login.test/keys"}]}\n`;

  async function pair(kid: string): Promise<{ key: CryptoKey; jwk: Record<string, unknown> }> {
    const { privateKey, publicKey } = await generateKeyPair('ES256');
    return { key: privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg: 'ES256' } };
  }

  const tokenOf = (key: CryptoKey, kid: string): Promise<string> =>
    new SignJWT({ iss: SIGNED_BY, sub: 'ann' })
      .setProtectedHeader({ alg: 'ES256', kid })
      .setExpirationTime('1h')
      .sign(key);

  it('are asked for again when a token names one that is not there, once for all', async () => {
    const [old, next] = [await pair('old'), await pair('next')];
    const setOf = (keys: Record<string, unknown>[]) => ({
      'https://login.test/keys': { keys, fetchedAtMs: 0 },
    });
    control.serve(withJwt(), scope, setOf([old.jwk]));
    control.onRefresh = () => control.serve(withJwt(), scope, setOf([old.jwk, next.jwk]));
    await pause(SETTLED_MS);
    const ask = async (key: CryptoKey, kid: string): Promise<number> => {
      const headers = { authorization: `Bearer ${await tokenOf(key, kid)}` };
      return (await fetch(`${gateway.url}/`, { headers })).status;
    };
    expect(await ask(old.key, 'old')).toBe(200);
    control.refreshed.length = 0;
    const statuses = await Promise.all([1, 2, 3].map(() => ask(next.key, 'next')));
    expect(statuses).toEqual([200, 200, 200]);
    expect(control.refreshed).toEqual(['https://login.test/keys']);
    const unknown = await pair('never');
    expect(await ask(unknown.key, 'never')).toBe(401);
    expect(control.refreshed).toHaveLength(1);
  });
});

describe('an isolate that starts while control is away', () => {
  it('serves what this data centre ran last', async () => {
    const persistPath = mkdtempSync(join(tmpdir(), 'lateen-gateway-'));
    const stub = await startStubControl();
    stub.serve(mesh(), scope);
    const vars = { SOFT_TTL_MS: '50' };
    const first = await startGateway(stub, { inbound: scope }, vars, persistPath);
    expect((await fetch(`${first.url}/`)).status).toBe(200);
    await pause(SETTLED_MS);
    await first.close();
    stub.answer = (response) => void response.destroy();
    const second = await startGateway(stub, { inbound: scope }, vars, persistPath);
    expect((await fetch(`${second.url}/`)).status).toBe(200);
    await second.close();
    await stub.close();
    rmSync(persistPath, { recursive: true });
  });
});

describe('a first request', () => {
  it('gets 503 where configuration was never had', async () => {
    const empty = await startStubControl();
    const fresh = await startGateway(empty, { inbound: { ...scope, name: 'fresh' } });
    const response = await fetch(`${fresh.url}/`);
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '1']);
    await fresh.close();
    await empty.close();
  });
});

describe('a gateway before a service', () => {
  it('checks policies, then asks the service at its URL', async () => {
    const inbound: ProxyScope = {
      type: 'sidecar-inbound',
      namespace: 'edge',
      name: 'shop',
      labels: { app: 'shop' },
      service: 'shop.test',
    };
    const stub = await startStubControl();
    stub.serve(
      `${entry('shop', 80)}---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: closed, namespace: edge}\nspec: {action: DENY, rules: [{to: [{operation: {paths: ["/admin*"]}}]}, {to: [{operation: {hosts: [secret.test]}}]}]}\n`,
      inbound,
    );
    const front = await startGateway(stub, { inbound }, { APP_URL: `http://127.0.0.1:${port}` });
    let seen = '';
    handler = (request, response) => {
      seen = `${request.url} ${String(request.headers['x-forwarded-host'])}`;
      response.end('from the app');
    };
    const headers = { 'x-forwarded-host': 'shop.test' };
    const allowed = await fetch(`${front.url}/list?x=1`, { headers });
    expect(await allowed.text()).toBe('from the app');
    expect(seen).toBe('/list?x=1 shop.test');
    expect((await fetch(`${front.url}/admin/x`, { headers })).status).toBe(403);
    const named = { 'x-forwarded-host': 'secret.test' };
    expect((await fetch(`${front.url}/list`, { headers: named })).status).toBe(403);
    await front.close();
    await stub.close();
  });
});
