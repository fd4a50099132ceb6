import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer } from 'node:tls';
import type { Server, TlsOptions } from 'node:tls';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { Pki } from '../../test/fixtures/pki.ts';
import { trustOf } from '../../test/fixtures/trust.ts';
import type { Issued } from '../../test/fixtures/pki.ts';
import type { Cluster, Endpoint } from '../../src/model/snapshot.ts';
import { createDialer } from '../pool/dial.ts';
import type { SecretMaterial } from '../secrets.ts';
import { GivenSecrets } from '../secrets.ts';
import { SecretFault } from './contexts.ts';
import { Originator } from './originate.ts';
import type { MeshTrust } from './trust.ts';

const pki = new Pki();
const root = pki.authority('root');
const other = pki.authority('other');
const api = root.issue({ names: 'DNS:api.example,IP:127.0.0.1' });
const workload = root.issue({ names: 'URI:spiffe://mesh.test/ns/a/sa/caller' });

const servers: Server[] = [];
afterEach(() => {
  for (const one of servers.splice(0)) one.close();
});
afterAll(() => pki.remove());

interface Heard {
  readonly port: number;
  /** Server name, protocol and certificate of each client. */
  readonly clients: { sni: string; alpn: string; shown: string }[];
}

async function serve({ certificate, key }: Issued, options: TlsOptions = {}): Promise<Heard> {
  const clients: Heard['clients'] = [];
  const server = createServer({
    cert: certificate,
    key,
    ALPNProtocols: ['h2', 'http/1.1'],
    ...options,
  });
  server.on('secureConnection', (socket) => {
    const sni = (socket as unknown as { servername: string | false }).servername;
    clients.push({
      sni: sni === false ? '' : sni,
      alpn: String(socket.alpnProtocol),
      shown: socket.getPeerX509Certificate()?.subjectAltName ?? '',
    });
    socket.on('error', () => undefined).end('hello');
  });
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { port: (server.address() as AddressInfo).port, clients };
}

const clusterOf = (tls: Cluster['tls'], fields: Partial<Cluster> = {}): Cluster => ({
  name: 'outbound|443||api.example',
  service: 'api.example',
  port: 443,
  discovery: 'endpoints',
  balancer: 'ROUND_ROBIN',
  ...(tls === undefined ? {} : { tls }),
  connectTimeoutMs: 2000,
  origin: { resource: 'DestinationRule a/b', path: 'spec' },
  ...fields,
});

class Caller {
  readonly secrets: GivenSecrets = new GivenSecrets();
  readonly trust: MeshTrust = trustOf(this.secrets);
  readonly log: string[] = [];
  readonly originator: Originator = new Originator({
    secrets: this.trust,
    trust: this.trust,
    log: (line) => this.log.push(line),
  });

  constructor(given: Readonly<Record<string, SecretMaterial>> = {}) {
    this.secrets.replace(given);
  }

  /** What the server says, or why there is nobody. */
  call(port: number, cluster: Cluster, options: Partial<Endpoint> = {}): Promise<string> {
    const endpoint = { address: '127.0.0.1', port, weight: 1, healthy: true, ...options };
    const dial = createDialer({
      host: '127.0.0.1',
      port,
      connectTimeoutMs: 2000,
      tls: () => this.originator.optionsFor({ cluster, endpoint, authority: 'api.example' }),
      mode: 'data',
    });
    return new Promise((resolve) => {
      dial(
        { onBytes: (bytes, length) => resolve(bytes.toString('latin1', 0, length)) },
        {
          onConnected: (socket) => socket.on('close', () => resolve('closed')),
          onFailed: resolve,
        },
      );
    });
  }
}

const authorities = [root.certificate];

