/** Login, keys and passwords from a browser's end to the backend's, through the Node proxy and through a gateway worker. */
import { createServer } from 'node:http';
import type { IncomingHttpHeaders, Server } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { apiKeyEntry } from '../../src/lib/api-key.ts';
import { hashPassword } from '../../src/lib/password-hash.ts';
import { valuesName } from '../../src/lib/secret-values.ts';
import type { KeyOverlay, ProxyScope } from '../../src/model/snapshot.ts';
import { Browser } from '../fixtures/browser.ts';
import { endServer, listen, startGateway, startStubControl } from '../fixtures/gateway.ts';
import { gatewayBefore, gatewayScope, startTestProxy } from '../fixtures/node-proxy.ts';
import { CLIENT_ID, CLIENT_SECRET, ISSUER, startOidcProvider } from '../fixtures/oidc-provider.ts';
import type { OidcProvider } from '../fixtures/oidc-provider.ts';

const KEY = 'lak_a-key-that-is-long-enough';
const SECRET = 'default/site';

let provider: OidcProvider;
let backend: Server;
let backPort: number;
let received: IncomingHttpHeaders = {};
let users: string;

const sessionKeys = (...ids: readonly string[]): string =>
  ids.map((id) => `${id}:${Buffer.alloc(32, id).toString('base64')}`).join('\n');

function secretValues(): Record<string, string> {
  return {
    'client-secret': CLIENT_SECRET,
    'session-keys': sessionKeys('a', 'b'),
    users: `ann:${users}`,
  };
}

const policy = (parts: string): string => `---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: login}
spec: {hosts: [login.test], location: MESH_EXTERNAL, resolution: STATIC, ports: [{number: 80, name: http, protocol: HTTP}], endpoints: [{address: 127.0.0.1, ports: {http: ${provider.port}}}]}
---
apiVersion: lateen.io/v1
kind: Policy
metadata: {name: door}
spec:
  targetRefs: [{group: networking.istio.io, kind: Gateway, name: front}]
${parts}`;

const oidc = (more = ''): string => `  oidc:
    issuer: ${ISSUER}
    clientId: "${CLIENT_ID}"
    secretName: site
    authorizationEndpoint: ${ISSUER}/authorize
    tokenEndpoint: {host: login.test, port: 80, path: /token, plaintext: true}
    redirectUris: [https://shop.test/oauth2/callback]
    claimHeaders: [{header: x-user, claim: email}, {header: x-groups, claim: groups}]
    except: [/open/*]
${more}`;

const RBAC = `---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: staff}
spec:
  selector: {matchLabels: {app: front}}
  action: ALLOW
  rules:
  - from: [{source: {requestPrincipals: ["${ISSUER}/ann"]}}]
    when: [{key: "request.auth.claims[groups]", values: [staff]}]
  - from: [{source: {requestPrincipals: [apikey/ci, basic/ann]}}]
`;

interface Target {
  readonly port: number;
  configure(yaml: string): Promise<void>;
  close(): Promise<void>;
}

const keySets = (): KeyOverlay['sets'] => ({
  [`issuer:${ISSUER}`]: { keys: provider.keys, fetchedAtMs: 0 },
});

async function nodeTarget(): Promise<Target> {
  return startTestProxy({
    yaml: gatewayBefore(backPort),
    keys: keySets(),
    secrets: { [valuesName(SECRET)]: { values: secretValues() } },
  });
}

async function edgeTarget(): Promise<Target> {
  const control = await startStubControl();
  const scope: ProxyScope = gatewayScope;
  control.serve(gatewayBefore(backPort), scope, keySets());
  const gateway = await startGateway(
    control,
    { inbound: scope },
    { LATEEN_SECRETS: JSON.stringify({ [SECRET]: secretValues() }) },
  );
  return {
    port: Number(new URL(gateway.url).port),
    async configure(yaml) {
      control.serve(yaml, scope, keySets());
      await new Promise((wake) => {
        setTimeout(wake, 150);
      });
    },
    async close() {
      await gateway.close();
      await control.close();
    },
  };
}

/** To the provider and back: what the callback answers. */
async function logIn(browser: Browser, path: string): ReturnType<Browser['open']> {
  const first = await browser.open(path);
  expect([first.status, first.body]).toEqual([302, '']);
  const back = provider.authorize(first.headers.location ?? '');
  return browser.open(back.slice('https://shop.test'.length));
}

