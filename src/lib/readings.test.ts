import { describe, expect, it } from 'vitest';
import { otherValues, plainPath } from './readings.ts';

describe('another reading', () => {
  it.each([
    ['/admin', undefined],
    ['/admin;x=1', '/admin'],
    ['/a;x/b;y=2/', '/a/b/'],
    ['//admin', '/admin'],
    ['/public/..%2fadmin', '/admin'],
    ['/public%5c..%5Cadmin', '/admin'],
    ['/public/%2E%2e/admin', '/admin'],
    ['/a/./b/..', '/a/'],
    ['/..', '/'],
    ['/a..b/c.', undefined],
  ])('of the path %s is %s', (path, expected) => {
    expect(plainPath(path)).toBe(expected);
  });

  it('of fields that stand apart is joined, of joined ones apart', () => {
    expect(otherValues(['a', 'b'], false)).toEqual(['a,b']);
    expect(otherValues(['a, b'], true)).toEqual(['a', 'b']);
    expect(otherValues(['a, b'], false)).toBeUndefined();
    expect(otherValues([], true)).toBeUndefined();
  });
});