describe('SIMPLE', () => {
  it('verifies by the given authorities and the name of the service', async () => {
    const { port, clients } = await serve(api);
    const caller = new Caller();
    expect(await caller.call(port, clusterOf({ mode: 'SIMPLE', authorities }))).toBe('hello');
    expect(clients).toEqual([{ sni: 'api.example', alpn: 'http/1.1', shown: '' }]);
    const stranger = clusterOf({ mode: 'SIMPLE', authorities: [other.certificate] });
    expect(await caller.call(port, stranger)).toBe('certificate-refused');
    // Nobody's system knows this authority.
    expect(await caller.call(port, clusterOf({ mode: 'SIMPLE' }))).toBe('certificate-refused');
    const elsewhere = clusterOf({ mode: 'SIMPLE', authorities }, { service: 'b.example' });
    expect(await caller.call(port, elsewhere)).toBe('certificate-refused');
    const expired = await serve(root.issue({ names: 'DNS:api.example', isExpired: true }));
    expect(await caller.call(expired.port, clusterOf({ mode: 'SIMPLE', authorities }))).toBe(
      'certificate-refused',
    );
  });

  it('goes by server name and listed names', async () => {
    const { port, clients } = await serve(api);
    const caller = new Caller();
    const call = (tls: Partial<NonNullable<Cluster['tls']>>): Promise<string> =>
      caller.call(port, clusterOf({ mode: 'SIMPLE', authorities, ...tls }));
    expect(await call({ sni: 'other.example' })).toBe('certificate-refused');
    expect(await call({ sni: 'other.example', subjectAltNames: ['api.example'] })).toBe('hello');
    expect(clients.at(-1)?.sni).toBe('other.example');
    expect(await call({ subjectAltNames: ['127.0.0.1'] })).toBe('hello');
    expect(await call({ subjectAltNames: ['example', 'spiffe://x/y'] })).toBe(
      'certificate-refused',
    );
  });

  it('asks an address without a name', async () => {
    const { port, clients } = await serve(api);
    const { originator } = new Caller();
    const cluster = clusterOf({ mode: 'SIMPLE', authorities }, { discovery: 'original' });
    const target = { cluster, endpoint: undefined, authority: `127.0.0.1:${port}` };
    const options = originator.optionsFor(target) ?? {};
    const socket = connect({ port, host: '127.0.0.1', ...options });
    await once(socket, 'secureConnect');
    await vi.waitFor(() => expect(clients[0]?.sni).toBe(''));
    socket.destroy();
  });

  it('believes anybody only where it is told to', async () => {
    const { port } = await serve(other.issue());
    const blind = clusterOf({ mode: 'SIMPLE', insecureSkipVerify: true });
    expect(await new Caller().call(port, blind)).toBe('hello');
  });

  it('speaks HTTP/2 where the cluster does, and nothing by name where bytes are carried', async () => {
    const { port, clients } = await serve(api);
    const cluster = clusterOf({ mode: 'SIMPLE', authorities }, { protocol: 'http2' });
    expect(await new Caller().call(port, cluster)).toBe('hello');
    expect(clients[0]?.alpn).toBe('h2');
    const target = { cluster, endpoint: undefined, authority: 'a', carries: 'bytes' } as const;
    expect(new Caller().originator.optionsFor(target)?.ALPNProtocols).toEqual([]);
    expect(new Caller().originator.optionsFor({ ...target, cluster: clusterOf(undefined) })).toBe(
      undefined,
    );
  });

  it('speaks no HTTP/2 to who has not agreed to it', async () => {
    const cluster = clusterOf({ mode: 'SIMPLE', authorities }, { protocol: 'http2' });
    const silent = await serve(api, { ALPNProtocols: [] });
    expect(await new Caller().call(silent.port, cluster)).toBe('alpn-mismatch');
    const older = await serve(api, { ALPNProtocols: ['http/1.1'] });
    expect(await new Caller().call(older.port, cluster)).toBe('connect-failure');
    const http1 = clusterOf({ mode: 'SIMPLE', authorities });
    expect(await new Caller().call(silent.port, http1)).toBe('hello');
  });
});

describe('MUTUAL', () => {
  const asking = { requestCert: true, ca: root.certificate };
  const client = root.issue({ names: 'DNS:client.example' });
  const given = { 'a/client': { ...toMaterial(client), authorities: root.certificate } };

  it('shows its certificate, and the next one after it changed', async () => {
    const { port, clients } = await serve(api, asking);
    const caller = new Caller(given);
    const cluster = clusterOf({ mode: 'MUTUAL', credentialName: 'a/client' });
    expect(await caller.call(port, cluster)).toBe('hello');
    const next = root.issue({ names: 'DNS:next.example' });
    caller.secrets.replace({ 'a/client': { ...toMaterial(next), authorities: root.certificate } });
    expect(await caller.call(port, cluster)).toBe('hello');
    expect(clients.map(({ shown }) => shown)).toEqual(['DNS:client.example', 'DNS:next.example']);
  });

  it('fails without its secret, and says so once', async () => {
    const { port } = await serve(api, { ...asking, rejectUnauthorized: false });
    const caller = new Caller();
    const cluster = clusterOf({ mode: 'MUTUAL', credentialName: 'a/client', authorities });
    expect(await caller.call(port, cluster)).toBe('tls-unavailable');
    expect(await caller.call(port, cluster)).toBe('tls-unavailable');
    expect(caller.log).toHaveLength(1);
    expect(caller.log[0]).toContain('a/client is missing');
    const target = { cluster, endpoint: undefined, authority: 'a' };
    expect(() => caller.originator.optionsFor(target)).toThrow(SecretFault);
    caller.secrets.replace({ 'a/client': { certificate: 'x', key: 'y' } });
    expect(() => caller.originator.optionsFor(target)).toThrow(SecretFault);
    caller.secrets.replace(given);
    expect(await caller.call(port, cluster)).toBe('hello');
  });

  it('refuses a server whose certificate is revoked', async () => {
    const { port } = await serve(api);
    const revoked = { 'a/ca': { authorities: root.certificate, revoked: root.revoke(api) } };
    const cluster = clusterOf({ mode: 'SIMPLE', credentialName: 'a/ca' });
    expect(await new Caller(revoked).call(port, cluster)).toBe('certificate-refused');
    const empty = { 'a/ca': { authorities: root.certificate, revoked: root.revoke() } };
    expect(await new Caller(empty).call(port, cluster)).toBe('hello');
  });
});

