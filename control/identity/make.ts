/** Makes what is signed with a root: the root itself, and intermediates. Its key never reaches the control plane. */
import { refuse } from './chain.ts';
import { authorityKeyId } from './leaf.ts';
import type { Signer } from './leaf.ts';
import type { Bytes } from './x509.ts';
import {
  newKeyPair,
  newSerial,
  pemOf,
  privateBytes,
  signAlgorithm,
  wholeSecondMs,
  x509,
} from './x509.ts';

const DAY_MS = 24 * 3_600_000;
/** As Istio's own root. */
export const ROOT_LIFE_MS: number = 3650 * DAY_MS;
export const INTERMEDIATE_LIFE_MS: number = 365 * DAY_MS;
const BACKDATED_MS = 60_000;
const KIND = 'P-256';

const { keyCertSign, cRLSign, digitalSignature } = x509.KeyUsageFlags;

export interface MadeRoot {
  /** PEM. */
  readonly certificate: string;
  /** PEM (PKCS#8): whoever has it makes identities of the mesh. */
  readonly key: string;
}

const lifetime = (nowMs: number, lifeMs: number) => ({
  notBefore: new Date(wholeSecondMs(nowMs - BACKDATED_MS)),
  notAfter: new Date(wholeSecondMs(nowMs + lifeMs)),
});

/** A root that signs intermediates and nothing else. */
export async function makeRoot(trustDomain: string, nowMs: number): Promise<MadeRoot> {
  const keys = await newKeyPair();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: newSerial(),
    // Two roots of one mesh differ in their names, so that a chain is never built to the wrong one.
    name: `CN=${trustDomain} root ${newSerial().slice(0, 8)}, O=Lateen`,
    ...lifetime(nowMs, ROOT_LIFE_MS),
    keys,
    signingAlgorithm: signAlgorithm(KIND),
    extensions: [
      new x509.BasicConstraintsExtension(true, 1, true),
      new x509.KeyUsagesExtension(keyCertSign | cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  const key = await privateBytes(keys.privateKey);
  return {
    certificate: pemOf(certificate),
    key: `${x509.PemConverter.encode(key, 'PRIVATE KEY')}\n`,
  };
}

export interface MadeRequest {
  /** PKCS#8. */
  readonly key: Bytes;
  /** PEM of the certificate request. */
  readonly request: string;
}

/** A key for an intermediate, and the request for its certificate. */
export async function makeRequest(trustDomain: string, generation: number): Promise<MadeRequest> {
  const keys = await newKeyPair();
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: `CN=${trustDomain} issuing ${generation}, O=Lateen`,
    keys,
    signingAlgorithm: signAlgorithm(KIND),
  });
  return { key: await privateBytes(keys.privateKey), request: `${request.toString('pem')}\n` };
}

/** The certificate that a request asks for, for at most a year: it signs leaves alone. @throws Problem 422 */
export async function signIntermediate(
  request: string,
  root: Pick<Signer, 'certificate' | 'key' | 'kind'>,
  nowMs: number,
): Promise<string> {
  const asked = new x509.Pkcs10CertificateRequest(request);
  if (!(await asked.verify())) throw refuse('request: its signature does not fit its key');
  const times = lifetime(nowMs, INTERMEDIATE_LIFE_MS);
  const { notAfter } = root.certificate;
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: newSerial(),
    subject: asked.subjectName,
    issuer: root.certificate.subjectName,
    notBefore: times.notBefore,
    notAfter: notAfter < times.notAfter ? notAfter : times.notAfter,
    publicKey: asked.publicKey,
    signingKey: root.key,
    signingAlgorithm: signAlgorithm(root.kind),
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      // It signs statements of the control plane too, which clients check before they trust anything else.
      new x509.KeyUsagesExtension(keyCertSign | cRLSign | digitalSignature, true),
      await x509.SubjectKeyIdentifierExtension.create(asked.publicKey),
      await authorityKeyId(root),
    ],
  });
  return pemOf(certificate);
}
