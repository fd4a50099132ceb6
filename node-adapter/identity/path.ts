/** Whether a chain of certificates leads to a root that is believed (RFC 5280, 6.1, as far as this mesh makes use of it). */
import { X509Certificate, createHash } from 'node:crypto';
import { CLOCK_SKEW_MS, MAX_CHAIN } from '../../src/delivery/joining.ts';
import { spiffeUri, trustDomainOf } from '../../src/lib/spiffe-id.ts';
import { readCertificate } from '../../src/lib/x509/certificate.ts';
import type { Certificate } from '../../src/lib/x509/certificate.ts';
import { permitsUriHost } from '../../src/lib/x509/constraints.ts';
import { expiryOf } from '../tls/expiry.ts';
import { isIssuedBy } from '../tls/issuer.ts';
import { certificatesIn } from '../tls/pem.ts';

/** The control plane can't be told from somebody who only pretends: nothing is sent, nothing taken. */
export class UntrustedError extends Error {
  override readonly name: string = 'UntrustedError';
}

interface Read {
  readonly x509: X509Certificate;
  readonly fields: Certificate;
}

export const fingerprint = (certificate: X509Certificate): string =>
  createHash('sha256').update(certificate.raw).digest('hex');

/** @throws UntrustedError */
export function readChain(certificates: readonly (string | Buffer)[]): readonly X509Certificate[] {
  if (certificates.length === 0 || certificates.length > MAX_CHAIN)
    throw new UntrustedError(`it shows a chain of ${certificates.length} certificates`);
  return certificates.map((one) => {
    try {
      return new X509Certificate(one);
    } catch {
      throw new UntrustedError('it shows something that is no certificate');
    }
  });
}

/** @throws UntrustedError */
export const readPem = (pem: string): readonly X509Certificate[] => readChain(certificatesIn(pem));

function read(x509: X509Certificate): Read {
  const fields = readCertificate(x509.raw);
  if (fields === undefined) throw new UntrustedError('it shows a certificate that can not be read');
  return { x509, fields };
}

function checkTime(x509: X509Certificate, what: string, nowMs: number): void {
  const fromMs = Date.parse(x509.validFrom);
  const untilMs = expiryOf(x509);
  if (!(nowMs >= fromMs - CLOCK_SKEW_MS))
    throw new UntrustedError(`${what} holds from ${x509.validFrom}: is the clock here right?`);
  if (untilMs === undefined || nowMs >= untilMs)
    throw new UntrustedError(`${what} has expired on ${x509.validTo}`);
}

/** @param below how many authorities stand between it and the leaf */
function checkAuthority({ x509, fields }: Read, below: number, nowMs: number): void {
  if (!fields.isAuthority || !x509.ca)
    throw new UntrustedError('an issuer of its chain is no authority');
  if (fields.maxPath !== undefined && fields.maxPath < below)
    throw new UntrustedError('its chain has more authorities than one of them allows');
  if (fields.usage !== undefined && !fields.usage.signsCertificates)
    throw new UntrustedError('an issuer of its chain may not sign certificates');
  checkTime(x509, 'an issuer of its chain', nowMs);
}

/**
 * All of the chain are authorities, the last of which a root has issued, or the first is a leaf (`from` 1).
 * @returns the root @throws UntrustedError
 */
function checkPath(
  chain: readonly X509Certificate[],
  roots: readonly X509Certificate[],
  { from, nowMs }: { readonly from: 0 | 1; readonly nowMs: number },
): X509Certificate {
  const last = chain.at(-1);
  const root = roots.find((one) => last !== undefined && isIssuedBy(last, one));
  if (root === undefined)
    throw new UntrustedError('its chain does not lead to the root that is believed here');
  for (const [index, issuer] of [...chain.slice(1), root].entries()) {
    const issued = chain[index];
    if (issued === undefined || !isIssuedBy(issued, issuer))
      throw new UntrustedError('in its chain one did not issue the other');
  }
  for (const [index, authority] of [...chain.slice(from), root].entries())
    checkAuthority(read(authority), index, nowMs);
  return root;
}

/** Which of the roots issued the last of a chain. */
export function rootOf(
  chain: readonly X509Certificate[],
  roots: readonly string[],
): X509Certificate | undefined {
  const last = chain.at(-1);
  return roots
    .flatMap((pem) => readPem(pem))
    .find((root) => last !== undefined && isIssuedBy(last, root));
}

/** Who signs statements: the issuing certificate, below a root. @throws UntrustedError */
export function checkSigner(
  chain: readonly X509Certificate[],
  roots: readonly X509Certificate[],
  nowMs: number,
): X509Certificate {
  checkPath(chain, roots, { from: 0, nowMs });
  return chain[0] as X509Certificate;
}

export interface WantedLeaf {
  readonly identity: string;
  /** SubjectPublicKeyInfo (DER). */
  readonly publicKey: Uint8Array;
}

/** The own certificate: of this identity and no other, for this key. @throws UntrustedError */
export function checkLeaf(
  chain: readonly X509Certificate[],
  roots: readonly X509Certificate[],
  { identity, publicKey }: WantedLeaf,
  nowMs: number,
): X509Certificate {
  const [leaf] = chain;
  if (leaf === undefined) throw new UntrustedError('it gives no certificate');
  const { fields } = read(leaf);
  const { uris, dns, ips, emails } = fields.names;
  const isAlone = uris.length === 1 && dns.length + ips.length + emails.length === 0;
  if (!isAlone || uris[0] !== spiffeUri(identity))
    throw new UntrustedError(`it gives a certificate that is not of ${spiffeUri(identity)} alone`);
  if (!Buffer.from(publicKey).equals(fields.publicKey))
    throw new UntrustedError('it gives a certificate for another key');
  if (fields.isAuthority) throw new UntrustedError('it gives the certificate of an authority');
  const root = checkPath(chain, roots, { from: 1, nowMs });
  for (const authority of [...chain.slice(1), root]) checkConstraints(read(authority), identity);
  checkTime(leaf, 'the certificate', nowMs);
  return leaf;
}

function checkConstraints({ fields: { constraints } }: Read, identity: string): void {
  const domain = trustDomainOf(identity);
  if (constraints !== undefined && !permitsUriHost(constraints, domain))
    throw new UntrustedError(`an authority of its chain may not certify ${domain}`);
}
