/** Mutual TLS between sidecars: who speaks it to whom, and how long what was proven stands. */
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';
import { connect as connectPlain, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { X509Certificate } from 'node:crypto';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  MTLS,
  ask,
  peers,
  scopeOf,
  serviceAt,
  startMeshProxy,
  trustSettings,
} from '../../test/fixtures/mesh-proxy.ts';
import type { MeshProxy } from '../../test/fixtures/mesh-proxy.ts';
import { Pki } from '../../test/fixtures/pki.ts';
import type { Issued } from '../../test/fixtures/pki.ts';
import type { TrustSettings } from '../../src/model/trust.ts';

const pki = new Pki();
const root = pki.authority('root');
const next = pki.authority('next');
const partner = pki.authority('partner');
afterAll(() => pki.remove());

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

const CALLER = 'cluster.local/ns/default/sa/caller';
const API = 'cluster.local/ns/default/sa/api';
const GRACE_MS = 300;
const issue = (identity: string, authority = root): Issued =>
  authority.issue({ names: `URI:spiffe://${identity}` });
const serialOf = ({ certificate }: Issued): string =>
  new X509Certificate(certificate).serialNumber.toLowerCase().replace(/^0+/, '');

const portPeers = (mode: string, ofPort: string): string => `---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: api}
spec: {selector: {matchLabels: {app: api}}, mtls: {mode: ${mode}}, portLevelMtls: {80: {mode: ${ofPort}}}}
`;

let seen: IncomingHttpHeaders[] = [];
let held: (() => void)[] = [];
let appPort: number;
beforeEach(async () => {
  seen = [];
  held = [];
  const app = createHttpServer((request, response) => {
    seen.push(request.headers);
    if (request.url === '/held') held.push(() => response.end('late'));
    else response.end('ok');
  });
  app.listen(0, '127.0.0.1');
  await once(app, 'listening');
  open.push(app);
  appPort = (app.address() as AddressInfo).port;
});

interface Server {
  readonly mode?: string;
  readonly shown?: Issued;
  readonly authorities?: string;
  readonly trust?: TrustSettings;
  readonly service?: string;
}

async function serve({
  mode = 'STRICT',
  shown = issue(API),
  authorities = root.certificate,
  trust,
  service = serviceAt(80, MTLS),
}: Server = {}): Promise<MeshProxy> {
  const proxy = await startMeshProxy({
    scope: scopeOf('sidecar-inbound', 'api'),
    fronts: [{ kind: 'inbound', at: { host: '127.0.0.1', port: 0 }, listenerPort: 80 }],
    app: { host: '127.0.0.1', port: appPort },
    yaml: service + (mode.startsWith('---') ? mode : peers(mode)),
    given: { workload: { ...shown, authorities } },
    limits: { expiryGraceMs: GRACE_MS },
    ...(trust === undefined ? {} : { trust }),
  });
  open.push(proxy);
  return proxy;
}

interface Client {
  readonly yaml: string;
  readonly shown?: Issued | undefined;
  readonly authorities?: string;
  readonly trust?: TrustSettings;
}

async function caller(options: Client): Promise<MeshProxy> {
  const { yaml, authorities = root.certificate, trust } = options;
  const shown = 'shown' in options ? options.shown : issue(CALLER);
  const proxy = await startMeshProxy({
    scope: scopeOf('sidecar-outbound', 'caller'),
    fronts: [{ kind: 'service', at: { host: '127.0.0.1', port: 0 }, host: 'api.test', port: 80 }],
    yaml,
    given: shown === undefined ? {} : { workload: { ...shown, authorities } },
    limits: { expiryGraceMs: GRACE_MS },
    ...(trust === undefined ? {} : { trust }),
  });
  open.push(proxy);
  return proxy;
}

const connectionsOf = ({ sidecar }: MeshProxy): number =>
  sidecar.upstreams.stats().reduce((sum, { pool }) => sum + pool.connections, 0);
const isEncrypted = (): boolean => seen.at(-1)?.['x-forwarded-client-cert'] !== undefined;
const REFUSED = 'transport failure reason: certificate not accepted';

