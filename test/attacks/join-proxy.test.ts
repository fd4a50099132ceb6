/**
 * A control plane that is none, or somebody between: a proxy that joins shows its token to nobody whom the pinned root
 * hasn't certified, and takes no certificate that it hasn't asked for.
 */
import { compactDecrypt } from 'jose';
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { makeRoot } from '../../control/identity/offline.ts';
import { x509 } from '../../control/identity/x509.ts';
import { AuthorityClient } from '../../node-adapter/identity/authority-client.ts';
import type { Joining } from '../../node-adapter/identity/authority-client.ts';
import type { WorkloadCertificate } from '../../node-adapter/identity/certificate.ts';
import { UntrustedError } from '../../node-adapter/identity/path.ts';
import { CERTIFIED_PURPOSE, JOIN_KEY_PURPOSE } from '../../src/delivery/joining.ts';
import { DOMAIN } from '../fixtures/authority.ts';
import { IDENTITY, joiningOf, startJoinServer } from '../fixtures/joining.ts';
import type { JoinServer } from '../fixtures/joining.ts';
import { certify, der64, keyPair, post, startLiar, statement } from './join-parts.ts';
import type { CertificateOptions, KeyPair, Liar, Made } from './join-parts.ts';

const KEY_PATH = '/v1/identity/join-key';
const JOIN_PATH = '/v1/identity/join';
const RENEW_PATH = '/v1/identity/renew';
const HOUR_MS = 3_600_000;
const nowSeconds = (): number => Math.floor(Date.now() / 1000);

/** A mesh whose every key the test has. */
interface Mesh {
  readonly root: Made;
  readonly signer: Made;
}

async function makeMesh(
  name: string,
  signer: Partial<CertificateOptions> = {},
  root: Partial<CertificateOptions> = {},
): Promise<Mesh> {
  const made = await certify({ subject: `CN=${name} root`, isAuthority: true, ...root });
  const issuing = await certify({
    subject: `CN=${name} signer`,
    issuer: made,
    isAuthority: true,
    pathLength: 0,
    usages: x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.digitalSignature,
    ...signer,
  });
  return { root: made, signer: issuing };
}

const pinOf = ({ certificate }: Made): string =>
  createHash('sha256').update(new Uint8Array(certificate.rawData)).digest('hex');

let mesh: Mesh;
let encryption: object;
let decryption: CryptoKey;
beforeAll(async () => {
  mesh = await makeMesh('mesh');
  const pair = await crypto.subtle.generateKey({ name: 'ECDH', namedCurve: 'P-256' }, true, [
    'deriveBits',
  ]);
  const { kty, crv, x, y } = await crypto.subtle.exportKey('jwk', pair.publicKey);
  encryption = { kty, crv, x, y, kid: 'k' };
  decryption = pair.privateKey;
});

let liar: Liar | undefined;
afterEach(() => {
  liar?.close();
  liar = undefined;
});

const TOKEN = `latjoin_0123456789abcdef_${'5e'.repeat(24)}`;
const joining = (root = mesh.root): Joining => ({
  credential: { token: `${TOKEN}_${pinOf(root)}_${IDENTITY}` },
  root: pinOf(root),
  identity: IDENTITY,
  trustDomain: DOMAIN,
});

const keyClaims = (): Record<string, unknown> => ({
  purpose: JOIN_KEY_PURPOSE,
  trustDomain: DOMAIN,
  key: encryption,
  iat: nowSeconds(),
  exp: nowSeconds() + 600,
});

const signedBy = ({ signer }: Mesh): { key: CryptoKey; x5c: string[] } => ({
  key: signer.privateKey,
  x5c: [der64(signer)],
});

/** By a server that answers everything in one way. */
async function answeredBy(
  listener: RequestListener,
  ask: (client: AuthorityClient) => Promise<unknown>,
): Promise<void> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  await ask(new AuthorityClient({ url: `http://127.0.0.1:${port}`, nowMs: () => Date.now() }));
  server.close();
  server.closeAllConnections();
}

/** It asks a liar to join; nothing may be posted. */
async function joinsNothing(answer: () => Promise<unknown>): Promise<void> {
  liar = await startLiar({ [KEY_PATH]: answer, [JOIN_PATH]: async () => ({ statement: '' }) });
  const client = new AuthorityClient({ url: liar.url, nowMs: () => Date.now() });
  await expect(client.join(joining())).rejects.toThrow();
  expect(liar.posted).toEqual([]);
}

