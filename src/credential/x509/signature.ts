/** Whether one certificate was signed by the key of another. Algorithms that are broken or unknown sign nothing. */
import type { Certificate } from '../../lib/x509/certificate.ts';
import { DerFault, TAG, element, expected, hexOf, sequence } from '../../lib/x509/der.ts';

type Hash = 'SHA-256' | 'SHA-384' | 'SHA-512';

/** AlgorithmIdentifier in hex. */
const ECDSA: Readonly<Record<string, Hash>> = {
  '300a06082a8648ce3d040302': 'SHA-256',
  '300a06082a8648ce3d040303': 'SHA-384',
  '300a06082a8648ce3d040304': 'SHA-512',
};
const RSA: Readonly<Record<string, Hash>> = {
  '300d06092a864886f70d01010b0500': 'SHA-256',
  '300d06092a864886f70d01010c0500': 'SHA-384',
  '300d06092a864886f70d01010d0500': 'SHA-512',
};
/** By the parameters of an EC key, OID in hex. */
const CURVES: Readonly<Record<string, { readonly name: string; readonly bytes: number }>> = {
  '2a8648ce3d030107': { name: 'P-256', bytes: 32 },
  '2b81040022': { name: 'P-384', bytes: 48 },
  '2b81040023': { name: 'P-521', bytes: 66 },
};
const MIN_RSA_BITS = 2048;

function curveOf(publicKey: Uint8Array): { name: string; bytes: number } | undefined {
  const [algorithm] = sequence(element(publicKey, TAG.sequence));
  const [, parameters] = sequence(algorithm);
  return CURVES[hexOf(expected(parameters, TAG.oid).content)];
}

/** Two integers side by side, each as long as the curve's order: what WebCrypto takes. */
function plainSignature(der: Uint8Array, bytes: number): Uint8Array<ArrayBuffer> | undefined {
  const parts = sequence(element(der, TAG.sequence));
  const plain = new Uint8Array(2 * bytes);
  if (parts.length !== 2) return undefined;
  for (const [index, part] of parts.entries()) {
    const { content } = expected(part, TAG.integer);
    const digits = content[0] === 0 ? content.subarray(1) : content;
    if (digits.length > bytes) return undefined;
    plain.set(digits, (index + 1) * bytes - digits.length);
  }
  return plain;
}

async function isEcdsaSigned(
  { value, signed }: Certificate['signature'],
  publicKey: Uint8Array,
  hash: Hash,
): Promise<boolean> {
  const curve = curveOf(publicKey);
  const plain = curve === undefined ? undefined : plainSignature(value, curve.bytes);
  if (curve === undefined || plain === undefined) return false;
  const { name: namedCurve } = curve;
  const algorithm = { name: 'ECDSA', namedCurve };
  const key = await crypto.subtle.importKey('spki', publicKey.slice(), algorithm, false, [
    'verify',
  ]);
  return crypto.subtle.verify({ name: 'ECDSA', hash }, key, plain, signed.slice());
}

async function isRsaSigned(
  { value, signed }: Certificate['signature'],
  publicKey: Uint8Array,
  hash: Hash,
): Promise<boolean> {
  const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash };
  const key = await crypto.subtle.importKey('spki', publicKey.slice(), algorithm, false, [
    'verify',
  ]);
  const { modulusLength } = key.algorithm as RsaHashedKeyAlgorithm;
  return (
    modulusLength >= MIN_RSA_BITS &&
    crypto.subtle.verify(algorithm.name, key, value.slice(), signed.slice())
  );
}

export async function isSignedBy(below: Certificate, above: Certificate): Promise<boolean> {
  const { signature } = below;
  const algorithm = hexOf(signature.algorithm.whole);
  const ecdsa = ECDSA[algorithm];
  const rsa = RSA[algorithm];
  try {
    if (ecdsa !== undefined) return await isEcdsaSigned(signature, above.publicKey, ecdsa);
    if (rsa !== undefined) return await isRsaSigned(signature, above.publicKey, rsa);
  } catch (error) {
    // A key that can't be imported signed nothing.
    if (!(error instanceof DerFault) && !(error instanceof Error)) throw error;
  }
  return false;
}
