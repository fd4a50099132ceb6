/** Logins of people under attack: ID tokens that aren't, cookies that are somebody else's pages'. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateKeyPair } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Asked, TestControl } from '../fixtures/control.ts';
import { serviceEntry, startTestControl } from '../fixtures/control.ts';
import type { TestIssuer } from '../fixtures/issuer.ts';
import { startIssuer } from '../fixtures/issuer.ts';

let issuer: TestIssuer;
let control: TestControl;
let nowMs = Date.now();
let count = 0;
beforeAll(async () => {
  issuer = await startIssuer();
  control = await startTestControl({
    nowMs: () => nowMs,
    oidc: JSON.stringify({
      issuer: issuer.url,
      clientId: 'lateen-cli',
      mappings: [
        { group: 'platform', role: 'admin' },
        { group: 'shop', role: 'editor', namespaces: ['shop'] },
      ],
    }),
  });
});
beforeEach(() => {
  // None of them is to meet the limit of failed logins; tokens are made by the machine's clock.
  nowMs = Date.now() + 4000 * count++;
});
afterAll(async () => {
  await control.close();
  issuer.close();
});

const login = (idToken: string, more: object = {}): Promise<Asked> =>
  control.ask('POST', '/v1/auth/login', { body: JSON.stringify({ idToken, ...more }), token: 'x' });
const now = (): number => Math.floor(nowMs / 1000);
const ada = (): Record<string, unknown> => ({
  sub: 'ada',
  groups: ['shop'],
  iat: now(),
  exp: now() + 600,
  jti: String(count),
});
const b64 = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

describe('a login', () => {
  it('gives what the group of a person may, for a while', async () => {
    const { status, body } = await login(await issuer.sign(ada()));
    expect(status).toBe(201);
    expect(body).toMatchObject({ name: 'oidc:ada', role: 'editor', namespaces: ['shop'] });
    const token = String(body['token']);
    const apply = (namespace: string): Promise<Asked> =>
      control.ask('POST', `/v1/apply?namespace=${namespace}`, { body: serviceEntry('x'), token });
    expect((await apply('shop')).status).toBe(200);
    expect((await apply('other')).status).toBe(403);
    expect((await control.ask('POST', '/v1/auth/logout', { token })).status).toBe(204);
    expect((await apply('shop')).status).toBe(401);
  });

  it.each<[string, () => Promise<string>]>([
    ['another audience', () => issuer.sign({ ...ada(), aud: 'other' })],
    ['an audience that begins so', () => issuer.sign({ ...ada(), aud: 'lateen-cli-2' })],
    ['several audiences without azp', () => issuer.sign({ ...ada(), aud: ['lateen-cli', 'x'] })],
    ['the azp of another client', () => issuer.sign({ ...ada(), azp: 'other' })],
    ['another issuer', () => issuer.sign({ ...ada(), iss: 'https://other.test' })],
    ['an issuer with a slash', () => issuer.sign({ ...ada(), iss: `${issuer.url}/` })],
    ['no end', () => issuer.sign({ ...ada(), exp: undefined as never })],
    ['an end that is over', () => issuer.sign({ ...ada(), exp: now() - 120 })],
    ['an end that is text', () => issuer.sign({ ...ada(), exp: '9999999999' as never })],
    ['no beginning', () => issuer.sign({ ...ada(), iat: undefined as never })],
    ['a beginning long ago', () => issuer.sign({ ...ada(), iat: now() - 3600 })],
    ['a beginning to come', () => issuer.sign({ ...ada(), iat: now() + 3600 })],
    ['not yet', () => issuer.sign({ ...ada(), nbf: now() + 3600 })],
    ['nobody', () => issuer.sign({ ...ada(), sub: undefined as never })],
    ['a name with a line break', () => issuer.sign({ ...ada(), sub: 'ada\nbootstrap' })],
    ['a name without end', () => issuer.sign({ ...ada(), sub: 'a'.repeat(5000) })],
    ['a token of an event', () => issuer.sign({ ...ada(), events: {} })],
    ['an access token', () => issuer.sign(ada(), { typ: 'at+jwt' })],
    ['a logout token', () => issuer.sign(ada(), { typ: 'logout+jwt' })],
    ['a workload token', () => issuer.sign(ada(), { typ: 'wit+jwt' })],
    ['an unknown key', () => issuer.sign(ada(), { kid: 'two' })],
    [
      'another key under the name',
      async () => issuer.sign(ada(), {}, (await generateKeyPair('ES256')).privateKey),
    ],
    [
      'a key that it brings along',
      async () => {
        const { privateKey } = await generateKeyPair('ES256');
        return issuer.sign(ada(), { jku: 'https://evil.test', kid: 'evil' }, privateKey);
      },
    ],
    ['no signature', async () => `${b64({ alg: 'none' })}.${b64(ada())}.`],
    ['no signature, in capitals', async () => `${b64({ alg: 'NONE' })}.${b64(ada())}.AA`],
    [
      'a signature of zeros',
      async () => `${b64({ alg: 'ES256', kid: 'one' })}.${b64(ada())}.${'A'.repeat(86)}`,
    ],
    ['a shared secret', async () => `${b64({ alg: 'HS256', kid: 'one' })}.${b64(ada())}.AAAA`],
    ['two parts', async () => (await issuer.sign(ada())).split('.').slice(0, 2).join('.')],
    ['four parts', async () => `${await issuer.sign(ada())}.AAAA`],
    ['five parts', async () => 'a.b.c.d.e'],
    [
      'a changed claim',
      async () => {
        const [head, , signature] = (await issuer.sign(ada())).split('.');
        return `${head ?? ''}.${b64({ ...ada(), groups: ['platform'], iss: issuer.url, aud: 'lateen-cli' })}.${signature ?? ''}`;
      },
    ],
    [
      'a header with alg twice',
      async () => {
        const head = Buffer.from('{"alg":"none","alg":"ES256","kid":"one"}').toString('base64url');
        const [, payload, signature] = (await issuer.sign(ada())).split('.');
        return `${head}.${payload ?? ''}.${signature ?? ''}`;
      },
    ],
    [
      'crit that nobody knows',
      () => issuer.sign(ada(), { crit: ['x'], x: 1 }).catch(() => 'a.b.c'),
    ],
    ['padding', async () => `${await issuer.sign(ada())}==`],
    ['a space', async () => ` ${await issuer.sign(ada())}`],
  ])('with %s is none', async (_what, make) => {
    const { status, body } = await login(await make());
    expect(status).toBe(401);
    expect(body['token']).toBeUndefined();
  });

  it.each<[string, unknown]>([
    ['no group', undefined],
    ['other groups', ['other']],
    ['a group that begins so', ['platform-2']],
    ['a group in other letters', ['Platform']],
    ['groups as an object', { platform: true }],
    ['groups in a list of lists', [['platform']]],
    ['groups in one text', 'other platform'],
  ])('of %s has no role', async (_what, groups) => {
    expect((await login(await issuer.sign({ ...ada(), groups }))).status).toBe(403);
  });

  it('is good once', async () => {
    const idToken = await issuer.sign(ada());
    expect((await login(idToken)).status).toBe(201);
    expect((await login(idToken)).status).toBe(401);
  });

  it('is good once, whatever spelling its signature has', async () => {
    const idToken = await issuer.sign(ada());
    expect((await login(idToken)).status).toBe(201);
    // The last character of 64 bytes has bits to spare.
    const last = idToken.slice(-1);
    const spare = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const at = spare.indexOf(last);
    const other = spare[(at & ~15) | ((at + 1) & 15)] ?? '';
    expect((await login(idToken.slice(0, -1) + other)).status).toBe(401);
  });

  it('of an ID token is not asked of other routes', async () => {
    const token = await issuer.sign(ada());
    expect((await control.ask('GET', '/v1/history', { token })).status).toBe(401);
  });

  it('takes nobody for the first administrator', async () => {
    const { body } = await login(await issuer.sign({ ...ada(), sub: 'bootstrap' }));
    expect(body['name']).toBe('oidc:bootstrap');
  });

  it.each([{ role: 'admin' }, { namespaces: [] }, { name: 'x' }])(
    'sets no %o of its own',
    async (more) => {
      expect((await login(await issuer.sign(ada()), more)).status).toBe(400);
    },
  );

  it('is no more to be had by a token that was used, also once the control plane was started anew', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'lateen-'));
    const settings = {
      issuer: issuer.url,
      clientId: 'lateen-cli',
      mappings: [{ group: 'shop', role: 'editor' }],
    };
    const start = (): Promise<TestControl> =>
      startTestControl({
        nowMs: () => nowMs,
        database: join(folder, 'control.sqlite'),
        oidc: JSON.stringify(settings),
      });
    const body = JSON.stringify({ idToken: await issuer.sign(ada()) });
    const statuses: number[] = [];
    for (let starts = 0; starts < 2; starts++) {
      const one = await start();
      const answers = await Promise.all([
        one.ask('POST', '/v1/auth/login', { body, token: 'x' }),
        one.ask('POST', '/v1/auth/login', { body, token: 'x' }),
      ]);
      statuses.push(...answers.map(({ status }) => status));
      await one.close();
    }
    rmSync(folder, { recursive: true });
    expect(statuses.toSorted((a, b) => a - b)).toEqual([201, 401, 401, 401]);
  });

  it('is slowed down by source, and refused before a signature is looked at', async () => {
    let last = 0;
    for (let tries = 0; tries < 22; tries++) last = (await login('a.b.c')).status;
    expect(last).toBe(429);
    expect((await login(await issuer.sign(ada()))).status).toBe(429);
    nowMs += 120_000;
    count += 200;
  });
});

describe('a session of a browser', () => {
  let cookie = '';
  let csrf = '';
  const send = (method: string, path: string, headers: Record<string, string>): Promise<Response> =>
    fetch(control.url + path, {
      method,
      headers,
      ...(method === 'GET' ? {} : { body: serviceEntry('browser') }),
    });
  beforeEach(async () => {
    const response = await fetch(`${control.url}/v1/auth/login`, {
      method: 'POST',
      body: JSON.stringify({ idToken: await issuer.sign(ada()), cookie: true }),
    });
    const set = response.headers.get('set-cookie') ?? '';
    expect(set).toMatch(
      /^lateen=lat_[0-9a-f_]+; Path=\/; Max-Age=28800; HttpOnly; SameSite=Strict$/,
    );
    const body = (await response.json()) as Record<string, unknown>;
    expect(body['token']).toBeUndefined();
    cookie = set.split(';')[0] ?? '';
    csrf = String(body['csrf']);
  });
  const apply = '/v1/apply?namespace=shop';

  it('reads by its cookie, and changes with the CSRF token beside it', async () => {
    expect((await send('GET', '/v1/history', { cookie })).status).toBe(200);
    const session = await send('GET', '/v1/auth/session', { cookie });
    expect(((await session.json()) as { csrf: string }).csrf).toBe(csrf);
    expect((await send('POST', apply, { cookie, 'x-lateen-csrf': csrf })).status).toBe(200);
  });

  it.each<[string, () => Record<string, string>, number]>([
    ['no CSRF token', () => ({ cookie }), 403],
    ['an empty one', () => ({ cookie, 'x-lateen-csrf': '' }), 403],
    ['a cut one', () => ({ cookie, 'x-lateen-csrf': csrf.slice(1) }), 403],
    ['another', () => ({ cookie, 'x-lateen-csrf': '0'.repeat(32) }), 403],
    ['one in the name of another field', () => ({ cookie, 'x-csrf-token': csrf }), 403],
    [
      'the page of another origin',
      () => ({ cookie, 'x-lateen-csrf': csrf, origin: 'https://evil.test' }),
      403,
    ],
    [
      'another cookie beside it',
      () => ({ cookie: `lateen=x; ${cookie}`, 'x-lateen-csrf': csrf }),
      401,
    ],
    ['the cookie twice', () => ({ cookie: `${cookie}; ${cookie}`, 'x-lateen-csrf': csrf }), 401],
    ['a changed cookie', () => ({ cookie: `${cookie.slice(0, -1)}_`, 'x-lateen-csrf': csrf }), 401],
    [
      'the name of a secure cookie',
      () => ({ cookie: `__Host-${cookie}`, 'x-lateen-csrf': csrf }),
      401,
    ],
    ['the CSRF token alone', () => ({ 'x-lateen-csrf': csrf }), 401],
  ])('changes nothing with %s', async (_what, headers, status) => {
    expect((await send('POST', apply, headers())).status).toBe(status);
  });

  it('takes no token of a machine for a cookie', async () => {
    const made = await control.ask('POST', '/v1/tokens', {
      body: JSON.stringify({ name: 'x', role: 'viewer' }),
    });
    const headers = { cookie: `lateen=${String(made.body['token'])}` };
    expect((await send('GET', '/v1/history', headers)).status).toBe(401);
  });

  it('ends when its time is over', async () => {
    nowMs += 8 * 3600 * 1000;
    expect((await send('GET', '/v1/history', { cookie })).status).toBe(401);
  });
});
