/** Mutual TLS of the mesh with nginx, HAProxy, Envoy and openssl, as clients and as servers. */
import { X509Certificate } from 'node:crypto';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startPeer } from '../../test/fixtures/mesh-peers.ts';
import type { MeshPeer, PeerKind, PeerRole } from '../../test/fixtures/mesh-peers.ts';
import {
  MTLS,
  ask,
  peers,
  scopeOf,
  serviceAt,
  startMeshProxy,
} from '../../test/fixtures/mesh-proxy.ts';
import type { MeshProxy } from '../../test/fixtures/mesh-proxy.ts';
import { Pki } from '../../test/fixtures/pki.ts';
import type { Issued } from '../../test/fixtures/pki.ts';

const pki = new Pki();
const root = pki.authority('root');
const stranger = pki.authority('stranger');
afterAll(() => pki.remove());

const CALLER = 'cluster.local/ns/default/sa/caller';
const API = 'cluster.local/ns/default/sa/api';
/** In one form, whoever tells it. */
const TOLD = new RegExp(
  `^By=spiffe://${API};Hash=[0-9a-f]{64};Subject="CN=leaf";URI=spiffe://${CALLER}$`,
);
const issue = (identity: string, authority = root): Issued =>
  authority.issue({ names: `URI:spiffe://${identity}` });

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

let seen: IncomingHttpHeaders[] = [];
let appPort: number;
beforeEach(async () => {
  seen = [];
  const app = createHttpServer((request, response) => {
    seen.push(request.headers);
    response.end('ok');
  });
  app.listen(0, '127.0.0.1');
  await once(app, 'listening');
  open.push(app);
  appPort = (app.address() as AddressInfo).port;
});

async function inbound(): Promise<number> {
  const proxy = await startMeshProxy({
    scope: scopeOf('sidecar-inbound', 'api'),
    fronts: [{ kind: 'inbound', at: { host: '127.0.0.1', port: 0 }, listenerPort: 80 }],
    app: { host: '127.0.0.1', port: appPort },
    yaml: serviceAt(80, MTLS) + peers('STRICT'),
    // Those who don't know identities hold names of hosts against it.
    given: {
      workload: {
        ...root.issue({ names: `URI:spiffe://${API},DNS:api.test` }),
        authorities: root.certificate,
      },
    },
  });
  open.push(proxy);
  return proxy.ports[0] ?? 0;
}

async function outbound(to: number, shown = issue(CALLER), protocol = 'HTTP'): Promise<MeshProxy> {
  const proxy = await startMeshProxy({
    scope: scopeOf('sidecar-outbound', 'caller'),
    fronts: [{ kind: 'service', at: { host: '127.0.0.1', port: 0 }, host: 'api.test', port: 80 }],
    yaml: serviceAt(to, MTLS).replace('protocol: HTTP', `protocol: ${protocol}`),
    given: { workload: { ...shown, authorities: root.certificate } },
  });
  open.push(proxy);
  return proxy;
}

interface Shown {
  readonly shown: Issued | undefined;
  readonly authorities?: string;
}

async function peer(
  kind: PeerKind,
  role: PeerRole,
  to: number,
  { shown, authorities = root.certificate }: Shown,
): Promise<MeshPeer> {
  const started = await startPeer(kind, role, { pki, shown, authorities, to });
  open.push(started);
  return started;
}

const expired = (identity: string): Issued =>
  root.issue({ names: `URI:spiffe://${identity}`, isExpired: true });
const askAt = (port: number): Promise<{ status: number; text: string }> =>
  fetch(`http://127.0.0.1:${port}/`).then(async (response) => ({
    status: response.status,
    text: await response.text(),
  }));

describe.each<PeerKind>(['nginx', 'haproxy', 'envoy'])('%s as a server', (kind) => {
  // nginx takes HTTP/2 only where its port says so.
  const protocols = kind === 'nginx' ? ['HTTP'] : ['HTTP', 'HTTP2'];
  it.each(protocols)('is spoken to over %s inside TLS 1.3', async (protocol) => {
    const server = await peer(kind, 'server', appPort, { shown: issue(API) });
    const proxy = await outbound(server.port, issue(CALLER), protocol);
    const [port] = proxy.ports;
    const response = await fetch(`http://127.0.0.1:${port}/`);
    expect([response.status, await response.text()]).toEqual([200, 'ok']);
    const alpn = protocol === 'HTTP2' ? 'h2' : 'http/1.1';
    expect(response.headers.get('x-told')).toBe(
      {
        nginx: `TLSv1.3 outbound_.80_._.api.test SUCCESS ${alpn} .`,
        haproxy: `TLSv1.3 outbound_.80_._.api.test 0 ${alpn} 0`,
        envoy: 'TLSv1.3 outbound_.80_._.api.test',
      }[kind],
    );
  });

  it.each<[string, () => Shown]>([
    ['expired', () => ({ shown: expired(API) })],
    ['untrusted', () => ({ shown: issue(API, stranger) })],
    ['of another workload', () => ({ shown: issue('cluster.local/ns/default/sa/other') })],
    ['without identity', () => ({ shown: root.issue({ names: 'DNS:api.test' }) })],
  ])('%s: nothing is sent', async (_, make) => {
    const server = await peer(kind, 'server', appPort, make());
    expect(await ask(await outbound(server.port))).toMatchObject({ status: 503 });
    expect(seen).toHaveLength(0);
  });

  it('refuses a proxy that it does not believe, and the caller hears of it', async () => {
    const authorities = stranger.certificate;
    const server = await peer(kind, 'server', appPort, { shown: issue(API), authorities });
    // nginx ends such handshakes, and answers what comes inside.
    const status = kind === 'nginx' ? 400 : 503;
    expect((await ask(await outbound(server.port))).status).toBe(status);
    expect(seen).toHaveLength(0);
  });
});