describe('auto mutual TLS', () => {
  it('is spoken to endpoints that say they take it, and plain text to others', async () => {
    const [server] = (await serve({ mode: 'PERMISSIVE' })).ports;
    const [taking, plain] = [
      await caller({ yaml: serviceAt(server ?? 0, MTLS) }),
      await caller({ yaml: serviceAt(server ?? 0, 'version: v1') }),
    ];
    expect(await ask(taking)).toEqual({ status: 200, text: 'ok' });
    expect(isEncrypted()).toBe(true);
    expect(await ask(plain)).toEqual({ status: 200, text: 'ok' });
    expect(isEncrypted()).toBe(false);
  });

  it('follows an endpoint that begins to take it', async () => {
    const [port = 0] = (await serve({ mode: 'PERMISSIVE' })).ports;
    const proxy = await caller({ yaml: serviceAt(port, 'version: v1') });
    await ask(proxy);
    expect(isEncrypted()).toBe(false);
    await proxy.configure(serviceAt(port, MTLS));
    await ask(proxy);
    expect(isEncrypted()).toBe(true);
    await proxy.configure(serviceAt(port, 'version: v1'));
    await ask(proxy);
    expect(isEncrypted()).toBe(false);
  });

  it('sends nothing in clear where this proxy has no certificate', async () => {
    const server = await serve({ mode: 'PERMISSIVE' });
    const proxy = await caller({ yaml: serviceAt(server.ports[0] ?? 0, MTLS), shown: undefined });
    const { status, text } = await ask(proxy);
    expect(status).toBe(503);
    expect(text).toContain('transport failure reason: no certificate to show');
    expect(seen).toHaveLength(0);
    expect(proxy.lines.join('\n')).toContain('this proxy has no certificate of the mesh');
  });
});

describe('PeerAuthentication', () => {
  const plainly = (port: number): Promise<string> =>
    new Promise((resolve) => {
      let text = '';
      const socket = connectPlain(port, '127.0.0.1');
      socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
      socket.on('error', () => undefined);
      socket.on('close', () => resolve(text));
      socket.write('GET / HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n\r\n');
    });
  const byTls = (port: number): Promise<string> =>
    new Promise((resolve) => {
      let text = '';
      const { certificate: cert, key } = issue(CALLER);
      const socket = connectTls(
        { port, host: '127.0.0.1', cert, key, rejectUnauthorized: false, ALPNProtocols: ['istio'] },
        () => socket.write('GET / HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n\r\n'),
      );
      socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
      socket.on('error', () => undefined);
      socket.on('close', () => resolve(text));
    });

  it.each([
    ['STRICT', peers('STRICT'), false, true],
    ['PERMISSIVE', peers('PERMISSIVE'), true, true],
    ['DISABLE', peers('DISABLE'), true, false],
    ['PERMISSIVE, and STRICT at the port', portPeers('PERMISSIVE', 'STRICT'), false, true],
    ['STRICT, and DISABLE at the port', portPeers('STRICT', 'DISABLE'), true, false],
    ['STRICT, and UNSET at the port', portPeers('STRICT', 'UNSET'), false, true],
  ])('%s', async (_, mode, takesPlain, takesTls) => {
    const [port = 0] = (await serve({ mode })).ports;
    expect((await plainly(port)).startsWith('HTTP/1.1 200')).toBe(takesPlain);
    expect((await byTls(port)).startsWith('HTTP/1.1 200')).toBe(takesTls);
    // What isn't taken is closed, and told nothing.
    if (!takesPlain) expect(await plainly(port)).toBe('');
    expect(seen).toHaveLength(Number(takesPlain) + Number(takesTls));
  });
});

describe('secure naming', () => {
  it.each<[string, string, string]>([
    ['another workload answers', 'cluster.local/ns/default/sa/other', 'api'],
    ['another namespace answers', 'cluster.local/ns/other/sa/api', 'api'],
    ['another trust domain answers', 'evil.test/ns/default/sa/api', 'api'],
  ])('%s: nothing is sent, and the log says why', async (_, identity, account) => {
    const server = await serve({ mode: 'PERMISSIVE', shown: issue(identity) });
    const proxy = await caller({ yaml: serviceAt(server.ports[0] ?? 0, MTLS, account) });
    const { status, text } = await ask(proxy);
    expect(status).toBe(503);
    expect(text).toContain(REFUSED);
    expect(seen).toHaveLength(0);
    const [line] = proxy.lines.filter((one) => one.includes('TLS to a server'));
    expect(line).toContain(`identity ${identity} is`);
    expect(proxy.lines.join('\n')).toContain('reason:_certificate_not_accepted');
  });

  it('an endpoint without an account may be any workload of the service, and no other', async () => {
    const [port = 0] = (await serve({ mode: 'PERMISSIVE' })).ports;
    const nameless = (account: string): string =>
      serviceAt(port, MTLS, '""').replace(
        /endpoints: \[(.*)\]/,
        `endpoints: [$1, {address: 127.0.0.1, ports: {http: 1}, weight: 1, labels: {version: v9}, serviceAccount: ${account}}]`,
      );
    const rule = (yaml: string): string => `${yaml}---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: api}
spec: {host: api.test, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}, subsets: [{name: a, labels: {${MTLS}}}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: api}
spec: {hosts: [api.test], http: [{route: [{destination: {host: api.test, subset: a}}]}]}
`;
    expect(await ask(await caller({ yaml: rule(nameless('api')) }))).toMatchObject({ status: 200 });
    const { text } = await ask(await caller({ yaml: rule(nameless('other')) }));
    expect(text).toContain(REFUSED);
  });
});

