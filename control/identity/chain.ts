/** A root, the certificates below it and the key that signs: checked before the authority takes them. */
import { Problem } from '../problem.ts';
import type { Bytes, KeyKind } from './x509.ts';
import { OID, bytesOf, importAlgorithm, pemOf, signAlgorithm, x509 } from './x509.ts';

export interface CheckedChain {
  readonly root: x509.X509Certificate;
  /** The issuing certificate first, without the root. */
  readonly chain: readonly [x509.X509Certificate, ...x509.X509Certificate[]];
  readonly kind: KeyKind;
  /** What works, but not as well as it might. */
  readonly warnings: readonly string[];
}

const MAX_CERTIFICATES = 8;
const MAX_PEM = 65_536;
const MIN_RSA_BITS = 2048;
const YEAR_MS = 366 * 24 * 3_600_000;
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;
const PRIVATE_KEY = /-----BEGIN PRIVATE KEY-----([\s\S]+?)-----END PRIVATE KEY-----/;
const ANY_KEY = /-----BEGIN ([A-Z ]*)PRIVATE KEY-----/;
const WEAK_HASHES: readonly unknown[] = ['SHA-1', 'MD5'];

export const refuse = (detail: string): Problem => new Problem(422, 'unprocessable', detail);

/** Who somebody is to a reader of an error. */
const nameOf = (certificate: x509.X509Certificate): string =>
  certificate.subject === '' ? 'a certificate without a subject' : certificate.subject;

/** @throws Problem 422 */
export function readCertificates(pem: string, what: string): x509.X509Certificate[] {
  if (pem.length > MAX_PEM) throw refuse(`${what}: more than ${MAX_PEM} characters`);
  const blocks = pem.match(CERTIFICATE) ?? [];
  if (blocks.length === 0)
    throw refuse(`${what}: no certificate in it, want PEM with -----BEGIN CERTIFICATE-----`);
  if (blocks.length > MAX_CERTIFICATES)
    throw refuse(`${what}: ${blocks.length} certificates, want at most ${MAX_CERTIFICATES}`);
  return blocks.map((block, index) => {
    try {
      return new x509.X509Certificate(block);
    } catch {
      throw refuse(`${what}: certificate ${index + 1} cannot be read`);
    }
  });
}

/** PKCS#8 out of PEM. @throws Problem 422 */
export function readPrivateKey(pem: string): Bytes {
  const body = PRIVATE_KEY.exec(pem)?.[1];
  const other = ANY_KEY.exec(pem)?.[1];
  if (body === undefined)
    throw refuse(
      other === undefined
        ? 'key: no private key in it, want PEM with -----BEGIN PRIVATE KEY-----'
        : `key: ${other}PRIVATE KEY, want PKCS#8 without a pass phrase (openssl pkcs8 -topk8 -nocrypt makes it)`,
    );
  try {
    return bytesOf(body.replaceAll(/\s/g, ''));
  } catch {
    throw refuse('key: what stands in it is no base64');
  }
}

/** @throws Problem 422 when it is none of P-256, P-384, RSA of 2048 bits or more */
export function kindOf(certificate: x509.X509Certificate): KeyKind {
  const algorithm: Algorithm & { namedCurve?: string; modulusLength?: number } =
    certificate.publicKey.algorithm;
  const { name, namedCurve, modulusLength = 0 } = algorithm;
  if (name === 'ECDSA' && (namedCurve === 'P-256' || namedCurve === 'P-384')) return namedCurve;
  const isRsa = name.startsWith('RSA');
  if (isRsa && modulusLength >= MIN_RSA_BITS) return 'RSA';
  const seen = isRsa ? `RSA of ${modulusLength} bits` : `${name} ${namedCurve ?? ''}`.trim();
  throw refuse(
    `${nameOf(certificate)}: its key is ${seen}, want P-256, P-384 or RSA of at least ${MIN_RSA_BITS} bits`,
  );
}

/** Is it one that signs others, with so many more between it and a leaf? @throws Problem 422 */
function requireSigning(certificate: x509.X509Certificate, below: number): void {
  const name = nameOf(certificate);
  const constraints = certificate.getExtension(x509.BasicConstraintsExtension);
  if (constraints?.ca !== true) throw refuse(`${name}: it is no authority, want CA:TRUE`);
  const { pathLength } = constraints;
  if (pathLength !== undefined && pathLength < below)
    throw refuse(`${name}: its pathLen is ${pathLength}, want at least ${below} or none`);
  const usage = certificate.getExtension(x509.KeyUsagesExtension);
  if (usage !== null && (usage.usages & x509.KeyUsageFlags.keyCertSign) === 0)
    throw refuse(`${name}: its keyUsage lacks keyCertSign`);
  const purposes = certificate.getExtension(x509.ExtendedKeyUsageExtension)?.usages.map(String);
  for (const [purpose, oid] of [
    ['serverAuth', '1.3.6.1.5.5.7.3.1'],
    ['clientAuth', '1.3.6.1.5.5.7.3.2'],
  ] as const)
    if (purposes !== undefined && !purposes.includes(oid) && !purposes.includes('2.5.29.37.0'))
      throw refuse(`${name}: its extendedKeyUsage lacks ${purpose}, so that no leaf can have it`);
  kindOf(certificate);
  const { hash } = certificate.signatureAlgorithm;
  if (WEAK_HASHES.includes(hash.name))
    throw refuse(`${name}: it is signed with ${hash.name}, want SHA-256 or more`);
}

