/** Whether one certificate was signed by the key of another. Algorithms that are broken or unknown sign nothing. */
import type { Certificate } from './certificate.ts';
import { DerFault, TAG, elements, expected, hexOf, sequence } from './der.ts';

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

function curveOf(publicKey: Uint8Array<ArrayBuffer>): { name: string; bytes: number } | undefined {
  const [algorithm] = sequence(elements(publicKey)[0]);
  const [, parameters] = sequence(algorithm);
  return CURVES[hexOf(expected(parameters, TAG.oid).content)];
}

/** Two integers side by side, each as long as the curve's order: what WebCrypto takes. */
function plainSignature(
  der: Uint8Array<ArrayBuffer>,
  bytes: number,
): Uint8Array<ArrayBuffer> | undefined {
  const parts = sequence(elements(der)[0]);
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
  publicKey: Uint8Array<ArrayBuffer>,
  hash: Hash,
): Promise<boolean> {
  const curve = curveOf(publicKey);
  const plain = curve === undefined ? undefined : plainSignature(value, curve.bytes);
  if (curve === undefined || plain === undefined) return false;
  const { name: namedCurve } = curve;
  const algorithm = { name: 'ECDSA', namedCurve };
  const key = await crypto.subtle.importKey('spki', publicKey, algorithm, false, ['verify']);
  return crypto.subtle.verify({ name: 'ECDSA', hash }, key, plain, signed);
}

async function isRsaSigned(
  { value, signed }: Certificate['signature'],
  publicKey: Uint8Array<ArrayBuffer>,
  hash: Hash,
): Promise<boolean> {
  const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash };
  const key = await crypto.subtle.importKey('spki', publicKey, algorithm, false, ['verify']);
  const { modulusLength } = key.algorithm as RsaHashedKeyAlgorithm;
  return modulusLength >= MIN_RSA_BITS && crypto.subtle.verify(algorithm.name, key, value, signed);
}

export async function isSignedBy(below: Certificate, above: Certificate): Promise<boolean> {
  const { signature } = below;
  const ecdsa = ECDSA[signature.algorithm];
  const rsa = RSA[signature.algorithm];
  try {
    if (ecdsa !== undefined) return await isEcdsaSigned(signature, above.publicKey, ecdsa);
    if (rsa !== undefined) return await isRsaSigned(signature, above.publicKey, rsa);
  } catch (error) {
    // A key that can't be imported signed nothing.
    if (!(error instanceof DerFault) && !(error instanceof Error)) throw error;
  }
  return false;
}
