/** Client certificates as the network hands them over: whatever it says of them, the mesh's roots decide. */
import { beforeAll, describe, expect, it } from 'vitest';
import { pemOf, signAlgorithm, x509 } from '../../control/identity/x509.ts';
import type { TrustSettings } from '../../src/model/trust.ts';
import { ClientCertificates } from '../../workers/gateway/client-certificate.ts';
import { NOW_MS } from '../fixtures/credentials.ts';

const HOUR_MS = 3_600_000;
const { digitalSignature, keyCertSign, cRLSign, keyEncipherment } = x509.KeyUsageFlags;
const { serverAuth, clientAuth, codeSigning } = x509.ExtendedKeyUsage;
const ID = 'spiffe://cluster.local/ns/a/sa/b';

type Made = Readonly<{ certificate: x509.X509Certificate; keys: CryptoKeyPair }>;

interface Wish {
  readonly by?: Made;
  readonly name?: string;
  readonly uris?: readonly string[];
  readonly dns?: readonly string[];
  readonly authority?: boolean | undefined;
  readonly pathLength?: number;
  readonly usage?: number | undefined;
  readonly purposes?: readonly string[] | undefined;
  readonly fromMs?: number;
  readonly untilMs?: number;
  readonly serial?: string;
  readonly kind?: 'P-256' | 'P-384' | 'RSA';
  readonly algorithm?: Parameters<
    typeof x509.X509CertificateGenerator.create
  >[0]['signingAlgorithm'];
  readonly more?: readonly x509.Extension[];
}

const KEYS = {
  'P-256': { name: 'ECDSA', namedCurve: 'P-256' },
  'P-384': { name: 'ECDSA', namedCurve: 'P-384' },
  RSA: {
    name: 'RSASSA-PKCS1-v1_5',
    hash: 'SHA-256',
    modulusLength: 2048,
    publicExponent: new Uint8Array([1, 0, 1]),
  },
} as const;

/** A leaf as the authority makes it, but for what is wished. */
async function make(wish: Wish = {}): Promise<Made> {
  const { kind = 'P-256', by, authority = false, serial = '0a0b' } = wish;
  const keys = await crypto.subtle.generateKey(KEYS[kind], true, ['sign', 'verify']);
  const usage = 'usage' in wish ? wish.usage : authority ? keyCertSign | cRLSign : digitalSignature;
  const purposes =
    'purposes' in wish ? wish.purposes : authority ? undefined : [serverAuth, clientAuth];
  const uris = wish.uris ?? (authority ? [] : [ID]);
  const names = [
    ...uris.map((value) => ({ type: 'url', value }) as const),
    ...(wish.dns ?? []).map((value) => ({ type: 'dns', value }) as const),
  ];
  const extensions: x509.Extension[] = [
    ...(wish.authority === undefined && 'authority' in wish
      ? []
      : [new x509.BasicConstraintsExtension(authority, wish.pathLength, true)]),
    ...(usage === undefined ? [] : [new x509.KeyUsagesExtension(usage, true)]),
    ...(purposes === undefined ? [] : [new x509.ExtendedKeyUsageExtension([...purposes], false)]),
    ...(names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(names, true)]),
    ...(wish.more ?? []),
  ];
  const signing = by?.keys ?? keys;
  const algorithm = signing.privateKey.algorithm as { namedCurve?: string; name: string };
  const signedAs =
    algorithm.namedCurve === 'P-384' ? 'P-384' : algorithm.name === 'ECDSA' ? 'P-256' : 'RSA';
  const subject = wish.name ?? 'CN=x';
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serial,
    subject,
    issuer: by?.certificate.subject ?? subject,
    notBefore: new Date(wish.fromMs ?? NOW_MS - HOUR_MS),
    notAfter: new Date(wish.untilMs ?? NOW_MS + HOUR_MS),
    publicKey: keys.publicKey,
    signingKey: signing.privateKey,
    signingAlgorithm: wish.algorithm ?? signAlgorithm(signedAs),
    extensions,
  });
  return { certificate, keys };
}

const ca = (wish: Wish = {}): Promise<Made> => make({ authority: true, name: 'CN=root', ...wish });

let root: Made;
let issuing: Made;
let otherRoot: Made;
let evilRoot: Made;
let trust: TrustSettings;

beforeAll(async () => {
  root = await ca();
  issuing = await ca({ name: 'CN=issuing', by: root, pathLength: 0 });
  otherRoot = await ca({ name: 'CN=other root' });
  // The same name as ours, and another key.
  evilRoot = await ca();
  trust = {
    roots: {
      'cluster.local': [pemOf(root.certificate)],
      'other.test': [pemOf(otherRoot.certificate)],
      'empty.test': [],
    },
    tokenKeys: {},
    denied: { serials: ['bad'], identities: ['cluster.local/ns/a/sa/denied'] },
  };
});

