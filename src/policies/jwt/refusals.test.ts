import { SignJWT, UnsecuredJWT, exportJWK, exportSPKI, generateKeyPair } from 'jose';
import { describe, expect, it } from 'vitest';
import { createFakeHost } from '../../host/fake-host.ts';
import type { FakeHost } from '../../host/fake-host.ts';
import { RequestHeaderList } from '../../lib/header-list.ts';
import type { JwtRule, RequestAuthenticationSpec, Resource } from '../../model/api.ts';
import type { Exchange, LocalReply } from '../../model/exchange.ts';
import type { Filter } from '../../model/policy.ts';
import type { KeySet, MeshSettings } from '../../model/snapshot.ts';
import { jwtCompiler } from './compile.ts';
import { jwtFilter } from './filter.ts';

type Key = KeySet['keys'][number];

const rsa = await generateKeyPair('RS256', { extractable: true });
const ec = await generateKeyPair('ES256', { extractable: true });
const other = await generateKeyPair('RS256', { extractable: true });
const rsaKey: Key = { ...(await exportJWK(rsa.publicKey)), kid: 'r', alg: 'RS256' };
const ecKey: Key = { ...(await exportJWK(ec.publicKey)), kid: 'e' };
const otherKey: Key = { ...(await exportJWK(other.publicKey)), kid: 'new', alg: 'RS256' };

const ISSUER = 'https://id.test';
const URI = 'https://id.test/keys';
const KEYS = [rsaKey, ecKey];
const NOW_MS = 1_700_000_000_000;
const nowS = NOW_MS / 1000;

interface Surroundings {
  readonly host?: FakeHost;
  /** Undefined = none were fetched. */
  readonly keys?: () => readonly Key[] | undefined;
  readonly refresh?: () => void;
}

function linked(rules: readonly Partial<JwtRule>[], around: Surroundings = {}): Filter {
  const resource: Resource<RequestAuthenticationSpec> = {
    group: 'security.istio.io',
    version: 'v1',
    kind: 'RequestAuthentication',
    metadata: { name: 'tokens', namespace: 'shop' },
    spec: { jwtRules: rules.map((rule) => ({ issuer: ISSUER, jwksUri: URI, ...rule })) },
  };
  const compiled = jwtCompiler.compileWorkload?.({
    mesh: {} as MeshSettings,
    requestAuthentications: [resource],
    authorizationPolicies: [],
    workloadAddresses: [],
    authorizer: () => undefined,
    callable: () => undefined,
    origin: ({ kind }, path) => ({ resource: kind, path }),
  });
  const sets = new Map<unknown, KeySet>();
  return jwtFilter.link(JSON.parse(JSON.stringify(compiled?.filter?.config)), {
    host: around.host ?? createFakeHost({ nowMs: NOW_MS }),
    slot: 0,
    call: () => Promise.reject(new Error('nobody can be reached')),
    mesh: {} as MeshSettings,
    keys(uri) {
      const keys = around.keys === undefined ? KEYS : around.keys();
      if (uri !== URI || keys === undefined) return undefined;
      // As an overlay: the same keys are the same object.
      const set = sets.get(keys) ?? { keys, fetchedAtMs: NOW_MS };
      sets.set(keys, set);
      return set;
    },
    refreshKeys: async () => {
      around.refresh?.();
    },
  });
}

interface Given {
  readonly method?: string;
  readonly query?: string;
  readonly headers?: readonly (readonly [string, string])[];
}

function exchange({ method = 'GET', query = '', headers = [] }: Given): Exchange {
  const line = { method, scheme: 'https', authority: 'shop.test', target: `/a${query}` } as const;
  return {
    ...line,
    path: '/a',
    query,
    request: new RequestHeaderList(line, headers),
  } as unknown as Exchange;
}

const bearing = (token: string): Exchange =>
  exchange({ headers: [['authorization', `Bearer ${token}`]] });

interface Signing {
  readonly alg?: string;
  readonly kid?: string | undefined;
  readonly key?: Parameters<SignJWT['sign']>[0];
  readonly header?: Readonly<Record<string, unknown>>;
}

function sign(claims: Record<string, unknown> = {}, how: Signing = {}): Promise<string> {
  const { alg = 'RS256', key = rsa.privateKey, header = {} } = how;
  const kid = 'kid' in how ? how.kid : 'r';
  return new SignJWT({ iss: ISSUER, sub: 'ann', exp: nowS + 600, ...claims })
    .setProtectedHeader({ alg, ...(kid === undefined ? {} : { kid }), ...header })
    .sign(key, header['crit'] === undefined ? {} : { crit: { 'x-odd': true } });
}

