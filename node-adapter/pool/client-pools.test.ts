/** PROXY protocol towards endpoints: whose connections are whose, where they are bounded, and when they end. */
import { once } from 'node:events';
import { createServer as createHttp2Server } from 'node:http2';
import type { ServerHttp2Stream } from 'node:http2';
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { connect as connectHttp2 } from 'node:http2';
import { createServer as createTlsServer } from 'node:tls';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import {
  gatewayBefore,
  rawClient,
  startBackend,
  startTestProxy,
} from '../../test/fixtures/node-proxy.ts';
import type { RawClient, TestBackend, TestProxy } from '../../test/fixtures/node-proxy.ts';
import { Pki } from '../../test/fixtures/pki.ts';
import { readProxyHeader } from '../sniff/proxy-protocol.ts';
import type { ProxyHeader } from '../sniff/proxy-protocol.ts';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});
const pki = new Pki();
afterAll(() => pki.remove());

const ruleOf = (policy: string): string => `---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: back}
spec: {host: back.test, trafficPolicy: {${policy}}}
`;
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const get = (path = '/'): string => `GET ${path} HTTP/1.1\r\nHost: shop.test\r\n\r\n`;

/** Answers every request but those to `/held`, whose answers are in `held`. */
async function before(
  policy: string,
): Promise<{ proxy: TestProxy; backend: TestBackend; held: (() => void)[] }> {
  const held: (() => void)[] = [];
  const backend = await startBackend((socket, received) => {
    if (!received.endsWith('\r\n\r\n') || !received.includes(' HTTP/1.1\r\n')) return;
    const last = received.lastIndexOf('GET /');
    if (received.startsWith('/held', last + 4)) held.push(() => socket.write(OK));
    else socket.write(OK);
  });
  const proxy = await startTestProxy({ yaml: gatewayBefore(backend.port) + ruleOf(policy) });
  open.push(backend, proxy);
  return { proxy, backend, held };
}

function client(proxy: TestProxy): RawClient {
  const one = rawClient(proxy.port);
  open.push({ close: () => one.socket.destroy() });
  return one;
}

async function ask(one: RawClient, path?: string): Promise<void> {
  const before = one.text.length;
  one.write(get(path));
  await expect.poll(() => one.text.slice(before)).toMatch(/ok$/);
}