const bytes = ({ certificate }: Made): string =>
  `:${Buffer.from(certificate.rawData).toString('base64')}:`;

type Auth = Readonly<Record<string, unknown>>;

const shown = (leaf: Made, chain: readonly Made[] = [issuing], more: Auth = {}): Auth => ({
  certPresented: '1',
  certVerified: 'SUCCESS',
  certRevoked: '0',
  certRFC9440: bytes(leaf),
  certRFC9440TooLarge: false,
  certChainRFC9440: chain.map((one) => bytes(one)).join(', '),
  certChainRFC9440TooLarge: false,
  ...more,
});

const peer = async (auth: unknown, nowMs = NOW_MS): Promise<unknown> =>
  new ClientCertificates().peerOf(auth, trust, nowMs);

const NOBODY = {};
const UNREADABLE = { isUnreadable: true };
const KNOWN = { principal: 'cluster.local/ns/a/sa/b', mutual: true };

describe('what must be taken', () => {
  it.each<[string, () => Promise<Auth>]>([
    ['a leaf of the authority', async () => shown(await make({ by: issuing }))],
    ['of the root itself', async () => shown(await make({ by: root }), [])],
    ['with names of hosts beside', async () => shown(await make({ by: issuing, dns: ['b.test'] }))],
    ['without purposes', async () => shown(await make({ by: issuing, purposes: undefined }))],
    [
      'which the network could not verify',
      async () =>
        shown(await make({ by: issuing }), [issuing], {
          certVerified: 'FAILED:unable to get issuer certificate',
        }),
    ],
    [
      'with a chain in any order',
      async () => shown(await make({ by: issuing }), [evilRoot, issuing]),
    ],
    ['with its root sent along', async () => shown(await make({ by: issuing }), [issuing, root])],
    [
      'by an authority on P-384',
      async () => {
        const by = await ca({ by: root, name: 'CN=384', kind: 'P-384' });
        return shown(await make({ by }), [by]);
      },
    ],
    [
      'by an authority with RSA',
      async () => {
        const by = await ca({ by: root, name: 'CN=rsa', kind: 'RSA' });
        return shown(await make({ by }), [by]);
      },
    ],
  ])('%s', async (_name, auth) => {
    expect(await peer(await auth())).toEqual(KNOWN);
  });

  it('again, without looking at it anew, until the first of its chain ends', async () => {
    const known = new ClientCertificates();
    const auth = shown(await make({ by: issuing, untilMs: NOW_MS + 2 * HOUR_MS }));
    await known.peerOf(auth, trust, NOW_MS);
    expect(known.peerOf(auth, trust, NOW_MS + HOUR_MS - 1)).toEqual(KNOWN);
    expect(await known.peerOf(auth, trust, NOW_MS + HOUR_MS)).toEqual(NOBODY);
  });

  it('no more once the mesh trusts others', async () => {
    const known = new ClientCertificates();
    const auth = shown(await make({ by: issuing }));
    expect(await known.peerOf(auth, trust, NOW_MS)).toEqual(KNOWN);
    const changed = { ...trust, roots: { 'cluster.local': [pemOf(otherRoot.certificate)] } };
    expect(await known.peerOf(auth, changed, NOW_MS)).toEqual(NOBODY);
  });
});

