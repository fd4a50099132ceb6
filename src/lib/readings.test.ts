import { describe, expect, it } from 'vitest';
import { hidesDots, otherValues, plainPath } from './readings.ts';

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

it.each<[string, boolean]>([
  ['/a/../b', false],
  ['/a/..', false],
  ['/a/..b/c', false],
  ['/a/...', false],
  ['/a/%2e%2e/b', true],
  ['/a/.%2E/b', true],
  ['/a/..%2fb', true],
  ['/a/..%5Cb', true],
  ['/a%2f../b', true],
  ['/a\\..\\b', true],
  ['/a/..;/b', true],
  ['/a/../..%2fb', true],
  ['/a%2fb', false],
  ['/a/%252e%252e/b', false],
])('dots hide in %s: %s', (path, expected) => {
  expect(hidesDots(path)).toBe(expected);
});