describe('over HTTP/1.1', () => {
  it('each connection is for one client, and says which', async () => {
    const { proxy, backend } = await before('proxyProtocol: {version: V1}');
    const [first, second] = [client(proxy), client(proxy)];
    for (const [one, path] of [
      [first, '/a'],
      [second, '/b'],
      [first, '/a'],
      [second, '/b'],
    ] as const)
      await ask(one, path);
    const line = ({ socket }: RawClient): string =>
      `PROXY TCP4 127.0.0.1 127.0.0.1 ${socket.localPort} ${proxy.port}\r\n`;
    expect(backend.received).toHaveLength(2);
    const [ofFirst = '', ofSecond = ''] = backend.received;
    expect(ofFirst.startsWith(`${line(first)}GET /a `)).toBe(true);
    expect(ofSecond.startsWith(`${line(second)}GET /b `)).toBe(true);
    expect(ofFirst.match(/PROXY|GET \/./g)).toEqual(['PROXY', 'GET /a', 'GET /a']);
    expect(ofSecond).not.toContain('/a');
    expect(proxy.upstreams.stats()).toMatchObject([{ pool: { connections: 2, idle: 2 } }]);
  });

  it('ends them with the client, and early where they carry nothing', async () => {
    const { proxy, backend } = await before('proxyProtocol: {version: V2}');
    const [leaves, stays] = [client(proxy), client(proxy)];
    await ask(leaves);
    await ask(stays);
    leaves.socket.destroy();
    await expect.poll(() => backend.sockets[0]?.readableEnded).toBe(true);
    expect(backend.sockets[1]?.readableEnded).toBe(false);
    await expect.poll(() => backend.sockets[1]?.readableEnded, { timeout: 4000 }).toBe(true);
    expect(stays.socket.closed).toBe(false);
    expect(proxy.upstreams.stats()).toEqual([]);
    await ask(stays);
    expect(backend.received).toHaveLength(3);
  });

  it('lets all clients have no more than the pool says, in turn', async () => {
    const { proxy, backend, held } = await before(
      'proxyProtocol: {version: V1}, connectionPool: {tcp: {maxConnections: 1}, http: {idleTimeout: 60s}}',
    );
    const [first, second, third] = [client(proxy), client(proxy), client(proxy)];
    // What rests makes way.
    await ask(first);
    await ask(second);
    expect(backend.received).toHaveLength(2);
    expect(backend.sockets[0]?.readableEnded).toBe(true);
    // What is in use is waited for.
    second.write(get('/held'));
    await expect.poll(() => held.length).toBe(1);
    first.write(get('/a'));
    third.write(get('/c'));
    await expect.poll(() => proxy.upstreams.stats()[0]?.pool.waiting).toBe(2);
    expect(backend.received).toHaveLength(2);
    held[0]?.();
    for (const one of [first, third]) await expect.poll(() => one.text).toMatch(/ok$/);
    expect(backend.received).toHaveLength(4);
    await ask(second);
    expect(proxy.upstreams.stats()[0]?.pool).toMatchObject({ connections: 1, waiting: 0 });
    expect(proxy.faults).toEqual([]);
  });

  it('keeps a connection for the next request of its own client, where others want none', async () => {
    const { proxy, backend, held } = await before(
      'proxyProtocol: {}, connectionPool: {tcp: {maxConnections: 1}}',
    );
    const session = connectHttp2(`http://127.0.0.1:${proxy.port}`);
    open.push({ close: () => session.destroy() });
    const answers = ['/held', '/b', '/c'].map((path) => {
      const stream = session.request({ ':path': path, ':authority': 'shop.test' });
      stream.resume();
      return once(stream, 'end');
    });
    await expect.poll(() => held.length).toBe(1);
    await expect.poll(() => proxy.upstreams.stats()[0]?.pool.waiting).toBe(2);
    held[0]?.();
    await Promise.all(answers);
    expect(backend.received).toHaveLength(1);
  });

  it('lets a client with much to ask not keep all others waiting', async () => {
    const { proxy, backend, held } = await before(
      'proxyProtocol: {}, connectionPool: {tcp: {maxConnections: 1}}',
    );
    const session = connectHttp2(`http://127.0.0.1:${proxy.port}`);
    open.push({ close: () => session.destroy() });
    const answers = ['/held', '/1', '/2', '/3'].map((path) => {
      const stream = session.request({ ':path': path, ':authority': 'shop.test' });
      stream.resume();
      return once(stream, 'end');
    });
    await expect.poll(() => held.length).toBe(1);
    await expect.poll(() => proxy.upstreams.stats()[0]?.pool.waiting).toBe(3);
    const other = client(proxy);
    other.write(get('/other'));
    await expect.poll(() => proxy.upstreams.stats()[0]?.pool.waiting).toBe(4);
    held[0]?.();
    await Promise.all([...answers, other.until(/ok$/)]);
    const paths = backend.received.map((text) => text.match(/(?<=GET )\/\w+/g));
    expect(paths).toEqual([['/held', '/1'], ['/other'], ['/2', '/3']]);
  });

  it('lets no more wait, of all clients, than the pool says', async () => {
    const { proxy, held } = await before(
      'proxyProtocol: {}, connectionPool: {tcp: {maxConnections: 1}, http: {http1MaxPendingRequests: 1}}',
    );
    const [first, second, third] = [client(proxy), client(proxy), client(proxy)];
    first.write(get('/held'));
    await expect.poll(() => held.length).toBe(1);
    second.write(get());
    await expect.poll(() => proxy.upstreams.stats()[0]?.pool.waiting).toBe(1);
    third.write(get());
    expect(await third.until(/overflow/)).toMatch(/^HTTP\/1\.1 503 /);
    held[0]?.();
    await expect.poll(() => second.text).toMatch(/ok$/);
  });

  it('gives the place of a client that left to who waits', async () => {
    const { proxy, held, backend } = await before(
      'proxyProtocol: {}, connectionPool: {tcp: {maxConnections: 1}}',
    );
    const [first, second, third] = [client(proxy), client(proxy), client(proxy)];
    first.write(get('/held'));
    await expect.poll(() => held.length).toBe(1);
    second.write(get('/second'));
    await expect.poll(() => proxy.upstreams.stats()[0]?.pool.waiting).toBe(1);
    third.write(get('/third'));
    await expect.poll(() => proxy.upstreams.stats()[0]?.pool.waiting).toBe(2);
    second.socket.resetAndDestroy();
    await expect.poll(() => proxy.upstreams.stats()[0]?.pool.waiting).toBe(1);
    first.socket.resetAndDestroy();
    await expect.poll(() => third.text).toMatch(/ok$/);
    expect(backend.received.join('')).not.toContain('/second');
    expect(proxy.faults).toEqual([]);
  });
});