describe('nobody is shown by', () => {
  const by = (wish: Wish, chain?: () => readonly Made[]) => async (): Promise<Auth> =>
    shown(await make({ by: issuing, ...wish }), chain?.());

  it.each<[string, () => Promise<unknown>]>([
    ['no answer of the network', async () => undefined],
    ['no certificate', async () => ({ certPresented: '0', certVerified: 'NONE' })],
    [
      'a certificate that is said not to be presented',
      async () => shown(await make({ by: issuing }), [issuing], { certPresented: '0' }),
    ],
    [
      'one that is presented otherwise',
      async () => shown(await make({ by: issuing }), [issuing], { certPresented: true }),
    ],
    [
      'one that the network knows as revoked',
      async () => shown(await make({ by: issuing }), [issuing], { certRevoked: '1' }),
    ],
    ['SUCCESS of the network alone', async () => shown(await make())],
    ['another root', async () => shown(await make({ by: evilRoot }), [evilRoot])],
    ['another root of the same name', async () => shown(await make({ by: evilRoot }), [])],
    ['the root of another domain', async () => shown(await make({ by: otherRoot }), [])],
    ['our root, for another domain', by({ uris: ['spiffe://other.test/ns/a/sa/b'] })],
    ['a domain that nobody knows', by({ uris: ['spiffe://evil.test/ns/a/sa/b'] })],
    ['a domain without roots', by({ uris: ['spiffe://empty.test/ns/a/sa/b'] })],
    ['a domain named constructor', by({ uris: ['spiffe://constructor/ns/a/sa/b'] })],
    ['two URIs', by({ uris: [ID, 'spiffe://cluster.local/ns/a/sa/admin'] })],
    ['the same URI twice', by({ uris: [ID, ID] })],
    ['an identity and a web address', by({ uris: [ID, 'https://a.test/'] })],
    ['no URI', by({ uris: [], dns: ['b.test'] })],
    ['the identity as a host', by({ uris: [], dns: ['cluster.local/ns/a/sa/b'] })],
    ['the identity as common name', by({ uris: [], name: `CN=${ID}` })],
    ['an identity without path', by({ uris: ['spiffe://cluster.local'] })],
    ['an identity with an empty segment', by({ uris: ['spiffe://cluster.local/ns//a'] })],
    ['an identity with dots', by({ uris: ['spiffe://cluster.local/ns/../a'] })],
    ['an identity in capitals', by({ uris: ['SPIFFE://Cluster.local/ns/a/sa/b'] })],
    ['an identity with NUL', by({ uris: [`${ID}\0.evil`] })],
    ['an identity with a comma', by({ uris: [`${ID},URI:spiffe://cluster.local/x`] })],
    ['an identity with quotes', by({ uris: [`"${ID}"`] })],
    ['an identity with an encoded letter', by({ uris: ['spiffe://cluster.local/ns/%61/sa/b'] })],
    ['an identity with a port', by({ uris: ['spiffe://cluster.local:1/ns/a/sa/b'] })],
    ['an identity with a query', by({ uris: [`${ID}?x`] })],
    ['an expired leaf', by({ untilMs: NOW_MS })],
    ['a leaf that is not yet valid', by({ fromMs: NOW_MS + 1000 })],
    ['a leaf that is an authority', by({ authority: true, uris: [ID], usage: digitalSignature })],
    ['a leaf that may certify', by({ usage: digitalSignature | keyCertSign })],
    ['a leaf that may sign CRLs', by({ usage: digitalSignature | cRLSign })],
    ['a leaf that may not sign', by({ usage: keyEncipherment })],
    ['a leaf without usage', by({ usage: undefined })],
    ['a leaf for servers alone', by({ purposes: [serverAuth] })],
    ['a leaf for clients alone', by({ purposes: [clientAuth] })],
    ['a leaf for code', by({ purposes: [codeSigning] })],
    ['a leaf for nothing', by({ purposes: [] })],
    ['a denied serial', by({ serial: '0bad' })],
    ['a denied identity', by({ uris: ['spiffe://cluster.local/ns/a/sa/denied'] })],
    ['a chain with a gap', by({}, () => [])],
    ['a chain of somebody else', by({}, () => [otherRoot])],
    [
      'a leaf of a leaf',
      async () => {
        const leaf = await make({ by: issuing, name: 'CN=leaf' });
        return shown(await make({ by: leaf }), [leaf, issuing]);
      },
    ],
    [
      'an authority that says it is none',
      async () => {
        const no = await make({ by: root, name: 'CN=no', usage: keyCertSign, uris: [] });
        return shown(await make({ by: no }), [no]);
      },
    ],
    [
      'an authority that doesn\u2019t say',
      async () => {
        const no = await make({
          by: root,
          name: 'CN=no',
          usage: keyCertSign,
          authority: undefined,
          uris: [],
        });
        return shown(await make({ by: no }), [no]);
      },
    ],
    [
      'an authority without usage',
      async () => {
        const no = await ca({ by: root, name: 'CN=no', usage: undefined });
        return shown(await make({ by: no }), [no]);
      },
    ],
    [
      'an authority that may sign CRLs alone',
      async () => {
        const no = await ca({ by: root, name: 'CN=no', usage: cRLSign });
        return shown(await make({ by: no }), [no]);
      },
    ],
    [
      'an authority below one that takes none',
      async () => {
        const deep = await ca({ by: issuing, name: 'CN=deep' });
        return shown(await make({ by: deep }), [deep, issuing]);
      },
    ],
    [
      'an expired authority',
      async () => {
        const old = await ca({ by: root, name: 'CN=old', untilMs: NOW_MS - 1 });
        return shown(await make({ by: old }), [old]);
      },
    ],
    [
      'an authority of the future',
      async () => {
        const soon = await ca({ by: root, name: 'CN=soon', fromMs: NOW_MS + 1000 });
        return shown(await make({ by: soon }), [soon]);
      },
    ],
    [
      'an authority of another domain under our root',
      async () => {
        const no = await ca({ by: root, name: 'CN=no', uris: ['spiffe://other.test'] });
        return shown(await make({ by: no }), [no]);
      },
    ],
    [
      'an authority that is a workload',
      async () => {
        const no = await ca({ by: root, name: 'CN=no', uris: [ID] });
        return shown(await make({ by: no }), [no]);
      },
    ],
    [
      'an authority that constrains names',
      async () => {
        const more = [new x509.Extension('2.5.29.30', true, new Uint8Array([0x30, 0x00]))];
        const no = await ca({ by: root, name: 'CN=no', more });
        return shown(await make({ by: no }), [no]);
      },
    ],
    [
      'one that does so without insisting',
      async () => {
        const more = [new x509.Extension('2.5.29.30', false, new Uint8Array([0x30, 0x00]))];
        const no = await ca({ by: root, name: 'CN=no', more });
        return shown(await make({ by: no }), [no]);
      },
    ],
    [
      'a denied authority',
      async () => {
        const no = await ca({ by: root, name: 'CN=no', serial: '0bad' });
        return shown(await make({ by: no }), [no]);
      },
    ],
    ['a signature by SHA-1', by({ algorithm: { name: 'ECDSA', hash: 'SHA-1' } })],
  ])('%s', async (_name, auth) => {
    expect(await peer(await auth())).toEqual(NOBODY);
  });

  it('a certificate whose signature was changed', async () => {
    const leaf = await make({ by: issuing });
    const raw = new Uint8Array(leaf.certificate.rawData);
    raw[raw.length - 1] = (raw[raw.length - 1] as number) ^ 1;
    const auth = shown(leaf, [issuing], {
      certRFC9440: `:${Buffer.from(raw).toString('base64')}:`,
    });
    expect(await peer(auth)).toEqual(NOBODY);
  });

  it('anything, where the mesh keeps no authority', async () => {
    const auth = shown(await make({ by: issuing }));
    expect(new ClientCertificates().peerOf(auth, undefined, NOW_MS)).toEqual(NOBODY);
  });
});

