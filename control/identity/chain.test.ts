/** What a chain must be before it is taken: each fault alone makes it refused. */
import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { checkChain, readPrivateKey } from './chain.ts';
import { importAlgorithm, newSerial, signAlgorithm, x509 } from './x509.ts';
import type { KeyKind } from './x509.ts';

const DAY_MS = 86_400_000;
const NOW_MS = Date.now();
const { keyCertSign, cRLSign, digitalSignature } = x509.KeyUsageFlags;

interface Made {
  readonly certificate: x509.X509Certificate;
  readonly keys: CryptoKeyPair;
  readonly kind: KeyKind;
}

interface Wanted {
  readonly kind?: KeyKind;
  readonly isCa?: boolean;
  readonly pathLength?: number | undefined;
  readonly usage?: number | undefined;
  readonly purposes?: string[];
  readonly fromMs?: number;
  readonly lifeMs?: number;
  readonly name?: string;
  readonly more?: x509.Extension[];
}

async function newKeys(kind: KeyKind, modulusLength = 2048): Promise<CryptoKeyPair> {
  return kind === 'RSA'
    ? crypto.subtle.generateKey(
        {
          ...importAlgorithm('RSA'),
          name: 'RSASSA-PKCS1-v1_5',
          hash: 'SHA-256',
          modulusLength,
          publicExponent: new Uint8Array([1, 0, 1]),
        },
        true,
        ['sign', 'verify'],
      )
    : crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: kind }, true, ['sign', 'verify']);
}

async function make(wanted: Wanted = {}, issuer?: Made): Promise<Made> {
  const { kind = 'P-256', isCa = true, usage = keyCertSign | cRLSign, more = [] } = wanted;
  const { fromMs = NOW_MS - DAY_MS, lifeMs = 300 * DAY_MS, purposes } = wanted;
  const keys = await newKeys(kind);
  const signer = issuer ?? { keys, kind };
  const name = wanted.name ?? `CN=${newSerial().slice(0, 8)}`;
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: newSerial(),
    subject: name,
    issuer: issuer?.certificate.subjectName ?? name,
    notBefore: new Date(fromMs),
    notAfter: new Date(fromMs + lifeMs),
    publicKey: keys.publicKey,
    signingKey: signer.keys.privateKey,
    signingAlgorithm: signAlgorithm(signer.kind),
    extensions: [
      new x509.BasicConstraintsExtension(isCa, wanted.pathLength, true),
      ...(usage === 0 ? [] : [new x509.KeyUsagesExtension(usage, true)]),
      ...(purposes === undefined ? [] : [new x509.ExtendedKeyUsageExtension(purposes)]),
      ...more,
    ],
  });
  return { certificate, keys, kind };
}

const pem = (...made: readonly Made[]): string =>
  made.map(({ certificate }) => certificate.toString('pem')).join('\n');
const keyOf = async ({ keys }: Made) =>
  new Uint8Array(await crypto.subtle.exportKey('pkcs8', keys.privateKey));
const refusal = async (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'taken',
    (error: { message: string }) => error.message,
  );

let root: Made;
let middle: Made;
beforeAll(async () => {
  root = await make();
  middle = await make({ pathLength: 0 }, root);
});

