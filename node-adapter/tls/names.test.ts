import { describe, expect, it } from 'vitest';
import { canonicalIp } from '../../src/lib/x509/ip.ts';
import { dnsNameFits, hostFits, subjectFits } from './names.ts';

const none = { dns: [], uris: [], ips: [], emails: [] };

describe('names', () => {
  it.each([
    ['a.example', 'A.Example', true],
    ['a.example.', 'a.example', true],
    ['*.example.com', 'a.example.com', true],
    ['*.example.com', 'example.com', false],
    ['*.example.com', 'a.b.example.com', false],
    ['*.com', 'example.com', false],
    ['*', 'example', false],
    ['a*.example.com', 'ab.example.com', false],
    ['*.example.com', '*.example.com', false],
    ['*.example.com', '.example.com', false],
    ['*.example.com', '', false],
  ])('%s for %s: %s', (shown, wanted, fits) => {
    expect(dnsNameFits(shown, wanted)).toBe(fits);
  });

  it('takes addresses for addresses', () => {
    expect(hostFits({ ...none, dns: ['10.0.0.1'] }, '10.0.0.1')).toBe(false);
    expect(hostFits({ ...none, ips: ['2001:db8::1'] }, '2001:0db8:0::1')).toBe(true);
    expect(canonicalIp('::FFFF:a00:1')).toBe(canonicalIp('::ffff:10.0.0.1'));
  });

  it('takes listed names exactly', () => {
    const names = {
      ...none,
      uris: ['spiffe://a/b'],
      dns: ['*.x.example'],
      emails: ['m@x.example'],
    };
    for (const wanted of ['spiffe://a/b', 'a.x.example', 'm@x.example'])
      expect(subjectFits(names, wanted)).toBe(true);
    for (const wanted of ['spiffe://a/B', 'spiffe://a', 'x.example', '*', ''])
      expect(subjectFits(names, wanted)).toBe(false);
  });
});
