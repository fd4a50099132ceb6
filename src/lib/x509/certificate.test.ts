import { X509Certificate } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { Pki } from '../../../test/fixtures/pki.ts';
import { readCertificate } from './certificate.ts';

const pki = new Pki();
afterAll(() => pki.remove());
const authority = pki.authority('root');
const derOf = (names?: string): Buffer =>
  new X509Certificate(authority.issue(names === undefined ? {} : { names }).certificate).raw;

const none = { dns: [], uris: [], ips: [], emails: [] };

describe('readCertificate', () => {
  const der = derOf(
    'DNS:A.Example,DNS:*.b.example,IP:10.0.0.1,IP:2001:db8::1,email:a@b.example,URI:spiffe://a/b',
  );

  it('tells the names by type', () => {
    expect(readCertificate(der)?.names).toEqual({
      dns: ['a.example', '*.b.example'],
      uris: ['spiffe://a/b'],
      ips: ['10.0.0.1', '2001:db8::1'],
      emails: ['a@b.example'],
    });
    expect(readCertificate(derOf())?.names).toEqual(none);
  });

  it('finds the public key', () => {
    const key = new X509Certificate(der).publicKey.export({ type: 'spki', format: 'der' });
    expect(Buffer.from(readCertificate(der)?.publicKey ?? [])).toEqual(key);
  });

  it('is not taken in by a name that looks like two', () => {
    const forged = Buffer.from(der);
    const at = forged.indexOf('*.b.example');
    forged.write(',URI:spiff', at);
    expect(readCertificate(forged)?.names.uris).toEqual(['spiffe://a/b']);
    forged.write('a\0.example', at);
    expect(readCertificate(forged)?.names.dns).toEqual(['a.example']);
  });

  it('never throws, whatever is cut or changed', () => {
    for (let cut = 0; cut < der.length; cut++) readCertificate(der.subarray(0, cut));
    const flips = fc.array(fc.tuple(fc.nat(der.length - 1), fc.nat(255)), { maxLength: 5 });
    fc.assert(
      fc.property(flips, (flips) => {
        const bytes = Buffer.from(der);
        for (const [at, value] of flips) bytes[at] = value;
        readCertificate(bytes);
      }),
      { numRuns: 2000 },
    );
  });
});