describe('what can not be judged is not judged', () => {
  const changed = (change: (der: Buffer) => Buffer) => async (): Promise<Auth> => {
    const leaf = await make({ by: issuing });
    const der = change(Buffer.from(leaf.certificate.rawData));
    return shown(leaf, [issuing], { certRFC9440: `:${der.toString('base64')}:` });
  };
  const critical = (id: string) => new x509.Extension(id, true, new Uint8Array([0x05, 0x00]));

  it.each<[string, () => Promise<Auth>]>([
    [
      'a leaf too large to be shown',
      async () =>
        shown(await make({ by: issuing }), [], { certRFC9440: '', certRFC9440TooLarge: true }),
    ],
    [
      'a chain too large to be shown',
      async () => shown(await make({ by: issuing }), [], { certChainRFC9440TooLarge: true }),
    ],
    ['no bytes', async () => shown(await make({ by: issuing }), [], { certRFC9440: '' })],
    [
      'bytes without colons',
      async () => {
        const leaf = await make({ by: issuing });
        return shown(leaf, [], { certRFC9440: bytes(leaf).slice(1, -1) });
      },
    ],
    [
      'two leaves',
      async () => {
        const leaf = await make({ by: issuing });
        return shown(leaf, [], { certRFC9440: `${bytes(leaf)}, ${bytes(leaf)}` });
      },
    ],
    ['no text', async () => shown(await make({ by: issuing }), [], { certRFC9440: 7 })],
    ['no base64', async () => shown(await make({ by: issuing }), [], { certRFC9440: ':*:' })],
    ['no DER', async () => shown(await make({ by: issuing }), [], { certRFC9440: ':AAAA:' })],
    [
      'a chain that is none',
      async () => shown(await make({ by: issuing }), [], { certChainRFC9440: 'x' }),
    ],
    [
      'a chain longer than any',
      async () => shown(await make({ by: issuing }), [issuing, issuing, issuing, issuing, issuing]),
    ],
    ['bytes behind', changed((der) => Buffer.concat([der, Buffer.from([0])]))],
    ['bytes cut off', changed((der) => der.subarray(0, -1))],
    [
      'an extension that nobody knows and that insists',
      async () => shown(await make({ by: issuing, more: [critical('1.2.3.4')] })),
    ],
    [
      'an extension twice',
      async () =>
        shown(
          await make({
            by: issuing,
            more: [
              new x509.SubjectAlternativeNameExtension(
                [{ type: 'url', value: 'spiffe://cluster.local/x' }],
                true,
              ),
            ],
          }),
        ),
    ],
  ])('%s', async (_name, auth) => {
    expect(await peer(await auth())).toEqual(UNREADABLE);
  });
});