describe('ISTIO_MUTUAL', () => {
  const cluster = clusterOf({ mode: 'ISTIO_MUTUAL' }, { subset: 'v1' });
  const given = { workload: { ...toMaterial(workload), authorities: root.certificate } };
  const asking = { requestCert: true, rejectUnauthorized: true, ca: root.certificate };
  const identity = 'mesh.test/ns/a/sa/api';

  it('speaks HTTP/2 to proxies that agree to the name of the mesh alone', async () => {
    const server = root.issue({ names: `URI:spiffe://${identity}` });
    const http2 = { ...cluster, protocol: 'http2' } as const;
    for (const [protocols, heard] of [
      [['istio'], 'hello'],
      [['h2'], 'hello'],
      [[], 'alpn-mismatch'],
    ] as const) {
      const { port } = await serve(server, { ...asking, ALPNProtocols: [...protocols] });
      expect(await new Caller(given).call(port, http2)).toBe(heard);
    }
  });

  it('shows who it is, and wants the endpoint to be whom it should be', async () => {
    const server = root.issue({ names: `URI:spiffe://${identity}` });
    const { port, clients } = await serve(server, asking);
    const caller = new Caller(given);
    expect(await caller.call(port, cluster, { identity })).toBe('hello');
    expect(clients).toEqual([
      {
        sni: 'outbound_.443_.v1_.api.example',
        alpn: 'http/1.1',
        shown: 'URI:spiffe://mesh.test/ns/a/sa/caller',
      },
    ]);
    expect(await caller.call(port, cluster)).toBe('hello');
    const moved = { identity: 'alias.test/ns/a/sa/api' };
    expect(await caller.call(port, cluster, moved)).toBe('hello');
    const another = { identity: 'mesh.test/ns/a/sa/ap' };
    expect(await caller.call(port, cluster, another)).toBe('certificate-refused');
    const listed = clusterOf({ mode: 'ISTIO_MUTUAL', subjectAltNames: ['spiffe://mesh.test/x'] });
    expect(await caller.call(port, listed, { identity })).toBe('certificate-refused');
  });

  it.each([
    ['another trust domain', `URI:spiffe://evil.test/ns/a/sa/api`],
    ['two identities', `URI:spiffe://${identity},URI:spiffe://mesh.test/x`],
    ['a name alone', 'DNS:api.example'],
  ])('refuses %s', async (_, names) => {
    const { port } = await serve(root.issue({ names }), asking);
    expect(await new Caller(given).call(port, cluster, { identity })).toBe('certificate-refused');
    expect(await new Caller(given).call(port, cluster)).toBe('certificate-refused');
  });

  it('goes nowhere without a certificate of the mesh, nor with insecureSkipVerify', async () => {
    const { port } = await serve(other.issue({ names: `URI:spiffe://${identity}` }));
    expect(await new Caller().call(port, cluster)).toBe('tls-unavailable');
    const blind = clusterOf({ mode: 'ISTIO_MUTUAL', insecureSkipVerify: true });
    expect(await new Caller(given).call(port, blind, { identity })).toBe('certificate-refused');
  });
});

it('makes one context for all connections of one kind', async () => {
  const { originator } = new Caller();
  const of = (name: string): unknown =>
    originator.optionsFor({
      cluster: clusterOf({ mode: 'SIMPLE', authorities }, { name }),
      endpoint: undefined,
      authority: name,
    })?.secureContext;
  await vi.waitFor(() => expect(of('a')).toBe(of('b')));
});

function toMaterial({ certificate, key }: Issued): SecretMaterial {
  return { certificate, key };
}
