/** Sessions, API keys, passwords and origins that somebody forges. What gets through is counted at the backend. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { apiKeyEntry } from '../../src/lib/api-key.ts';
import { hashPassword } from '../../src/lib/password-hash.ts';
import { Sealer, readSealKeys } from '../../src/policies/oidc/seal.ts';
import type { SealKeys } from '../../src/policies/oidc/seal.ts';
import { Browser } from '../fixtures/browser.ts';
import { CLIENT_ID } from '../fixtures/oidc-provider.ts';
import { OIDC, SESSION, begin, sessionKey, startSite } from './front-doors-mesh.ts';
import type { Site } from './front-doors-mesh.ts';

type Headers = Readonly<Record<string, string | string[]>>;

let site: Site;
beforeAll(async () => {
  site = await startSite();
});
afterAll(() => site.close());
beforeEach(() => {
  site.taken();
});

const ask = async (path: string, headers: Headers, method = 'GET'): Promise<number> =>
  (await new Browser(site.port).ask(path, { headers, method })).status;

const keysOf = async (id: string, fill: string): Promise<SealKeys> => {
  const keys = await readSealKeys(`${id}:${Buffer.from(sessionKey(fill)).toString('base64')}`);
  if (keys === undefined) throw new Error('no keys');
  return keys;
};

const random = {
  uniform: () => 0,
  hex: (length: number) => Buffer.alloc(length, 7).toString('hex'),
};

interface Forged {
  readonly purpose?: readonly string[];
  readonly key?: readonly [id: string, fill: string];
  readonly session?: object;
}

const HOUR_MS = 3_600_000;

async function forge({
  purpose = ['session', 'default/door', CLIENT_ID],
  key = ['a', 'a'],
  session = {},
}: Forged): Promise<string> {
  const nowMs = Date.now();
  const whole = {
    id: 's1',
    claims: { sub: 'ann', email: 'ann@shop.test' },
    startMs: nowMs,
    seenMs: nowMs,
    tokenEndMs: nowMs + HOUR_MS,
    ...session,
  };
  return new Sealer(random, purpose).seal(await keysOf(...key), whole);
}

describe('a session', () => {
  beforeAll(() => site.use(OIDC));
  const withCookie = (cookie: string, more: Headers = {}): Promise<number> =>
    ask('/', { cookie, ...more });

  it('is one where nobody meddles', async () => {
    expect(await withCookie(`${SESSION}=1.${await forge({})}`)).toBe(200);
  });

  it.each<[string, Forged]>([
    ['sealed with another key', { key: ['a', 'x'] }],
    ['sealed under an unknown key id', { key: ['b', 'a'] }],
    ['sealed for a login', { purpose: ['login', 'default/door', CLIENT_ID] }],
    ['of another policy', { purpose: ['session', 'default/other', CLIENT_ID] }],
    ['of another client', { purpose: ['session', 'default/door', 'other'] }],
    ['older than it may be', { session: { startMs: Date.now() - 9 * HOUR_MS } }],
    ['that nobody used for long', { session: { seenMs: Date.now() - 2 * HOUR_MS } }],
    ['whose tokens have ended', { session: { tokenEndMs: Date.now() - 1 } }],
    ['without claims', { session: { claims: undefined } }],
    ['whose claims are a list', { session: { claims: ['ann'] } }],
    ['of nobody', { session: { claims: {} } }],
    ['whose subject is an object', { session: { claims: { sub: {} } } }],
    ['without a beginning', { session: { startMs: undefined } }],
    ['with a text for its end', { session: { tokenEndMs: '9999999999999' } }],
    ['with an endless token', { session: { tokenEndMs: Infinity } }],
    ['without id', { session: { id: 7 } }],
    ['whose claim ends its header', { session: { claims: { sub: 'ann', email: 'a\nx: y' } } }],
    ['with a refresh token that nobody gave', { session: { tokenEndMs: 1, refreshToken: 'x' } }],
  ])('%s lets nobody in', async (_name, forged) => {
    expect([401, 403]).toContain(await withCookie(`${SESSION}=1.${await forge(forged)}`));
    expect(site.taken()).toEqual([]);
  });

  it.each<[string, (sealed: string) => string]>([
    ['cut off', (sealed) => `${SESSION}=1.${sealed.slice(0, -4)}`],
    ['longer', (sealed) => `${SESSION}=1.${sealed}AAAA`],
    ['padded', (sealed) => `${SESSION}=1.${sealed}=`],
    [
      'with bits changed',
      (sealed) =>
        `${SESSION}=1.${sealed.slice(0, 30)}${sealed[30] === 'A' ? 'B' : 'A'}${sealed.slice(31)}`,
    ],
    ['without number of pieces', (sealed) => `${SESSION}=${sealed}`],
    ['of no piece', (sealed) => `${SESSION}=0.${sealed}`],
    ['of nine pieces', (sealed) => `${SESSION}=9.${sealed}`],
    ['with a piece that is missing', (sealed) => `${SESSION}=2.${sealed}`],
    [
      'with pieces in wrong order',
      (sealed) => `${SESSION}=2.${sealed.slice(40)}; ${SESSION}.1=${sealed.slice(0, 40)}`,
    ],
    [
      'with a piece twice',
      (sealed) =>
        `${SESSION}=2.${sealed.slice(0, 40)}; ${SESSION}.1=${sealed.slice(40)}; ${SESSION}.1=${sealed.slice(40)}`,
    ],
    ['twice', (sealed) => `${SESSION}=1.${sealed}; ${SESSION}=1.${sealed}`],
    ['behind another of the name', (sealed) => `${SESSION}=x; ${SESSION}=1.${sealed}`],
    ['under another name', (sealed) => `lateen-session=1.${sealed}`],
    ['under its name in lower case', (sealed) => `${SESSION.toLowerCase()}=1.${sealed}`],
    ['in quotes', (sealed) => `${SESSION}="1.${sealed}"`],
    ['empty', () => `${SESSION}=`],
    ['of 15,000 characters', () => `${SESSION}=1.a.${'A'.repeat(15_000)}`],
  ])('%s lets nobody in', async (_name, cookie) => {
    expect(await withCookie(cookie(await forge({})))).toBe(401);
    expect(site.taken()).toEqual([]);
  });

  it('that is fixed before a login is another one behind it', async () => {
    const fixed = `1.${await forge({ session: { claims: { sub: 'mallory' } } })}`;
    const { browser, back } = await begin(site);
    browser.jar.set(SESSION, fixed);
    await browser.open(back.pathname + back.search);
    expect(browser.jar.get(SESSION)).not.toBe(fixed);
    await browser.open('/');
    expect(site.taken()[0]?.['x-user-mail']).toBe('ann@shop.test');
  });

  it.each(['x-user-mail', 'x_user-mail', 'x-user_mail', 'x_user_mail', 'X-User-Mail'])(
    'nobody says %s',
    async (name) => {
      expect(await ask('/open/x', { [name]: 'root@shop.test' })).toBe(200);
      expect(JSON.stringify(site.taken())).not.toContain('root@shop.test');
    },
  );

  it.each([
    '/open',
    '/open/..%2fpage',
    '/open/%2e%2e/page',
    '/open;/page',
    '/OPEN/x',
    '/openly',
    '/open/..;/page',
    '/x/open/y',
  ])('is needed at %s', async (path) => {
    const status = await ask(path, {});
    if (path === '/open') expect(status).toBe(200);
    else expect([400, 401]).toContain(status);
  });

  it.each<[string, Headers]>([
    ['of another origin', { origin: 'https://evil.test' }],
    ['of a sandbox', { origin: 'null' }],
    ['of the site over http', { origin: 'http://shop.test' }],
    ['of another port', { origin: 'https://shop.test:8443' }],
    ['of two origins', { origin: ['https://shop.test', 'https://evil.test'] }],
    ['of a link on another site', { 'sec-fetch-site': 'cross-site' }],
    ['of a neighbour', { 'sec-fetch-site': 'same-site' }],
    ['that says nothing', {}],
  ])('isn’t ended by a POST %s', async (_name, headers) => {
    const cookie = `${SESSION}=1.${await forge({})}`;
    expect(await ask('/oauth2/logout', { cookie, ...headers }, 'POST')).toBe(403);
    expect(await withCookie(cookie)).toBe(200);
  });

  it.each(['GET', 'PUT', 'DELETE'])('isn’t ended by %s', async (method) => {
    const cookie = `${SESSION}=1.${await forge({})}`;
    expect(await ask('/oauth2/logout', { cookie, origin: 'https://shop.test' }, method)).toBe(405);
  });
});

describe('an API key', () => {
  const KEY = 'lak_0123456789abcdefghij';
  const OLD = 'lak_old-0123456789abcdef';
  const SHORT = 'short-key';
  beforeAll(() =>
    site.use(`  apiKeys:
    from: [{header: x-api-key}, {header: authorization, prefix: "Bearer "}, {query: api_key}, {cookie: key}]
    keys: [{name: ci, hashes: ["${apiKeyEntry(KEY)}", "${apiKeyEntry(OLD)} expires=2020-01-01T00:00:00Z", "${apiKeyEntry(SHORT)}"]}]
    consumerHeader: x-consumer
`),
  );

  it.each<[string, string, Headers]>([
    ['in its header', '/', { 'x-api-key': KEY }],
    ['in Authorization', '/', { authorization: `bearer ${KEY}` }],
    ['in the query', `/?a=1&api_key=${KEY}`, {}],
    ['in the query, its name escaped', `/?api%5fkey=${KEY}`, {}],
    ['in a cookie', '/', { cookie: `a=b; key=${KEY}; c=d` }],
  ])('%s lets in, and the backend doesn’t see it', async (_name, path, headers) => {
    expect(await ask(path, headers)).toBe(200);
    const taken = site.taken();
    expect(taken[0]?.['x-consumer']).toBe('ci');
    expect(JSON.stringify(taken)).not.toContain(KEY);
  });

  it.each<[string, string, Headers]>([
    ['that is missing', '/', { 'x-consumer': 'ci' }],
    ['that is empty', '/', { 'x-api-key': '' }],
    ['in other case', '/', { 'x-api-key': KEY.toUpperCase() }],
    ['cut off', '/', { 'x-api-key': KEY.slice(0, -1) }],
    ['with one character more', '/', { 'x-api-key': `${KEY}a` }],
    ['in quotes', '/', { 'x-api-key': `"${KEY}"` }],
    ['that is its own hash', '/', { 'x-api-key': apiKeyEntry(KEY) }],
    ['that is the hash’s digits', '/', { 'x-api-key': apiKeyEntry(KEY).slice(7) }],
    ['that has ended', '/', { 'x-api-key': OLD }],
    ['too short to be one', '/', { 'x-api-key': SHORT }],
    ['of 20,000 characters', '/', { 'x-api-key': 'k'.repeat(20_000) }],
    ['twice in its header', '/', { 'x-api-key': [KEY, KEY] }],
    ['twice in its header, joined', '/', { 'x-api-key': `${KEY}, ${KEY}` }],
    ['beside a wrong one', '/', { 'x-api-key': ['wrong-0123456789abcdefgh', KEY] }],
    ['in header and query', `/?api_key=${KEY}`, { 'x-api-key': KEY }],
    ['in header and cookie', '/', { 'x-api-key': KEY, cookie: `key=${KEY}` }],
    ['twice in the query', `/?api_key=${KEY}&api_key=${KEY}`, {}],
    ['twice in the query, once escaped', `/?api_key=${KEY}&api%5Fkey=${KEY}`, {}],
    ['twice in cookies', '/', { cookie: `key=${KEY}; key=${KEY}` }],
    ['in a header of another name', '/', { 'x-apikey': KEY }],
    ['in a header with underscores', '/', { x_api_key: KEY }],
    ['in the path', `/${KEY}`, {}],
    ['in a query parameter in capitals', `/?API_KEY=${KEY}`, {}],
    ['behind a semicolon of the query', `/?a=1;api_key=${KEY}`, {}],
    ['with another scheme', '/', { authorization: `Basic ${KEY}` }],
    ['without a scheme', '/', { authorization: KEY }],
    ['in the cookie of another name', '/', { cookie: `keys=${KEY}` }],
    ['in the query with a broken escape', `/?api_key=${KEY}%`, {}],
    ['that names a field of objects', '/', { 'x-api-key': '__proto__0123456789abcd' }],
  ])('%s lets nobody in', async (_name, path, headers) => {
    expect([400, 401, 431]).toContain(await ask(path, headers));
    expect(site.taken()).toEqual([]);
  });

  it.each(['x-consumer', 'x_consumer'])('nobody says %s', async (name) => {
    await ask('/', { 'x-api-key': KEY, [name]: 'root' });
    expect(JSON.stringify(site.taken())).not.toContain('root');
  });
});

describe('what a browser asks beforehand', () => {
  const preflight = { origin: 'https://a.test', 'access-control-request-method': 'POST' };
  const part = (more: string): string =>
    `  apiKeys: {keys: [], consumerHeader: x-consumer${more}}\n  basicAuth: {users: []${more}}\n${OIDC}${more === '' ? '' : '    allowPreflight: true\n'}`;

  it('passes where the policy says so, as nobody', async () => {
    await site.use(part(', allowPreflight: true'));
    expect(await ask('/', { ...preflight, 'x-consumer': 'ci' }, 'OPTIONS')).toBe(200);
    expect(site.taken()[0]?.['x-consumer']).toBeUndefined();
  });

  it.each<[string, string, Headers]>([
    ['by GET', 'GET', preflight],
    ['without the method to come', 'OPTIONS', { origin: 'https://a.test' }],
    ['without origin', 'OPTIONS', { 'access-control-request-method': 'POST' }],
  ])('%s is none', async (_name, method, headers) => {
    await site.use(part(', allowPreflight: true'));
    expect(await ask('/', headers, method)).toBe(401);
    expect(site.taken()).toEqual([]);
  });

  it('is refused where the policy doesn’t', async () => {
    await site.use(part(''));
    expect(await ask('/', preflight, 'OPTIONS')).toBe(401);
    expect(site.taken()).toEqual([]);
  });
});

describe('a password', () => {
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  const basic = (text: string): Headers => ({ authorization: `Basic ${base64(text)}` });
  beforeAll(async () => {
    const hash = (password: string): Promise<string> =>
      hashPassword(password, Uint8Array.from(Buffer.alloc(16, password)), 10_000);
    await site.use(`  basicAuth:
    realm: 'a "shop"'
    users: [{name: ann, hash: "${await hash('pa:ss')}"}, {name: "j\\u00f6rg", hash: "${await hash('p\u00e4ss')}"}]
    userHeader: x-user
    throttle: {failures: 10000}
`);
  });

  it.each<[string, Headers, string]>([
    ['with a colon', basic('ann:pa:ss'), 'ann'],
    ['in UTF-8', basic('j\u00f6rg:p\u00e4ss'), 'j%C3%B6rg'],
    ['with its scheme in capitals', { authorization: `BASIC ${base64('ann:pa:ss')}` }, 'ann'],
  ])('%s lets in', async (_name, headers, user) => {
    expect(await ask('/', { ...headers, 'x-user': 'root', x_user: 'root' })).toBe(200);
    const [head] = site.taken();
    expect([head?.['x-user'], head?.['x_user'], head?.authorization]).toEqual([
      user,
      undefined,
      undefined,
    ]);
  });

  it.each<[string, Headers]>([
    ['that is missing', {}],
    ['that is wrong', basic('ann:pa:sS')],
    ['that is empty', basic('ann:')],
    ['of a user who isn’t there', basic('bob:pa:ss')],
    ['of an empty user', basic(':pa:ss')],
    ['of a user in capitals', basic('Ann:pa:ss')],
    ['of a user with a blank', basic('ann :pa:ss')],
    ['of a field of objects', basic('__proto__:pa:ss')],
    ['without colon', basic('ann')],
    ['split at the last colon', basic('ann:pa:ss:')],
    ['with a NUL behind', basic('ann:pa:ss\0')],
    ['with a NUL in the user', basic('ann\0x:pa:ss')],
    ['with a line feed behind', basic('ann:pa:ss\n')],
    [
      'in Latin-1',
      { authorization: `Basic ${Buffer.from('j\u00f6rg:p\u00e4ss', 'latin1').toString('base64')}` },
    ],
    ['decomposed', basic('jo\u0308rg:pa\u0308ss')],
    ['with a byte order mark', basic('\ufeffann:pa:ss')],
    ['that isn’t base64', { authorization: 'Basic ann:pa:ss' }],
    ['in base64url', { authorization: 'Basic _-__' }],
    ['without padding', { authorization: `Basic ${base64('ann:pa:s').replaceAll('=', '')}` }],
    ['with padding inside', { authorization: `Basic ${base64('ann:')}==${base64('pa:ss')}` }],
    [
      'with blanks inside',
      { authorization: `Basic ${base64('ann:pa:ss').slice(0, 4)} ${base64('ann:pa:ss').slice(4)}` },
    ],
    ['of 4,000 characters', basic(`ann:${'x'.repeat(4000)}`)],
    ['that is its own hash', basic('ann:$pbkdf2-sha256$i=10000$x$y')],
    ['twice', { authorization: [`Basic ${base64('ann:pa:ss')}`, `Basic ${base64('ann:pa:ss')}`] }],
    [
      'twice, joined',
      { authorization: `Basic ${base64('ann:pa:ss')}, Basic ${base64('ann:pa:ss')}` },
    ],
    ['behind another scheme', { authorization: `Bearer x, Basic ${base64('ann:pa:ss')}` }],
    ['under another scheme', { authorization: `Basics ${base64('ann:pa:ss')}` }],
    ['without scheme', { authorization: base64('ann:pa:ss') }],
    ['for a proxy', { 'proxy-authorization': `Basic ${base64('ann:pa:ss')}` }],
  ])('%s lets nobody in', async (_name, headers) => {
    const page = await new Browser(site.port).ask('/', { headers });
    expect(page.status).toBe(401);
    expect(page.headers['www-authenticate']).toBe('Basic realm="a \\"shop\\"", charset="UTF-8"');
    expect(site.taken()).toEqual([]);
  });
});

describe('a request of another site', () => {
  beforeAll(() =>
    site.use(
      '  csrf: {additionalOrigins: ["https://*.shop.test", "https://pay.test:8443"], except: [/hooks/*]}\n',
    ),
  );

  it.each<[string, Headers]>([
    ['its own', { origin: 'http://shop.test' }],
    ['its own, with its default port', { origin: 'http://shop.test:80' }],
    ['a listed one', { origin: 'https://a.b.shop.test' }],
    ['a listed port', { origin: 'https://pay.test:8443' }],
    ['its own page', { referer: 'http://shop.test/page?x=http://evil.test' }],
    ['a bookmark', { 'sec-fetch-site': 'none' }],
  ])('%s passes', async (_name, headers) => {
    expect(await ask('/', headers, 'POST')).toBe(200);
  });

  it.each<[string, Headers]>([
    ['another host', { origin: 'http://evil.test' }],
    ['null', { origin: 'null' }],
    ['an empty origin', { origin: '' }],
    ['its host over https', { origin: 'https://shop.test' }],
    ['its host at another port', { origin: 'http://shop.test:8080' }],
    ['a host that ends so', { origin: 'http://evilshop.test' }],
    ['a host that ends as a listed one', { origin: 'https://evilshop.test' }],
    ['a host that begins so', { origin: 'http://shop.test.evil.test' }],
    ['its host as a user', { origin: 'http://shop.test@evil.test' }],
    ['its host with a final dot', { origin: 'http://shop.test.' }],
    ['a listed host over http', { origin: 'http://a.shop.test' }],
    ['a listed host at another port', { origin: 'https://pay.test' }],
    ['an origin with a path', { origin: 'http://shop.test/' }],
    ['an origin with blanks', { origin: 'http://shop.test http://evil.test' }],
    ['two origins', { origin: ['http://shop.test', 'http://evil.test'] }],
    ['two origins, joined', { origin: 'http://shop.test, http://evil.test' }],
    ['another scheme', { origin: 'chrome-extension://shop.test' }],
    ['no scheme', { origin: 'shop.test' }],
    ['a file', { origin: 'file://' }],
    ['a foreign page', { referer: 'http://evil.test/http://shop.test/' }],
    ['a foreign page with a user', { referer: 'http://shop.test@evil.test/' }],
    ['a foreign page behind a backslash', { referer: 'http://evil.test\\@shop.test/' }],
    ['a page that can’t be read', { referer: 'about:blank' }],
    [
      'its own origin, and a browser that says otherwise',
      { origin: 'http://shop.test', 'sec-fetch-site': 'cross-site' },
    ],
    [
      'a foreign origin, and its own page',
      { origin: 'http://evil.test', referer: 'http://shop.test/' },
    ],
    ['another site, by the browser', { 'sec-fetch-site': 'cross-site' }],
    ['a neighbour, by the browser', { 'sec-fetch-site': 'same-site' }],
    ['an unknown word of the browser', { 'sec-fetch-site': 'same-origin, none' }],
    ['nowhere', {}],
    [
      'another host that is forwarded',
      { origin: 'http://evil.test', 'x-forwarded-host': 'evil.test' },
    ],
  ])('%s is refused', async (_name, headers) => {
    expect(await ask('/', headers, 'POST')).toBe(403);
    expect(site.taken()).toEqual([]);
  });

  it.each(['PUT', 'PATCH', 'DELETE', 'post', 'PROPFIND'])('by %s is refused', async (method) => {
    expect([400, 403, 501]).toContain(await ask('/', { origin: 'http://evil.test' }, method));
    expect(site.taken()).toEqual([]);
  });

  it('by the handshake of a WebSocket is refused', async () => {
    const headers = {
      connection: 'upgrade',
      upgrade: 'WebSocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
    };
    expect(await ask('/', { ...headers, origin: 'http://evil.test' })).toBe(403);
    expect(site.taken()).toEqual([]);
  });

  it.each(['/hooks/..%2fpay', '/hooks/%2e%2e/pay', '/hooks;/x', '/hooksy', '/HOOKS/x'])(
    'at %s is no exception',
    async (path) => {
      expect([400, 403]).toContain(await ask(path, { origin: 'http://evil.test' }, 'POST'));
      expect(site.taken()).toEqual([]);
    },
  );
});
