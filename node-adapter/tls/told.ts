/** What X-Forwarded-Client-Cert tells of a certificate. */
import { createHash } from 'node:crypto';
import type { PeerCertificate } from '../../src/model/identity.ts';
import type { KnownCertificate } from './known-certificates.ts';

const made = new WeakMap<KnownCertificate, PeerCertificate>();

/** @param by URI that the proxy itself shows; '' = none */
export function toldOf(known: KnownCertificate, by: string): PeerCertificate {
  const before = made.get(known);
  if (before?.by === by) return before;
  const { names, der, x509 } = known;
  const told: PeerCertificate = {
    hash: createHash('sha256').update(der).digest('hex'),
    subject: subjectText(x509.subject),
    uris: names.uris.filter((uri) => uri !== ''),
    dns: names.dns,
    by,
  };
  made.set(known, told);
  return told;
}

/** Node's text has a line for each part, the widest first, and line feeds within parts escaped. Undefined = it is empty. */
function subjectText(lines: string | undefined): string {
  const text = (lines ?? '').split('\n').toReversed().join(',');
  return text.replaceAll(/[^ -~]/gu, (character) =>
    [...Buffer.from(character)]
      .map((byte) => `\\${byte.toString(16).toUpperCase().padStart(2, '0')}`)
      .join(''),
  );
}