/** Hands connections on behind their header. */
async function behindHeader(
  inner: Server,
): Promise<{ port: number; headers: ProxyHeader[]; sockets: Socket[] }> {
  const headers: ProxyHeader[] = [];
  const sockets: Socket[] = [];
  const outer = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    socket.once('readable', () => {
      const bytes = (socket.read() as Buffer | null) ?? Buffer.alloc(0);
      const header = readProxyHeader(bytes);
      if (typeof header === 'string' || 'fault' in header) {
        socket.destroy();
        return;
      }
      headers.push(header);
      const rest = bytes.subarray(header.length);
      if (rest.length > 0) socket.unshift(rest);
      inner.emit('connection', socket);
    });
  });
  outer.listen(0, '127.0.0.1');
  await once(outer, 'listening');
  open.push({
    close: () => {
      outer.close();
      for (const socket of sockets) socket.destroy();
    },
  });
  return { port: (outer.address() as AddressInfo).port, headers, sockets };
}

describe('over HTTP/2', () => {
  it('requests of one client share a connection, and those of another have theirs', async () => {
    const server = createHttp2Server();
    server.on('stream', (stream: ServerHttp2Stream) => {
      stream.respond({ ':status': 200 });
      stream.end('ok');
    });
    const { port, headers, sockets } = await behindHeader(server);
    const yaml = gatewayBefore(port).replace(
      'protocol: HTTP}], endpoints',
      'protocol: HTTP2}], endpoints',
    );
    const proxy = await startTestProxy({ yaml: yaml + ruleOf('proxyProtocol: {version: V2}') });
    open.push(proxy);
    const [first, second] = [client(proxy), client(proxy)];
    for (const one of [first, second, first]) {
      const before = one.text.length;
      one.write(get());
      await expect.poll(() => one.text.slice(before)).toMatch(/ok\r\n0\r\n\r\n$|ok$/);
    }
    expect(headers).toMatchObject(
      [first, second].map(({ socket }) => ({
        version: 2,
        local: false,
        source: { ip: '127.0.0.1', port: socket.localPort },
        destination: { ip: '127.0.0.1', port: proxy.port },
      })),
    );
    first.socket.destroy();
    await expect.poll(() => sockets[0]?.closed).toBe(true);
    expect(sockets[1]?.closed).toBe(false);
  });

  it('lets all clients have no more connections than the pool says', async () => {
    const server = createHttp2Server();
    server.on('stream', (stream: ServerHttp2Stream) => {
      stream.respond({ ':status': 200 });
      stream.end('ok');
    });
    const { port, headers } = await behindHeader(server);
    const yaml = gatewayBefore(port).replace(
      'protocol: HTTP}], endpoints',
      'protocol: HTTP2}], endpoints',
    );
    const policy = 'proxyProtocol: {}, connectionPool: {tcp: {maxConnections: 1}}';
    const proxy = await startTestProxy({ yaml: yaml + ruleOf(policy) });
    open.push(proxy);
    const clients = [client(proxy), client(proxy), client(proxy)];
    for (const one of clients) one.write(get());
    for (const one of clients) expect(await one.until(/ok/)).toMatch(/^HTTP\/1\.1 200 /);
    expect(headers).toHaveLength(3);
    expect(proxy.upstreams.stats()[0]?.pool.connections).toBe(1);
  });
});

it('goes before TLS', async () => {
  const { certificate, key } = pki.authority('root').issue({ names: 'DNS:back.test' });
  const server = createTlsServer({ cert: certificate, key, ALPNProtocols: ['http/1.1'] });
  server.on('secureConnection', (socket) => {
    socket.on('error', () => undefined);
    socket.on('data', () => socket.write(OK));
  });
  const { port, headers } = await behindHeader(server);
  const policy = 'proxyProtocol: {version: V2}, tls: {mode: SIMPLE, insecureSkipVerify: true}';
  const proxy = await startTestProxy({
    yaml: gatewayBefore(port) + ruleOf(policy),
    tlsFor: () => ({ rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] }),
  });
  open.push(proxy);
  const one = client(proxy);
  await ask(one);
  await ask(one);
  expect(headers).toMatchObject([{ version: 2, source: { port: one.socket.localPort } }]);
});