async function refusalOf(filter: Filter, x: Exchange): Promise<LocalReply | undefined> {
  return filter.request?.(x);
}

const bodyOf = async (filter: Filter, token: string): Promise<unknown> =>
  (await refusalOf(filter, bearing(token)))?.body;

const encode = (value: unknown): string =>
  btoa(JSON.stringify(value)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');

describe('refusal', () => {
  it('is 401 with its reason, a challenge and no flag', async () => {
    const late = await sign({ exp: nowS - 3_600 });
    const reply = await refusalOf(linked([{}]), bearing(late));
    expect(reply).toEqual({
      status: 401,
      body: 'Jwt is expired',
      headers: [
        ['content-type', 'text/plain'],
        ['www-authenticate', 'Bearer realm="https://shop.test/a", error="invalid_token"'],
      ],
      flag: '',
      details: 'jwt_authn_access_denied{Jwt_is_expired}',
    });
  });

  it('is 403 for an audience that is not allowed', async () => {
    const filter = linked([{ audiences: ['shop'] }]);
    const reply = await refusalOf(filter, bearing(await sign({ aud: ['bank'] })));
    expect([reply?.status, reply?.body]).toEqual([403, 'Audiences in Jwt are not allowed']);
    expect((await refusalOf(filter, bearing(await sign())))?.status).toBe(403);
    for (const aud of ['shop', ['bank', 'shop'], 'https://shop/'])
      expect(await bodyOf(filter, await sign({ aud }))).toBeUndefined();
  });

  it('names issuer, time and type', async () => {
    const filter = linked([{}]);
    expect(await bodyOf(filter, await sign({ iss: 'https://evil.test' }))).toBe(
      'Jwt issuer is not configured',
    );
    expect(await bodyOf(filter, await sign({ nbf: nowS + 3_600 }))).toBe('Jwt not yet valid');
    expect(await bodyOf(filter, await sign({ exp: 'never' }))).toBe(
      'Jwt payload [exp] field is not an integer',
    );
  });

  it('allows clocks a minute of difference', async () => {
    const filter = linked([{}]);
    expect(await bodyOf(filter, await sign({ exp: nowS - 59, nbf: nowS + 59 }))).toBeUndefined();
    expect(await bodyOf(filter, await sign({ exp: nowS - 61 }))).toBe('Jwt is expired');
  });

  it('names what is no token at all', async () => {
    const filter = linked([{}]);
    const [head = '', body = '', signature = ''] = (await sign()).split('.');
    const form = 'Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections';
    expect(await bodyOf(filter, 'abc')).toBe(form);
    expect(await bodyOf(filter, '')).toBe(form);
    expect(await bodyOf(filter, `!.${body}.${signature}`)).toContain('Jwt header');
    expect(await bodyOf(filter, `${head}.${btoa('[]')}.${signature}`)).toContain('Jwt payload');
    const twice = `{"iss":"${ISSUER}","sub":"a","sub":"b"}`;
    expect(await bodyOf(filter, `${head}.${btoa(twice)}.${signature}`)).toContain('Jwt payload');
  });

  it('puts nothing of the client into the challenge that could end its quotes', async () => {
    const x = bearing('abc');
    x.path = '/a"b\\c';
    const reply = await refusalOf(linked([{}]), x);
    expect(Object.fromEntries(reply?.headers ?? [])['www-authenticate']).toBe(
      'Bearer realm="https://shop.test/abc", error="invalid_token"',
    );
  });
});

describe('algorithms and keys', () => {
  const noKey = "Jwks doesn't have key to match kid or alg from Jwt";

  it('takes an RSA key for no shared secret, and an unsigned token for nothing', async () => {
    const pem = new TextEncoder().encode(await exportSPKI(rsa.publicKey));
    const confused = await sign({}, { alg: 'HS256', key: pem });
    expect(await bodyOf(linked([{}]), confused)).toBe(noKey);
    const unsigned = new UnsecuredJWT({ iss: ISSUER, sub: 'ann' }).encode();
    expect(await bodyOf(linked([{}]), unsigned)).toBe(noKey);
    const claims = encode({ iss: ISSUER, sub: 'ann' });
    for (const alg of ['none', 'None', '', undefined, 5])
      expect(await bodyOf(linked([{}]), `${encode({ alg })}.${claims}.`)).toBe(noKey);
  });

  it('goes by the algorithm of the key, not by that of the token', async () => {
    const pss = await generateKeyPair('PS256', { extractable: true });
    const pssKey: Key = { ...(await exportJWK(pss.publicKey)), kid: 'p' };
    const token = await sign({}, { alg: 'PS256', kid: 'p', key: pss.privateKey });
    expect(await bodyOf(linked([{}], { keys: () => [pssKey] }), token)).toBeUndefined();
    const asRs = [{ ...pssKey, alg: 'RS256' }];
    expect(await bodyOf(linked([{}], { keys: () => asRs }), token)).toBe(noKey);
    const wrongKid = await sign({}, { alg: 'RS256', kid: 'e' });
    expect(await bodyOf(linked([{}]), wrongKid)).toBe(noKey);
    expect(
      await bodyOf(linked([{}]), await sign({}, { alg: 'ES256', kid: 'e', key: ec.privateKey })),
    ).toBe(undefined);
  });

  it('refuses a signature of another key and a payload that was changed', async () => {
    const filter = linked([{}]);
    expect(await bodyOf(filter, await sign({}, { key: other.privateKey }))).toBe(
      'Jwt verification fails',
    );
    const [head = '', , signature = ''] = (await sign()).split('.');
    const forged = encode({ iss: ISSUER, sub: 'admin', exp: nowS + 600 });
    expect(await bodyOf(filter, `${head}.${forged}.${signature}`)).toBe('Jwt verification fails');
  });

  it('refuses a token that insists on an extension which nobody knows', async () => {
    const token = await sign({}, { header: { crit: ['x-odd'], 'x-odd': 1 } });
    expect(await bodyOf(linked([{}]), token)).toBe('Jwt verification fails');
  });

  it('tries every key of the algorithm for a token without kid', async () => {
    const filter = linked([{}], { keys: () => [otherKey, rsaKey] });
    expect(await bodyOf(filter, await sign({}, { kid: undefined }))).toBeUndefined();
  });

  it('asks for fresher keys after an unknown kid, once, and goes by what it then has', async () => {
    let asked = 0;
    let keys: readonly Key[] = [rsaKey];
    const filter = linked([{}], {
      keys: () => keys,
      refresh: () => {
        asked++;
        keys = [rsaKey, otherKey];
      },
    });
    const rotated = await sign({}, { kid: 'new', key: other.privateKey });
    expect(await bodyOf(filter, rotated)).toBeUndefined();
    expect(asked).toBe(1);
    expect(await bodyOf(filter, await sign({}, { kid: 'nobody' }))).toBe(noKey);
    expect(asked).toBe(2);
    expect(await bodyOf(filter, await sign({}, { key: other.privateKey }))).toBe(
      'Jwt verification fails',
    );
    expect(asked).toBe(2);
  });

  it('refuses while no keys were ever fetched', async () => {
    const filter = linked([{}], { keys: () => undefined });
    expect(await bodyOf(filter, await sign())).toBe('Jwks remote fetch is failed');
  });

  it('forgets what it verified when its key is withdrawn', async () => {
    let keys: readonly Key[] = [rsaKey];
    const filter = linked([{}], { keys: () => keys });
    const token = await sign();
    expect(await bodyOf(filter, token)).toBeUndefined();
    keys = [otherKey];
    expect(await bodyOf(filter, token)).toBe(noKey);
  });

  it('keeps a verified token until it expires', async () => {
    const host = createFakeHost({ nowMs: NOW_MS });
    const filter = linked([{}], { host });
    const token = await sign();
    expect(await bodyOf(filter, token)).toBeUndefined();
    expect(filter.request?.(bearing(token))).toBeUndefined();
    host.advance(600_000 + 61_000);
    expect(await bodyOf(filter, token)).toBe('Jwt is expired');
  });
});

describe('where tokens are', () => {
  it('a request without any passes without identity', async () => {
    const x = exchange({ headers: [['authorization', 'Basic abc']] });
    expect(await refusalOf(linked([{}]), x)).toBeUndefined();
    expect(x.identity).toBeUndefined();
  });

  it('header, parameter and cookie; naming one place leaves out the usual ones', async () => {
    const token = await sign();
    const filter = linked([
      {
        fromHeaders: [{ name: 'X-Token', prefix: 'T ' }],
        fromParams: ['t'],
        fromCookies: ['session'],
      },
    ]);
    const subjectOf = async (given: Given): Promise<string | undefined> => {
      const x = exchange(given);
      expect(await refusalOf(filter, x)).toBeUndefined();
      return x.identity?.subject;
    };
    expect(await subjectOf({ headers: [['x-token', `T ${token}`]] })).toBe('ann');
    expect(await subjectOf({ query: `?a=1&t=${token}` })).toBe('ann');
    expect(await subjectOf({ headers: [['cookie', `a=b; session=${token}`]] })).toBe('ann');
    expect(await subjectOf({ headers: [['authorization', `Bearer ${token}`]] })).toBeUndefined();
    expect(await subjectOf({ query: `?access_token=${token}` })).toBeUndefined();
  });

  it('all that are there must hold: a forged one beside a good one is refused', async () => {
    const good = await sign();
    const forged = await sign({}, { key: other.privateKey });
    const x = exchange({
      query: `?access_token=${forged}`,
      headers: [['authorization', `Bearer ${good}`]],
    });
    expect((await refusalOf(linked([{}]), x))?.body).toBe('Jwt verification fails');
  });

  it('is not asked of a preflight, which carries none', async () => {
    const x = exchange({
      method: 'OPTIONS',
      headers: [
        ['origin', 'https://a.test'],
        ['access-control-request-method', 'PUT'],
        ['authorization', 'Bearer abc'],
      ],
    });
    expect(await refusalOf(linked([{}]), x)).toBeUndefined();
  });
});

describe('what goes on to the service', () => {
  it('loses the token unless it is to be forwarded', async () => {
    const token = await sign();
    for (const forwardOriginalToken of [false, true]) {
      const filter = linked([{ forwardOriginalToken }]);
      const header = bearing(token);
      const param = exchange({ query: `?a=1&access_token=${token}` });
      await refusalOf(filter, header);
      await refusalOf(filter, param);
      expect(header.request.has('authorization')).toBe(forwardOriginalToken);
      expect(param.query).toBe(forwardOriginalToken ? `?a=1&access_token=${token}` : '?a=1');
    }
  });

  it('gets claims as headers: texts, numbers, flags, lists; nothing for what is absent', async () => {
    const claims = ['sub', 'n', 'admin', 'groups', 'nested.role', 'missing', 'empty'];
    const filter = linked([
      { outputClaimToHeaders: claims.map((claim) => ({ header: `X-${claim}`, claim })) },
    ]);
    const x = bearing(
      await sign({ n: 7, admin: true, groups: ['a'], nested: { role: 'r' }, empty: '' }),
    );
    expect(await refusalOf(filter, x)).toBeUndefined();
    expect(claims.map((claim) => x.request.get(`x-${claim}`))).toEqual([
      'ann',
      '7',
      'true',
      btoa('["a"]'),
      'r',
      undefined,
      undefined,
    ]);
  });

  it('never gets these headers from a client, in any spelling, with or without a token', async () => {
    const filter = linked([
      {
        outputPayloadToHeader: 'x-payload',
        outputClaimToHeaders: [{ header: 'x-role-name', claim: 'role' }],
      },
    ]);
    const forged: [string, string][] = [
      ['x-role-name', 'admin'],
      ['x_role_name', 'admin'],
      ['x-payload', 'e30'],
    ];
    const preflight: [string, string][] = [
      ['origin', 'https://a.test'],
      ['access-control-request-method', 'PUT'],
    ];
    const token = await sign();
    for (const x of [
      exchange({ headers: forged }),
      exchange({ method: 'OPTIONS', headers: [...forged, ...preflight] }),
      exchange({ headers: [...forged, ['authorization', `Bearer ${token}`]] }),
    ]) {
      expect(await refusalOf(filter, x)).toBeUndefined();
      expect([x.request.has('x-role-name'), x.request.has('x_role_name')]).toEqual([false, false]);
      expect(x.request.get('x-payload')).toBe(
        x.identity === undefined ? undefined : token.split('.')[1],
      );
    }
  });

  it('is nothing where a claim would break out of its header', async () => {
    const filter = linked([{ outputClaimToHeaders: [{ header: 'x-name', claim: 'name' }] }]);
    const reply = await refusalOf(filter, bearing(await sign({ name: 'a\r\nx-admin: 1' })));
    expect([reply?.status, reply?.details]).toEqual([503, 'claim_breaks_header']);
  });
});

describe('several rules', () => {
  it('one that verifies is enough', async () => {
    const filter = linked([{ issuer: 'https://b.test' }, {}]);
    const x = bearing(await sign());
    expect(await refusalOf(filter, x)).toBeUndefined();
    expect(x.identity?.principal).toBe(`${ISSUER}/ann`);
  });

  it('none that does refuses', async () => {
    const filter = linked([{ issuer: 'https://b.test' }, { issuer: 'https://c.test' }]);
    expect(await bodyOf(filter, await sign())).toBe('Jwt issuer is not configured');
  });
});