describe('a join key', () => {
  it('of the right mesh is used', async () => {
    liar = await startLiar({
      [KEY_PATH]: async () => ({
        statement: await statement(keyClaims(), signedBy(mesh)),
        roots: [mesh.root.pem],
      }),
    });
    const client = new AuthorityClient({ url: liar.url, nowMs: () => Date.now() });
    await expect(client.join(joining())).rejects.toThrow(/answers 404/);
    expect(liar.posted).toHaveLength(1);
    expect(liar.posted[0]).not.toContain('5e5e5e');
  });

  const chains: readonly (readonly [string, () => Promise<Mesh>])[] = [
    ['of a mesh with an own authority', () => makeMesh('evil')],
    ['of a mesh whose authority is called alike', () => makeMesh('mesh')],
    [
      'by a signer that expired',
      () => makeMesh('mesh', { issuer: mesh.root, untilMs: Date.now() - 1000 }),
    ],
    [
      'by a signer that holds not yet',
      () => makeMesh('mesh', { issuer: mesh.root, fromMs: Date.now() + HOUR_MS / 2 }),
    ],
    [
      'by a signer that is no authority',
      () => makeMesh('mesh', { issuer: mesh.root, isAuthority: false }),
    ],
    [
      'by a signer that may not sign certificates',
      () => makeMesh('mesh', { issuer: mesh.root, usages: x509.KeyUsageFlags.digitalSignature }),
    ],
    [
      'by a workload',
      () =>
        makeMesh('mesh', {
          issuer: mesh.signer,
          isAuthority: false,
          uris: [`spiffe://${IDENTITY}`],
        }),
    ],
  ];
  it.each(chains)('%s gets no token', async (_, make) => {
    const evil = await make();
    await joinsNothing(async () => ({
      statement: await statement(keyClaims(), signedBy(evil)),
      roots: [mesh.root.pem, evil.root.pem],
    }));
  });

  it('by a workload with its whole chain gets no token', async () => {
    const workload = await certify({
      subject: 'CN=w',
      issuer: mesh.signer,
      uris: [`spiffe://${IDENTITY}`],
    });
    await joinsNothing(async () => ({
      statement: await statement(keyClaims(), {
        key: workload.privateKey,
        x5c: [der64(workload), der64(mesh.signer)],
      }),
      roots: [mesh.root.pem],
    }));
  });

  it('through one authority more than is allowed gets no token', async () => {
    const below = await certify({ subject: 'CN=below', issuer: mesh.signer, isAuthority: true });
    await joinsNothing(async () => ({
      statement: await statement(keyClaims(), {
        key: below.privateKey,
        x5c: [der64(below), der64(mesh.signer)],
      }),
      roots: [mesh.root.pem],
    }));
  });

  it('of a root that has expired gets no token', async () => {
    const old = await makeMesh('old', {}, { untilMs: Date.now() - 1000 });
    liar = await startLiar({
      [KEY_PATH]: async () => ({
        statement: await statement(keyClaims(), signedBy(old)),
        roots: [old.root.pem],
      }),
    });
    const client = new AuthorityClient({ url: liar.url, nowMs: () => Date.now() });
    await expect(client.join(joining(old.root))).rejects.toThrow(/expired/);
    expect(liar.posted).toEqual([]);
  });

  it.each([
    ['of another trust domain', () => ({ trustDomain: 'other.test' })],
    ['for another purpose', () => ({ purpose: CERTIFIED_PURPOSE })],
    ['without a purpose', () => ({ purpose: undefined })],
    ['that has expired', () => ({ exp: nowSeconds() - 61 })],
    ['without an end', () => ({ exp: undefined })],
    ['that ends never', () => ({ exp: 'never' })],
    ['of the future', () => ({ iat: nowSeconds() + 120 })],
    ['without a key', () => ({ key: undefined })],
    ['with an RSA key', () => ({ key: { kty: 'RSA', n: 'AQAB', e: 'AQAB' } })],
    ['with a key on P-384', () => ({ key: { ...encryption, crv: 'P-384' } })],
    ['with a shared secret', () => ({ key: { kty: 'oct', k: 'AAAA' } })],
    [
      'with a point that is on no curve',
      () => ({ key: { ...encryption, x: 'A'.repeat(43), y: 'A'.repeat(43) } }),
    ],
  ])('%s gets no token', async (_, change) => {
    await joinsNothing(async () => ({
      statement: await statement({ ...keyClaims(), ...change() }, signedBy(mesh)),
      roots: [mesh.root.pem],
    }));
  });

  it.each([
    ['another type', { typ: 'JWT' }],
    ['no chain', { x5c: undefined }],
    ['an empty chain', { x5c: [] }],
    ['a chain of garbage', { x5c: ['AAAA'] }],
  ])('under a statement with %s gets no token', async (_, header) => {
    await joinsNothing(async () => ({
      statement: await statement(keyClaims(), signedBy(mesh), header),
      roots: [mesh.root.pem],
    }));
  });

  it('by another key than that of the chain gets no token', async () => {
    const { privateKey } = await keyPair();
    await joinsNothing(async () => ({
      statement: await statement(keyClaims(), { key: privateKey, x5c: [der64(mesh.signer)] }),
      roots: [mesh.root.pem],
    }));
  });

  it.each(['none', 'HS256'])('signed by %s gets no token', async (alg) => {
    const encode = (value: object): string =>
      Buffer.from(JSON.stringify(value)).toString('base64url');
    const header = { alg, typ: 'lateen-statement+jws', x5c: [der64(mesh.signer)] };
    await joinsNothing(async () => ({
      statement: `${encode(header)}.${encode(keyClaims())}.`,
      roots: [mesh.root.pem],
    }));
  });

  it('that was changed on the way gets no token', async () => {
    await joinsNothing(async () => {
      const text = await statement(keyClaims(), signedBy(mesh));
      const [head, , signature] = text.split('.');
      const body = Buffer.from(JSON.stringify({ ...keyClaims(), x: 1 })).toString('base64url');
      return { statement: `${head}.${body}.${signature}`, roots: [mesh.root.pem] };
    });
  });

  it.each([
    ['no roots', []],
    ['garbage for roots', ['x']],
    ['something else for roots', 'x'],
  ])('with %s gets no token', async (_, roots) => {
    await joinsNothing(async () => ({
      statement: await statement(keyClaims(), signedBy(mesh)),
      roots,
    }));
  });

  it('that is very long gets no token', async () => {
    await joinsNothing(async () => ({ statement: 'x'.repeat(400_000), roots: [mesh.root.pem] }));
  });

  it('behind a redirect gets no token', async () => {
    const server = await startJoinServer();
    const token = await server.token();
    await answeredBy(
      (_, response) => {
        response.writeHead(302, { location: `${server.url}${KEY_PATH}` }).end();
      },
      (client) => expect(client.join(joiningOf(token))).rejects.toThrow(/answers 302/),
    );
    await server.close();
  });
});

