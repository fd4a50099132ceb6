/** What makes a certificate the X.509-SVID of a workload (SPIFFE, X509-SVID, sections 2 to 5), whoever signed it. */
import { identityOf, spiffeUri } from '../spiffe-id.ts';
import type { Certificate } from './certificate.ts';
import type { SubjectNames } from './extensions.ts';
import { PURPOSE } from './extensions.ts';

/**
 * The identity that names show, without its scheme. Several URIs show none, whatever they are; nor does one that is
 * written otherwise than it is compared.
 */
export function shownIdentity({ uris }: Pick<SubjectNames, 'uris'>): string | undefined {
  const [uri = ''] = uris;
  const identity = uris.length === 1 ? identityOf(uri) : undefined;
  return identity !== undefined && spiffeUri(identity) === uri ? identity : undefined;
}

/** Why it is none; undefined = it is one. */
export function svidFault(certificate: Certificate): string | undefined {
  const { names, isAuthority, usage, purposes } = certificate;
  const { length } = names.uris;
  if (length !== 1) return `the certificate shows ${length} URIs, want exactly one`;
  if (shownIdentity(names) === undefined)
    return 'the URI of the certificate is no SPIFFE ID of a workload';
  if (isAuthority) return 'the certificate is that of an authority';
  if (usage?.signs !== true) return 'the key usage of the certificate lacks digitalSignature';
  if (usage.signsCertificates || usage.signsRevocations)
    return 'the key usage of the certificate has keyCertSign or cRLSign';
  const { serverAuth, clientAuth } = PURPOSE;
  if (purposes?.includes(serverAuth) === false || purposes?.includes(clientAuth) === false)
    return 'the extended key usage of the certificate lacks serverAuth or clientAuth';
  return undefined;
}
