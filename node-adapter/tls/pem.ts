/** PEM texts of secrets: whether they are what they should be. */
import { X509Certificate, createPrivateKey } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import type { SecretMaterial } from '../secrets.ts';
import { isIssuedBy } from './issuer.ts';

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

export function certificatesIn(pem: string): readonly string[] {
  return pem.match(CERTIFICATE) ?? [];
}

const MAX_CHAIN = 10;

/**
 * A certificate that stands alone, with those of its issuers that are among the authorities. OpenSSL would look for
 * them itself, with a signature checked in every handshake; what goes over the wire is the same.
 */
export function withIssuers(certificate: string, authorities: readonly string[]): string {
  const [own, ...behind] = certificatesIn(certificate);
  if (own === undefined || behind.length > 0) return certificate;
  const all = authorities.flatMap((pem) => certificatesIn(pem)).map((pem) => readOrSkip(pem));
  const chain = [own];
  let last = readOrSkip(own);
  while (last !== undefined && !last.checkIssued(last) && chain.length < MAX_CHAIN) {
    const issued = last;
    last = all.find((one) => one !== undefined && isIssuedBy(issued, one));
    if (last !== undefined) chain.push(last.toString());
  }
  return chain.join('\n');
}

/** What makes the context says what is wrong with one that can't be read. */
function readOrSkip(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem);
  } catch {
    return undefined;
  }
}

/** OpenSSL says where it stopped, and not in what. */
function readable(what: string, read: () => unknown): void {
  try {
    read();
  } catch (error) {
    const cause = error instanceof Error ? error.message : 'unknown';
    throw new Error(`${what} can not be read: ${cause}`, { cause: error });
  }
}

function checkCertificates(pem: string, what: string): void {
  const all = certificatesIn(pem);
  if (all.length === 0) throw new Error(`${what}: no certificate in PEM format`);
  for (const one of all) readable(what, () => new X509Certificate(one));
}

/** @throws Error that says what is wrong, without a word of the content */
export function checkMaterial({ certificate, key, authorities, revoked }: SecretMaterial): void {
  if (certificate !== undefined) checkCertificates(certificate, 'the certificate');
  if (authorities !== undefined) checkCertificates(authorities, 'the authorities');
  if ((certificate === undefined) !== (key === undefined))
    throw new Error('certificate and private key belong together');
  if (key !== undefined) readable('the private key', () => createPrivateKey(key));
  createSecureContext({
    ...(certificate === undefined ? {} : { cert: certificate }),
    ...(key === undefined ? {} : { key }),
    ...(authorities === undefined ? {} : { ca: authorities }),
    ...(revoked === undefined ? {} : { crl: revoked }),
  });
}
