import { X509Certificate, createHash } from 'node:crypto';
import { connect as connectPlain } from 'node:net';
import { connect } from 'node:tls';
import type { ConnectionOptions } from 'node:tls';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { Pki } from '../../test/fixtures/pki.ts';
import type { Issued } from '../../test/fixtures/pki.ts';
import { askTls, captureHello, inPieces } from '../../test/fixtures/tls-client.ts';
import { TlsServer } from '../../test/fixtures/tls-server.ts';
import type { TlsServerOptions } from '../../test/fixtures/tls-server.ts';
import type { SecretMaterial } from '../secrets.ts';

const pki = new Pki();
const root = pki.authority('root');
const other = pki.authority('other');
const server = root.issue({ names: 'DNS:a.example,DNS:www.a.example' });
const client = root.issue({ names: 'URI:spiffe://mesh.test/ns/a/sa/b,DNS:client.example' });

const servers: TlsServer[] = [];
afterEach(() => {
  for (const one of servers.splice(0)) one.close();
});
afterAll(() => pki.remove());

const materialOf = ({ certificate, key }: Issued, authorities?: string): SecretMaterial => ({
  certificate,
  key,
  ...(authorities === undefined ? {} : { authorities }),
});

const certificates = { 'edge/cert': materialOf(server, root.certificate) };

async function serve(
  tls: Partial<TlsServerOptions['tls']> = {},
  options: Partial<TlsServerOptions> = {},
): Promise<{ readonly port: number; readonly own: TlsServer }> {
  const own = new TlsServer({
    given: certificates,
    ...options,
    tls: { mode: 'SIMPLE', credentialNames: ['edge/cert'], ...tls },
  });
  servers.push(own);
  return { port: await own.listen(), own };
}

const shows = ({ certificate, key }: Issued): { cert: string; key: string } => ({
  cert: certificate,
  key,
});
const sha256 = (bytes: Buffer, encoding: 'hex' | 'base64'): string =>
  createHash('sha256').update(bytes).digest(encoding);

