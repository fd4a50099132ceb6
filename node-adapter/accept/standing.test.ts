/** Connections end with the certificate that their client showed. */
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { connect } from 'node:tls';
import type { ConnectionOptions, TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startTestProxy } from '../../test/fixtures/node-proxy.ts';
import type { TestProxy } from '../../test/fixtures/node-proxy.ts';
import { Pki } from '../../test/fixtures/pki.ts';
import type { Issued } from '../../test/fixtures/pki.ts';

const pki = new Pki();
const root = pki.authority('root');
const server = root.issue({ names: 'DNS:a.example' });
afterAll(() => pki.remove());

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

const GRACE_MS = 400;
const meshOf = (back: number, mode: string): string => `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: front}
spec:
  selector: {app: front}
  servers:
  - {port: {number: 80, name: https, protocol: HTTPS}, hosts: [a.example], tls: {mode: ${mode}, credentialName: shop}}
  - {port: {number: 80, name: tls, protocol: TLS}, hosts: [b.example], tls: {mode: ${mode}, credentialName: shop}}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: back}
spec: {hosts: [back.test], location: MESH_INTERNAL, resolution: STATIC, ports: [{number: 80, name: http, protocol: HTTP}], endpoints: [{address: 127.0.0.1, ports: {http: ${back}}}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: back}
spec:
  hosts: ['*']
  gateways: [front]
  http: [{route: [{destination: {host: back.test}}]}]
  tcp: [{match: [{port: 80}], route: [{destination: {host: back.test}}]}]
`;

let held: (() => void)[] = [];
let back: Server;
beforeEach(async () => {
  held = [];
  back = createHttpServer((request: IncomingMessage, response) => {
    if (request.url === '/held') held.push(() => response.end('late'));
    else response.end('ok');
  });
  back.listen(0, '127.0.0.1');
  await once(back, 'listening');
  open.push(back);
});

async function gateway(
  mode = 'MUTUAL',
  port = (back.address() as AddressInfo).port,
): Promise<TestProxy> {
  const proxy = await startTestProxy({
    yaml: meshOf(port, mode),
    secrets: { 'default/shop': { ...server, authorities: root.certificate } },
    limits: { expiryGraceMs: GRACE_MS },
  });
  open.push(proxy);
  return proxy;
}

/** Long enough to be used before it ends, wherever in its second that is. */
const brief = (): Issued => root.issue({ names: 'DNS:client', endsInMs: 3500 });

interface Client {
  readonly socket: TLSSocket;
  text: string;
  closedMs: number;
}

function client(proxy: TestProxy, shown: Issued | undefined, servername = 'a.example'): Client {
  const options: ConnectionOptions = {
    port: proxy.port,
    host: '127.0.0.1',
    servername,
    ca: root.certificate,
    checkServerIdentity: () => undefined,
    ALPNProtocols: servername === 'a.example' ? ['http/1.1'] : [],
    ...(shown === undefined ? {} : { cert: shown.certificate, key: shown.key }),
  };
  const own: Client = { socket: connect(options), text: '', closedMs: 0 };
  own.socket.on('error', () => undefined);
  own.socket.on('data', (chunk: Buffer) => (own.text += chunk.toString()));
  own.socket.once('close', () => (own.closedMs = Date.now()));
  open.push({ close: () => own.socket.destroy() });
  return own;
}

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: a.example\r\n\r\n`;
const endOf = ({ certificate }: Issued): number => pki.endOf(certificate);
const within = { timeout: 8000 };

describe('a connection under a certificate that ends', () => {
  it('over HTTP/1.1: closes where it rests, answers what was asked, cuts what lasts', async () => {
    const proxy = await gateway();
    const shown = brief();
    const [rests, asks, lasts] = [client(proxy, shown), client(proxy, shown), client(proxy, shown)];
    const longer = client(proxy, root.issue({ names: 'DNS:client' }));
    rests.socket.write(get('/'));
    longer.socket.write(get('/'));
    asks.socket.write(get('/held'));
    await expect.poll(() => held.length).toBe(1);
    lasts.socket.write(get('/held'));
    await expect.poll(() => held.length).toBe(2);
    await expect.poll(() => rests.text + longer.text).toMatch(/ok[^]*ok$/);
    await expect.poll(() => rests.closedMs, within).toBeGreaterThanOrEqual(endOf(shown));
    expect(asks.closedMs + lasts.closedMs + longer.closedMs).toBe(0);
    held[0]?.();
    await expect.poll(() => asks.text).toMatch(/connection: close[^]*late$/i);
    await expect.poll(() => asks.closedMs).toBeGreaterThan(0);
    await expect.poll(() => lasts.closedMs).toBeGreaterThanOrEqual(endOf(shown) + GRACE_MS);
    expect(proxy.lines.filter((line) => line.includes('client_certificate_expired'))).toHaveLength(
      1,
    );
    longer.socket.write(get('/'));
    await expect.poll(() => longer.text).toMatch(/ok[^]*ok$/);
  });

  it('over HTTP/2: says GOAWAY, answers what was asked, and closes', async () => {
    const proxy = await gateway();
    const shown = brief();
    const session = connectHttp2(`https://127.0.0.1:${proxy.port}`, {
      servername: 'a.example',
      ca: root.certificate,
      checkServerIdentity: () => undefined,
      cert: shown.certificate,
      key: shown.key,
    });
    session.on('error', () => undefined);
    open.push({ close: () => session.destroy() });
    let isAway = false;
    session.on('goaway', () => (isAway = true));
    const stream = session.request({ ':path': '/held', ':authority': 'a.example' });
    let text = '';
    stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
    await expect.poll(() => held.length).toBe(1);
    await expect.poll(() => isAway, within).toBe(true);
    expect(Date.now()).toBeGreaterThanOrEqual(endOf(shown));
    held[0]?.();
    await expect.poll(() => text).toBe('late');
    await expect.poll(() => session.closed).toBe(true);
  });

  it('carried as it is: is cut, and its line of the log says why', async () => {
    const echo = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.pipe(socket);
    });
    echo.listen(0, '127.0.0.1');
    await once(echo, 'listening');
    open.push(echo);
    const proxy = await gateway('MUTUAL', (echo.address() as AddressInfo).port);
    const shown = brief();
    const one = client(proxy, shown, 'b.example');
    one.socket.write('hello');
    await expect.poll(() => one.text).toBe('hello');
    await expect.poll(() => one.closedMs, within).toBeGreaterThanOrEqual(endOf(shown));
    const [line] = proxy.lines.filter((text) => text.includes('client_certificate_expired'));
    expect(JSON.parse(line ?? '{}')).toMatchObject({ bytes_received: 5, bytes_sent: 5 });
  });

  it('leaves alone who showed none', async () => {
    const proxy = await gateway('OPTIONAL_MUTUAL');
    const [shows, hides] = [client(proxy, brief()), client(proxy, undefined)];
    for (const one of [shows, hides]) one.socket.write(get('/'));
    await expect.poll(() => shows.closedMs, within).toBeGreaterThan(0);
    hides.socket.write(get('/'));
    await expect.poll(() => hides.text).toMatch(/ok[^]*ok$/);
  });
});
