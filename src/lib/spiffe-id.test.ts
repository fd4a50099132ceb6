import { describe, expect, it } from 'vitest';
import {
  identityFault,
  identityOf,
  parseSpiffeId,
  spiffeUri,
  trustDomainFault,
  trustDomainOf,
  workloadOf,
} from './spiffe-id.ts';

describe('SPIFFE identities', () => {
  it.each([
    ['spiffe://example.org', 'example.org', ''],
    ['spiffe://example.org/ns/a/sa/b', 'example.org', '/ns/a/sa/b'],
    ['SPIFFE://Example.ORG/Path', 'example.org', '/Path'],
    ['spiffe://a_b-c.9/...', 'a_b-c.9', '/...'],
    [`spiffe://${'a'.repeat(255)}/x`, 'a'.repeat(255), '/x'],
  ])('reads %s', (uri, trustDomain, path) => {
    expect(parseSpiffeId(uri)).toEqual({ trustDomain, path });
  });

  it.each([
    ['', 'nothing'],
    ['spiffe:/example.org/x', 'one slash'],
    ['https://example.org/x', 'another scheme'],
    ['spiffe:///x', 'no domain'],
    ['spiffe://example.org/', 'a trailing slash'],
    ['spiffe://example.org/x/', 'a trailing slash after a segment'],
    ['spiffe://example.org//x', 'an empty segment'],
    ['spiffe://example.org/./x', 'a dot'],
    ['spiffe://example.org/x/..', 'two dots'],
    ['spiffe://example.org/%61', 'percent-encoding'],
    ['spiffe://example.org/x?a=b', 'a query'],
    ['spiffe://example.org/x#a', 'a fragment'],
    ['spiffe://example.org:8443/x', 'a port'],
    ['spiffe://user@example.org/x', 'user information'],
    ['spiffe://exämple.org/x', 'a letter beyond ASCII'],
    ['spiffe://example.org/x\u0000', 'NUL'],
    ['spiffe://example.org/x y', 'a space'],
    ['spiffe://example.org/x"', 'a quote'],
    ['spiffe://example.org/x,URI:spiffe://example.org/y', 'a second name'],
    ['spiffe://example.org/x\n', 'a line break'],
    [' spiffe://example.org/x', 'a space before'],
    [`spiffe://${'a'.repeat(256)}/x`, 'a domain of 256 bytes'],
    [`spiffe://example.org/${'a'.repeat(2048)}`, 'more than 2048 bytes'],
  ])('refuses %j: %s', (uri) => {
    expect(parseSpiffeId(uri)).toBeUndefined();
    expect(identityOf(uri)).toBeUndefined();
  });

  it('says what is wrong with an identity', () => {
    expect(identityFault('example.org/ns/a/sa/b')).toBeUndefined();
    expect(identityFault('example.org')).toContain('has a path');
    expect(identityFault('Example.org/x')).toContain('trust domain "Example.org"');
    expect(identityFault('example.org/a//b')).toContain('empty segment');
    expect(identityFault('example.org/a/../b')).toContain('segment ..');
    expect(identityFault('example.org/%2e')).toContain('"%2e"');
    expect(identityFault(`example.org/${'a'.repeat(2040)}`)).toContain('2048');
    expect(identityFault('example.org/\n')).toContain('segment');
    expect(trustDomainFault('')).toContain('empty');
    expect(trustDomainFault('a:1')).toContain('without port');
    expect(trustDomainFault('a\n')).toContain('want a-z');
  });

  it('knows the parts', () => {
    expect(identityOf('spiffe://example.org')).toBeUndefined();
    expect(identityOf('spiffe://EXAMPLE.org/ns/a/sa/b')).toBe('example.org/ns/a/sa/b');
    expect(spiffeUri('example.org/x')).toBe('spiffe://example.org/x');
    expect(trustDomainOf('example.org/x')).toBe('example.org');
    expect(workloadOf('example.org/ns/a/sa/b')).toEqual({ namespace: 'a', serviceAccount: 'b' });
    expect(workloadOf('example.org/ns/a/sa/b/c')).toBeUndefined();
    expect(workloadOf('example.org/host/a')).toBeUndefined();
  });
});
