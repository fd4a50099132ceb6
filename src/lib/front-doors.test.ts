/** The leaves that front doors stand on. */
import { describe, expect, it, test } from 'vitest';
import { MAX_API_KEY_LENGTH, apiKeyEntry, parseApiKeyEntry } from './api-key.ts';
import { decodeBase64url, encodeBase64url } from './base64url.ts';
import { cookieNames, cookieValues, withoutCookies } from './cookies.ts';
import { isSameOrigin, originOf, originOfUrl, originText, parseOrigin } from './origin.ts';
import { hashPassword, isPassword, parsePasswordHash } from './password-hash.ts';
import { linkPaths, pathFault } from './path-list.ts';
import { isSameSecret } from './same-secret.ts';
import { headerSpellings, senderHeaderFault } from './sender-headers.ts';

test('base64url is read in the one way in which it is written', () => {
  for (const bytes of [[], [255], [255, 254], [1, 2, 3], [0, 0, 0, 0]])
    expect(decodeBase64url(encodeBase64url(Uint8Array.from(bytes)))).toEqual(
      Uint8Array.from(bytes),
    );
  for (const text of ['A', 'AB', 'AA==', 'A+/A', 'AA A', 'AAA\n', 'Zm9', 'é'])
    expect(decodeBase64url(text), text).toBeUndefined();
});

test.each([
  ['', '', true],
  ['a', 'a', true],
  ['a', 'b', false],
  ['a', '', false],
  ['', 'a', false],
  ['aa', 'a', false],
])('%j and %j', (a, b, same) => {
  expect(isSameSecret(a, b)).toBe(same);
});

describe('cookies', () => {
  const fields = ['a=1; b=2;c = 3 ; a=4', 'd; e="5"; ab=6; f=x=y'];

  it.each([
    ['a', ['1', '4']],
    ['b', ['2']],
    ['c', ['3']],
    ['d', []],
    ['e', ['"5"']],
    ['f', ['x=y']],
    ['A', []],
  ])('of %s', (name, values) => {
    expect(cookieValues(fields, name)).toEqual(values);
  });

  it('are listed by prefix and taken out by name', () => {
    expect(cookieNames(fields, 'a')).toEqual(['a', 'ab']);
    expect(withoutCookies(fields, (name) => name === 'a')).toBe(
      'b=2; c = 3; d; e="5"; ab=6; f=x=y',
    );
    expect(withoutCookies(['a=1; '], (name) => name === 'a')).toBeUndefined();
  });
});

describe('an entry of an API key', () => {
  const key = 'k'.repeat(MAX_API_KEY_LENGTH);

  it('is read as it was written', () => {
    const { sha256 } = parseApiKeyEntry(apiKeyEntry(key)) ?? {};
    expect(sha256).toMatch(/^[0-9a-f]{64}$/);
    expect(parseApiKeyEntry(apiKeyEntry(key, '2027-01-31T00:00:00+02:00'))).toEqual({
      sha256,
      expiresMs: Date.UTC(2027, 0, 30, 22),
    });
  });

  it.each([
    '',
    key,
    'sha256:',
    `sha1:${'a'.repeat(64)}`,
    `sha256:${'A'.repeat(64)}`,
    `${apiKeyEntry(key)} expires=`,
    `${apiKeyEntry(key)} expires=2027`,
    `${apiKeyEntry(key)} expires=2027-13-01T00:00:00Z`,
    `${apiKeyEntry(key)} until=2027-01-31T00:00:00Z`,
  ])('%s is none', (text) => {
    expect(parseApiKeyEntry(text)).toBeUndefined();
  });
});