describe('SIMPLE', () => {
  it('ends TLS, tells name and protocol, and names its certificate is for', async () => {
    const { port, own } = await serve();
    const said = await askTls(port, { ca: root.certificate, rejectUnauthorized: true });
    expect(said).toMatchObject({ text: 'echo:hello', version: 'TLSv1.3', alpn: '' });
    expect(own.secured[0]).toMatchObject({
      sni: 'a.example',
      alpn: '',
      mutual: false,
    });
    const isFor = own.secured[0]?.isFor;
    expect(['a.example', 'www.a.example', 'b.example'].map((host) => isFor?.(host))).toEqual([
      true,
      true,
      false,
    ]);
    const old = await askTls(port, { maxVersion: 'TLSv1.2', ALPNProtocols: ['http/1.1'] });
    expect(old).toMatchObject({ text: 'echo:hello', version: 'TLSv1.2', alpn: 'http/1.1' });
    const both = await askTls(port, { ALPNProtocols: ['http/1.1', 'h2'] });
    expect(both.alpn).toBe('h2');
  });

  it('refuses a client that speaks none of its protocols', async () => {
    const { port, own } = await serve();
    expect((await askTls(port, { ALPNProtocols: ['ftp'] })).text).toBe('');
    expect(own.faults).toHaveLength(1);
    const bytes = await serve({}, { protocol: 'TLS' });
    expect(await askTls(bytes.port, { ALPNProtocols: ['ftp'] })).toMatchObject({
      text: 'echo:hello',
      alpn: '',
    });
  });

  it.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'lets go at once of a client that ends in the middle of its handshake, under %s',
    async (maxVersion) => {
      const { port, own } = await serve();
      const socket = connectPlain({ port, host: '127.0.0.1', allowHalfOpen: true });
      socket.on('error', () => undefined).resume();
      socket.write(await captureHello({ servername: 'a.example', maxVersion }));
      await expect.poll(() => own.termination.handshakes).toBe(1);
      socket.end();
      await expect.poll(() => own.termination.handshakes).toBe(0);
      expect(own.faults).toEqual(['closed']);
      await expect.poll(() => socket.closed).toBe(true);
      const hasty = connectPlain({ port, host: '127.0.0.1', allowHalfOpen: true });
      hasty.on('error', () => undefined).resume();
      hasty.end(await captureHello({ servername: 'a.example', maxVersion }));
      await expect.poll(() => hasty.closed).toBe(true);
      expect(own.faults).toEqual(['closed', 'closed']);
      expect(own.termination.handshakes).toBe(0);
    },
  );

  it('answers who says all and ends in one go', async () => {
    const { port, own } = await serve();
    const options = { host: '127.0.0.1', allowHalfOpen: true, rejectUnauthorized: false };
    const socket = connect(port, options as ConnectionOptions);
    socket.on('error', () => undefined);
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
    socket.end('hello');
    await expect.poll(() => text).toBe('echo:hello');
    await expect.poll(() => socket.closed).toBe(true);
    expect(own.faults).toEqual([]);
  });

  it('takes a ClientHello in pieces', async () => {
    const { port } = await serve();
    for (const size of [1, 7, 200]) {
      const pieces = await inPieces(port, size, 1);
      expect((await askTls(pieces, { ALPNProtocols: ['h2'] })).text).toBe('echo:hello');
    }
  });

  it('lets nobody resume a session', async () => {
    const { port } = await serve();
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      const first = await askTls(port, { maxVersion });
      if (first.session === undefined) continue;
      const second = await askTls(port, { maxVersion, session: first.session });
      expect(second).toMatchObject({ text: 'echo:hello', isReused: false });
    }
  });

  it('refuses versions and suites beyond its settings', async () => {
    const new13 = await serve({ minVersion: 'TLSv1.3' });
    expect((await askTls(new13.port, { maxVersion: 'TLSv1.2' })).text).toBe('');
    const old12 = await serve({
      maxVersion: 'TLSv1.2',
      cipherSuites: ['ECDHE-ECDSA-AES256-GCM-SHA384'],
    });
    const cipher = 'ECDHE-ECDSA-AES256-GCM-SHA384';
    expect(await askTls(old12.port)).toMatchObject({ version: 'TLSv1.2', cipher });
    const weaker = { ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' };
    expect((await askTls(old12.port, weaker)).error).toContain('HANDSHAKE_FAILURE');
    const both = await serve({ cipherSuites: ['ECDHE-ECDSA-AES256-GCM-SHA384'] });
    expect((await askTls(both.port)).version).toBe('TLSv1.3');
    expect((await askTls(both.port, { maxVersion: 'TLSv1.2' })).cipher).toBe(cipher);
    const old = {
      minVersion: 'TLSv1.1',
      maxVersion: 'TLSv1.1',
      ciphers: 'DEFAULT:@SECLEVEL=0',
    } as const;
    expect((await askTls((await serve()).port, old)).text).toBe('');
    const ancient = await serve({ minVersion: 'TLSv1' });
    expect((await askTls(ancient.port, old)).text).toBe('echo:hello');
  });

  it('chooses among certificates by name and by type of key', async () => {
    const given = {
      'edge/a': materialOf(root.issue({ names: 'DNS:a.example' })),
      'edge/wild': materialOf(root.issue({ names: 'DNS:*.wild.example' })),
      'edge/x': materialOf(root.issue({ names: 'DNS:x.wild.example' })),
      'edge/rsa': materialOf(root.issue({ names: 'DNS:a.example', rsa: true })),
    };
    const { port } = await serve({ credentialNames: Object.keys(given) }, { given });
    const shown = async (servername: string): Promise<string> =>
      (await askTls(port, { servername })).certificate;
    expect(await shown('a.example')).toBe('DNS:a.example');
    expect(await shown('y.wild.example')).toBe('DNS:*.wild.example');
    expect(await shown('x.wild.example')).toBe('DNS:x.wild.example');
    expect(await shown('nobody.example')).toBe('DNS:a.example');
    const types = ['ECDSA', 'RSA'].map((type) =>
      askTls(port, { maxVersion: 'TLSv1.2', ciphers: `ECDHE-${type}-AES128-GCM-SHA256` }),
    );
    expect((await Promise.all(types)).map(({ cipher }) => cipher)).toEqual([
      'ECDHE-ECDSA-AES128-GCM-SHA256',
      'ECDHE-RSA-AES128-GCM-SHA256',
    ]);
  });

  it('takes nobody without a certificate, and says so once', async () => {
    const { port, own } = await serve({}, { given: {} });
    await askTls(port);
    await askTls(port);
    expect(own.faults).toEqual(['no-secret', 'no-secret']);
    expect(own.log.filter((line) => line.includes('edge/cert has no certificate'))).toHaveLength(3);
    own.secrets.replace(certificates);
    expect((await askTls(port)).text).toBe('echo:hello');
  });
});

