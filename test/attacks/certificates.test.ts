/**
 * Certificates that prove nothing, shown by clients to a proxy and by servers to one: over real sockets, against the mesh
 * mesh.test with the alias alias.test, that is federated with partner.test and trusts nobody of gone.test.
 */
import { X509Certificate, generateKeyPairSync } from 'node:crypto';
import { createServer, connect } from 'node:tls';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createDialer } from '../../node-adapter/pool/dial.ts';
import { GivenSecrets } from '../../node-adapter/secrets.ts';
import { Originator } from '../../node-adapter/tls/originate.ts';
import type { Cluster } from '../../src/model/snapshot.ts';
import { dnsNameOf, uriNames } from '../fixtures/der.ts';
import { trustSettings } from '../fixtures/mesh-proxy.ts';
import { Pki } from '../fixtures/pki.ts';
import type { Issued } from '../fixtures/pki.ts';
import { askTls } from '../fixtures/tls-client.ts';
import { TlsServer } from '../fixtures/tls-server.ts';
import { trustOf } from '../fixtures/trust.ts';

const pki = new Pki();
const root = pki.authority('root');
const stranger = pki.authority('stranger');
const partner = pki.authority('partner');
afterAll(() => pki.remove());

const ID = 'mesh.test/ns/a/sa/api';
const URI = `spiffe://${ID}`;
const names = `URI:${URI}`;
const ADMIN = 'spiffe://mesh.test/ns/a/sa/admin';

const under = (uri: string | Buffer): Issued => root.issue({ san: uriNames(uri) });
/** With the authorities that stand between it and a root. */
const behind = (issued: Issued, ...authorities: readonly { certificate: string }[]): Issued => ({
  ...issued,
  certificate: [issued, ...authorities].map(({ certificate }) => certificate).join(''),
});
const serialOf = ({ certificate }: Issued): string =>
  new X509Certificate(certificate).serialNumber.toLowerCase().replace(/^0+/, '');

const middle = root.subordinate('middle');
const expiredMiddle = root.subordinate('expired-middle', { isExpired: true });
const leafAsAuthority = root.subordinate('leaf-as-authority', { isAuthority: false });
const unsigning = root.subordinate('unsigning', { lacksSigning: true });
const short = root.subordinate('short', { pathLength: 0 });
const tooLong = short.subordinate('too-long');
const elsewhere = root.subordinate('elsewhere', { constraints: ['URI:other.test', ''] });
const excluding = root.subordinate('excluding', { constraints: ['', 'URI:mesh.test'] });
const excludingBelow = root.subordinate('excluding-below', { constraints: ['', 'URI:.test'] });
const allowing = root.subordinate('allowing', { constraints: ['URI:mesh.test', 'URI:other.test'] });
const unknownMiddle = stranger.subordinate('unknown-middle');
const partnerMiddle = partner.subordinate('partner-middle');
const partnerOwn = partner.subordinate('partner-own', { constraints: ['URI:partner.test', ''] });
const partnerNarrow = partner.subordinate('partner-narrow', {
  constraints: ['URI:else.partner.test', ''],
});

const denied = root.issue({ names });
const deniedUnder = (uri: string): Issued => root.issue({ names: `URI:${uri}` });
const rsaKeys = generateKeyPairSync('rsa', { modulusLength: 1024 });
const curveKeys = generateKeyPairSync('ec', { namedCurve: 'secp192k1' });

type Attack = readonly [what: string, make: () => Issued];

