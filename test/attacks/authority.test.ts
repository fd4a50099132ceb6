/** Attacks on the certificate authority: other identities, other keys, other places, other people's routes. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ISSUED_PREFIX } from '../../control/identity/records.ts';
import type { LocalAuthority } from '../../control/identity/create-authority.ts';
import type { Store } from '../../src/model/store.ts';
import { setUpAuthority } from '../fixtures/authority-api.ts';
import { testAuthority, workloadKey } from '../fixtures/authority.ts';
import { startTestControl } from '../fixtures/control.ts';
import type { TestControl } from '../fixtures/control.ts';

const IDENTITY = 'mesh.test/ns/a/sa/b';

describe('who asks for an identity', () => {
  let authority: LocalAuthority & { readonly store: Store };
  let publicKey: Uint8Array<ArrayBuffer>;
  beforeAll(async () => {
    authority = await testAuthority();
    ({ publicKey } = await workloadKey());
  });

  async function statusOf(identity: string, key = publicKey, ttlMs = 1000): Promise<unknown> {
    const asked = { identity, publicKey: key, ttlMs, actor: 'x', provenBy: 'operator' } as const;
    const status = await authority.issue(asked).then(
      () => 200,
      (error: { status?: number }) => error.status,
    );
    expect((await authority.store.list(ISSUED_PREFIX)).records).toHaveLength(0);
    return status;
  }

  it.each([
    'other.test/ns/a/sa/b',
    'mesh.test.other.test/ns/a/sa/b',
    'mesh.testx/ns/a/sa/b',
    'MESH.TEST/ns/a/sa/b',
    'mesh.test',
    'mesh.test/',
    '/ns/a/sa/b',
    'spiffe://mesh.test/ns/a/sa/b',
    'mesh.test:443/ns/a/sa/b',
    'a@mesh.test/ns/a/sa/b',
    'mesh.test//ns/a/sa/b',
    'mesh.test/ns/a/sa/b/',
    'mesh.test/ns/a/sa/../c',
    'mesh.test/ns/a/sa/.',
    'mesh.test/ns/a/sa/%62',
    'mesh.test/ns/a/sa/b?x=1',
    'mesh.test/ns/a/sa/b#x',
    'mesh.test/ns/a/sa/b\u0000',
    'mesh.test/ns/a/sa/b\u0000.other',
    'mesh.test/ns/a/sa/b\r\nX: y',
    'mesh.test/ns/a/sa/b, URI:spiffe://mesh.test/ns/a/sa/c',
    'mesh.test/ns/a/sa/"b"',
    'mesh.test/ns/a/sa/b;c',
    'mesh.test/ns/a/sa/b c',
    'mesh.test/ns/a/sa/b*',
    'mesh.test/ns/a/sa/\u0431',
    'mesh.test\u3002/ns/a/sa/b',
    `mesh.test/${'a'.repeat(2048)}`,
    '',
  ])('gets none as %j', async (identity) => {
    expect(await statusOf(identity)).toBe(422);
  });

  it.each<[string, (key: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>]>([
    ['is empty', () => new Uint8Array(0)],
    ['is cut', (key) => key.slice(0, -1)],
    ['has a point beside the curve', (key) => key.map((byte, at) => (at === 60 ? byte ^ 1 : byte))],
    ['has the point at infinity', (key) => new Uint8Array([...key.slice(0, 26), 0])],
    ['is of zeros', (key) => new Uint8Array(key.length)],
    ['is long', (key) => new Uint8Array([...key, ...new Uint8Array(100_000)])],
  ])('gets none for a key that %s', async (_what, change) => {
    expect(await statusOf(IDENTITY, change(publicKey))).toBe(422);
  });

  it.each(['P-384', 'P-521'])('gets none for a key on %s', async (curve) => {
    expect(await statusOf(IDENTITY, (await workloadKey(curve)).publicKey)).toBe(422);
  });

  it.each([0, -1, 999, Number.NaN, Number.POSITIVE_INFINITY, 90 * 86_400_000 + 1, 2 ** 53])(
    'gets none for %d ms',
    async (ttlMs) => {
      expect(await statusOf(IDENTITY, publicKey, ttlMs)).toBe(422);
    },
  );
});

describe('a control plane with an authority', () => {
  let control: TestControl;
  const tokens = new Map<string, string>();
  beforeAll(async () => {
    control = await startTestControl({ allowPrivateKeys: false });
    await setUpAuthority(control);
    for (const role of ['viewer', 'editor']) {
      const body = JSON.stringify({ name: role, role });
      const made = await control.ask('POST', '/v1/tokens', { body });
      tokens.set(role, String(made.body['token']));
    }
    const scopes = [{ type: 'gateway', namespace: 'a', name: 'b', labels: {} }];
    const body = JSON.stringify({ name: 'proxy', role: 'proxy', scopes });
    tokens.set('proxy', String((await control.ask('POST', '/v1/tokens', { body })).body['token']));
  });
  afterAll(async () => control.close());

  const routes: readonly (readonly [string, string])[] = [
    ['POST', 'authority'],
    ['POST', 'authority/request'],
    ['POST', 'denied'],
    ['DELETE', 'denied?serial=1'],
    ['POST', 'rotation'],
    ['DELETE', 'rotation'],
    ['POST', 'rotation/advance'],
    ['POST', 'federation'],
    ['DELETE', 'federation/a.test'],
    ['POST', 'rewrap'],
    ['POST', 'token-keys'],
  ];
  const roles = ['nobody', 'proxy', 'viewer', 'editor'];
  it.each(routes.flatMap(([method, path]) => roles.map((role) => [role, method, path] as const)))(
    'lets no %s %s %s',
    async (role, method, path) => {
      const before = await control.ask('GET', '/v1/identity/authority');
      const token =
        tokens.get(role) ?? 'lat_0000000000000000_000000000000000000000000000000000000000000000000';
      const { status } = await control.ask(method, `/v1/identity/${path}`, {
        token,
        body: '{"force":true}',
      });
      expect(status).toBe(role === 'nobody' ? 401 : 403);
      const { body } = await control.ask('GET', '/v1/identity/authority');
      expect(body['signer']).toEqual(before.body['signer']);
    },
  );

  it.each(['authority', 'issued', 'denied', 'rotation', 'federation'])(
    'shows a proxy or a stranger no %s',
    async (path) => {
      const as = async (token: string) =>
        (await control.ask('GET', `/v1/identity/${path}`, { token })).status;
      expect([await as(tokens.get('proxy') ?? ''), await as('x')]).toEqual([403, 401]);
    },
  );

  it.each([
    'http://partner.test/bundle',
    'https://127.0.0.1/',
    'https://127.1/',
    'https://2130706433/',
    'https://0x7f000001/',
    'https://0177.0.0.1/',
    'https://0.0.0.0/',
    'https://10.0.0.1/',
    'https://172.16.0.1/',
    'https://192.168.0.1/',
    'https://100.64.0.1/',
    'https://169.254.169.254/latest/meta-data/',
    'https://[::1]/',
    'https://[::]/',
    'https://[::ffff:169.254.169.254]/',
    'https://[fd00::1]/',
    'https://[fe80::1]/',
    'https://localhost/',
    'https://LOCALHOST./',
    'https://a.localhost/',
    'https://metadata.google.internal/',
    'https://printer.local/',
    'https://user:pass@partner.test/',
    'ftp://partner.test/',
    'file:///etc/passwd',
    'data:application/json,{"keys":[]}',
    'javascript:1',
    '//partner.test/',
    'partner.test',
    '',
  ])('fetches no bundle from %j', async (url) => {
    const body = JSON.stringify({ trustDomain: 'partner.test', url });
    const answer = await control.ask('POST', '/v1/identity/federation', { body });
    expect(answer.status).toBe(422);
  });

  it.each([
    ['{"__proto__":{"force":true}}', 'rotation/advance'],
    ['{"constructor":{"prototype":{"force":true}}}', 'rotation/advance'],
    ['{"force":"true"}', 'rotation/advance'],
    ['{"serial":"1","actor":"somebody else"}', 'denied'],
    ['{"serial":"1","untilMs":0}', 'denied'],
    ['{"root":"a","chain":"b","generation":1}', 'authority'],
    ['{"root":"a","chain":"b","key":{"toString":"x"}}', 'authority'],
    ['{"trustDomain":"a.test","bundle":"{}","roots":["x"]}', 'federation'],
    [`${'['.repeat(5000)}${']'.repeat(5000)}`, 'denied'],
    ['null', 'denied'],
    ['[]', 'authority'],
  ])('takes no %s', async (body, path) => {
    const { status } = await control.ask('POST', `/v1/identity/${path}`, { body });
    expect(status).toBe(400);
  });

  it.each([
    'cluster.local',
    'CLUSTER.LOCAL',
    'a.test/ns/a',
    'a.test:443',
    '../a',
    '__proto__',
    'constructor',
    'a.test\u0000',
  ])('makes no federation with %j', async (trustDomain) => {
    const body = JSON.stringify({ trustDomain, bundle: '{"keys":[]}' });
    const { status } = await control.ask('POST', '/v1/identity/federation', { body });
    expect([409, 422]).toContain(status);
  });
});
