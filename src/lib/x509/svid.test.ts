import { describe, expect, it } from 'vitest';
import { shownIdentity } from './svid.ts';

describe('shownIdentity', () => {
  it.each([
    ['spiffe://a.test/ns/b/sa/c', 'a.test/ns/b/sa/c'],
    ['spiffe://a.test', undefined],
    ['spiffe://A.test/x', undefined],
    ['SPIFFE://a.test/x', undefined],
    ['', undefined],
    ['spiffe://a.test:1/x', undefined],
    ['spiffe://u@a.test/x', undefined],
    ['spiffe://a.test//x', undefined],
    ['spiffe://a.test/../x', undefined],
    ['spiffe://a.test/x?y', undefined],
    ['spiffe://a.test/x%2fy', undefined],
    ['https://a.test/x', undefined],
  ])('%s is %s', (uri, identity) => {
    expect(shownIdentity({ uris: [uri] })).toBe(identity);
    expect(shownIdentity({ uris: [uri, uri] })).toBeUndefined();
  });
});
