/** Connections of pools take no attempt any more when they are old, or the certificate of their server has ended. */
import { once } from 'node:events';
import { createSecureServer } from 'node:http2';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { gatewayBefore, rawClient, startTestProxy } from '../../test/fixtures/node-proxy.ts';
import type { RawClient, TestProxy } from '../../test/fixtures/node-proxy.ts';
import { Pki } from '../../test/fixtures/pki.ts';

const pki = new Pki();
const root = pki.authority('root');
afterAll(() => pki.remove());
const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

const ruleOf = (policy: string): string => `---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: back}
spec: {host: back.test, trafficPolicy: {${policy}}}
`;
const within = { timeout: 8000 };

interface Behind {
  readonly server: ReturnType<typeof createHttpsServer>;
  readonly sockets: Socket[];
  readonly held: (() => void)[];
  readonly port: number;
}

/** Answers everything but `/held` at once. */
async function behind(
  make: (listener: (request: IncomingMessage, response: ServerResponse) => void) => unknown,
): Promise<Behind> {
  const held: (() => void)[] = [];
  const sockets: Socket[] = [];
  const server = make(({ url }, response) => {
    const answer = (): void => void response.end('ok');
    if (url === '/held') held.push(answer);
    else answer();
  }) as Behind['server'];
  server.on('connection', (socket) => sockets.push(socket));
  server.keepAliveTimeout = 60_000;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  open.push({
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  });
  return { server, sockets, held, port: (server.address() as AddressInfo).port };
}

async function ask(proxy: TestProxy, path = '/'): Promise<RawClient> {
  const client = rawClient(proxy.port);
  open.push({ close: () => client.socket.destroy() });
  client.write(`GET ${path} HTTP/1.1\r\nHost: shop.test\r\n\r\n`);
  if (path !== '/held') expect(await client.until(/ok/)).toMatch(/^HTTP\/1\.1 200 /);
  return client;
}

describe.each(['HTTP', 'HTTP2'] as const)('%s under a certificate that ends', (protocol) => {
  it('goes on over another connection', async () => {
    const brief = root.issue({ names: 'DNS:back.test', endsInMs: 3500 });
    const { server, sockets, held, port } = await behind((listener) =>
      protocol === 'HTTP'
        ? createHttpsServer({ cert: brief.certificate, key: brief.key }, listener)
        : createSecureServer({ cert: brief.certificate, key: brief.key }, listener as never),
    );
    const policy =
      'tls: {mode: SIMPLE, sni: back.test}, connectionPool: {http: {idleTimeout: 60s}}';
    const yaml = gatewayBefore(port).replace(
      'protocol: HTTP}], endpoints',
      `protocol: ${protocol}}], endpoints`,
    );
    const alpn = protocol === 'HTTP' ? 'http/1.1' : 'h2';
    const proxy = await startTestProxy({
      yaml: yaml + ruleOf(policy),
      tlsFor: () => ({ ca: root.certificate, servername: 'back.test', ALPNProtocols: [alpn] }),
    });
    open.push(proxy);
    await ask(proxy);
    await ask(proxy);
    expect(sockets).toHaveLength(1);
    const asked = await ask(proxy, '/held');
    await expect.poll(() => held.length).toBe(1);
    const ends = pki.endOf(brief.certificate);
    await expect.poll(() => Date.now() > ends + 1000, within).toBe(true);
    const fresh = root.issue({ names: 'DNS:back.test' });
    server.setSecureContext({ cert: fresh.certificate, key: fresh.key });
    // What was under way goes on, and nothing joins it.
    const connections = async (): Promise<number> => {
      await ask(proxy);
      return sockets.length;
    };
    await expect.poll(connections).toBe(2);
    held[0]?.();
    await asked.until(/ok/);
    await expect.poll(() => sockets[0]?.closed).toBe(true);
    await ask(proxy);
    expect(sockets).toHaveLength(2);
  });
});

it('takes no attempt any more soon before the own certificate ends', async () => {
  const shown = root.issue({ names: 'DNS:back.test' });
  const own = root.issue({ names: 'URI:spiffe://mesh.test/ns/a/sa/b', endsInMs: 8000 });
  const { sockets, port } = await behind((listener) =>
    createHttpsServer(
      { cert: shown.certificate, key: shown.key, ca: root.certificate, requestCert: true },
      listener,
    ),
  );
  const policy = 'tls: {mode: SIMPLE, sni: back.test}, connectionPool: {http: {idleTimeout: 60s}}';
  const proxy = await startTestProxy({
    yaml: gatewayBefore(port) + ruleOf(policy),
    tlsFor: () => ({
      ca: root.certificate,
      cert: own.certificate,
      key: own.key,
      servername: 'back.test',
      ALPNProtocols: ['http/1.1'],
    }),
  });
  open.push(proxy);
  await ask(proxy);
  await expect.poll(() => sockets[0]?.closed, within).toBe(true);
  expect(Date.now()).toBeLessThan(pki.endOf(own.certificate));
});

it('HTTP/1.1 takes no attempt beyond maxConnectionDuration', async () => {
  const { sockets, port } = await behind((listener) => createHttpServer(listener));
  const policy = 'connectionPool: {tcp: {maxConnectionDuration: 500ms}, http: {idleTimeout: 60s}}';
  const proxy = await startTestProxy({ yaml: gatewayBefore(port) + ruleOf(policy) });
  open.push(proxy);
  await ask(proxy);
  expect(sockets).toHaveLength(1);
  await expect.poll(() => sockets[0]?.closed).toBe(true);
  await ask(proxy);
  expect(sockets).toHaveLength(2);
});