const IDENTITIES: readonly Attack[] = [
  ['another trust domain', () => under('spiffe://evil.test/ns/a/sa/api')],
  ['a trust domain below ours', () => under('spiffe://sub.mesh.test/ns/a/sa/api')],
  ['a trust domain that begins like ours', () => under('spiffe://mesh.test.evil.test/ns/a/sa/api')],
  ['a trust domain that ends like ours', () => under('spiffe://evilmesh.test/ns/a/sa/api')],
  ['a domain of which nobody is trusted', () => under('spiffe://gone.test/ns/a/sa/api')],
  ['two identities', () => root.issue({ san: uriNames(URI, ADMIN) })],
  ['the same identity twice', () => root.issue({ san: uriNames(URI, URI) })],
  ['ours behind a foreign one', () => root.issue({ san: uriNames('spiffe://evil.test/x', URI) })],
  ['a URI of another kind beside it', () => root.issue({ san: uriNames(URI, 'https://a.test/') })],
  ['an empty URI beside it', () => root.issue({ san: uriNames(URI, '') })],
  ['a URI with NUL beside it', () => root.issue({ san: uriNames(URI, `${ADMIN}\0`) })],
  ['no URI', () => root.issue({ names: 'DNS:api.test' })],
  ['no name at all', () => root.issue()],
  ['the identity as common name', () => root.issue({ subject: URI, names: 'DNS:api.test' })],
  ['the identity within a DNS name', () => root.issue({ san: dnsNameOf(`a.test, URI:${URI}`) })],
  ['the identity as a DNS name', () => root.issue({ san: dnsNameOf(`URI:${URI}`) })],
  ['the identity as e-mail', () => root.issue({ names: `email:URI:${URI}` })],
  ['names twice', () => root.issue({ names: 'DNS:a.test', secondSan: uriNames(URI) })],
  ['names that end too early', () => root.issue({ san: uriNames(URI).subarray(0, 20) })],
  ['NUL behind it', () => under(`${URI}\0`)],
  ['NUL within the domain', () => under('spiffe://mesh.test\0.evil.test/ns/a/sa/api')],
  ['quotes', () => under('spiffe://mesh.test/ns/a/sa/"api"')],
  ['a comma and URI:', () => under(`${URI}, URI:${ADMIN}`)],
  ['a semicolon', () => under(`${URI};x`)],
  ['a line break', () => under(`${URI}\nURI:${ADMIN}`)],
  ['a blank', () => under(`${URI} `)],
  ['a backslash', () => under(String.raw`spiffe://mesh.test/ns\a\sa\api`)],
  ['capitals in the domain', () => under('spiffe://MESH.test/ns/a/sa/api')],
  ['a scheme in capitals', () => under(`SPIFFE://${ID}`)],
  ['another scheme', () => under(`https://${ID}`)],
  ['no scheme', () => under(ID)],
  ['an encoded letter', () => under('spiffe://mesh.test/ns/a/sa/%61pi')],
  ['an encoded slash', () => under('spiffe://mesh.test/ns/a%2fsa/api')],
  ['a slash at the end', () => under(`${URI}/`)],
  ['two slashes', () => under('spiffe://mesh.test//ns/a/sa/api')],
  ['a dot segment', () => under('spiffe://mesh.test/./ns/a/sa/api')],
  ['a parent segment', () => under('spiffe://mesh.test/ns/a/sa/x/../api')],
  ['a query', () => under(`${URI}?x=1`)],
  ['a fragment', () => under(`${URI}#x`)],
  ['a user', () => under('spiffe://mesh.test@evil.test/ns/a/sa/api')],
  ['a port', () => under('spiffe://mesh.test:443/ns/a/sa/api')],
  ['no path', () => under('spiffe://mesh.test')],
  ['no domain', () => under('spiffe:///ns/a/sa/api')],
  ['letters beyond ASCII', () => under('spiffe://mesh.test/ns/a/sa/äpi')],
  ['a full-width letter', () => under('spiffe://mesh.test/ns/a/sa/api'.replace('p', 'ｐ'))],
  ['a long identity', () => under(`spiffe://mesh.test/${'a'.repeat(2030)}`)],
  ['a long domain', () => under(`spiffe://${'a'.repeat(256)}/ns/a/sa/api`)],
];