describe('what is answered to who joins', () => {
  /** Decrypts what came, as the right one would. */
  async function asked(body: string): Promise<{ nonce: string; csr: string }> {
    const { jwe } = JSON.parse(body) as { readonly jwe: string };
    const { plaintext } = await compactDecrypt(jwe, decryption);
    return JSON.parse(new TextDecoder().decode(plaintext)) as { nonce: string; csr: string };
  }

  interface Answer {
    readonly leaf?: Partial<CertificateOptions>;
    readonly claims?: object;
    readonly by?: Mesh;
    readonly under?: Mesh;
  }
  async function answer(body: string, { leaf = {}, claims, by, under }: Answer): Promise<unknown> {
    const { nonce, csr } = await asked(body);
    const { publicKey } = new x509.Pkcs10CertificateRequest(csr);
    const keys = { publicKey: await publicKey.export(), privateKey: decryption } as KeyPair;
    const { signer, root } = under ?? mesh;
    const made = await certify({
      subject: 'CN=leaf',
      issuer: signer,
      keys,
      uris: [`spiffe://${IDENTITY}`],
      ...leaf,
    });
    const certified = {
      purpose: CERTIFIED_PURPOSE,
      nonce,
      trustDomain: DOMAIN,
      identity: IDENTITY,
      chain: `${made.pem}\n${signer.pem}`,
      roots: [root.pem],
      expiresMs: Date.now() + HOUR_MS,
      iat: nowSeconds(),
      ...claims,
    };
    return { statement: await statement(certified, signedBy(by ?? mesh)) };
  }
  async function joinAnswered(how: Answer): Promise<WorkloadCertificate> {
    liar = await startLiar({
      [KEY_PATH]: async () => ({
        statement: await statement(keyClaims(), signedBy(mesh)),
        roots: [mesh.root.pem],
      }),
      [JOIN_PATH]: (body) => answer(body, how),
    });
    return new AuthorityClient({ url: liar.url, nowMs: () => Date.now() }).join(joining());
  }

  it('is taken when it is right', async () => {
    expect((await joinAnswered({})).identity).toBe(IDENTITY);
  });

  let evil: Mesh;
  beforeAll(async () => {
    evil = await makeMesh('mesh');
  });

  const wrong: readonly (readonly [string, () => Answer | Promise<Answer>])[] = [
    ['under another authority', () => ({ by: evil })],
    ['under another authority, with its certificate', () => ({ by: evil, under: evil })],
    [
      'with a certificate of another authority',
      () => ({ under: evil, claims: { roots: [mesh.root.pem] } }),
    ],
    ['with another nonce', () => ({ claims: { nonce: 'somebody-elses-nonce' } })],
    ['without a nonce', () => ({ claims: { nonce: undefined } })],
    ['for another purpose', () => ({ claims: { purpose: JOIN_KEY_PURPOSE } })],
    ['of another trust domain', () => ({ claims: { trustDomain: 'other.test' } })],
    ['without roots', () => ({ claims: { roots: [] } })],
    ['with roots that are none', () => ({ claims: { roots: 'x' } })],
    ['with an empty chain', () => ({ claims: { chain: '' } })],
    ['with another identity', () => ({ leaf: { uris: [`spiffe://${DOMAIN}/ns/a/sa/b`] } })],
    [
      'with two identities',
      () => ({ leaf: { uris: [`spiffe://${IDENTITY}`, 'spiffe://o.test/a'] } }),
    ],
    ['with a host beside the identity', () => ({ leaf: { dns: ['admin.test'] } })],
    ['without an identity', () => ({ leaf: { uris: [] } })],
    ['with the certificate of an authority', () => ({ leaf: { isAuthority: true } })],
    ['with a certificate that has expired', () => ({ leaf: { untilMs: Date.now() - 1000 } })],
    ['with one that holds not yet', () => ({ leaf: { fromMs: Date.now() + HOUR_MS / 2 } })],
    ['with a certificate for another key', async () => ({ leaf: { keys: await keyPair() } })],
  ];
  it.each(wrong)('%s is not taken', async (_, how) => {
    await expect(joinAnswered(await how())).rejects.toThrow(UntrustedError);
  });

  it('to somebody else before is not taken', async () => {
    let first: unknown;
    liar = await startLiar({
      [KEY_PATH]: async () => ({
        statement: await statement(keyClaims(), signedBy(mesh)),
        roots: [mesh.root.pem],
      }),
      [JOIN_PATH]: async (body) => (first ??= await answer(body, {})),
    });
    const client = new AuthorityClient({ url: liar.url, nowMs: () => Date.now() });
    await client.join(joining());
    await expect(client.join(joining())).rejects.toThrow(/something that was not asked/);
  });
});