function requireTime(certificate: x509.X509Certificate, nowMs: number): void {
  const { notBefore, notAfter } = certificate;
  if (nowMs < notBefore.getTime())
    throw refuse(`${nameOf(certificate)}: it begins at ${notBefore.toISOString()}`);
  if (nowMs >= notAfter.getTime())
    throw refuse(`${nameOf(certificate)}: it ended at ${notAfter.toISOString()}`);
}

async function isSignedBy(
  certificate: x509.X509Certificate,
  issuer: x509.X509Certificate,
): Promise<boolean> {
  if (certificate.issuer !== issuer.subject) return false;
  try {
    return await certificate.verify({ publicKey: issuer.publicKey, signatureOnly: true });
  } catch {
    return false;
  }
}

/** Does the key belong to the certificate? Shown by what it signs. @throws Problem 422 */
async function requireFit(certificate: x509.X509Certificate, pkcs8: Bytes): Promise<void> {
  const kind = kindOf(certificate);
  const algorithm = importAlgorithm(kind);
  let key: CryptoKey;
  try {
    key = await crypto.subtle.importKey('pkcs8', pkcs8, algorithm, false, ['sign']);
  } catch {
    throw refuse(`key: it is not of the kind that ${nameOf(certificate)} has (${kind})`);
  }
  const sample = crypto.getRandomValues(new Uint8Array(32));
  const signature = await crypto.subtle.sign(signAlgorithm(kind), key, sample);
  const publicKey = await certificate.publicKey.export(algorithm, ['verify']);
  if (!(await crypto.subtle.verify(signAlgorithm(kind), publicKey, signature, sample)))
    throw refuse(`key: it is not the one of ${nameOf(certificate)}`);
}

function warningsOf([issuing]: CheckedChain['chain']): string[] {
  const { pathLength } = issuing.getExtension(x509.BasicConstraintsExtension) ?? {};
  const usage = issuing.getExtension(x509.KeyUsagesExtension);
  const lifeMs = issuing.notAfter.getTime() - issuing.notBefore.getTime();
  return [
    ...(pathLength === 0
      ? []
      : ['the issuing certificate may sign further authorities: want pathLen 0']),
    ...(usage === null || (usage.usages & x509.KeyUsageFlags.cRLSign) !== 0
      ? []
      : ['the issuing certificate lacks cRLSign: no revocation list is published']),
    ...(lifeMs > YEAR_MS ? ['the issuing certificate is for more than a year'] : []),
    ...(issuing.getExtension(OID.nameConstraints) === null
      ? []
      : [
          'the issuing certificate has name constraints: whether they admit the trust domain is for peers to find out',
        ]),
  ];
}

/** Without what is named twice, and without the root. */
function below(
  certificates: readonly x509.X509Certificate[],
  root: x509.X509Certificate,
): x509.X509Certificate[] {
  const seen = new Set([root.toString('pem')]);
  return certificates.filter((certificate) => {
    const pem = certificate.toString('pem');
    return !seen.has(pem) && seen.add(pem);
  });
}

/**
 * Checks that the chain leads from its first certificate to the root, that each of it may sign, and now.
 * `pkcs8` absent = the key is known already. @throws Problem 422 with what is wrong with which certificate
 */
export async function checkChain(
  pems: { readonly root: string; readonly chain: string },
  nowMs: number,
  pkcs8?: Bytes,
): Promise<CheckedChain> {
  const [root, ...more] = readCertificates(pems.root, 'root');
  if (root === undefined || more.length > 0)
    throw refuse(`root: ${more.length + 1} certificates, want the one root`);
  if (!(await isSignedBy(root, root))) throw refuse(`root: ${nameOf(root)} is not self-signed`);
  const [issuing, ...rest] = below(readCertificates(pems.chain, 'chain'), root);
  if (issuing === undefined)
    throw refuse('chain: it is the root itself, want an intermediate: the root stays offline');
  const chain: CheckedChain['chain'] = [issuing, ...rest];
  for (const [index, certificate] of chain.entries()) {
    const issuer = chain[index + 1] ?? root;
    if (!(await isSignedBy(certificate, issuer)))
      throw refuse(
        `chain: ${nameOf(certificate)} is not signed by ${nameOf(issuer)}; want the issuing certificate first, then each one's issuer`,
      );
    requireSigning(certificate, index);
    requireTime(certificate, nowMs);
  }
  requireSigning(root, chain.length);
  requireTime(root, nowMs);
  if (pkcs8 !== undefined) await requireFit(issuing, pkcs8);
  return { root, chain, kind: kindOf(issuing), warnings: warningsOf(chain) };
}

export const chainPems = ({ chain }: Pick<CheckedChain, 'chain'>): string[] =>
  chain.map((certificate) => pemOf(certificate));