describe('a chain', () => {
  it.each(['P-256', 'P-384', 'RSA'] as const)('is taken with a key on %s', async (kind) => {
    const issuing = await make({ kind, pathLength: 0 }, root);
    const checked = await checkChain(
      { root: pem(root), chain: pem(issuing) },
      NOW_MS,
      await keyOf(issuing),
    );
    expect(checked).toMatchObject({ kind, warnings: [] });
  });

  it('may have several parts, and name the root again', async () => {
    const upper = await make({ pathLength: 1 }, root);
    const issuing = await make({ pathLength: 0 }, upper);
    const chain = pem(issuing, upper, root, issuing);
    const checked = await checkChain({ root: pem(root), chain }, NOW_MS, await keyOf(issuing));
    expect(checked.chain).toHaveLength(2);
  });

  it('is warned of what works less well', async () => {
    const issuing = await make({ usage: keyCertSign, lifeMs: 800 * DAY_MS }, await long());
    const checked = await checkChain({ root: pem(await long()), chain: pem(issuing) }, NOW_MS);
    expect(checked.warnings).toEqual([
      expect.stringContaining('pathLen 0'),
      expect.stringContaining('cRLSign'),
      expect.stringContaining('more than a year'),
    ]);
  });

  it.each<[string, Wanted, string]>([
    ['is no authority', { isCa: false }, 'want CA:TRUE'],
    ['may not sign', { usage: digitalSignature }, 'lacks keyCertSign'],
    ['is for servers only', { purposes: ['1.3.6.1.5.5.7.3.1'] }, 'lacks clientAuth'],
    ['is for clients only', { purposes: ['1.3.6.1.5.5.7.3.2'] }, 'lacks serverAuth'],
    ['is over', { fromMs: NOW_MS - 9 * DAY_MS, lifeMs: DAY_MS }, 'it ended at'],
    ['is not yet', { fromMs: NOW_MS + DAY_MS }, 'it begins at'],
  ])('is refused when its issuing certificate %s', async (_what, wanted, says) => {
    const issuing = await make(wanted, root);
    expect(await refusal(checkChain({ root: pem(root), chain: pem(issuing) }, NOW_MS))).toContain(
      says,
    );
  });

  it.each<[string, Wanted, string]>([
    ['is no authority', { isCa: false }, 'want CA:TRUE'],
    ['may sign no intermediate', { pathLength: 0 }, 'pathLen is 0, want at least 1'],
    ['is over', { fromMs: NOW_MS - 9 * DAY_MS, lifeMs: DAY_MS }, 'it ended at'],
  ])('is refused when its root %s', async (_what, wanted, says) => {
    const other = await make(wanted);
    const issuing = await make({ pathLength: 0 }, other);
    expect(await refusal(checkChain({ root: pem(other), chain: pem(issuing) }, NOW_MS))).toContain(
      says,
    );
  });

  it('is refused with a part that is too far up', async () => {
    const upper = await make({ pathLength: 0 }, root);
    const issuing = await make({}, upper);
    expect(
      await refusal(checkChain({ root: pem(root), chain: pem(issuing, upper) }, NOW_MS)),
    ).toContain('pathLen is 0, want at least 1');
  });

  it('is refused in another order, with a gap, or under another root of that name', async () => {
    const upper = await make({}, root);
    const issuing = await make({}, upper);
    const chain = pem(upper, issuing);
    expect(await refusal(checkChain({ root: pem(root), chain }, NOW_MS))).toContain(
      'is not signed by',
    );
    expect(await refusal(checkChain({ root: pem(root), chain: pem(issuing) }, NOW_MS))).toContain(
      'is not signed by',
    );
    const impostor = await make({ name: root.certificate.subject });
    expect(
      await refusal(checkChain({ root: pem(impostor), chain: pem(middle) }, NOW_MS)),
    ).toContain('is not signed by');
  });

  it('is refused with more, fewer or no roots', async () => {
    const chain = pem(middle);
    const says = async (text: string) => refusal(checkChain({ root: text, chain }, NOW_MS));
    expect(await says(pem(root, middle))).toContain('want the one root');
    expect(await says(pem(middle))).toContain('not self-signed');
    expect(await says('')).toContain('no certificate');
    expect(await says('-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----')).toContain(
      'cannot be read',
    );
    expect(await refusal(checkChain({ root: pem(root), chain: pem(root) }, NOW_MS))).toContain(
      'the root stays offline',
    );
    const many = Array.from({ length: 9 }, () => middle);
    expect(await refusal(checkChain({ root: pem(root), chain: pem(...many) }, NOW_MS))).toContain(
      'at most 8',
    );
  });

  it('is refused with the key of another, or of another kind', async () => {
    const pems = { root: pem(root), chain: pem(middle) };
    expect(await refusal(checkChain(pems, NOW_MS, await keyOf(await make())))).toContain(
      'key: it is not the one of',
    );
    expect(
      await refusal(checkChain(pems, NOW_MS, await keyOf(await make({ kind: 'P-384' })))),
    ).toContain('not of the kind');
  });

  it('is refused with a weak key', async () => {
    const keys = await newKeys('RSA', 1024);
    const certificate = await x509.X509CertificateGenerator.create({
      subject: 'CN=weak',
      issuer: root.certificate.subjectName,
      notBefore: new Date(NOW_MS - 1000),
      notAfter: new Date(NOW_MS + DAY_MS),
      publicKey: keys.publicKey,
      signingKey: root.keys.privateKey,
      signingAlgorithm: signAlgorithm('P-256'),
      extensions: [new x509.BasicConstraintsExtension(true, 0, true)],
    });
    const chain = certificate.toString('pem');
    expect(await refusal(checkChain({ root: pem(root), chain }, NOW_MS))).toContain('1024 bits');
  });
});

describe('a private key', () => {
  it('is wanted as PKCS#8, and an error never shows it', () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const pkcs8 = privateKey.export({ type: 'pkcs8', format: 'pem' });
    const sec1 = privateKey.export({ type: 'sec1', format: 'pem' });
    const bytes = readPrivateKey(pkcs8);
    const again = createPrivateKey({ key: Buffer.from(bytes), format: 'der', type: 'pkcs8' });
    expect(again.equals(privateKey)).toBe(true);
    const says = (text: string): string => {
      try {
        readPrivateKey(text);
        return 'read';
      } catch (error) {
        return String(error);
      }
    };
    expect(says(sec1)).toContain('EC PRIVATE KEY, want PKCS#8');
    expect(says(sec1)).not.toContain(sec1.slice(40, 60));
    expect(says('nothing')).toContain('no private key');
    expect(says('-----BEGIN PRIVATE KEY-----\n!\n-----END PRIVATE KEY-----')).toContain(
      'no base64',
    );
  });
});

let longRoot: Made | undefined;
async function long(): Promise<Made> {
  longRoot ??= await make({ lifeMs: 3000 * DAY_MS });
  return longRoot;
}