const CERTIFICATES: readonly Attack[] = [
  ['expired', () => root.issue({ names, isExpired: true })],
  ['not valid yet', () => root.issue({ names, isEarly: true })],
  ['for servers alone', () => root.issue({ names, usage: 'serverAuth' })],
  ['for clients alone', () => root.issue({ names, usage: 'clientAuth' })],
  ['that of an authority', () => root.issue({ names, isAuthority: true })],
  ['one that may sign certificates', () => root.issue({ names, keyUsage: 0x84 })],
  ['one that may sign revocations', () => root.issue({ names, keyUsage: 0x82 })],
  ['one that may sign nothing', () => root.issue({ names, keyUsage: 0x20 })],
  ['for no named use', () => root.issue({ names, keyUsage: 0 })],
  ['with a short RSA key', () => root.issue({ names, keys: rsaKeys })],
  ['with a key of a small curve', () => root.issue({ names, keys: curveKeys })],
  ['signed with SHA-1', () => root.issue({ names, isSha1: true })],
  ['self-signed', () => stranger.selfSigned(names)],
  ['self-signed under the name of our authority', () => root.selfSigned(names)],
  ['of an unknown authority', () => stranger.issue({ names })],
  ['of an unknown authority that comes along', () => behind(stranger.issue({ names }), stranger)],
  [
    'through an unknown authority',
    () => behind(unknownMiddle.issue({ names }), unknownMiddle, stranger),
  ],
  ['through an authority that is kept back', () => unknownMiddle.issue({ names })],
  ['through an expired authority', () => behind(expiredMiddle.issue({ names }), expiredMiddle)],
  ['signed by a leaf', () => behind(leafAsAuthority.issue({ names }), leafAsAuthority)],
  ['signed by who may sign no certificates', () => behind(unsigning.issue({ names }), unsigning)],
  ['beyond the length of its path', () => behind(tooLong.issue({ names }), tooLong, short)],
  ['outside what its authority may name', () => behind(elsewhere.issue({ names }), elsewhere)],
  ['within what its authority may not name', () => behind(excluding.issue({ names }), excluding)],
  [
    'below what its authority may not name',
    () => behind(excludingBelow.issue({ names }), excludingBelow),
  ],
  ['denied by its serial number', () => denied],
  ['denied by its identity', () => deniedUnder('spiffe://mesh.test/ns/a/sa/gone')],
  ['denied by its identity, under an alias', () => deniedUnder('spiffe://alias.test/ns/a/sa/gone')],
];

const PARTNER = 'URI:spiffe://partner.test/ns/a/sa/api';
const FEDERATION: readonly Attack[] = [
  ['our domain by their authority', () => partner.issue({ names })],
  [
    'our alias by their authority',
    () => partner.issue({ names: 'URI:spiffe://alias.test/ns/a/sa/api' }),
  ],
  [
    'our domain through an authority of theirs',
    () => behind(partnerMiddle.issue({ names }), partnerMiddle, partner),
  ],
  ['our domain by theirs, our root along', () => behind(partner.issue({ names }), root)],
  ['their domain by our authority', () => root.issue({ names: PARTNER })],
  [
    'their domain through an authority of ours',
    () => behind(middle.issue({ names: PARTNER }), middle),
  ],
  [
    'a third domain by their authority',
    () => partner.issue({ names: 'URI:spiffe://third.test/ns/a/sa/api' }),
  ],
  [
    'their domain by an authority that may name others',
    () => behind(partnerNarrow.issue({ names: PARTNER }), partnerNarrow),
  ],
  [
    'their denied identity',
    () => partner.issue({ names: 'URI:spiffe://partner.test/ns/a/sa/gone' }),
  ],
];

const ATTACKS = [...IDENTITIES, ...CERTIFICATES, ...FEDERATION];
const FINE: readonly Attack[] = [
  ['one of a workload', () => root.issue({ names })],
  ['one with names of other types', () => root.issue({ names: `${names},DNS:a.test,IP:10.0.0.1` })],
  ['one with an RSA key', () => root.issue({ names, rsa: true })],
  ['one under an alias', () => root.issue({ names: 'URI:spiffe://alias.test/ns/a/sa/api' })],
  ['one through an authority', () => behind(middle.issue({ names }), middle)],
  ['one through a constrained authority', () => behind(allowing.issue({ names }), allowing)],
  ['one at the end of its path', () => behind(short.issue({ names }), short)],
];
const FINE_FEDERATED: readonly Attack[] = [
  ['one of theirs', () => partner.issue({ names: PARTNER })],
  [
    'one of theirs, through an authority',
    () => behind(partnerMiddle.issue({ names: PARTNER }), partnerMiddle),
  ],
  [
    'one of theirs, through a constrained authority',
    () => behind(partnerOwn.issue({ names: PARTNER }), partnerOwn),
  ],
];

