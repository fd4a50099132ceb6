/**
 * Who wants an identity that isn't theirs, from the authority itself: requests of every wrong kind. What is refused changes
 * nothing, and the honest one behind it still gets what is theirs.
 */
import { CompactEncrypt, CompactSign, importJWK } from 'jose';
import type { JWK } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { DENIED_IDENTITY_PREFIX, DENIED_SERIAL_PREFIX } from '../../control/identity/records.ts';
import { x509 } from '../../control/identity/x509.ts';
import { AuthorityClient } from '../../node-adapter/identity/authority-client.ts';
import type { WorkloadCertificate } from '../../node-adapter/identity/certificate.ts';
import { DOMAIN } from '../fixtures/authority.ts';
import { IDENTITY, joiningOf, startJoinServer } from '../fixtures/joining.ts';
import type { JoinServer } from '../fixtures/joining.ts';
import {
  certify,
  der64,
  encrypt,
  joinKeyOf,
  keyPair,
  post,
  requestFor,
  signerOf,
} from './join-parts.ts';
import type { Answered, Made } from './join-parts.ts';

const JOIN = '/v1/identity/join';
const RENEW = '/v1/identity/renew';
const NONCE = 'a-nonce-of-enough-length';
const OPAQUE = 'no certificate is given for this; the log of the control plane says why';
const HOUR_MS = 3_600_000;

let server: JoinServer;
let key: JWK;
let csr: string;
let sources = 0;
beforeAll(async () => {
  server = await startJoinServer();
  key = await joinKeyOf(server);
  csr = await requestFor(await keyPair());
});
afterAll(() => server.close());
beforeEach(() => {
  server.clock.offsetMs = 0;
  // Each from an address of its own: no case is refused for the one before.
  server.source = `10.9.${(sources >> 8) & 255}.${sources++ & 255}`;
});

const client = (): AuthorityClient =>
  new AuthorityClient({ url: server.url, nowMs: () => Date.now() + server.clock.offsetMs });

async function issued(): Promise<number> {
  return (await server.authority.store.list('!issued/')).records.length;
}

/** Refused, with nothing issued. */
async function refuses(work: () => Promise<Answered>): Promise<Answered> {
  const before = await issued();
  const answered = await work();
  expect(answered.status).toBeGreaterThanOrEqual(400);
  expect(answered.status).toBeLessThan(500);
  expect(await issued()).toBe(before);
  return answered;
}

const joinWith = async (request: unknown, header?: object): Promise<Answered> =>
  post(server.url, JOIN, { jwe: await encrypt(key, request, header) });

const lastLine = (): string => server.log.at(-1) ?? '';