describe('MUTUAL', () => {
  it('takes a certificate of its authorities, and tells whose it is', async () => {
    const { port, own } = await serve({ mode: 'MUTUAL' });
    expect((await askTls(port, shows(client))).text).toBe('echo:hello');
    expect(own.secured[0]).toMatchObject({ mutual: true, principal: 'mesh.test/ns/a/sa/b' });
    expect(own.secured[0]?.certificate?.der).toEqual(new X509Certificate(client.certificate).raw);
  });

  it('refuses none, another authority, an expired one, one for servers', async () => {
    const { port, own } = await serve({ mode: 'MUTUAL' });
    const refused = [
      {},
      shows(other.issue({ names: 'URI:spiffe://mesh.test/ns/a/sa/b' })),
      shows(root.issue({ isExpired: true })),
      shows(root.issue({ usage: 'serverAuth' })),
    ];
    for (const options of refused) {
      expect((await askTls(port, options)).text).toBe('');
      expect((await askTls(port, { ...options, maxVersion: 'TLSv1.2' })).text).toBe('');
    }
    await vi.waitFor(() => expect(own.faults).toHaveLength(8));
    expect(own.secured).toHaveLength(0);
    expect(own.faults.filter((reason) => reason === 'refused-certificate')).toHaveLength(6);
  });

  it('holds certificates by the authorities that the listener names', async () => {
    const given = { ...certificates, 'edge/clients': { authorities: other.certificate } };
    const theirs = shows(other.issue());
    const named = await serve({ mode: 'MUTUAL', authorityName: 'edge/clients' }, { given });
    expect((await askTls(named.port, theirs)).text).toBe('echo:hello');
    expect((await askTls(named.port, shows(client))).text).toBe('');
    const inline = await serve({ mode: 'MUTUAL', clientAuthorities: [other.certificate] });
    expect((await askTls(inline.port, theirs)).text).toBe('echo:hello');
    const none = await serve({ mode: 'MUTUAL', authorityName: 'edge/nobody' }, { given });
    expect((await askTls(none.port, theirs)).text).toBe('');
    expect(none.own.faults).toEqual(['no-secret']);
    const beside = {
      'edge/cert': materialOf(server),
      'edge/cert-cacert': { authorities: other.certificate },
    };
    const pair = await serve({ mode: 'MUTUAL' }, { given: beside });
    expect((await askTls(pair.port, theirs)).text).toBe('echo:hello');
  });

  it('wants names and pins', async () => {
    const { raw, publicKey } = new X509Certificate(client.certificate);
    const spki = sha256(publicKey.export({ type: 'spki', format: 'der' }), 'base64');
    const hash = sha256(raw, 'hex')
      .toUpperCase()
      .replaceAll(/(..)(?=.)/g, '$1:');
    const wrong = sha256(Buffer.from('x'), 'hex');
    const cases: readonly (readonly [Partial<TlsServerOptions['tls']>, string])[] = [
      [{ subjectAltNames: ['x', 'spiffe://mesh.test/ns/a/sa/b'] }, 'echo:hello'],
      [{ subjectAltNames: ['client.example'] }, 'echo:hello'],
      [{ subjectAltNames: ['spiffe://mesh.test/ns/a/sa'] }, ''],
      [{ verifyCertificateSpki: [spki] }, 'echo:hello'],
      [{ verifyCertificateHash: [wrong, hash] }, 'echo:hello'],
      [{ verifyCertificateHash: [wrong], verifyCertificateSpki: [spki] }, 'echo:hello'],
      [{ verifyCertificateHash: [wrong] }, ''],
      [{ verifyCertificateSpki: [sha256(Buffer.from('x'), 'base64')] }, ''],
      [{ verifyCertificateSpki: [spki], subjectAltNames: ['x'] }, ''],
    ];
    for (const [tls, text] of cases) {
      const { port } = await serve({ mode: 'MUTUAL', ...tls });
      expect((await askTls(port, shows(client))).text, JSON.stringify(tls)).toBe(text);
    }
  });

  it('refuses what is revoked', async () => {
    const revoked = root.issue();
    const given = { 'edge/cert': { ...certificates['edge/cert'], revoked: root.revoke(revoked) } };
    const { port } = await serve({ mode: 'MUTUAL' }, { given });
    expect((await askTls(port, shows(revoked))).text).toBe('');
    expect((await askTls(port, shows(client))).text).toBe('echo:hello');
  });

  it('gives no principal by an authority that is not the mesh’s', async () => {
    const mesh = { ...materialOf(server), authorities: other.certificate };
    const given = { ...certificates, workload: mesh };
    const { port, own } = await serve({ mode: 'MUTUAL' }, { given });
    expect((await askTls(port, shows(client))).text).toBe('echo:hello');
    expect(own.secured[0]).toMatchObject({ mutual: true });
    expect(own.secured[0]?.principal).toBeUndefined();
    own.secrets.replace({ ...certificates, workload: { ...mesh, authorities: root.certificate } });
    await askTls(port, shows(client));
    expect(own.secured[1]?.principal).toBe('mesh.test/ns/a/sa/b');
  });

  it('gives no principal of another trust domain where nobody named authorities', async () => {
    const foreign = root.issue({ names: 'URI:spiffe://evil.test/ns/a/sa/b' });
    const { port, own } = await serve({ mode: 'MUTUAL' });
    expect((await askTls(port, shows(foreign))).text).toBe('echo:hello');
    expect(own.secured[0]?.principal).toBeUndefined();
  });

  it('gives no principal to a certificate with two identities', async () => {
    const two = root.issue({ names: 'URI:spiffe://mesh.test/ns/a/sa/b,URI:spiffe://mesh.test/x' });
    const { port, own } = await serve({ mode: 'MUTUAL' });
    expect((await askTls(port, shows(two))).text).toBe('echo:hello');
    expect(own.secured[0]?.mutual).toBe(true);
    expect(own.secured[0]?.principal).toBeUndefined();
  });
});

