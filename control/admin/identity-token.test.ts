import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CredentialHolder } from '../../src/credential/holder.ts';
import { ReplayCache } from '../../src/credential/replay.ts';
import { CredentialVerifier } from '../../src/credential/verifier.ts';
import { createControlClient } from '../../src/delivery/control-client.ts';
import { createFakeHost } from '../../src/host/fake-host.ts';
import type { ProxyScope } from '../../src/model/snapshot.ts';
import type { TrustSettings } from '../../src/model/trust.ts';
import { setUpAuthority } from '../../test/fixtures/authority-api.ts';
import { pair } from '../../test/fixtures/credentials.ts';
import type { TestControl } from '../../test/fixtures/control.ts';
import { startTestControl } from '../../test/fixtures/control.ts';

const PATH = '/v1/identity/token';
const scope: ProxyScope = { type: 'gateway', namespace: 'edge', name: 'front', labels: {} };
let control: TestControl;

beforeEach(async () => {
  control = await startTestControl();
});
afterEach(async () => control.close());

const make = (fields: object) =>
  control.ask('POST', '/v1/tokens', {
    body: JSON.stringify({ name: 'front', role: 'proxy', scopes: [scope], ...fields }),
  });
const tokenOf = async (fields: object): Promise<string> =>
  String((await make(fields)).body['token']);
const key = (): object => ({ ...pair().jwk, alg: 'ES256' });
const ask = (token: string, body: object = { key: key() }) =>
  control.ask('POST', PATH, { token, body: JSON.stringify(body) });

it('gives a proxy the identity of its token, which other proxies then believe', async () => {
  await setUpAuthority(control);
  const token = await tokenOf({ serviceAccount: 'front' });
  const client = createControlClient({
    scope,
    token,
    instance: 'one',
    runtime: 'edge',
    ask: (path, init) => fetch(control.url + path, init),
  });
  const host = createFakeHost({ nowMs: Date.now() });
  const holder = new CredentialHolder({ ...host, issue: (jwk) => client.identityToken(jwk) });
  const target = {
    scheme: 'https',
    host: 'cart.test',
    port: 443,
    path: '/buy',
    query: '',
    method: 'PUT',
  } as const;
  const [[, identityToken], [, proofToken]] = (await holder.headersFor(target)) as [
    [string, string],
    [string, string],
  ];
  const pointer = await client.pointer(undefined);
  if (pointer === undefined) throw new Error('no pointer');
  const { mesh } = (await client.bundle(pointer, undefined)).named.snapshot;
  const verifier = new CredentialVerifier({
    trust: mesh.trust as TrustSettings,
    replays: new ReplayCache(),
  });
  const verdict = await verifier.verify(
    {
      identityToken,
      proofToken,
      call: { ...target, isHere: (name, port) => name === 'cart.test' && port === 443 },
      body: () => Promise.resolve(undefined),
      wantsDigest: false,
    },
    Date.now(),
  );
  expect(verdict).toEqual({ ok: true, identity: 'cluster.local/ns/edge/sa/front' });
});