describe('federation', () => {
  const shared = trustSettings({
    'cluster.local': [root.certificate],
    'partner.test': [partner.certificate],
  });
  const THEIRS = 'partner.test/ns/shop/sa/caller';

  it('takes identities of another domain by its own authorities alone', async () => {
    const server = await serve({ trust: shared });
    const yaml = serviceAt(server.ports[0] ?? 0, MTLS);
    const theirs = await caller({
      yaml,
      shown: issue(THEIRS, partner),
      authorities: root.certificate + partner.certificate,
    });
    expect(await ask(theirs)).toEqual({ status: 200, text: 'ok' });
    expect(seen.at(-1)?.['x-forwarded-client-cert']).toContain(`URI=spiffe://${THEIRS}`);
    for (const [identity, authority] of [
      [CALLER, partner],
      [THEIRS, root],
      ['third.test/ns/a/sa/b', partner],
    ] as const) {
      const forged = await caller({ yaml, shown: issue(identity, authority) });
      expect((await ask(forged)).status, identity).toBe(503);
      expect(server.lines.join('\n')).toContain(`identity ${identity} is`);
    }
    expect(seen).toHaveLength(1);
  });

  it('holds for servers, too', async () => {
    const impostor = await serve({
      mode: 'PERMISSIVE',
      shown: issue(API, partner),
      authorities: root.certificate,
    });
    const proxy = await caller({ yaml: serviceAt(impostor.ports[0] ?? 0, MTLS), trust: shared });
    expect((await ask(proxy)).text).toContain(REFUSED);
    expect(proxy.lines.join('\n')).toContain('certified by no authority of its trust domain');
  });
});

