import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { PathNormalization } from '../model/snapshot.ts';
import { canonicalAuthority, canonicalTarget, splitAbsoluteForm } from './canonical.ts';

const path = (target: string, mode: PathNormalization = 'BASE'): string | undefined =>
  canonicalTarget(target, mode)?.path;

describe('canonicalTarget', () => {
  test.each([
    ['/a/./b/../c', '/a/c'],
    ['/../../x', '/x'],
    ['/a/..', '/'],
    ['/a/.', '/a/'],
    ['/a/%2e%2E/b', '/b'],
    ['/a\\..\\b', '/b'],
    ['/%61%7e%41', '/a~A'],
    ['/a//b', '/a//b'],
    ['/a%2Fb', '/a%2Fb'],
    ['/%c3%a9', '/%c3%a9'],
    ['/é', '/%C3%A9'],
    ['/😀', '/%F0%9F%98%80'],
    ['/a"<>{}|^`b', '/a%22%3C%3E%7B%7D%7C%5E%60b'],
    ['/a%zz%', '/a%zz%'],
    ['/a#b', '/a'],
    ['/a/..;x=y/b', '/b'],
    ['/a/%2e%2e;/b', '/b'],
    ['/a;x/b', '/a;x/b'],
  ])('BASE makes %s to %s', (given, wanted) => {
    expect(path(given)).toBe(wanted);
  });

  test('slashes are merged and decoded only where the mode says so', () => {
    expect(path('/a//b', 'MERGE_SLASHES')).toBe('/a/b');
    expect(path('/a%2f%5Cb', 'MERGE_SLASHES')).toBe('/a%2f%5Cb');
    expect(path('/a%2f%5Cb', 'DECODE_AND_MERGE_SLASHES')).toBe('/a/b');
    expect(path('/x/..%2fadmin', 'DECODE_AND_MERGE_SLASHES')).toBe('/admin');
    expect(path('/a/../b%41', 'NONE')).toBe('/a/../b%41');
  });

  test('what stands for no path is refused', () => {
    for (const target of ['', '*', 'admin', '/a%00', '/a\0', '?x'])
      expect(canonicalTarget(target, 'BASE'), target).toBeUndefined();
    expect(canonicalTarget('/a%00', 'DECODE_AND_MERGE_SLASHES')).toBeUndefined();
  });

  test('the query stays as it was sent', () => {
    expect(canonicalTarget('/a/../b?x=../%41\\#y', 'BASE')).toEqual({
      path: '/b',
      query: '?x=../%41\\',
    });
    expect(canonicalTarget('/a?', 'BASE')).toEqual({ path: '/a', query: '?' });
  });

  test('the result is a fixed point, of this function and of WHATWG URL parsing', () => {
    const pieces = fc.constantFrom(
      '/',
      '//',
      '.',
      '..',
      '%2e',
      '%2E',
      '%2f',
      '%5c',
      '\\',
      ';',
      ';x=y',
      'a',
      'B',
      '%41',
      '%zz',

      '%',
      '"',
      '<',
      '>',
      '{',
      '}',
      '|',
      '^',
      '`',
      ' ',
      'é',
      '😀',
      '~',
      '%c3',
      '@',
      ':',
      '[',
      '\t',
      "'",
    );
    const modes: PathNormalization[] = ['BASE', 'MERGE_SLASHES', 'DECODE_AND_MERGE_SLASHES'];
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 12 }), fc.constantFrom(...modes), (parts, mode) => {
        const first = path(`/${parts.join('')}`, mode);
        if (first === undefined) return;
        expect(path(first, mode)).toBe(first);
        expect(new URL(`http://h${first}`).pathname).toBe(first);
      }),
      { numRuns: 5000 },
    );
  });
});

describe('canonicalAuthority', () => {
  test('keeps what was sent and lowers the host', () => {
    expect(canonicalAuthority('Shop.Example.com:8080')).toEqual({
      authority: 'Shop.Example.com:8080',
      host: 'shop.example.com',
      port: 8080,
    });
    expect(canonicalAuthority('[2001:DB8::1]:80')?.host).toBe('[2001:db8::1]');
    expect(canonicalAuthority('shop.')?.host).toBe('shop.');
  });

  test.each([
    '',
    ':80',
    'a:',
    'a:x',
    'a:70000',
    'u@a',
    'a/b',
    'a b',
    'a,b',
    'a\r\nb',
    '[::1',
    'a#b',
    'a?b',
  ])('refuses %j', (given) => {
    expect(canonicalAuthority(given)).toBeUndefined();
  });
});

test('a target in absolute form names its authority', () => {
  expect(splitAbsoluteForm('http://admin.test/x?y')).toEqual({
    authority: 'admin.test',
    target: '/x?y',
  });
  expect(splitAbsoluteForm('HTTPS://admin.test?y')).toEqual({
    authority: 'admin.test',
    target: '/?y',
  });
  expect(splitAbsoluteForm('/http://admin.test/')).toBeUndefined();
});
