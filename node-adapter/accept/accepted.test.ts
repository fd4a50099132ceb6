/** What comes by which front, by its first bytes: one sidecar and one gateway, over real sockets. */
import { createServer } from 'node:http';
import { connect, createServer as createTcpServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { connect as connectHttp2 } from 'node:http2';
import { connect as connectTls } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { compile } from '../../src/config/compile/index.ts';
import { readConfig } from '../../src/config/pipeline.ts';
import type { ProxyScope } from '../../src/model/snapshot.ts';
import { kinds, policyCompilers } from '../../src/presets/control.ts';
import { certificatePem, keyPem } from '../../test/fixtures/certificates.ts';
import { rawClient, rawExchange } from '../../test/fixtures/node-proxy.ts';
import { GivenSecrets } from '../secrets.ts';
import { createSidecar } from '../sidecar.ts';
import type { FrontSetting } from '../front-setting.ts';
import type { Listening, Sidecar } from '../sidecar.ts';

interface Listens {
  listen(port: number, host: string, ready: () => void): unknown;
  address(): unknown;
  close(): unknown;
}

const open: { close(): unknown }[] = [];

function listening(server: Listens): Promise<number> {
  open.push(server);
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });
}

const mesh = (http: number, tcp: number): string => `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  selector: {app: edge}
  servers:
  - {port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}
  - {port: {number: 443, name: https, protocol: HTTPS}, hosts: [shop.example], tls: {mode: SIMPLE, credentialName: shop}}
  - {port: {number: 443, name: through, protocol: TLS}, hosts: [raw.example], tls: {mode: PASSTHROUGH}}
  - {port: {number: 90, name: tcp, protocol: TCP}, hosts: ['*']}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: web}
spec: {hosts: [web.test], location: MESH_INTERNAL, resolution: STATIC, ports: [{number: 80, name: http, protocol: HTTP}], endpoints: [{address: 127.0.0.1, ports: {http: ${http}}}]}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: db}
spec: {hosts: [db.test], location: MESH_INTERNAL, resolution: STATIC, ports: [{number: 90, name: tcp, protocol: TCP}], endpoints: [{address: 127.0.0.1, ports: {tcp: ${tcp}}}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: edge}
spec:
  hosts: ['*']
  gateways: [edge]
  http: [{route: [{destination: {host: web.test}}]}]
  tls: [{match: [{sniHosts: [raw.example]}], route: [{destination: {host: db.test}}]}]
  tcp: [{match: [{port: 90}], route: [{destination: {host: db.test}}]}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: closed}
spec: {selector: {matchLabels: {app: web}}, action: DENY, rules: [{to: [{operation: {paths: [/secret]}}]}]}
`;

const common = { namespace: 'default', name: 'web', labels: { app: 'web' }, service: 'web.test' };
const edge: ProxyScope = {
  type: 'gateway',
  namespace: 'default',
  name: 'edge',
  labels: { app: 'edge' },
};
const outbound: ProxyScope = { type: 'sidecar-outbound', ...common };
const inbound: ProxyScope = { type: 'sidecar-inbound', ...common };

const lines: string[] = [];
let ports: readonly Listening[] = [];
const loopback = { host: '127.0.0.1', port: 0 };

const portOf = (kind: FrontSetting['kind'], index = 0): number =>
  ports.filter((one) => one.kind === kind)[index]?.port ?? 0;
const edgePort = (listenerPort: number): number =>
  ports.find((one) => one.kind === 'gateway' && one.listenerPort === listenerPort)?.port ?? 0;

async function start(text: string): Promise<Sidecar[]> {
  const { resources, diagnostics } = readConfig([{ file: 'mesh', text }], { kinds });
  expect(diagnostics.filter(({ level }) => level === 'error')).toEqual([]);
  const all = resources.map(({ resource }) => resource);
  const configure = async (sidecar: Sidecar, scope: ProxyScope): Promise<void> => {
    const { named, endpoints } = compile({ resources: all, scope }, policyCompilers);
    await sidecar.apply(scope.type, { named, endpoints, keys: { version: '', sets: {} } });
  };
  const secrets = new GivenSecrets();
  secrets.replace({ 'default/shop': { certificate: certificatePem, key: keyPem } });
  const log = (line: string): void => {
    lines.push(line);
  };
  const gateway = await createSidecar({
    scopes: [edge],
    fronts: [{ kind: 'gateway', host: '127.0.0.1', portOf: () => 0 }],
    secrets,
    log,
  });
  await configure(gateway, edge);
  const web = /\{http: (\d+)\}/.exec(text)?.[1];
  const sidecar = await createSidecar({
    scopes: [outbound, inbound],
    app: { host: '127.0.0.1', port: Number(web) },
    fronts: [
      { kind: 'proxy', at: loopback },
      { kind: 'inbound', at: loopback, listenerPort: 80 },
      { kind: 'service', at: loopback, host: 'web.test', port: 80 },
      { kind: 'service', at: loopback, host: 'db.test', port: 90 },
    ],
    log,
  });
  await configure(sidecar, outbound);
  await configure(sidecar, inbound);
  ports = [...(await gateway.listen()), ...(await sidecar.listen())];
  return [gateway, sidecar];
}

