/** Logins that somebody tampers with: at the callback, in the tokens, and by where they lead. None leaves a session. */
import { createHash } from 'node:crypto';
import { SignJWT, generateKeyPair } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Browser, Page } from '../fixtures/browser.ts';
import { CLIENT_ID, ISSUER } from '../fixtures/oidc-provider.ts';
import type { Bending } from '../fixtures/oidc-provider.ts';
import { OIDC, SESSION, SITE, begin, hasSession, startSite } from './front-doors-mesh.ts';
import type { Site } from './front-doors-mesh.ts';

let site: Site;
beforeAll(async () => {
  site = await startSite();
  await site.use(OIDC);
});
afterAll(() => site.close());
beforeEach(() => {
  site.provider.bending = {};
  site.taken();
});

const pathOf = ({ pathname, search }: URL): string => pathname + search;
const STATE = 'A'.repeat(43);

async function expectOutside(browser: Browser): Promise<void> {
  expect(hasSession(browser)).toBe(false);
  expect((await browser.ask('/')).status).toBe(401);
  expect(site.taken()).toEqual([]);
}

const loginCookie = ({ jar }: Browser): [string, string] =>
  [...jar].find(([name]) => name.includes('.login.')) ?? ['', ''];

function setLogin(browser: Browser, change: (value: string) => string): void {
  const [name, value] = loginCookie(browser);
  browser.jar.set(name, change(value));
}

const flipped = (text: string, at: number): string => {
  const other = text.at(at) === 'A' ? 'B' : 'A';
  const place = at < 0 ? text.length + at : at;
  return text.slice(0, place) + other + text.slice(place + 1);
};

const swapCase = (text: string): string =>
  text.replaceAll(/[a-z]/gi, (letter) =>
    letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase(),
  );

const after = (name: string, value: string) => (url: URL) =>
  void (url.search += `&${name}=${encodeURIComponent(value)}`);
const instead = (name: string, value: string) => (url: URL) => url.searchParams.set(name, value);
const without = (name: string) => (url: URL) => url.searchParams.delete(name);

