/** Whether a key is of a kind and a size that proves something. */
import type { X509Certificate } from 'node:crypto';

const MIN_RSA_BITS = 2048;
const STRONG_CURVES = new Set(['prime256v1', 'secp384r1', 'secp521r1']);

/** Why a key proves nothing; undefined = it does. */
export function keyFault({ publicKey }: X509Certificate): string | undefined {
  const { asymmetricKeyType: type = 'unknown', asymmetricKeyDetails: details } = publicKey;
  if (type === 'ed25519' || type === 'ed448') return undefined;
  if (type === 'ec' && STRONG_CURVES.has(details?.namedCurve ?? '')) return undefined;
  const isRsa = type === 'rsa' || type === 'rsa-pss';
  if (isRsa && (details?.modulusLength ?? 0) >= MIN_RSA_BITS) return undefined;
  return `the key of the certificate is too weak, or of a kind that isn't taken: ${type} ${details?.namedCurve ?? details?.modulusLength ?? ''}`.trim();
}
