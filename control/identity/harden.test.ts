/** What `GET /v1/harden` says of a running authority, of who may join and of gateway workers; and to whom. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { setUpAuthority } from '../../test/fixtures/authority-api.ts';
import { startTestControl } from '../../test/fixtures/control.ts';
import type { TestControl } from '../../test/fixtures/control.ts';
import { startCertifiedControl } from '../../test/fixtures/mtls-mesh.ts';
import type { CertifiedControl } from '../../test/fixtures/mtls-mesh.ts';

const WORKER = { type: 'sidecar-inbound', namespace: 'shop', name: 'cart', labels: {} };
const OPENED = ['LAT0734', 'LAT0750', 'LAT0751', 'LAT0753', 'LAT0754', 'LAT0755'];

let control: CertifiedControl;
let bare: TestControl;
beforeAll(async () => {
  control = await startCertifiedControl();
  bare = await startTestControl();
});
afterAll(async () => {
  await control.close();
  await bare.close();
});

async function found(of: TestControl, token?: string): Promise<string[]> {
  const { body } = await of.ask('GET', '/v1/harden', token === undefined ? {} : { token });
  return (body['items'] as { code: string; resource?: string }[])
    .filter(({ code }) => OPENED.includes(code))
    .map(({ code, resource = 'mesh' }) => `${code} ${resource.split(' ')[0]}`);
}

const post = async (path: string, body: object): Promise<Readonly<Record<string, unknown>>> =>
  (await control.ask('POST', path, { body: JSON.stringify(body) })).body;

describe('GET /v1/harden', () => {
  it('tells of a mesh without authority', async () => {
    expect(await found(bare)).toEqual(['LAT0750 mesh']);
    expect(await found(control)).toEqual([]);
  });

  it('tells how long the keys have rested under one secret', async () => {
    let nowMs = Date.now();
    const aged = await startTestControl({ nowMs: () => nowMs });
    await setUpAuthority(aged);
    expect(await found(aged)).toEqual([]);
    nowMs += 366 * 24 * 3_600_000;
    expect(await found(aged)).toEqual(['LAT0751 Authority', 'LAT0755 Authority']);
    await aged.close();
  });

  it('tells who may join, to those who give identities away, and of the authority to no namespace', async () => {
    const identity = 'spiffe://cluster.local/ns/shop/sa/cart';
    await post('/v1/identity/join-tokens', { identity, ttlSeconds: 900 });
    const rule = { name: 'ci', issuer: 'https://id.example', audience: 'lateen', identity };
    await post('/v1/identity/oidc-joins', { ...rule, claims: { owner: 'shop*' } });
    const tokenOf = async (role: string, more: object = {}): Promise<string> =>
      String((await post('/v1/tokens', { name: role, role, ...more }))['token']);
    const both = ['LAT0753 JoinToken', 'LAT0754 OidcJoin'];
    expect(await found(control)).toEqual(both);
    expect(await found(control, await tokenOf('security-admin'))).toEqual(both);
    expect(await found(control, await tokenOf('viewer'))).toEqual([]);
    const ofOne = await tokenOf('security-admin', { namespaces: ['shop'] });
    expect(await found(control, ofOne)).toEqual([]);
  });

  it('tells of gateway workers that know callers by bindings alone', async () => {
    const strict = `apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: d, namespace: shop}\nspec: {mtls: {mode: STRICT}}\n`;
    await control.ask('POST', '/v1/apply', { body: strict });
    const { token } = await post('/v1/tokens', { name: 'w', role: 'proxy', scopes: [WORKER] });
    const poll = async (runtime: string): Promise<void> => {
      const headers = { 'x-lateen-instance': runtime, 'x-lateen-runtime': runtime };
      const path = '/v1/proxies/sidecar-inbound/shop/cart/pointer';
      const { status } = await control.ask('GET', path, { token: String(token), headers });
      expect(status).toBe(200);
    };
    await poll('node');
    expect(await found(control)).not.toContain('LAT0734 Proxy');
    await poll('edge');
    expect(await found(control)).toContain('LAT0734 Proxy');
  });
});