describe('what holds no more', () => {
  const roots = { 'cluster.local': [root.certificate] };

  it.each([
    ['serial', (shown: Issued) => ({ serials: [serialOf(shown)] })],
    ['identity', () => ({ identities: [CALLER] })],
  ])(
    'a caller whose %s is denied: its connections end, and it gets no other',
    async (_, denied) => {
      const shown = issue(CALLER);
      const server = await serve({ trust: trustSettings(roots) });
      const yaml = serviceAt(server.ports[0] ?? 0, MTLS);
      const [proxy, other] = [
        await caller({ yaml, shown }),
        await caller({ yaml, shown: issue('cluster.local/ns/default/sa/other') }),
      ];
      for (const one of [proxy, other]) await ask(one);
      const asked = ask(proxy, '/held');
      await expect.poll(() => held.length).toBe(1);
      await server.configure(
        serviceAt(80, MTLS) + peers('STRICT'),
        trustSettings(roots, denied(shown)),
      );
      // What is under way may end, for a while.
      held[0]?.();
      expect(await asked).toEqual({ status: 200, text: 'late' });
      await expect.poll(() => connectionsOf(proxy)).toBe(0);
      expect((await ask(proxy)).status).toBe(503);
      expect(server.lines.join('\n')).toContain('is denied');
      expect(await ask(other)).toEqual({ status: 200, text: 'ok' });
      expect(connectionsOf(other)).toBe(1);
    },
  );

  it('cuts what lasts longer', async () => {
    const shown = issue(CALLER);
    const server = await serve({ trust: trustSettings(roots) });
    const proxy = await caller({ yaml: serviceAt(server.ports[0] ?? 0, MTLS), shown });
    const asked = ask(proxy, '/held');
    await expect.poll(() => held.length).toBe(1);
    const denied = trustSettings(roots, { identities: [CALLER] });
    await server.configure(serviceAt(80, MTLS) + peers('STRICT'), denied);
    expect((await asked).status).toBe(503);
    await expect.poll(() => server.lines.join('\n')).toContain('client_certificate_denied');
  });

  it.each(['HTTP', 'HTTP2'])(
    'a server that is denied: connections of %s end, and it gets none any more',
    async (protocol) => {
      const shown = issue(API);
      const server = await serve({ shown });
      const yaml = serviceAt(server.ports[0] ?? 0, MTLS).replace(
        'protocol: HTTP',
        `protocol: ${protocol}`,
      );
      const proxy = await caller({ yaml, trust: trustSettings(roots) });
      await ask(proxy);
      expect(connectionsOf(proxy)).toBe(1);
      await proxy.configure(yaml, trustSettings(roots, { serials: [serialOf(shown)] }));
      await expect.poll(() => connectionsOf(proxy)).toBe(0);
      expect((await ask(proxy)).text).toContain(REFUSED);
      expect(seen).toHaveLength(1);
    },
  );

  it('a server that is denied: what is carried to it is cut', async () => {
    const echo = createServer((socket) => socket.on('error', () => undefined).pipe(socket));
    echo.listen(0, '127.0.0.1');
    await once(echo, 'listening');
    open.push(echo);
    appPort = (echo.address() as AddressInfo).port;
    const shown = issue(API);
    const asTcp = (yaml: string): string =>
      yaml
        .replace('name: http, protocol: HTTP', 'name: tcp, protocol: TCP')
        .replace('{http:', '{tcp:');
    const server = await serve({ shown, service: asTcp(serviceAt(80, MTLS)) });
    const yaml = asTcp(serviceAt(server.ports[0] ?? 0, MTLS));
    const proxy = await caller({ yaml, trust: trustSettings(roots) });
    const client = connectPlain(proxy.ports[0] ?? 0, '127.0.0.1');
    open.push({ close: () => client.destroy() });
    let heard = '';
    client.on('error', () => undefined).on('data', (chunk: Buffer) => (heard += chunk.toString()));
    client.write('hello');
    await expect.poll(() => heard).toBe('hello');
    await proxy.configure(yaml, trustSettings(roots, { serials: [serialOf(shown)] }));
    await expect.poll(() => client.closed).toBe(true);
  });

  it('an authority that is dropped takes along what it certified, both ways', async () => {
    const both = { 'cluster.local': [root.certificate, next.certificate] };
    const server = await serve({ trust: trustSettings(both), authorities: next.certificate });
    const yaml = serviceAt(server.ports[0] ?? 0, MTLS);
    const [old, renewed] = [
      await caller({ yaml, authorities: next.certificate, trust: trustSettings(both) }),
      await caller({ yaml, shown: issue(CALLER, next), trust: trustSettings(both) }),
    ];
    for (const one of [old, renewed]) expect((await ask(one)).status).toBe(200);
    const dropped = trustSettings({ 'cluster.local': [next.certificate] });
    await server.configure(serviceAt(80, MTLS) + peers('STRICT'), dropped);
    await expect.poll(() => connectionsOf(old)).toBe(0);
    expect((await ask(old)).status).toBe(503);
    // The server's own is of the authority that was dropped, too: who drops it there lets go of the connection.
    expect(connectionsOf(renewed)).toBe(1);
    renewed.secrets.replace({
      workload: { ...issue(CALLER, next), authorities: next.certificate },
    });
    await renewed.configure(yaml, dropped);
    await expect.poll(() => connectionsOf(renewed)).toBe(0);
    expect((await ask(renewed)).text).toContain(REFUSED);
    server.secrets.replace({ workload: { ...issue(API, next), authorities: next.certificate } });
    expect(await ask(renewed)).toEqual({ status: 200, text: 'ok' });
  });

  it('a domain of which nobody is believed', async () => {
    const server = await serve({ trust: trustSettings({ 'cluster.local': [] }) });
    const proxy = await caller({ yaml: serviceAt(server.ports[0] ?? 0, MTLS) });
    expect((await ask(proxy)).status).toBe(503);
    expect(seen).toHaveLength(0);
  });
});

describe('X-Forwarded-Client-Cert', () => {
  it('names the caller, whatever the application claims, and nobody without mutual TLS', async () => {
    const [port = 0] = (await serve({ mode: 'PERMISSIVE' })).ports;
    const forged = { 'x-forwarded-client-cert': 'URI=spiffe://cluster.local/ns/admin/sa/root' };
    const shown = issue(CALLER);
    await ask(await caller({ yaml: serviceAt(port, MTLS), shown }), '/', forged);
    const hash = new X509Certificate(shown.certificate).fingerprint256
      .replaceAll(':', '')
      .toLowerCase();
    expect(seen[0]?.['x-forwarded-client-cert']).toBe(
      `By=spiffe://${API};Hash=${hash};Subject="CN=leaf";URI=spiffe://${CALLER}`,
    );
    await ask(await caller({ yaml: serviceAt(port, 'a: b') }), '/', forged);
    expect(seen[1]?.['x-forwarded-client-cert']).toBeUndefined();
  });
});
