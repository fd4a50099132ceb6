/** Certificates as people read them; keys are never looked at. */
import { X509Certificate } from 'node:crypto';
import type { SecretMaterial } from '../../src/model/secret.ts';

export interface CertificateView {
  readonly name: string;
  readonly subject: string;
  readonly subjectAltNames: readonly string[];
  readonly notAfter: string;
}

/** Node has no subject where there is none, whatever its types say. */
interface Shown {
  readonly subject?: string;
  readonly subjectAltName: string | undefined;
  readonly validToDate: Date;
}

function viewOf(name: string, pem: string): CertificateView {
  try {
    // Of a chain the first, which is the proxy's own.
    const { subject, subjectAltName, validToDate }: Shown = new X509Certificate(pem);
    return {
      name,
      subject: subject?.replaceAll('\n', ', ') ?? '',
      subjectAltNames: subjectAltName?.split(', ') ?? [],
      notAfter: validToDate.toISOString(),
    };
  } catch {
    return { name, subject: 'is no certificate', subjectAltNames: [], notAfter: '' };
  }
}

export function certificateViews(
  secrets: Readonly<Record<string, SecretMaterial>>,
): readonly CertificateView[] {
  return Object.entries(secrets)
    .flatMap(([name, { certificate, authorities }]) => {
      const pem = certificate ?? authorities;
      return pem === undefined ? [] : [viewOf(name, pem)];
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}