describe('OPTIONAL_MUTUAL', () => {
  it('takes none, and refuses one that proves nothing', async () => {
    const { port, own } = await serve({ mode: 'OPTIONAL_MUTUAL' });
    const stranger = shows(other.issue({ names: 'URI:spiffe://mesh.test/ns/a/sa/b' }));
    expect((await askTls(port)).text).toBe('echo:hello');
    expect((await askTls(port, shows(client))).text).toBe('echo:hello');
    expect((await askTls(port, stranger)).text).toBe('');
    expect(own.secured.map(({ mutual, principal }) => [mutual, principal])).toEqual([
      [false, undefined],
      [true, 'mesh.test/ns/a/sa/b'],
    ]);
    const lenient = await serve({ mode: 'OPTIONAL_MUTUAL', takesUnverified: true });
    expect((await askTls(lenient.port, stranger)).text).toBe('echo:hello');
    expect(lenient.own.secured[0]).toMatchObject({ mutual: false });
    expect(lenient.own.secured[0]?.principal).toBeUndefined();
  });
});

describe('ISTIO_MUTUAL', () => {
  const given = { workload: materialOf(server, root.certificate) };

  it('serves the mesh by its certificate, with TLS 1.3', async () => {
    const { port, own } = await serve({ mode: 'ISTIO_MUTUAL', credentialNames: [] }, { given });
    const mine = shows(client);
    expect((await askTls(port, { ...mine, ALPNProtocols: ['istio', 'h2'] })).alpn).toBe('h2');
    expect((await askTls(port, { ...mine, ALPNProtocols: ['istio'] })).text).toBe('echo:hello');
    expect((await askTls(port, { ...mine, servername: '' })).text).toBe('echo:hello');
    expect(own.secured.map(({ principal }) => principal)).toEqual(
      Array.from({ length: 3 }, () => 'mesh.test/ns/a/sa/b'),
    );
    expect((await askTls(port, { ...mine, maxVersion: 'TLSv1.2' })).text).toBe('');
    expect((await askTls(port)).text).toBe('');
  });

  it('leaves TLS of applications alone where both come', () => {
    const own = new TlsServer({ tls: { mode: 'SIMPLE', credentialNames: [] }, given });
    servers.push(own);
    const { tls: _, ...plain } = own.listener;
    const inbound = { ...plain, direction: 'inbound', protocol: 'TCP' } as const;
    const hello = (...alpn: string[]) => ({ sni: '', alpn, version: 0x0304 });
    expect(own.termination.terminates(inbound, hello())).toBe(false);
    expect(own.termination.terminates(inbound, hello('istio'))).toBe(true);
    expect(own.termination.terminates({ ...inbound, mtls: 'STRICT' }, hello())).toBe(true);
    expect(own.termination.terminates({ ...inbound, mtls: 'DISABLE' }, hello('istio'))).toBe(false);
    expect(own.termination.terminates({ ...inbound, protocol: 'HTTP' }, hello())).toBe(true);
    expect(own.termination.terminates({ ...plain, protocol: 'TCP' })).toBe(false);
    const passed = { mode: 'PASSTHROUGH', credentialNames: [] } as const;
    expect(own.termination.terminates({ ...plain, tls: passed })).toBe(false);
  });
});

