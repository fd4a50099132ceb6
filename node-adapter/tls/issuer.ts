import type { X509Certificate } from 'node:crypto';

/** Names may be alike where an authority has changed its key: the signature tells. */
export const isIssuedBy = (issued: X509Certificate, authority: X509Certificate): boolean =>
  issued.checkIssued(authority) && issued.verify(authority.publicKey);
