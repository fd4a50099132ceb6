/** Certificates of workloads: an X.509-SVID each (X509-SVID, sections 2 to 4). */
import { spiffeUri } from '../../src/lib/spiffe-id.ts';
import type { Bytes, KeyKind } from './x509.ts';
import { signAlgorithm, x509 } from './x509.ts';

/** What signs: a key, and the certificate that it belongs to. */
export interface Signer {
  readonly generation: number;
  readonly kind: KeyKind;
  readonly key: CryptoKey;
  readonly certificate: x509.X509Certificate;
  /** PEM, as it is handed out: the issuing certificate, then those below the root. */
  readonly chain: string;
  /** DER in base64, in the same order: the `x5c` of what it signs. */
  readonly x5c: readonly string[];
  /** When the first certificate of the chain ends, the root's included. */
  readonly notAfterMs: number;
  readonly notBeforeMs: number;
}

export interface Leaf {
  readonly identity: string;
  readonly publicKey: CryptoKey;
  /** The key as the asker sent it. */
  readonly publicKeyInfo: Bytes;
  readonly serial: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

const { serverAuth, clientAuth } = x509.ExtendedKeyUsage;
/** None of these differs between two leaves. */
const FIXED = [
  new x509.BasicConstraintsExtension(false, undefined, true),
  new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
  new x509.ExtendedKeyUsageExtension([serverAuth, clientAuth], false),
];

/** PEM of the leaf alone. */
export async function signLeaf(signer: Signer, leaf: Leaf): Promise<string> {
  const [ski, aki] = await Promise.all([
    x509.SubjectKeyIdentifierExtension.create(leaf.publicKey),
    authorityKeyId(signer),
  ]);
  const name = new x509.SubjectAlternativeNameExtension(
    // The subject is empty, so that this is critical (RFC 5280, 4.2.1.6).
    [{ type: 'url', value: spiffeUri(leaf.identity) }],
    true,
  );
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: leaf.serial,
    issuer: signer.certificate.subjectName,
    notBefore: new Date(leaf.notBeforeMs),
    notAfter: new Date(leaf.notAfterMs),
    publicKey: leaf.publicKey,
    signingKey: signer.key,
    signingAlgorithm: signAlgorithm(signer.kind),
    extensions: [...FIXED, name, ski, aki],
  });
  return `${certificate.toString('pem')}\n`;
}

type Issuer = Pick<Signer, 'certificate'>;
const authorityKeyIds = new WeakMap<Issuer, x509.AuthorityKeyIdentifierExtension>();

/** The issuer's own key identifier where it has one, as a chain is built by it. */
export async function authorityKeyId(
  signer: Issuer,
): Promise<x509.AuthorityKeyIdentifierExtension> {
  const known = authorityKeyIds.get(signer);
  if (known !== undefined) return known;
  const own = signer.certificate.getExtension(x509.SubjectKeyIdentifierExtension);
  const made =
    own === null
      ? await x509.AuthorityKeyIdentifierExtension.create(signer.certificate.publicKey)
      : new x509.AuthorityKeyIdentifierExtension(own.keyId);
  authorityKeyIds.set(signer, made);
  return made;
}