describe.each<PeerKind>(['nginx', 'haproxy', 'envoy'])('%s as a client', (kind) => {
  it('is taken, and the application hears who it is', async () => {
    const shown = issue(CALLER);
    const client = await peer(kind, 'client', await inbound(), { shown });
    expect(await askAt(client.port)).toEqual({ status: 200, text: 'ok' });
    expect(seen[0]?.['x-forwarded-client-cert']).toMatch(TOLD);
  });

  it.each<[string, () => Shown]>([
    ['without a certificate', () => ({ shown: undefined })],
    ['with an expired one', () => ({ shown: expired(CALLER) })],
    ['with an untrusted one', () => ({ shown: issue(CALLER, stranger) })],
    ['of another mesh', () => ({ shown: issue('evil.test/ns/default/sa/caller') })],
    [
      'with two identities',
      () => ({ shown: root.issue({ names: `URI:spiffe://${CALLER},URI:spiffe://${API}` }) }),
    ],
  ])('%s: is refused', async (_, make) => {
    const client = await peer(kind, 'client', await inbound(), make());
    const { status } = await askAt(client.port);
    expect([502, 503]).toContain(status);
    expect(seen).toHaveLength(0);
  });
});

describe('openssl', () => {
  async function client(port: number, shown: Issued, ...more: readonly string[]): Promise<string> {
    const [cert, key] = [pki.path('openssl.pem'), pki.path('openssl.key')];
    writeFileSync(cert, shown.certificate);
    writeFileSync(key, shown.key);
    const target = ['-connect', `127.0.0.1:${port}`, '-cert', cert, '-key', key];
    const checks = ['-CAfile', pki.path('root.crt'), '-verify_return_error', '-ign_eof'];
    const child = spawn('openssl', ['s_client', ...target, ...checks, ...more]);
    let text = '';
    const take = (chunk: Buffer): string => (text += chunk.toString());
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    child.stdin.on('error', () => undefined);
    child.stdin.write('GET / HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n\r\n');
    await once(child, 'close');
    return text;
  }

  it('is taken over TLS 1.3 alone, resumes nothing, and agrees on a protocol', async () => {
    const port = await inbound();
    const output = await client(port, issue(CALLER), '-alpn', 'istio,http/1.1');
    expect(output).toContain('HTTP/1.1 200');
    expect(output).toContain('New, TLSv1.3');
    expect(output).toContain('ALPN protocol: http/1.1');
    const session = pki.path('session.pem');
    await client(port, issue(CALLER), '-sess_out', session);
    const again = await client(port, issue(CALLER), '-sess_in', session);
    expect(again).toContain('New, TLSv1.3');
    expect(again).not.toContain('Reused, TLSv1.3');
    expect(await client(port, issue(CALLER), '-tls1_2')).not.toContain('HTTP/1.1');
    expect(seen).toHaveLength(3);
  });

  it.each([
    ['expired', () => expired(CALLER)],
    ['untrusted', () => issue(CALLER, stranger)],
  ])('%s: is refused', async (_, make) => {
    expect(await client(await inbound(), make())).not.toContain('HTTP/1.1');
    expect(seen).toHaveLength(0);
  });

  it('as a server, sees the caller’s certificate', async () => {
    const [cert, key] = [pki.path('served.pem'), pki.path('served.key')];
    const shown = issue(API);
    writeFileSync(cert, shown.certificate);
    writeFileSync(key, shown.key);
    const at = ['-accept', '127.0.0.1:0', '-cert', cert, '-key', key];
    const checks = ['-CAfile', pki.path('root.crt'), '-Verify', '2', '-verify_return_error'];
    const child = spawn('openssl', ['s_server', ...at, ...checks, '-alpn', 'http/1.1', '-www']);
    open.push({ close: () => child.kill('SIGKILL') });
    const port = await new Promise<number>((resolve) => {
      child.stdout.on('data', (chunk: Buffer) => {
        const found = /ACCEPT .*:(\d+)/.exec(chunk.toString())?.[1];
        if (found !== undefined) resolve(Number(found));
      });
    });
    const own = issue(CALLER);
    const { status, text } = await ask(await outbound(port, own));
    expect(status).toBe(200);
    expect(text).toContain('TLSv1.3');
    const { serialNumber } = new X509Certificate(own.certificate);
    expect(text.replaceAll(':', '').toUpperCase()).toContain(serialNumber.toUpperCase());
  });
});
