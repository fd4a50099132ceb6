import { SignJWT, exportJWK, generateKeyPair } from 'jose';
import { expect, test } from 'vitest';
import { createFakeHost } from '../../host/fake-host.ts';
import type { FakeHost } from '../../host/fake-host.ts';
import { RequestHeaderList } from '../../lib/header-list.ts';
import type { Exchange, LocalReply } from '../../model/exchange.ts';
import type { Filter } from '../../model/policy.ts';
import type { MeshSettings } from '../../model/snapshot.ts';
import type { JwtRuleConfig } from './config.ts';
import { jwtFilter } from './filter.ts';

const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
const key = { ...(await exportJWK(publicKey)), kid: 'k', alg: 'ES256' };
const host = createFakeHost();
const nowS = Math.floor(host.clock.nowMs() / 1000);

function rule(fields: Partial<JwtRuleConfig> = {}): JwtRuleConfig {
  return {
    issuer: 'https://a.test',
    origin: { resource: 'RequestAuthentication default/a', path: 'spec.jwtRules[0]' },
    audiences: [],
    jwks: { keys: [key] },
    fromHeaders: [{ name: 'authorization', prefix: 'Bearer ' }],
    fromParams: ['access_token'],
    fromCookies: [],
    forwardOriginalToken: true,
    outputClaimToHeaders: [],
    spaceDelimitedClaims: [],
    ...fields,
  };
}

function linked(
  rules: readonly JwtRuleConfig[],
  on: { host?: FakeHost; keys?: () => readonly (typeof key)[] } = {},
): Filter {
  return jwtFilter.link(
    { rules },
    {
      host: on.host ?? host,
      slot: 0,
      mesh: {} as MeshSettings,
      keys: () => (on.keys === undefined ? undefined : { keys: on.keys(), fetchedAtMs: 0 }),
      refreshKeys: () => Promise.resolve(),
      call: () => Promise.reject(new Error('nobody can be reached')),
    },
  );
}

function exchange(token: string, query = '', headers: [string, string][] = []): Exchange {
  const fields: [string, string][] = [...headers];
  if (token !== '') fields.push(['authorization', `Bearer ${token}`]);
  const line = { method: 'GET', scheme: 'http', authority: 'h', target: `/${query}` } as const;
  const request = new RequestHeaderList(line, fields);
  return { ...line, request, path: '/', query } as unknown as Exchange;
}

const sign = (claims: Record<string, unknown> = {}): Promise<string> =>
  new SignJWT({ iss: 'https://a.test', sub: 's', exp: nowS + 600, ...claims })
    .setProtectedHeader({ alg: 'ES256', kid: 'k' })
    .sign(privateKey);

const bodyOf = (answer: unknown): unknown => (answer as LocalReply | undefined)?.body;

test('a token is verified once; then its answer needs no promise and brings the same identity', async () => {
  const filter = linked([
    rule({
      outputClaimToHeaders: [{ header: 'x-sub', claim: 'sub' }],
      forwardOriginalToken: false,
    }),
  ]);
  const token = await sign();
  const first = exchange(token);
  const answer = filter.request?.(first);
  expect(answer).toBeInstanceOf(Promise);
  expect(await answer).toBeUndefined();
  const second = exchange(token, '', [
    ['x_sub', 'forged'],
    ['x-sub', 'forged'],
  ]);
  expect(filter.request?.(second)).toBeUndefined();
  expect(second.identity).toEqual(first.identity);
  expect(second.identity?.principal).toBe('https://a.test/s');
  expect([second.request.getAll('x-sub'), second.request.has('x_sub')]).toEqual([['s'], false]);
  expect(second.request.has('authorization')).toBe(false);
});

test('what is remembered still expires, and a signature that failed is never remembered', async () => {
  const own = createFakeHost();
  const filter = linked([rule()], { host: own });
  const token = await sign();
  await filter.request?.(exchange(token));
  own.advance(661_000);
  expect(bodyOf(filter.request?.(exchange(token)))).toBe('Jwt is expired');
  const forged = `${(await sign({ sub: 'x' })).split('.').slice(0, 2).join('.')}.${token.split('.')[2]}`;
  const fresh = linked([rule()]);
  for (let i = 0; i < 2; i++) {
    const answer = fresh.request?.(exchange(forged));
    expect(answer).toBeInstanceOf(Promise);
    expect(bodyOf(await answer)).toBe('Jwt verification fails');
  }
});

test('other keys are another question', async () => {
  let keys = [key];
  const filter = linked([{ ...rule({ jwksUri: 'u' }), jwks: undefined } as never], {
    keys: () => keys,
  });
  const token = await sign();
  await filter.request?.(exchange(token));
  expect(filter.request?.(exchange(token))).toBeUndefined();
  keys = [{ ...key, kid: 'other' }];
  expect(bodyOf(await filter.request?.(exchange(token)))).toBe(
    "Jwks doesn't have key to match kid or alg from Jwt",
  );
});

test('of several refusals the one of the rule that knows the issuer counts', async () => {
  const filter = linked([rule({ issuer: 'https://b.test' }), rule(), rule({ issuer: 'c' })]);
  const late = await sign({ exp: nowS - 600 });
  expect(bodyOf(filter.request?.(exchange(late)))).toBe('Jwt is expired');
  const foreign = await sign({ iss: 'https://z.test' });
  expect(bodyOf(filter.request?.(exchange(foreign)))).toBe('Jwt issuer is not configured');
});

test('a parameter is found however its name is written, and taken out when it is not to be passed on', async () => {
  const filter = linked([rule({ forwardOriginalToken: false })]);
  const token = await sign();
  for (const name of ['access_token', 'access%5Ftoken']) {
    const x = exchange('', `?a=1&${name}=${token}&b=2`);
    expect(await filter.request?.(x)).toBeUndefined();
    expect([x.query, x.identity?.subject]).toEqual(['?a=1&b=2', 's']);
  }
  expect(filter.request?.(exchange('', '?a=1'))).toBeUndefined();
});
