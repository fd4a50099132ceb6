/** PEM texts of secrets: whether they are what they should be. */
import { X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import type { SecretMaterial } from '../secrets.ts';

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

export function certificatesIn(pem: string): readonly string[] {
  return pem.match(CERTIFICATE) ?? [];
}

function checkCertificates(pem: string, what: string): void {
  const all = certificatesIn(pem);
  if (all.length === 0) throw new Error(`${what} has no certificate`);
  for (const one of all) void new X509Certificate(one);
}

/** @throws Error that says what is wrong, without a word of the content */
export function checkMaterial({ certificate, key, authorities, revoked }: SecretMaterial): void {
  if (certificate !== undefined) checkCertificates(certificate, 'the certificate file');
  if (authorities !== undefined) checkCertificates(authorities, 'the file of authorities');
  if ((certificate === undefined) !== (key === undefined))
    throw new Error('certificate and private key belong together');
  createSecureContext({
    ...(certificate === undefined ? {} : { cert: certificate }),
    ...(key === undefined ? {} : { key }),
    ...(authorities === undefined ? {} : { ca: authorities }),
    ...(revoked === undefined ? {} : { crl: revoked }),
  });
}