describe('join tokens', () => {
  const forged: readonly (readonly [string, (token: string) => string])[] = [
    ['an id that nobody made', (t) => t.replace(/_[0-9a-f]{16}_/, '_0123456789abcdef_')],
    ['another secret', (t) => t.replace(/_[0-9a-f]{48}_/, `_${'ab'.repeat(24)}_`)],
    ['a secret with one digit changed', (t) => t.replace(/.(_[0-9a-f]{64}_)/, 'g$1')],
    ['another root', (t) => t.replace(/_[0-9a-f]{64}_/, `_${'cd'.repeat(32)}_`)],
    ['another identity', (t) => t.replace('/sa/cart', '/sa/admin')],
    ['another namespace', (t) => t.replace('/ns/shop', '/ns/istio-system')],
    ['another trust domain', (t) => t.replace(DOMAIN, 'other.test')],
    ['a path that climbs', (t) => `${t}/../admin`],
    ['upper case', (t) => t.toUpperCase()],
    ['a space behind', (t) => `${t} `],
    ['a NUL behind', (t) => `${t}\0`],
    ['half of it', (t) => t.slice(0, t.length / 2)],
    ['its hash in its place', (t) => t.replace(/^latjoin_/, '!join-token/')],
    ['a bearer token', () => `lat_0123456789abcdef_${'0'.repeat(48)}`],
    ['a key of the store', () => '!join-token/0123456789abcdef'],
    ['nothing', () => ''],
    ['a very long one', (t) => t + 'x'.repeat(10_000)],
  ];
  it.each(forged)('%s is refused and says nothing', async (_, forge) => {
    const token = await server.token();
    const { detail, text } = await refuses(() =>
      joinWith({ nonce: NONCE, csr, token: forge(token) }),
    );
    expect(detail).toBe(OPAQUE);
    expect(text + lastLine()).not.toContain(token.split('_')[2]);
    // The token itself is as good as before.
    expect((await client().join(joiningOf(token))).identity).toBe(IDENTITY);
  });

  it('one that has expired is refused, with a remedy for who holds it', async () => {
    const token = await server.token({ ttlMs: 60_000 });
    server.clock.offsetMs = 60_000;
    const { detail } = await refuses(() => joinWith({ nonce: NONCE, csr, token }));
    expect(detail).toMatch(/has expired: make another with `lateen join-token create`/);
  });

  it('one that was used is refused, and its holder told', async () => {
    const token = await server.token();
    await client().join(joiningOf(token));
    const { detail } = await refuses(() => joinWith({ nonce: NONCE, csr, token }));
    expect(detail).toMatch(/was used already: if it wasn't you, deny the identity/);
  });

  it('one that was revoked is refused', async () => {
    const token = await server.token();
    await server.joining.tokens.revoke(token.split('_')[1] ?? '', 'test');
    await refuses(() => joinWith({ nonce: NONCE, csr, token }));
  });

  it.each([2, 8, 20])('of %i at the same time exactly one wins', async (count) => {
    const token = await server.token();
    const before = await issued();
    const all = await Promise.allSettled(
      Array.from({ length: count }, (_, i) => {
        server.source = `10.8.${count}.${i}`;
        return client().join(joiningOf(token));
      }),
    );
    expect(all.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(await issued()).toBe(before + 1);
  });

  it.each([
    ['10.1.0.0/16', '10.2.0.1'],
    ['10.1.0.0/16', '::ffff:10.2.0.1'],
    ['10.1.2.3', '10.1.2.4'],
    ['10.1.0.0/16', '2001:db8::1'],
    ['2001:db8::/64', '2001:db8:0:1::1'],
    ['2001:db8::/64', '10.1.0.1'],
    ['10.1.0.0/16', 'unknown'],
    ['0.0.0.0/0', '2001:db8::1'],
  ])('one for %s does not work from %s', async (cidr, source) => {
    const token = await server.token({ cidr });
    server.source = source;
    const { detail } = await refuses(() => joinWith({ nonce: NONCE, csr, token }));
    expect(detail).toContain(`may not be used from ${source}`);
  });

  it.each([
    ['10.1.0.0/16', '10.1.255.1'],
    ['10.1.0.0/16', '::ffff:10.1.0.9'],
    ['2001:db8::/64', '2001:db8::42'],
  ])('one for %s works from %s', async (cidr, source) => {
    const token = await server.token({ cidr });
    server.source = source;
    expect((await client().join(joiningOf(token))).identity).toBe(IDENTITY);
  });

  it('one for an identity that is denied gives nothing and stays unused', async () => {
    const denied = `${DOMAIN}/ns/shop/sa/denied`;
    const token = await server.token({ identity: denied });
    const record = { name: denied, reason: 'test', actor: 'test', atMs: 0 };
    await server.authority.store.commit(
      [{ op: 'put', key: DENIED_IDENTITY_PREFIX + denied, value: JSON.stringify(record) }],
      { actor: 'test', message: '', atMs: 0 },
    );
    const { detail } = await refuses(() => joinWith({ nonce: NONCE, csr, token }));
    expect(detail).toBe(OPAQUE);
    const [used] = (await server.joining.tokens.list()).filter((one) => one.identity === denied);
    expect(used?.usedMs).toBeUndefined();
  });
});

describe('requests to join', () => {
  const flip = (jwe: string, part: number): string => {
    const parts = jwe.split('.');
    const bytes = Buffer.from(parts[part] ?? '', 'base64url');
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
    parts[part] = bytes.toString('base64url');
    return parts.join('.');
  };

  it.each([
    ['header', 0],
    ['initialisation vector', 2],
    ['ciphertext', 3],
    ['tag', 4],
  ])('a changed %s is refused', async (_, part) => {
    const token = await server.token();
    const jwe = await encrypt(key, { nonce: NONCE, csr, token });
    await refuses(() => post(server.url, JOIN, { jwe: flip(jwe, part) }));
    expect((await post(server.url, JOIN, { jwe })).status).toBe(200);
  });

  it.each([
    ['nothing', ''],
    ['plain JSON', JSON.stringify({ nonce: NONCE })],
    ['five empty parts', '....'],
    ['three parts', 'a.b.c'],
    ['a header that is no JSON', `${Buffer.from('no').toString('base64url')}....`],
    ['a header that is a list', `${Buffer.from('[]').toString('base64url')}....`],
    ['a header without kid', `${Buffer.from('{"alg":"ECDH-ES"}').toString('base64url')}....`],
    ['something large', 'x'.repeat(40_000)],
  ])('%s instead of a JWE is refused', async (_, jwe) => {
    await refuses(() => post(server.url, JOIN, { jwe }));
  });

  it.each([
    ['no JSON', '{'],
    ['null', 'null'],
    ['a list', '[]'],
    ['a further member', '{"jwe":"x","identity":"mesh.test/ns/a/sa/admin"}'],
    ['a prototype', '{"__proto__":{"jwe":"x"}}'],
    ['a number', '{"jwe":1}'],
    ['deep nesting', `{"jwe":${'['.repeat(5000)}${']'.repeat(5000)}}`],
  ])('a body that is %s is refused', async (_, body) => {
    await refuses(() => post(server.url, JOIN, body));
  });

  it('a body without end is cut', async () => {
    const { status } = await post(server.url, JOIN, { jwe: 'x'.repeat(2_000_000) });
    expect(status).toBe(413);
  });

  it.each([
    ['key wrapping', { alg: 'ECDH-ES+A128KW', enc: 'A256GCM' }],
    ['AES-128', { alg: 'ECDH-ES', enc: 'A128GCM' }],
    ['CBC', { alg: 'ECDH-ES', enc: 'A256CBC-HS512' }],
  ])('%s is refused', async (_, header) => {
    const jwe = await new CompactEncrypt(Buffer.from(JSON.stringify({ nonce: NONCE, csr })))
      .setProtectedHeader({ ...header, kid: key.kid ?? '' })
      .encrypt(await importJWK(key, header.alg));
    await refuses(() => post(server.url, JOIN, { jwe }));
  });

  it('one that claims to be compressed is refused unread', async () => {
    const header = Buffer.from(
      JSON.stringify({ alg: 'ECDH-ES', enc: 'A256GCM', zip: 'DEF', kid: key.kid }),
    ).toString('base64url');
    const { detail } = await refuses(() =>
      post(server.url, JOIN, { jwe: `${header}..AAAA.AAAA.AAAA` }),
    );
    expect(detail).toMatch(/uncompressed/);
  });

  it('one under a key that is not known any more is told so', async () => {
    const { status } = await refuses(() => joinWith({ nonce: NONCE, csr }, { kid: 'other' }));
    expect(status).toBe(409);
  });

  it.each([
    ['no nonce', { nonce: undefined }],
    ['a short nonce', { nonce: 'short' }],
    ['a nonce with a line feed', { nonce: `${NONCE}\n` }],
    ['a nonce that is a number', { nonce: 1_234_567_890_123_456 }],
    ['no certificate request', { csr: undefined }],
    ['a certificate request that is a list', { csr: ['x'] }],
    ['neither token', { token: undefined }],
    ['both tokens', { oidc: 'x.y.z' }],
    ['a token that is an object', { token: { id: 'x' } }],
    ['a token that is true', { token: true }],
  ])('%s is refused', async (_, change) => {
    const token = await server.token();
    await refuses(() => joinWith({ nonce: NONCE, csr, token, ...change }));
    expect((await joinWith({ nonce: NONCE, csr, token })).status).toBe(200);
  });
});

describe('certificate requests', () => {
  const asks: readonly (readonly [string, () => Promise<string>, number])[] = [
    ['no base64', async () => '***', 400],
    ['no DER', async () => 'AAAA', 400],
    ['too long', async () => 'A'.repeat(9000), 400],
    ['a certificate instead', async () => der64(await certify({ subject: 'CN=a' })), 400],
    ['cut off', async () => csr.slice(0, 120), 400],
    ['for a key on P-384', async () => requestFor(await keyPair('P-384')), 422],
    [
      'for an RSA key of 1024 bits',
      async () => {
        const keys = await crypto.subtle.generateKey(
          {
            name: 'RSASSA-PKCS1-v1_5',
            hash: 'SHA-256',
            modulusLength: 1024,
            publicExponent: new Uint8Array([1, 0, 1]),
          },
          true,
          ['sign', 'verify'],
        );
        const made = await x509.Pkcs10CertificateRequestGenerator.create({
          keys,
          signingAlgorithm: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
        });
        return Buffer.from(made.rawData).toString('base64');
      },
      422,
    ],
    [
      "for somebody else's key",
      async () => {
        const [own, other] = [await keyPair(), await keyPair()];
        return requestFor({ publicKey: other.publicKey, privateKey: own.privateKey });
      },
      400,
    ],
    [
      'with a changed signature',
      async () => {
        const bytes = Buffer.from(csr, 'base64');
        bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
        return bytes.toString('base64');
      },
      400,
    ],
  ];
  it.each(asks)('one that is %s is refused, the token unused', async (_, make, wanted) => {
    const token = await server.token();
    const { status } = await refuses(async () =>
      joinWith({ nonce: NONCE, csr: await make(), token }),
    );
    expect(status).toBe(wanted);
    expect((await joinWith({ nonce: NONCE, csr, token })).status).toBe(200);
  });

  it.each([
    ['another identity', [{ type: 'url', value: `spiffe://${DOMAIN}/ns/istio-system/sa/admin` }]],
    ['a host', [{ type: 'dns', value: 'admin.test' }]],
    [
      'two identities',
      [
        { type: 'url', value: `spiffe://${IDENTITY}` },
        { type: 'url', value: `spiffe://${DOMAIN}/ns/a/sa/admin` },
      ],
    ],
  ] as const)('the name of %s in one does not count', async (_, names) => {
    const extensions = [
      new x509.SubjectAlternativeNameExtension([...names]),
      new x509.BasicConstraintsExtension(true, 5, true),
    ];
    const token = await server.token();
    const asked = await requestFor(await keyPair(), extensions);
    const { text } = await joinWith({ nonce: NONCE, csr: asked, token });
    const { statement } = JSON.parse(text) as { readonly statement: string };
    const claims = JSON.parse(
      Buffer.from(statement.split('.')[1] ?? '', 'base64url').toString(),
    ) as { readonly chain: string };
    const [first = ''] = claims.chain.split(/(?<=-----END CERTIFICATE-----)/);
    const leaf = new x509.X509Certificate(first);
    const shown = leaf.getExtension(x509.SubjectAlternativeNameExtension)?.names.items;
    expect(shown?.map(({ value }) => value)).toEqual([`spiffe://${IDENTITY}`]);
    expect(leaf.getExtension(x509.BasicConstraintsExtension)?.ca).toBe(false);
  });
});

describe('renewal', () => {
  let own: WorkloadCertificate;
  let ownKey: CryptoKey;
  let chain: readonly string[];
  let foreign: Made;
  beforeAll(async () => {
    server.source = '10.7.0.1';
    own = await client().join(joiningOf(await server.token()));
    const pkcs8 = own.privateKey.export({ type: 'pkcs8', format: 'der' });
    ownKey = await crypto.subtle.importKey(
      'pkcs8',
      new Uint8Array(pkcs8),
      { name: 'ECDSA', namedCurve: 'P-256' },
      false,
      ['sign'],
    );
    chain = own.chain
      .split(/(?<=-----END CERTIFICATE-----)/)
      .filter((pem) => pem.includes('BEGIN'))
      .map((pem) => Buffer.from(new x509.X509Certificate(pem).rawData).toString('base64'));
    const root = await certify({ subject: 'CN=evil', isAuthority: true });
    foreign = await certify({ subject: 'CN=x', issuer: root, uris: [`spiffe://${IDENTITY}`] });
  });

  interface Proof {
    readonly claims?: object;
    readonly header?: object;
    readonly key?: CryptoKey;
  }
  const rightClaims = (): Record<string, unknown> => ({
    aud: `spiffe://${DOMAIN}`,
    iat: Math.floor((Date.now() + server.clock.offsetMs) / 1000),
    jti: crypto.randomUUID(),
    csr,
  });
  async function proof({ claims, header, key: by = ownKey }: Proof = {}): Promise<string> {
    return new CompactSign(Buffer.from(JSON.stringify({ ...rightClaims(), ...claims })))
      .setProtectedHeader({ alg: 'ES256', typ: 'lateen-renewal+jwt', x5c: [...chain], ...header })
      .sign(by);
  }
  const renew = async (given: string): Promise<Answered> =>
    post(server.url, RENEW, { proof: given });

  it('is given to who has the key', async () => {
    expect((await renew(await proof())).status).toBe(200);
  });

  it('is given once for a proof', async () => {
    const given = await proof();
    expect((await renew(given)).status).toBe(200);
    const { detail } = await refuses(() => renew(given));
    expect(detail).toMatch(/was used already/);
  });

  it('is given once for a proof that comes many times at once', async () => {
    const given = await proof();
    const before = await issued();
    const all = await Promise.all(Array.from({ length: 8 }, () => renew(given)));
    expect(all.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(await issued()).toBe(before + 1);
  });

  it.each([
    ['another audience', { aud: 'spiffe://other.test' }],
    ['no audience', { aud: undefined }],
    ['a list of audiences', { aud: [`spiffe://${DOMAIN}`] }],
    ['an old time', { iat: Math.floor(Date.now() / 1000) - 120 }],
    ['a time to come', { iat: Math.floor(Date.now() / 1000) + 120 }],
    ['a time that is text', { iat: String(Math.floor(Date.now() / 1000)) }],
    ['no time', { iat: undefined }],
    ['a short jti', { jti: 'x' }],
    ['no jti', { jti: undefined }],
    ['no request', { csr: undefined }],
    ['a request of garbage', { csr: 'AAAA' }],
  ])('with %s is refused', async (_, claims) => {
    await refuses(async () => renew(await proof({ claims })));
  });

  it.each([
    ['another type', { typ: 'JWT' }],
    ['no type', { typ: undefined }],
    ['no chain', { x5c: undefined }],
    ['an empty chain', { x5c: [] }],
    ['a chain of numbers', { x5c: [1, 2] }],
    ['a chain of garbage', { x5c: ['AAAA'] }],
  ])('with %s in its header is refused', async (_, header) => {
    await refuses(async () => renew(await proof({ header })));
  });

  it('with a chain of a hundred is refused', async () => {
    const x5c = Array.from({ length: 100 }, () => chain[0]);
    await refuses(async () => renew(await proof({ header: { x5c } })));
  });

  it.each(['none', 'HS256', 'RS256'])('signed by %s is refused', async (alg) => {
    const encode = (value: object): string =>
      Buffer.from(JSON.stringify(value)).toString('base64url');
    const head = encode({ alg, typ: 'lateen-renewal+jwt', x5c: chain });
    await refuses(() => renew(`${head}.${encode(rightClaims())}.`));
  });

  it('by another key is refused', async () => {
    const { privateKey } = await keyPair();
    await refuses(async () => renew(await proof({ key: privateKey })));
  });

  it('with an unknown critical header is refused', async () => {
    const given = await new CompactSign(Buffer.from(JSON.stringify(rightClaims())))
      .setProtectedHeader({
        alg: 'ES256',
        typ: 'lateen-renewal+jwt',
        crit: ['urn:x'],
        'urn:x': 1,
        x5c: [...chain],
      })
      .sign(ownKey, { crit: { 'urn:x': true } });
    await refuses(() => renew(given));
  });

  it('for the key that is in use is refused', async () => {
    const publicKey = await crypto.subtle.importKey(
      'spki',
      new Uint8Array(
        new x509.X509Certificate(own.chain.split(/(?<=END CERTIFICATE-----)/)[0] ?? '').publicKey
          .rawData,
      ),
      { name: 'ECDSA', namedCurve: 'P-256' },
      true,
      ['verify'],
    );
    const same = await requestFor({ publicKey, privateKey: ownKey });
    const { detail } = await refuses(async () => renew(await proof({ claims: { csr: same } })));
    expect(detail).toMatch(/want a new key/);
  });

  it('by a certificate of another authority is refused', async () => {
    await refuses(async () =>
      renew(await proof({ header: { x5c: [der64(foreign)] }, key: foreign.privateKey })),
    );
  });

  it('by a certificate of another authority before the right chain is refused', async () => {
    await refuses(async () =>
      renew(
        await proof({
          header: { x5c: [der64(foreign), ...chain.slice(1)] },
          key: foreign.privateKey,
        }),
      ),
    );
  });

  const under: readonly (readonly [string, Omit<Parameters<typeof certify>[0], 'subject'>])[] = [
    ['with two identities', { uris: [`spiffe://${IDENTITY}`, `spiffe://${DOMAIN}/ns/a/sa/b`] }],
    ['of another trust domain', { uris: ['spiffe://other.test/ns/a/sa/b'] }],
    ['of a trust domain that begins alike', { uris: [`spiffe://${DOMAIN}.evil/ns/a/sa/b`] }],
    ['without an identity', {}],
    ['with a host alone', { dns: ['a.test'] }],
    ['of an authority', { uris: [`spiffe://${IDENTITY}`], isAuthority: true }],
    ['that may not sign', { uris: [`spiffe://${IDENTITY}`], usages: x509.KeyUsageFlags.cRLSign }],
    ['for servers alone', { uris: [`spiffe://${IDENTITY}`], purposes: ['1.3.6.1.5.5.7.3.1'] }],
    ['that has expired', { uris: [`spiffe://${IDENTITY}`], untilMs: Date.now() - 1000 }],
    ['that holds not yet', { uris: [`spiffe://${IDENTITY}`], fromMs: Date.now() + HOUR_MS / 2 }],
    [
      'with an unknown critical extension',
      {
        uris: [`spiffe://${IDENTITY}`],
        more: [new x509.Extension('1.2.3.4.5', true, new Uint8Array([5, 0]))],
      },
    ],
  ];
  it.each(under)('by a certificate %s is refused', async (_, options) => {
    const { key: signing, x5c } = await signerOf(server);
    const certificate = new x509.X509Certificate(x5c[0] ?? '');
    const issuer: Made = {
      certificate,
      pem: '',
      publicKey: signing,
      privateKey: signing,
    };
    const made = await certify({ subject: 'CN=x', issuer, ...options });
    await refuses(async () =>
      renew(await proof({ header: { x5c: [der64(made), ...x5c] }, key: made.privateKey })),
    );
  });

  it('through a workload that makes itself an authority is refused', async () => {
    const issuer: Made = {
      certificate: new x509.X509Certificate(chain[0] ?? ''),
      pem: '',
      publicKey: ownKey,
      privateKey: ownKey,
    };
    const made = await certify({
      subject: 'CN=x',
      issuer,
      uris: [`spiffe://${DOMAIN}/ns/istio-system/sa/admin`],
    });
    await refuses(async () =>
      renew(await proof({ header: { x5c: [der64(made), ...chain] }, key: made.privateKey })),
    );
  });

  it('through an authority below the one that may have none is refused', async () => {
    const { key: signing, x5c } = await signerOf(server);
    const issuer: Made = {
      certificate: new x509.X509Certificate(x5c[0] ?? ''),
      pem: '',
      publicKey: signing,
      privateKey: signing,
    };
    const below = await certify({ subject: 'CN=below', issuer, isAuthority: true });
    const made = await certify({
      subject: 'CN=x',
      issuer: below,
      uris: [`spiffe://${IDENTITY}`],
    });
    const header = { x5c: [der64(made), der64(below), ...x5c] };
    await refuses(async () => renew(await proof({ header, key: made.privateKey })));
  });

  it('by the authority itself is refused', async () => {
    const { key: signing, x5c } = await signerOf(server);
    await refuses(async () => renew(await proof({ header: { x5c: [...x5c] }, key: signing })));
  });

  it('after the end is refused: it must join again', async () => {
    server.clock.offsetMs = HOUR_MS + 1000;
    const { detail } = await refuses(async () => renew(await proof()));
    expect(detail).toMatch(/has expired: must join again/);
  });

  it('of a serial that is denied is refused: it must join again', async () => {
    const next = await client().renew(own, own.roots);
    const serial = new x509.X509Certificate(
      next.chain.split(/(?<=END CERTIFICATE-----)/)[0] ?? '',
    ).serialNumber.replace(/^0+(?=.)/, '');
    const record = { name: serial, reason: 'test', actor: 'test', atMs: 0 };
    await server.authority.store.commit(
      [{ op: 'put', key: DENIED_SERIAL_PREFIX + serial, value: JSON.stringify(record) }],
      { actor: 'test', message: '', atMs: 0 },
    );
    await expect(client().renew(next, next.roots)).rejects.toThrow(/is denied: must join again/);
  });
});

describe('too many tries', () => {
  it('from one address are not answered any more, from others they are', async () => {
    server.source = '10.6.0.1';
    const statuses: number[] = [];
    for (let i = 0; i < 12; i++)
      statuses.push((await joinWith({ nonce: NONCE, csr, token: 'x' })).status);
    expect(statuses.slice(0, 10)).toEqual(Array.from({ length: 10 }, () => 403));
    expect(statuses.slice(10)).toEqual([429, 429]);
    const token = await server.token();
    expect((await joinWith({ nonce: NONCE, csr, token })).status).toBe(429);
    server.source = '10.6.0.2';
    expect((await joinWith({ nonce: NONCE, csr, token })).status).toBe(200);
  });

  it('from one network of IPv6 count together', async () => {
    const statuses: number[] = [];
    for (let i = 0; i < 11; i++) {
      server.source = `2001:db8:1:1::${i + 1}`;
      statuses.push((await joinWith({ nonce: NONCE, csr, token: 'x' })).status);
    }
    expect(statuses.at(-1)).toBe(429);
  });

  it('do not keep a proxy there from renewing', async () => {
    server.source = '10.6.0.3';
    const own = await client().join(joiningOf(await server.token()));
    for (let i = 0; i < 12; i++) await joinWith({ nonce: NONCE, csr, token: 'x' });
    expect((await client().renew(own, own.roots)).identity).toBe(IDENTITY);
  });
});
