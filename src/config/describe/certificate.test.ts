import { describe, expect, it } from 'vitest';
import { certificatePem, keyPem } from '../../../test/fixtures/certificates.ts';
import { describeCertificate } from './certificate.ts';

describe('describeCertificate', () => {
  it('says whom a certificate names, and until when', () => {
    expect(describeCertificate(certificatePem)).toMatchObject({
      names: ['conformance', '*.example'],
      notAfter: '2046-11-19T12:45:36Z',
    });
  });

  it('takes the first of a chain', () => {
    expect(describeCertificate(`text\n${keyPem}${certificatePem}${certificatePem}`)?.names).toEqual(
      ['conformance', '*.example'],
    );
  });

  it('says nothing of what is no certificate', () => {
    const [head = '', ...lines] = certificatePem.split('\n');
    const cut = [head, ...lines.slice(0, 2), ...lines.slice(-2)].join('\n');
    const odd = `${head}\nAAAA\n-----END CERTIFICATE-----\n`;
    for (const text of [undefined, '', keyPem, cut, odd])
      expect(describeCertificate(text)).toBe(undefined);
  });
});