describe('secrets that change', () => {
  it('come in force for new connections, and cut none', async () => {
    const { port, own } = await serve();
    const living = connect({
      port,
      host: '127.0.0.1',
      ca: root.certificate,
      servername: 'a.example',
    });
    await new Promise((resolve) => living.once('secureConnect', resolve));
    own.secrets.replace({ 'edge/cert': materialOf(other.issue({ names: 'DNS:new.example' })) });
    expect((await askTls(port)).certificate).toBe('DNS:new.example');
    const answer = new Promise<string>((resolve) => {
      living.once('data', (chunk: Buffer) => resolve(chunk.toString()));
    });
    living.write('still here');
    expect(await answer).toBe('echo:still here');
    living.destroy();
    own.secrets.replace({ 'edge/cert': { certificate: 'x', key: 'y' } });
    expect((await askTls(port)).certificate).toBe('DNS:new.example');
    expect(own.log.at(-1)).toContain('the last one stays');
    expect(JSON.parse(own.log.at(-1) ?? '')).toMatchObject({ credential: 'edge/cert' });
    own.secrets.replace({});
    expect((await askTls(port)).text).toBe('');
  });

  it('take trust away', async () => {
    const { port, own } = await serve({ mode: 'MUTUAL' });
    expect((await askTls(port, shows(client))).text).toBe('echo:hello');
    own.secrets.replace({ 'edge/cert': materialOf(server, other.certificate) });
    expect((await askTls(port, shows(client))).text).toBe('');
  });
});

describe('handshakes', () => {
  /** A whole ClientHello, and then silence. */
  async function helloOnly(port: number): Promise<{ readonly closed: Promise<void> }> {
    const hello = await captureHello({ servername: 'a.example' });
    const socket = connectPlain(port, '127.0.0.1', () => socket.write(hello));
    socket.on('error', () => undefined).resume();
    return { closed: new Promise((resolve) => socket.once('close', () => resolve())) };
  }

  it('have their time', async () => {
    const { port, own } = await serve({}, { handshakeTimeoutMs: 100 });
    await (
      await helloOnly(port)
    ).closed;
    await vi.waitFor(() => expect(own.faults).toEqual(['timeout']));
    expect(own.termination.handshakes).toBe(0);
  });

  it('are bounded', async () => {
    const { port, own } = await serve({}, { handshakeTimeoutMs: 1000, maxHandshakes: 2 });
    const [first, second] = [await helloOnly(port), await helloOnly(port)];
    await vi.waitFor(() => expect(own.termination.handshakes).toBe(2));
    expect((await askTls(port)).text).toBe('');
    expect(own.faults).toEqual(['overload']);
    await Promise.all([first.closed, second.closed]);
    expect((await askTls(port)).text).toBe('echo:hello');
  });

  it('end where a client goes away', async () => {
    const { port, own } = await serve();
    const hello = await captureHello({});
    const socket = connectPlain(port, '127.0.0.1', () => socket.write(hello));
    await vi.waitFor(() => expect(own.termination.handshakes).toBe(1));
    socket.resetAndDestroy();
    await vi.waitFor(() => expect(own.faults).toHaveLength(1));
    expect(own.termination.handshakes).toBe(0);
  });

  it('end where a client speaks nonsense', async () => {
    const { port, own } = await serve();
    const hello = await captureHello({});
    // Only suites that nobody has.
    const at = 5 + 4 + 2 + 32 + 1 + (hello[5 + 4 + 2 + 32] as number) + 2;
    hello.fill(0xee, at, at + hello.readUInt16BE(at - 2));
    const socket = connectPlain(port, '127.0.0.1', () => socket.write(hello));
    socket.on('error', () => undefined).resume();
    await new Promise((resolve) => socket.once('close', resolve));
    await vi.waitFor(() => expect(own.faults).toEqual(['ERR_SSL_NO_SHARED_CIPHER']));
    expect(own.log.at(-1)).toContain('tls_handshake_ERR_SSL_NO_SHARED_CIPHER');
  });
});