describe('what is answered to who renews', () => {
  let server: JoinServer;
  let own: WorkloadCertificate;
  beforeAll(async () => {
    server = await startJoinServer();
    const client = new AuthorityClient({ url: server.url, nowMs: () => Date.now() });
    own = await client.join(joiningOf(await server.token()));
  });
  afterAll(() => server.close());

  it('by another mesh is not taken, and shows it nothing that is of use', async () => {
    const evil = await makeMesh('evil');
    liar = await startLiar({
      [RENEW_PATH]: async () => ({
        statement: await statement({ purpose: CERTIFIED_PURPOSE }, signedBy(evil)),
      }),
    });
    const client = new AuthorityClient({ url: liar.url, nowMs: () => Date.now() });
    await expect(client.renew(own, own.roots)).rejects.toThrow(UntrustedError);
    // What it got is a proof for a key that it doesn't have.
    const { status } = await post(server.url, RENEW_PATH, liar.posted[0] ?? '');
    expect(status).toBe(200);
    expect(liar.posted[0]).not.toContain(own.privateKey.export({ type: 'pkcs8', format: 'pem' }));
  });

  it('under a root that is believed no more is not taken', async () => {
    const client = new AuthorityClient({ url: server.url, nowMs: () => Date.now() });
    const other = await makeRoot(DOMAIN, Date.now());
    await expect(client.renew(own, [other.certificate])).rejects.toThrow(UntrustedError);
    await expect(client.renew(own, [])).rejects.toThrow(UntrustedError);
  });

  it('with control characters in its reason makes one line of it', async () => {
    await answeredBy(
      (_, response) => {
        response.writeHead(403, { 'content-type': 'application/problem+json' });
        response.end(
          JSON.stringify({ detail: `no\n{"level":"info"}\u001B[2J${'x'.repeat(5000)}` }),
        );
      },
      (client) =>
        expect(client.renew(own, own.roots)).rejects.toThrow(
          /^the control plane answers 403: no\?\{[ -~]{1,520}$/,
        ),
    );
  });
});
