/** What makes a certificate the X.509-SVID of a workload (SPIFFE, X509-SVID, sections 2 to 5), whoever signed it. */
import type { X509Certificate } from 'node:crypto';
import type { Certificate } from './certificate.ts';
import { spiffeIdentity } from './names.ts';

const SERVER_AUTH = '2b06010505070301';
const CLIENT_AUTH = '2b06010505070302';

/** Why it is none; undefined = it is one. */
export function svidFault(certificate: Certificate): string | undefined {
  const { names, isAuthority, usage, purposes } = certificate;
  const { length } = names.uris;
  if (length !== 1) return `the certificate shows ${length} URIs, want exactly one`;
  if (spiffeIdentity(names) === undefined)
    return 'the URI of the certificate is no SPIFFE ID of a workload';
  if (isAuthority) return 'the certificate is that of an authority';
  if (usage?.signs !== true) return 'the key usage of the certificate lacks digitalSignature';
  if (usage.signsCertificates || usage.signsRevocations)
    return 'the key usage of the certificate has keyCertSign or cRLSign';
  if (purposes?.includes(SERVER_AUTH) === false || purposes?.includes(CLIENT_AUTH) === false)
    return 'the extended key usage of the certificate lacks serverAuth or clientAuth';
  return undefined;
}

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