const own = root.issue({ names: 'URI:spiffe://mesh.test/ns/a/sa/proxy' });
const workload = { ...own, authorities: root.certificate };
const mesh = {
  trust: trustSettings(
    { 'mesh.test': [root.certificate], 'partner.test': [partner.certificate], 'gone.test': [] },
    {
      serials: [serialOf(denied)],
      identities: ['mesh.test/ns/a/sa/gone', 'partner.test/ns/a/sa/gone'],
    },
  ),
};

describe('a client shows a proxy', () => {
  let server: TlsServer;
  let port: number;
  beforeAll(async () => {
    const tls = { mode: 'ISTIO_MUTUAL', credentialNames: [] } as const;
    server = new TlsServer({ tls, given: { workload }, mesh });
    port = await server.listen();
  });
  afterAll(() => server.close());
  afterEach(() => {
    server.secured.length = 0;
  });
  const ask = async (make: () => Issued): Promise<string> => {
    const { certificate: cert, key } = make();
    const { text } = await askTls(port, { cert, key, ciphers: 'DEFAULT:@SECLEVEL=0' });
    return text;
  };

  it.each(ATTACKS)('%s: refused', async (_, make) => {
    expect(await ask(make)).toBe('');
    expect(server.secured).toHaveLength(0);
  });

  it.each([...FINE, ...FINE_FEDERATED])('%s: taken', async (_, make) => {
    expect(await ask(make)).toBe('echo:hello');
    expect(server.secured[0]?.principal).toMatch(/^(?:mesh|alias|partner)\.test\/ns\/a\/sa\/api$/);
  });
});

describe('a server shows a proxy', () => {
  const cluster = (subjectAltNames?: readonly string[]): Cluster => ({
    name: 'outbound|443||api.test',
    service: 'api.test',
    port: 443,
    discovery: 'endpoints',
    balancer: 'ROUND_ROBIN',
    tls: { mode: 'ISTIO_MUTUAL', ...(subjectAltNames === undefined ? {} : { subjectAltNames }) },
    connectTimeoutMs: 5000,
    origin: { resource: 'DestinationRule a/b', path: 'spec' },
  });
  const secrets = new GivenSecrets();
  secrets.replace({ workload });
  const trust = trustOf(secrets, mesh);
  const originator = new Originator({ secrets: trust, trust, log: () => undefined });
  afterAll(() => originator.close());

  /** What it says when it is believed. */
  async function call(make: () => Issued, wanted?: readonly string[]): Promise<string> {
    const { certificate: cert, key } = make();
    const server = createServer(
      { cert, key, requestCert: true, rejectUnauthorized: false, ciphers: 'DEFAULT:@SECLEVEL=0' },
      (socket) => socket.on('error', () => undefined).end('hello'),
    );
    server.on('tlsClientError', () => undefined);
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    const { port } = server.address() as AddressInfo;
    const target = { cluster: cluster(wanted), endpoint: undefined, authority: 'api.test' };
    const dial = createDialer({
      host: '127.0.0.1',
      port,
      connectTimeoutMs: 5000,
      tls: () => originator.optionsFor(target),
      mode: 'data',
    });
    const heard = await new Promise<string>((resolve) => {
      const onBytes = (bytes: Buffer, length: number): void =>
        resolve(bytes.toString('latin1', 0, length));
      dial({ onBytes }, { onConnected: () => undefined, onFailed: resolve });
    });
    server.close();
    return heard;
  }

  it.each(ATTACKS)('%s: nothing is sent', async (_, make) => {
    const heard = await call(make);
    expect(['certificate-refused', 'connect-failure']).toContain(heard);
  });

  it.each(FINE)('%s: spoken to', async (_, make) => {
    expect(await call(make)).toBe('hello');
  });

  it.each(FINE_FEDERATED)(
    '%s: spoken to where the service is said to be theirs',
    async (_, make) => {
      expect(await call(make)).toBe('certificate-refused');
      expect(await call(make, ['spiffe://partner.test/ns/a/sa/api'])).toBe('hello');
    },
  );

  it('a certificate without its key: there is no handshake', async () => {
    const { certificate: cert } = root.issue({ names });
    const { key } = root.issue({ names });
    expect(() => connect({ port: 1, cert, key }).destroy()).toThrow(/key values mismatch/);
  });
});