beforeAll(async () => {
  provider = await startOidcProvider();
  backend = createServer((request, response) => {
    received = request.headers;
    response.setHeader('set-cookie', ['a=1', 'b=2; Path=/']);
    response.end(`${request.method ?? ''} ${request.url ?? ''}`);
  });
  backPort = await listen(backend);
  users = await hashPassword('correct horse', new Uint8Array(16), 10_000);
});
afterAll(async () => {
  await endServer(backend);
  await provider.close();
});
beforeEach(() => {
  received = {};
  provider.bending = {};
  provider.livesS = 600;
  provider.asked.length = 0;
});

describe.each([
  ['the Node proxy', nodeTarget],
  ['a gateway worker', edgeTarget],
])('%s', (_name, start) => {
  let target: Target;
  beforeAll(async () => {
    target = await start();
  });
  afterAll(() => target.close());

  const use = (parts: string, more = ''): Promise<void> =>
    target.configure(gatewayBefore(backPort) + policy(parts) + more);

  it('logs a person in, leads back to the page, and tells the backend who it is', async () => {
    await use(oidc(), RBAC);
    const browser = new Browser(target.port);
    const back = await logIn(browser, '/cart?a=b&c=%2F');
    expect([back.status, back.headers.location]).toEqual([302, 'https://shop.test/cart?a=b&c=%2F']);
    for (const cookie of back.setCookies)
      expect(cookie).toMatch(/^__Host-.*; Path=\/; Secure; HttpOnly; SameSite=Lax$/);
    browser.jar.set('own', '1');
    const page = await browser.open('/cart?a=b&c=%2F', {
      headers: { 'x-user': 'root', x_user: 'root' },
    });
    expect([page.status, page.body]).toEqual([200, 'GET /cart?a=b&c=%2F']);
    expect(received).toMatchObject({
      'x-user': 'ann@shop.test',
      'x-groups': 'staff,ops',
      cookie: 'own=1',
    });
    expect([received['x_user'], received.authorization]).toEqual([undefined, undefined]);
    // What the backend sets stays as it set it.
    expect(page.setCookies).toEqual(['a=1', 'b=2; Path=/']);
    const [asked] = provider.asked;
    expect(asked?.get('grant_type')).toBe('authorization_code');
    expect(asked?.has('client_secret')).toBe(false);
  });

  it('answers 401 to what can not follow, and lets pass what is excepted', async () => {
    await use(oidc());
    const browser = new Browser(target.port);
    expect((await browser.ask('/api', { headers: { accept: 'application/json' } })).status).toBe(
      401,
    );
    expect((await browser.open('/', { method: 'POST' })).status).toBe(401);
    expect((await browser.open('/', { headers: { 'sec-fetch-mode': 'cors' } })).status).toBe(401);
    const open = await browser.ask('/open/x', { headers: { 'x-user': 'root' } });
    expect([open.status, received['x-user']]).toEqual([200, undefined]);
    expect((await browser.ask('/open/..%2fcart')).status).toBe(401);
    expect((await browser.open('/', { host: 'other.test' })).status).toBe(403);
  });

  it('renews tokens once for requests that come together', async () => {
    await use(oidc('    session: {idleTimeout: 0s}\n    forwardAccessToken: true\n'));
    provider.livesS = 20;
    const browser = new Browser(target.port);
    await logIn(browser, '/');
    provider.livesS = 600;
    provider.bending = { delayMs: 50 };
    const pages = await Promise.all(
      ['/1', '/2', '/3'].map((path) =>
        new Browser(target.port).ask(path, {
          headers: {
            cookie: [...browser.jar].map(([name, value]) => `${name}=${value}`).join('; '),
          },
        }),
      ),
    );
    expect(pages.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(provider.asked.map((form) => form.get('grant_type'))).toEqual([
      'authorization_code',
      'refresh_token',
    ]);
    expect(received.authorization).toMatch(/^Bearer /);
    const renewed = pages[0]?.setCookies.find((cookie) => cookie.startsWith('__Host-')) ?? '';
    expect(renewed).toMatch(/^__Host-lateen-session=1\.a\./);
    expect(pages[0]?.setCookies.filter((cookie) => /^[ab]=/.test(cookie))).toHaveLength(2);
    expect(pages[0]?.headers['cache-control']).toBe('private, no-store');
  });

  it('logs out by a POST of its own pages, and leads to the provider', async () => {
    await use(oidc(`    endSessionEndpoint: ${ISSUER}/logout\n    logout: {redirect: /bye}\n`));
    const browser = new Browser(target.port);
    await logIn(browser, '/');
    const before = new Map(browser.jar);
    expect((await browser.open('/oauth2/logout')).status).toBe(405);
    const foreign = { method: 'POST', headers: { origin: 'https://evil.test' } };
    expect((await browser.open('/oauth2/logout', foreign)).status).toBe(403);
    expect((await browser.open('/')).status).toBe(200);
    const own = { method: 'POST', headers: { origin: 'https://shop.test' } };
    const out = await browser.open('/oauth2/logout', own);
    const { origin, pathname, searchParams } = new URL(out.headers.location ?? '');
    expect([out.status, origin + pathname]).toEqual([303, `${ISSUER}/logout`]);
    expect(searchParams.get('post_logout_redirect_uri')).toBe('https://shop.test/bye');
    expect(searchParams.get('id_token_hint')?.split('.')).toHaveLength(3);
    expect((await browser.open('/')).status).toBe(302);
    // Nor does a copy of the cookie get in again here.
    for (const [name, value] of before) browser.jar.set(name, value);
    expect((await browser.open('/')).status).toBe(302);
  });

  it('keeps a large session in pieces', async () => {
    await use(oidc());
    const roles = Array.from({ length: 700 }, (_, index) => `role-${index}`);
    provider.bending = { claims: (claims) => ({ ...claims, roles }) };
    const browser = new Browser(target.port);
    await logIn(browser, '/');
    const pieces = [...browser.jar].filter(([name]) => /session(?:\.\d)?$/.test(name));
    expect(pieces.length).toBeGreaterThan(2);
    for (const [name, value] of pieces) expect(name.length + value.length).toBeLessThan(4000);
    expect((await browser.open('/')).status).toBe(200);
    provider.bending = {
      claims: (claims) => ({ ...claims, roles: [...roles, ...roles, ...roles] }),
    };
    const refused = await logIn(new Browser(target.port), '/');
    expect([refused.status, refused.body]).toEqual([500, 'login failed']);
  });

  it('takes keys and passwords as principals that AuthorizationPolicy names', async () => {
    await use(
      `  apiKeys: {keys: [{name: ci, hashes: ["${apiKeyEntry(KEY)}"]}, {name: other, hashes: ["${apiKeyEntry(`${KEY}2`)}"]}], consumerHeader: x-consumer, optional: true, from: [{header: x-api-key}, {query: key}]}
  basicAuth: {secretName: site, userHeader: x-user, optional: true}
`,
      RBAC,
    );
    const browser = new Browser(target.port);
    const ask = async (path: string, headers: Record<string, string>): Promise<number> =>
      (await browser.ask(path, { headers })).status;
    const basic = (text: string): Record<string, string> => ({
      authorization: `Basic ${Buffer.from(text).toString('base64')}`,
    });
    expect(await ask('/', {})).toBe(403);
    expect(await ask('/?a=1', { 'x-api-key': KEY, 'x-consumer': 'root' })).toBe(200);
    expect([received['x-consumer'], received['x-api-key']]).toEqual(['ci', undefined]);
    expect((await browser.ask(`/?a=1&key=${KEY}&b`)).body).toBe('GET /?a=1&b');
    expect(await ask('/', { 'x-api-key': `${KEY}2` })).toBe(403);
    expect(await ask('/', { 'x-api-key': `${KEY}3` })).toBe(401);
    expect(await ask('/', basic('ann:correct horse'))).toBe(200);
    expect([received['x-user'], received.authorization]).toEqual(['ann', undefined]);
    expect(await ask('/', basic('ann:wrong horse'))).toBe(401);
    expect(await ask('/', basic('bob:correct horse'))).toBe(401);
  });

  it('says security headers on everything, and refuses what other sites send', async () => {
    await use(
      '  securityHeaders: {preset: api}\n  csrf: {additionalOrigins: ["https://*.shop.test"]}\n',
    );
    const browser = new Browser(target.port);
    const post = async (headers: Record<string, string>): Promise<number> =>
      (await browser.ask('/', { method: 'POST', headers })).status;
    const refused = await browser.ask('/', {
      method: 'POST',
      headers: { origin: 'https://evil.test' },
    });
    expect([refused.status, refused.headers['x-frame-options']]).toEqual([403, 'DENY']);
    expect(refused.headers['strict-transport-security']).toBeUndefined();
    expect(await post({ origin: 'http://shop.test' })).toBe(200);
    expect(await post({ origin: 'https://a.shop.test' })).toBe(200);
    expect(await post({})).toBe(403);
    const page = await browser.ask('/');
    expect(page.headers['content-security-policy']).toBe(
      "default-src 'none'; frame-ancestors 'none'",
    );
  });
});