let sidecars: Sidecar[] = [];
beforeAll(async () => {
  const http = await listening(
    createServer((request, response) => {
      response.end(`${request.method} ${request.url} for ${request.headers.host}`);
    }),
  );
  const tcp = await listening(
    createTcpServer((socket) => {
      socket.on('error', () => undefined);
      socket.write('hello ');
      socket.pipe(socket);
    }),
  );
  sidecars = await start(mesh(http, tcp));
});
afterAll(async () => {
  for (const sidecar of sidecars) await sidecar.close();
  for (const one of open) one.close();
});

const get = (host: string, target = '/a'): string =>
  `GET ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;

/** By HTTP/2, over whatever connection. */
function askHttp2(url: string, options: object, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const session = connectHttp2(url, options);
    session.on('error', reject);
    const stream = session.request({ ':path': path });
    let text = '';
    stream.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    stream.on('end', () => {
      session.close();
      resolve(text);
    });
  });
}

describe('a gateway', () => {
  it('tells HTTP/1.1 and HTTP/2 apart on one plain port', async () => {
    const port = edgePort(80);
    expect(await rawExchange(port, get('a.example'))).toMatch(/GET \/a for a\.example$/);
    expect(await askHttp2(`http://127.0.0.1:${port}`, {}, '/b')).toBe(
      `GET /b for 127.0.0.1:${port}`,
    );
  });

  it('ends TLS for its server name, with HTTP/2 where both speak it', async () => {
    const port = edgePort(443);
    const tls = { servername: 'shop.example', rejectUnauthorized: false };
    expect(await askHttp2(`https://127.0.0.1:${port}`, tls, '/c')).toMatch(/^GET \/c for/);
    const text = await new Promise<string>((resolve) => {
      const socket = connectTls({ ...tls, port, host: '127.0.0.1' }, () =>
        socket.write(get('shop.example')),
      );
      let got = '';
      socket.on('data', (chunk: Buffer) => {
        got += chunk.toString();
      });
      socket.on('close', () => resolve(got));
    });
    expect(text).toMatch(/GET \/a for shop\.example$/);
  });

  it('reads what came by a connection, whatever others say meanwhile', async () => {
    const tls = { servername: 'shop.example', rejectUnauthorized: false, host: '127.0.0.1' };
    const clients = await Promise.all(
      ['one', 'two'].map(async (name) => {
        const socket = connectTls({ ...tls, port: edgePort(443) });
        await new Promise((resolve) => socket.once('secureConnect', resolve));
        return { name, socket };
      }),
    );
    const raw = rawClient(edgePort(90));
    await raw.until(/hello /);
    for (let turn = 0; turn < 5; turn++) {
      raw.write(`GET /raw/${turn} `);
      await raw.until(new RegExp(`/raw/${turn} $`));
      for (const { name, socket } of clients) {
        const answer = new Promise<string>((resolve) => {
          let got = '';
          const take = (chunk: Buffer): void => {
            got += chunk.toString();
            if (!got.endsWith('for shop.example')) return;
            socket.off('data', take);
            resolve(got);
          };
          socket.on('data', take);
        });
        socket.write(`GET /${name}/${turn} HTTP/1.1\r\nHost: shop.example\r\n\r\n`);
        expect(await answer).toMatch(new RegExp(`GET /${name}/${turn} for`));
      }
    }
    raw.socket.destroy();
    for (const { socket } of clients) socket.destroy();
  });

  it('closes TLS for a name that nobody has, and what is no TLS', async () => {
    const port = edgePort(443);
    const error = await new Promise<string>((resolve) => {
      const socket = connectTls({ port, host: '127.0.0.1', servername: 'other.example' });
      socket.on('error', ({ message }) => resolve(message));
    });
    expect(error).toMatch(/disconnected|ECONNRESET|socket/);
    expect(await rawExchange(port, get('shop.example'))).toBe('');
    expect(lines.some((line) => line.includes('"no_listener"'))).toBe(true);
    expect(lines.some((line) => line.includes('client_hello_not_tls'))).toBe(true);
  });

  it('carries TLS that is not its own by the server name, the ClientHello in pieces', async () => {
    const hello = await new Promise<Buffer>((resolve) => {
      const catcher = createTcpServer((socket) => socket.once('data', resolve));
      void listening(catcher).then((port) => {
        connectTls({ port, host: '127.0.0.1', servername: 'raw.example' }).on(
          'error',
          () => undefined,
        );
      });
    });
    const socket = connect(edgePort(443), '127.0.0.1');
    let got = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      got = Buffer.concat([got, chunk]);
    });
    for (const at of [0, 3, 40, 41]) {
      socket.write(hello.subarray(at, [3, 40, 41, hello.length][[0, 3, 40, 41].indexOf(at)]));
      await new Promise((resolve) => {
        setTimeout(resolve, 20);
      });
    }
    while (got.length < hello.length + 6)
      await new Promise((resolve) => {
        setTimeout(resolve, 5);
      });
    expect(got.toString('latin1')).toBe(`hello ${hello.toString('latin1')}`);
    socket.destroy();
  });

  it('lets a server speak first on a TCP port', async () => {
    const client = rawClient(edgePort(90));
    await client.until(/hello /);
    client.write('ping');
    expect(await client.until(/ping/)).toBe('hello ping');
    client.socket.destroy();
  });
});