describe('the hash of a password', () => {
  const salt = Uint8Array.from({ length: 16 }, (_, index) => index);

  it('is PBKDF2 with HMAC-SHA-256, and takes its own password alone', async () => {
    const text = await hashPassword('password', salt, 10_000);
    // As `openssl kdf -keylen 32 -kdfopt digest:SHA256 -kdfopt pass:password -kdfopt iter:10000 … PBKDF2` prints it.
    expect(text).toBe(
      '$pbkdf2-sha256$i=10000$AAECAwQFBgcICQoLDA0ODw$62yBU1WSIDwJKxWPjTkJZyNipvXb0A2YKARMuqiyUuk',
    );
    const hash = parsePasswordHash(text);
    if (hash === undefined) throw new Error('it can not be read');
    expect(await isPassword('password', hash)).toBe(true);
    for (const wrong of ['', 'Password', 'password ', 'passwor'])
      expect(await isPassword(wrong, hash), wrong).toBe(false);
  });

  it.each([
    '',
    'password',
    '$2y$10$abcdefghijklmnopqrstuv',
    `$pbkdf2-sha256$i=9999$${'A'.repeat(22)}$${'A'.repeat(43)}`,
    `$pbkdf2-sha256$i=100001$${'A'.repeat(22)}$${'A'.repeat(43)}`,
    `$pbkdf2-sha256$i=010000$${'A'.repeat(22)}$${'A'.repeat(43)}`,
    `$pbkdf2-sha256$i=1e5$${'A'.repeat(22)}$${'A'.repeat(43)}`,
    `$pbkdf2-sha256$i=10000$${'A'.repeat(18)}$${'A'.repeat(43)}`,
    `$pbkdf2-sha256$i=10000$${'A'.repeat(22)}$${'A'.repeat(42)}`,
    `$pbkdf2-sha256$i=10000$${'A'.repeat(22)}$${'A'.repeat(43)}=`,
    `$pbkdf2-sha512$i=10000$${'A'.repeat(22)}$${'A'.repeat(43)}`,
  ])('%s is none', (text) => {
    expect(parsePasswordHash(text)).toBeUndefined();
  });
});

describe('origins', () => {
  it.each([
    ['https://Shop.test', 'https://shop.test'],
    ['https://shop.test:443', 'https://shop.test'],
    ['http://shop.test:443', 'http://shop.test:443'],
    ['http://[2001:DB8::1]:80', 'http://[2001:db8::1]'],
  ])('%s is %s', (text, own) => {
    const origin = parseOrigin(text);
    expect(origin === undefined ? '' : originText(origin)).toBe(own);
  });

  it.each([
    '',
    'null',
    'shop.test',
    'https://',
    'https://a.test/',
    'https://a.test:',
    'https://a.test:0',
    'https://u@a.test',
    'https://a.test b',
    'ftp://a.test',
    'https://a..test',
    'https://-a.test',
    'https://a.test#',
  ])('%s is none', (text) => {
    expect(parseOrigin(text)).toBeUndefined();
  });

  it('of authorities and URLs are compared by scheme, host and port', () => {
    const page = originOfUrl('https://shop.test:8443/a?b#c');
    const own = originOf('https', 'Shop.test:8443');
    if (page === undefined || own === undefined) throw new Error('no origin');
    expect(isSameOrigin(page, own)).toBe(true);
    expect(isSameOrigin(page, { ...own, scheme: 'http' })).toBe(false);
    expect(originOf('http', 'u@shop.test')).toBeUndefined();
    expect(originOfUrl('https://shop.test\\@evil.test/')).toBeUndefined();
  });
});

describe('a list of paths', () => {
  const isListed = linkPaths(['/ping', '/open/*', '*.css']);

  it.each([
    ['/ping', true],
    ['/ping/', false],
    ['/open', true],
    ['/open/', true],
    ['/open/x/y', true],
    ['/openly', false],
    ['/a/b.css', true],
    ['/a/b.CSS', false],
    ['/open/../x', false],
    ['/open/..%2fx', false],
    ['/open/%2e%2e/x', false],
    ['/open//x', true],
    ['/x/..;/open/', false],
    ['/admin;.css', false],
    ['/', false],
  ])('%s', (path, listed) => {
    expect(isListed(path)).toBe(listed);
  });

  it.each(['/a', '/', '/*', '/a/*', '*.css', '/%C3%A9'])('takes %s', (text) => {
    expect(pathFault(text)).toBeUndefined();
  });

  it.each([
    '',
    '*',
    'a',
    '/a*',
    '/a/*/b',
    '/a?b',
    '/a#b',
    '/a;b',
    '/a//b',
    '/a/../b',
    '/%2e%2e',
    '*/a',
    '/a b',
  ])('refuses %s', (text) => {
    expect(pathFault(text)).toContain('is no path');
  });
});

test('a header that says who asks has every spelling of it', () => {
  expect(headerSpellings('user')).toEqual(['user']);
  expect(headerSpellings('x-user-id').toSorted()).toEqual([
    'x-user-id',
    'x-user_id',
    'x_user-id',
    'x_user_id',
  ]);
  for (const name of [
    'x user',
    '',
    'host',
    'Cookie',
    'x-forwarded-for',
    'x-lateen-a',
    'a-b-c-d-e-f',
  ])
    expect(senderHeaderFault(name), name).toBeDefined();
  expect(senderHeaderFault('X-User')).toBeUndefined();
});