describe('nobody is given', () => {
  beforeEach(async () => {
    await setUpAuthority(control);
  });

  it('an identity by an administrator, or without a token', async () => {
    expect((await ask('administrator')).status).toBe(403);
    expect((await ask('lat_0_0')).status).toBe(401);
  });

  it('an identity by a proxy token without a service account', async () => {
    const refused = await ask(await tokenOf({}));
    expect(refused.status).toBe(403);
    expect(refused.body['detail']).toContain('make one with serviceAccount');
  });

  it('another identity than the token is for, whatever is asked', async () => {
    const token = await tokenOf({ serviceAccount: 'front' });
    for (const more of [
      { identity: 'cluster.local/ns/edge/sa/admin' },
      { serviceAccount: 'admin' },
      { namespace: 'istio-system' },
    ])
      expect((await ask(token, { key: key(), ...more })).status).toBe(400);
  });

  it.each<[string, () => object, number]>([
    ['a private key', () => ({ ...key(), d: 'AAAA' }), 400],
    ['a symmetric key', () => ({ kty: 'oct', k: 'AAAA', alg: 'ES256' }), 400],
    ['another curve', () => ({ ...pair('P-384').jwk, alg: 'ES384' }), 400],
    ['another algorithm', () => ({ ...key(), alg: 'none' }), 400],
    ['no point of the curve', () => ({ ...key(), x: 'A'.repeat(43) }), 422],
  ])('a token for %s', async (_name, made, status) => {
    const token = await tokenOf({ serviceAccount: 'front' });
    expect((await ask(token, { key: made() })).status).toBe(status);
  });

  it('an identity that is denied', async () => {
    const token = await tokenOf({ serviceAccount: 'front' });
    const body = JSON.stringify({ identity: 'cluster.local/ns/edge/sa/front', reason: 'stolen' });
    expect((await control.ask('POST', '/v1/identity/denied', { body })).status).toBeLessThan(300);
    expect((await ask(token)).status).toBe(403);
  });
});

it('an account is one segment, in the one namespace of the scopes', async () => {
  for (const serviceAccount of ['', 'a/b', '..', 'a b', 'ä', 'a'.repeat(254)])
    expect((await make({ serviceAccount })).status).toBe(400);
  const scopes = [scope, { ...scope, namespace: 'shop' }];
  expect((await make({ serviceAccount: 'front', scopes })).status).toBe(400);
  expect((await make({ serviceAccount: 'front', role: 'viewer', scopes: undefined })).status).toBe(
    400,
  );
  expect((await make({ serviceAccount: 'front' })).body['serviceAccount']).toBe('front');
});

it('without an authority nobody signs', async () => {
  const token = await tokenOf({ serviceAccount: 'front' });
  expect((await ask(token)).status).toBe(503);
});

describe('a holder', () => {
  const target = {
    scheme: 'http',
    host: 'cart.test',
    port: 80,
    path: '/',
    query: '',
    method: 'GET',
  } as const;
  const HOUR_MS = 3_600_000;

  it('renews its token at half its life, once, and keeps it while nobody gives another', async () => {
    const host = createFakeHost();
    let asked = 0;
    let fails = false;
    const holder = new CredentialHolder({
      ...host,
      issue: async () => {
        asked++;
        if (fails) throw new Error('away');
        return { token: `token-${asked}`, expiresMs: host.clock.nowMs() + HOUR_MS };
      },
    });
    const token = async (): Promise<string | undefined> =>
      (await holder.headersFor(target))[0]?.[1];
    expect(await Promise.all([token(), token(), token()])).toEqual([
      'token-1',
      'token-1',
      'token-1',
    ]);
    host.advance(HOUR_MS / 2);
    fails = true;
    expect(await token()).toBe('token-1');
    await Promise.all(host.pending);
    expect([await token(), await token(), asked]).toEqual(['token-1', 'token-1', 2]);
    fails = false;
    host.advance(1000);
    expect(await token()).toBe('token-1');
    await Promise.all(host.pending);
    expect([await token(), asked]).toEqual(['token-3', 3]);
  });

  it('shows nothing when its token has ended', async () => {
    const host = createFakeHost();
    let fails = false;
    const holder = new CredentialHolder({
      ...host,
      issue: async () => {
        if (fails) throw new Error('away');
        return { token: 'token', expiresMs: host.clock.nowMs() + HOUR_MS };
      },
    });
    await holder.headersFor(target);
    fails = true;
    host.advance(HOUR_MS);
    await expect(holder.headersFor(target)).rejects.toThrow('away');
    await expect(holder.headersFor(target)).rejects.toThrow('asked again in a moment');
    expect(host.lines[0]).toContain('no identity token was issued');
  });
});