describe('a client that goes away before it is known what it speaks', () => {
  const connections = (): number => sidecars.reduce((sum, one) => sum + one.connections, 0);

  it.each([
    ['HTTP', (): number => edgePort(80), ''],
    ['HTTP, half said', (): number => edgePort(80), 'PRI * H'],
    ['TLS', (): number => edgePort(443), ''],
    ['a port of anything', (): number => portOf('service', 1), ''],
    ['an HTTP proxy', (): number => portOf('proxy'), 'GE'],
  ])('%s: leaves its place at once', async (_name, port, said) => {
    const socket = connect({ port: port(), host: '127.0.0.1', allowHalfOpen: true });
    socket.on('error', () => undefined).resume();
    let isClosed = false;
    socket.once('close', () => (isClosed = true));
    socket.end(said);
    await expect.poll(() => isClosed).toBe(true);
    await expect.poll(connections).toBe(0);
  });
});

describe('a sidecar', () => {
  it('stands before its application, and enforces what holds for it', async () => {
    const port = portOf('inbound');
    expect(await rawExchange(port, get('web.test'))).toMatch(/GET \/a for web\.test$/);
    expect(await rawExchange(port, get('web.test', '/secret'))).toMatch(/^HTTP\/1\.1 403[^]*RBAC/);
  });

  it('is an HTTP proxy for its application', async () => {
    const port = portOf('proxy');
    expect(await rawExchange(port, get('web.test', 'http://web.test/p'))).toMatch(
      /GET \/p for web\.test$/,
    );
    expect(await rawExchange(port, get('web.test'))).toMatch(/GET \/a for web\.test$/);
    expect(await rawExchange(port, get('other.test', 'http://web.test/p'))).toMatch(
      /^HTTP\/1\.1 400/,
    );
  });

  it('gives one service a port of its own, by whatever name it is called', async () => {
    const text = await rawExchange(portOf('service'), get(`127.0.0.1:${portOf('service')}`));
    expect(text).toMatch(/GET \/a for web\.test$/);
    const client = rawClient(portOf('service', 1));
    await client.until(/hello /);
    client.write('ping');
    expect(await client.until(/ping/)).toBe('hello ping');
    client.socket.destroy();
  });

  it('opens tunnels, and tells what is spoken in them', async () => {
    const port = portOf('proxy');
    const tunnel = (to: string): string => `CONNECT ${to} HTTP/1.1\r\nHost: ${to}\r\n\r\n`;
    const http = rawClient(port);
    http.write(tunnel('web.test:80') + get('web.test', '/secret'));
    expect(await http.closed).toMatch(
      /^HTTP\/1\.1 200 Connection established\r\n\r\nHTTP\/1\.1 200[^]*GET \/secret for web\.test$/,
    );
    const raw = rawClient(port);
    raw.write(tunnel('db.test:90'));
    await raw.until(/hello /);
    raw.write('ping');
    expect(await raw.until(/ping/)).toMatch(/established\r\n\r\nhello ping$/);
    raw.socket.destroy();
    expect(await rawExchange(port, tunnel('web.test'))).toMatch(/^HTTP\/1\.1 400/);
    const silent = rawClient(port);
    silent.write(tunnel('web.test:80'));
    await silent.until(/established/);
    silent.socket.destroy();
    // Nobody is left behind by a client that goes before it has said anything.
    await vi.waitFor(() => expect(sidecars[1]?.connections).toBe(0));
    expect(await rawExchange(edgePort(80), tunnel('web.test:80'))).toMatch(/^HTTP\/1\.1 404/);
  });
});