describe('what comes back', () => {
  it('is a session where nobody meddles', async () => {
    const { browser, back } = await begin(site, '/page');
    expect((await browser.open(pathOf(back))).headers.location).toBe(`${SITE}/page`);
    expect((await browser.open('/page')).body).toBe('in');
  });

  it.each<[string, number, (url: URL, browser: Browser) => unknown]>([
    ['without state', 400, without('state')],
    ['with an empty state', 400, instead('state', '')],
    ['with another state', 400, instead('state', STATE)],
    [
      'with a state in other case',
      400,
      (url) => url.searchParams.set('state', swapCase(url.searchParams.get('state') ?? '')),
    ],
    [
      'with a state cut off',
      400,
      (url) => url.searchParams.set('state', (url.searchParams.get('state') ?? '').slice(0, -1)),
    ],
    [
      'with a state that shares its beginning',
      400,
      (url) => url.searchParams.set('state', flipped(url.searchParams.get('state') ?? '', -1)),
    ],
    ['with two states', 400, after('state', STATE)],
    ['with two codes', 400, after('code', 'x')],
    ['with two issuers', 400, after('iss', ISSUER)],
    ['without code', 400, without('code')],
    ['with an empty code', 400, instead('code', '')],
    ['with a code of 5,000 characters', 400, instead('code', 'x'.repeat(5000))],
    ['with a query of 9,000 characters', 400, after('x', 'y'.repeat(9000))],
    ['with a code that nobody gave', 403, instead('code', 'guessed')],
    ['from another issuer', 403, instead('iss', 'https://evil.test')],
    ['with an error', 403, instead('error', 'access_denied')],
    ['with an error that breaks lines', 403, instead('error', 'a\r\nset-cookie: x=y')],
    ['to another browser', 400, (_url, { jar }) => jar.clear()],
    [
      'with its cookie cut off',
      400,
      (_url, browser) => setLogin(browser, (value) => value.slice(0, -8)),
    ],
    [
      'with the last character of its cookie changed',
      400,
      (_url, browser) => setLogin(browser, (value) => flipped(value, -3)),
    ],
    [
      'with the nonce of its cookie changed',
      400,
      (_url, browser) => setLogin(browser, (value) => flipped(value, 3)),
    ],
    [
      'with another key id',
      400,
      (_url, browser) => setLogin(browser, (value) => value.replace(/^a\./, 'b.')),
    ],
    ['with an empty cookie', 400, (_url, browser) => setLogin(browser, () => '')],
    ['with a cookie that isn’t sealed', 400, (_url, browser) => setLogin(browser, () => 'a.e30')],
    [
      'with its cookie twice',
      400,
      (_url, browser) =>
        setLogin(browser, (value) => `${value}; ${loginCookie(browser)[0]}=${value}`),
    ],
  ])('%s is refused', async (_name, status, meddle) => {
    const { browser, back } = await begin(site);
    meddle(back, browser);
    const page = await browser.open(pathOf(back));
    expect([page.status, page.headers['x-evil']]).toEqual([status, undefined]);
    await expectOutside(browser);
  });

  it('with the cookie of another login is refused', async () => {
    const { browser, back } = await begin(site);
    const other = await begin(site);
    setLogin(browser, () => loginCookie(other.browser)[1]);
    expect((await browser.open(pathOf(back))).status).toBe(400);
    await expectOutside(browser);
  });

  it('with the cookie of a session in place of a login’s is refused', async () => {
    const victim = await begin(site);
    await victim.browser.open(pathOf(victim.back));
    const { browser, back } = await begin(site);
    setLogin(browser, () => (victim.browser.jar.get(SESSION) ?? '').slice(2));
    site.taken();
    expect((await browser.open(pathOf(back))).status).toBe(400);
    await expectOutside(browser);
  });

  it('with the code of another login is refused: its PKCE doesn’t fit', async () => {
    const { browser, back } = await begin(site);
    const other = await begin(site);
    back.searchParams.set('code', other.back.searchParams.get('code') ?? '');
    expect((await browser.open(pathOf(back))).status).toBe(403);
    await expectOutside(browser);
  });

  it('an attacker’s login in a victim’s browser is refused', async () => {
    const attacker = await begin(site);
    const { browser } = await begin(site);
    expect((await browser.open(pathOf(attacker.back))).status).toBe(400);
    await expectOutside(browser);
  });

  it('a second time is refused, also with the cookie kept', async () => {
    const { browser, back } = await begin(site);
    const [name, value] = loginCookie(browser);
    await browser.open(pathOf(back));
    expect(loginCookie(browser)[0]).toBe('');
    browser.jar.clear();
    browser.jar.set(name, value);
    const asked = site.provider.asked.length;
    expect((await browser.open(pathOf(back))).status).toBe(400);
    expect(site.provider.asked).toHaveLength(asked);
    await expectOutside(browser);
  });

  it('at another host of the site is refused', async () => {
    const { browser, back } = await begin(site);
    expect((await browser.open(pathOf(back), { host: 'other.test' })).status).toBe(400);
    await expectOutside(browser);
  });

  it.each(['POST', 'HEAD', 'PUT', 'OPTIONS'])('by %s is refused', async (method) => {
    const { browser, back } = await begin(site);
    expect((await browser.open(pathOf(back), { method })).status).toBe(400);
    await expectOutside(browser);
  });

  it.each([
    '/oauth2/callback/',
    '/oauth2/callback;x',
    '/OAuth2/callback',
    '/oauth2%2fcallback',
    '/oauth2/callback/..',
  ])('at %s is no callback', async (path) => {
    const { browser, back } = await begin(site);
    const page = await browser.open(path + back.search);
    expect([302, 400]).toContain(page.status);
    await expectOutside(browser);
  });

  it('logins that leave no session end, and don’t lead on for ever', async () => {
    const { browser } = await begin(site);
    const statuses: number[] = [];
    for (let i = 0; i < 10; i++) {
      const first: Page = await browser.open('/');
      statuses.push(first.status);
      if (first.status !== 302) continue;
      await browser.open(pathOf(new URL(site.provider.authorize(first.headers.location ?? ''))));
      browser.jar.delete(SESSION);
    }
    expect(statuses).toEqual([302, 302, 302, 302, 302, 302, 302, 302, 403, 403]);
  });

  it('logins that are never ended keep four cookies', async () => {
    const { browser } = await begin(site);
    for (let i = 0; i < 8; i++) await browser.open('/');
    expect([...browser.jar.keys()].filter((name) => name.includes('.login.'))).toHaveLength(4);
  });
});

const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const hsKey = (): Uint8Array => new TextEncoder().encode(JSON.stringify(site.provider.keys[0]));

describe('an ID token', () => {
  it.each<[string, Bending]>([
    ['of alg none', { token: (_token, claims) => `${part({ alg: 'none' })}.${part(claims)}.` }],
    ['of alg NoNe', { token: (_token, claims) => `${part({ alg: 'NoNe' })}.${part(claims)}.` }],
    [
      'signed by HS256 with the public key',
      {
        token: (_token, claims) =>
          new SignJWT(claims).setProtectedHeader({ alg: 'HS256', kid: 'k1' }).sign(hsKey()),
      },
    ],
    [
      'signed by another key under the same kid',
      {
        token: async (_token, claims) =>
          new SignJWT(claims)
            .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
            .sign((await generateKeyPair('ES256')).privateKey),
      },
    ],
    [
      'with its own key in the header',
      {
        token: async (_token, claims) =>
          new SignJWT(claims)
            .setProtectedHeader({
              alg: 'ES256',
              jwk: site.provider.keys[0],
              jku: 'https://evil.test/keys',
            } as never)
            .sign((await generateKeyPair('ES256')).privateKey),
      },
    ],
    [
      'of an unknown kid',
      {
        token: (_token, claims) =>
          new SignJWT(claims)
            .setProtectedHeader({ alg: 'ES256', kid: '../../k1' })
            .sign(site.provider.privateKey),
      },
    ],
    [
      'that insists on an extension',
      {
        token: (_token, claims) =>
          new SignJWT(claims)
            .setProtectedHeader({ alg: 'ES256', kid: 'k1', crit: ['b64'], b64: true })
            .sign(site.provider.privateKey),
      },
    ],
    ['with a signature cut off', { token: (token) => token.slice(0, -4) }],
    [
      'with a signature of zeros',
      {
        token: (token) =>
          `${token.split('.').slice(0, 2).join('.')}.${Buffer.alloc(64).toString('base64url')}`,
      },
    ],
    ['without signature', { token: (token) => `${token.split('.').slice(0, 2).join('.')}.` }],
    ['in two parts', { token: (token) => token.split('.').slice(0, 2).join('.') }],
    ['in four parts', { token: (token) => `${token}.x` }],
    ['in five parts', { token: (token) => `${token}.x.y` }],
    [
      'with claims changed behind the signature',
      {
        token: (token, claims) => {
          const [head, , sign] = token.split('.');
          return `${head}.${part({ ...claims, sub: 'root' })}.${sign}`;
        },
      },
    ],
    [
      'whose claims are a list',
      {
        token: (token) => {
          const [head, , sign] = token.split('.');
          return `${head}.${part([1])}.${sign}`;
        },
      },
    ],
    ['of a megabyte', { token: (token) => token + 'A'.repeat(1_000_000) }],
    ['for another client', { claims: (claims) => ({ ...claims, aud: 'other' }) }],
    [
      'for a client whose id begins so',
      { claims: (claims) => ({ ...claims, aud: `${CLIENT_ID}2` }) },
    ],
    ['for nobody', { claims: ({ aud: _aud, ...claims }) => claims }],
    ['for an empty list', { claims: (claims) => ({ ...claims, aud: [] }) }],
    [
      'for a list with a number',
      { claims: (claims) => ({ ...claims, aud: [CLIENT_ID, 7], azp: CLIENT_ID }) },
    ],
    [
      'for several without saying to whom',
      { claims: (claims) => ({ ...claims, aud: [CLIENT_ID, 'other'] }) },
    ],
    ['given to another party', { claims: (claims) => ({ ...claims, azp: 'other' }) }],
    ['of another issuer', { claims: (claims) => ({ ...claims, iss: 'https://evil.test' }) }],
    ['of the issuer with a slash', { claims: (claims) => ({ ...claims, iss: `${ISSUER}/` }) }],
    [
      'of the issuer in capitals',
      { claims: (claims) => ({ ...claims, iss: ISSUER.toUpperCase() }) },
    ],
    ['without issuer', { claims: ({ iss: _iss, ...claims }) => claims }],
    ['with another nonce', { claims: (claims) => ({ ...claims, nonce: 'other' }) }],
    ['without nonce', { claims: ({ nonce: _nonce, ...claims }) => claims }],
    ['with its nonce in a list', { claims: (claims) => ({ ...claims, nonce: [claims['nonce']] }) }],
    [
      'that has ended',
      { claims: (claims) => ({ ...claims, exp: Math.floor(Date.now() / 1000) - 61 }) },
    ],
    ['without end', { claims: ({ exp: _exp, ...claims }) => claims }],
    ['whose end is a text', { claims: (claims) => ({ ...claims, exp: '9999999999' }) }],
    ['whose end is 0', { claims: (claims) => ({ ...claims, exp: 0 }) }],
    ['made tomorrow', { claims: (claims) => ({ ...claims, iat: Number(claims['iat']) + 86_400 }) }],
    ['without the time of its making', { claims: ({ iat: _iat, ...claims }) => claims }],
    [
      'that holds from tomorrow on',
      { claims: (claims) => ({ ...claims, nbf: Number(claims['iat']) + 86_400 }) },
    ],
    ['without subject', { claims: ({ sub: _sub, ...claims }) => claims }],
    ['with an empty subject', { claims: (claims) => ({ ...claims, sub: '' }) }],
    ['whose subject is a number', { claims: (claims) => ({ ...claims, sub: 7 }) }],
    [
      'with a subject of 300 characters',
      { claims: (claims) => ({ ...claims, sub: 'x'.repeat(300) }) },
    ],
    [
      'of another access token',
      {
        claims: (claims) => ({
          ...claims,
          at_hash: createHash('sha256').update('x').digest().subarray(0, 16).toString('base64url'),
        }),
      },
    ],
    [
      'whose claim ends its header',
      { claims: (claims) => ({ ...claims, email: 'a\r\nx-evil: 1' }) },
    ],
    ['whose claim holds a NUL', { claims: (claims) => ({ ...claims, email: 'a\0b' }) }],
  ])('%s is refused', async (_name, bending) => {
    const { browser, back } = await begin(site);
    site.provider.bending = bending;
    const page = await browser.open(pathOf(back));
    expect([403, 502]).toContain(page.status);
    expect(page.body).toMatch(/^login (?:refused|failed)$/);
    await expectOutside(browser);
  });

  it.each<[string, Bending]>([
    ['has none', { answer: ({ id_token: _token, ...answer }) => answer }],
    ['has a list for it', { answer: (answer) => ({ ...answer, id_token: [answer['id_token']] }) }],
    ['is a page', { answer: () => '<html>' }],
    ['is a text', { answer: () => '"token"' }],
    ['is a list', { answer: (answer) => [answer] }],
    ['is huge', { answer: (answer) => ({ ...answer, x: 'y'.repeat(400_000) }) }],
    ['is of another type of token', { answer: (answer) => ({ ...answer, token_type: 'mac' }) }],
    ['has tokens that ended already', { answer: (answer) => ({ ...answer, expires_in: -1 }) }],
    [
      'has an access token with line breaks',
      { answer: (answer) => ({ ...answer, access_token: 'a\r\nb' }) },
    ],
    ['is a redirect', { status: 302 }],
    ['is a fault', { status: 500 }],
    ['is 201', { status: 201 }],
  ])('of an answer that %s is none', async (_name, bending) => {
    const { browser, back } = await begin(site);
    site.provider.bending = bending;
    expect([403, 502]).toContain((await browser.open(pathOf(back))).status);
    await expectOutside(browser);
  });
});

describe('a login leads back to its own site', () => {
  it.each([
    '//evil.test/',
    '///evil.test',
    '/\\evil.test',
    '/%5cevil.test',
    '/%2f%2fevil.test',
    '/.//evil.test',
    '/x/..//evil.test',
    '/@evil.test',
    '/;@evil.test',
    '/https://evil.test',
    '/?next=https://evil.test',
    '/%0d%0aset-cookie:x=y',
    '/\tevil',
    'https://evil.test/',
    'http://evil.test@shop.test/',
  ])('from %s', async (path) => {
    const { browser } = await begin(site);
    const first = await browser.open(path).catch(() => undefined);
    if (first?.status !== 302) {
      expect([undefined, 400, 403, 404]).toContain(first?.status);
      return;
    }
    const back = site.provider.authorize(first.headers.location ?? '');
    const page = await browser.open(pathOf(new URL(back)));
    const { location = '' } = page.headers;
    expect(location.startsWith(`${SITE}/`)).toBe(true);
    expect(new URL(location).host).toBe('shop.test');
    expect(page.setCookies.every((cookie) => cookie.startsWith('__Host-'))).toBe(true);
  });
});
