/** Who joins by a token of their platform: what fits a rule gets that rule's identity, everything else nothing. */
import { SignJWT, exportJWK, generateKeyPair } from 'jose';
import type { JWK, JWTPayload } from 'jose';
import { createHmac } from 'node:crypto';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { OidcJoinRule } from '../../control/identity/oidc-rules.ts';
import { AuthorityClient } from '../../node-adapter/identity/authority-client.ts';
import type { WorkloadCertificate } from '../../node-adapter/identity/certificate.ts';
import { DOMAIN } from '../fixtures/authority.ts';
import { startJoinServer } from '../fixtures/joining.ts';
import type { JoinServer } from '../fixtures/joining.ts';

type Keys = Awaited<ReturnType<typeof generateKeyPair>>;

let server: JoinServer;
let root: string;
let issuing: Server;
let issuer: string;
let keys: Keys;
let rsa: Keys;
let other: Keys;
let published: JWK[] = [];
let fetches = 0;
let sources = 0;

beforeAll(async () => {
  server = await startJoinServer();
  root = await server.joining.rootHash();
  keys = await generateKeyPair('ES256', { extractable: true });
  rsa = await generateKeyPair('RS256', { extractable: true });
  other = await generateKeyPair('ES256', { extractable: true });
  published = [
    { ...(await exportJWK(keys.publicKey)), kid: 'ec', alg: 'ES256' },
    { ...(await exportJWK(rsa.publicKey)), kid: 'rsa', alg: 'RS256' },
    { kty: 'oct', k: 'c2VjcmV0', kid: 'oct' },
    { ...(await exportJWK(other.privateKey)), kid: 'private' },
    { ...(await exportJWK(other.publicKey)), kid: 'enc', use: 'enc' },
  ];
  issuing = createServer((request, response) => {
    response.setHeader('content-type', 'application/json');
    if (request.url === '/.well-known/openid-configuration') {
      response.end(JSON.stringify({ issuer, jwks_uri: `${issuer}/keys` }));
      return;
    }
    fetches++;
    response.end(JSON.stringify({ keys: published }));
  });
  await new Promise<void>((resolve) => {
    issuing.listen(0, '127.0.0.1', resolve);
  });
  issuer = `http://127.0.0.1:${(issuing.address() as AddressInfo).port}`;
});
afterAll(async () => {
  issuing.close();
  issuing.closeAllConnections();
  await server.close();
});

const rule = (change: Partial<OidcJoinRule> = {}): OidcJoinRule => ({
  name: 'ci',
  issuer,
  audience: 'lateen',
  claims: { repository_owner: 'shop', ref: 'refs/heads/*' },
  identity: `${DOMAIN}/ns/{repository_owner}/sa/{job}`,
  algorithms: ['ES256', 'RS256'],
  maxAgeMs: 900_000,
  createdBy: 'test',
  createdMs: 0,
  ...change,
});
beforeEach(async () => {
  server.source = `10.5.${(sources >> 8) & 255}.${sources++ & 255}`;
  await server.joining.rules.add(rule());
});
afterEach(async () => {
  server.clock.offsetMs = 0;
  for (const { name } of await server.joining.rules.list())
    await server.joining.rules.remove(name, 'test');
});

const nowSeconds = (): number => Math.floor(Date.now() / 1000);
const rightClaims = (): JWTPayload => ({
  iss: issuer,
  aud: 'lateen',
  sub: 'repo:shop/cart',
  iat: nowSeconds(),
  exp: nowSeconds() + 300,
  jti: crypto.randomUUID(),
  repository_owner: 'shop',
  ref: 'refs/heads/main',
  job: 'cart',
});
const sign = (
  claims: JWTPayload = {},
  header: Record<string, unknown> = {},
  by: Keys = keys,
): Promise<string> =>
  new SignJWT({ ...rightClaims(), ...claims })
    .setProtectedHeader({ alg: 'ES256', kid: 'ec', ...header })
    .sign(by.privateKey);

const IDENTITY = `${DOMAIN}/ns/shop/sa/cart`;
const join = (oidc: string, identity = IDENTITY): Promise<WorkloadCertificate> =>
  new AuthorityClient({ url: server.url, nowMs: () => Date.now() + server.clock.offsetMs }).join({
    credential: { oidc },
    root,
    trustDomain: DOMAIN,
    identity,
  });
/** Refused, and told no more than that. */
async function refuses(oidc: string, reason: RegExp): Promise<void> {
  await expect(join(oidc)).rejects.toThrow(/answers 403: no certificate is given for this/);
  expect(server.log.at(-1)).toMatch(reason);
  expect(server.log.at(-1)).not.toContain(oidc);
}

describe('a token of the platform', () => {
  it('that fits gives the identity of its claims', async () => {
    expect((await join(await sign())).identity).toBe(IDENTITY);
    expect(server.received.join('')).not.toContain('eyJhbGciOiJFUzI1NiIsImtpZCI6ImVjIn0');
  });

  it('by an RSA key fits as well', async () => {
    expect((await join(await sign({}, { alg: 'RS256', kid: 'rsa' }, rsa))).identity).toBe(IDENTITY);
  });

  it('counts once', async () => {
    const token = await sign();
    await join(token);
    await expect(join(token)).rejects.toThrow(/was used already/);
  });

  it('counts once without a jti', async () => {
    const token = await sign({ jti: undefined, run: crypto.randomUUID() } as unknown as JWTPayload);
    await join(token);
    await expect(join(token)).rejects.toThrow(/was used already/);
  });

  it('counts once with its signature written in the other way', async () => {
    const token = await sign({ jti: undefined, run: crypto.randomUUID() } as unknown as JWTPayload);
    await join(token);
    const at = token.lastIndexOf('.');
    const bytes = Buffer.from(token.slice(at + 1), 'base64url');
    const order = BigInt('0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551');
    const s = (order - BigInt(`0x${bytes.subarray(32).toString('hex')}`)).toString(16);
    const twisted = Buffer.concat([bytes.subarray(0, 32), Buffer.from(s.padStart(64, '0'), 'hex')]);
    await expect(join(`${token.slice(0, at)}.${twisted.toString('base64url')}`)).rejects.toThrow(
      /was used already/,
    );
  });

  it('counts once for many at the same time', async () => {
    const token = await sign();
    const all = await Promise.allSettled(Array.from({ length: 8 }, () => join(token)));
    expect(all.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  it('with the jti of another counts as that one', async () => {
    const jti = crypto.randomUUID();
    await join(await sign({ jti }));
    await expect(join(await sign({ jti, exp: nowSeconds() + 200 }))).rejects.toThrow(
      /used already/,
    );
  });

  it.each([
    ['another audience', () => ({ aud: 'other' }), /its audience is not lateen/],
    ['a longer audience', () => ({ aud: 'lateen.evil' }), /its audience/],
    ['no audience', () => ({ aud: undefined }), /"aud"/],
    ['another owner', () => ({ repository_owner: 'evil' }), /claim repository_owner is "evil"/],
    ['a longer owner', () => ({ repository_owner: 'shop2' }), /claim repository_owner/],
    ['an owner in upper case', () => ({ repository_owner: 'SHOP' }), /claim repository_owner/],
    ['no owner', () => ({ repository_owner: undefined }), /claim repository_owner is null/],
    ['a list of owners', () => ({ repository_owner: ['shop'] }), /claim repository_owner is null/],
    ['an object as owner', () => ({ repository_owner: { shop: 1 } }), /claim repository_owner/],
    ['a ref that begins otherwise', () => ({ ref: 'refs/tags/heads/' }), /claim ref/],
    ['a ref in front of which something stands', () => ({ ref: 'x/refs/heads/a' }), /claim ref/],
    ['a job with a slash', () => ({ job: 'a/sa/admin' }), /no segment of an identity/],
    ['a job that climbs', () => ({ job: '..' }), /no segment/],
    ['a job of a dot', () => ({ job: '.' }), /no segment/],
    ['an empty job', () => ({ job: '' }), /no segment/],
    ['an encoded job', () => ({ job: '%2e%2e' }), /no segment/],
    ['a job with a line feed', () => ({ job: 'a\nb' }), /no segment/],
    ['a job with a NUL', () => ({ job: 'a\0' }), /no segment/],
    ['a job with a placeholder', () => ({ job: '{sub}' }), /no segment/],
    ['no job', () => ({ job: undefined }), /claim job is null/],
    ['an end that is over', () => ({ exp: nowSeconds() - 61 }), /"exp"/],
    ['no end', () => ({ exp: undefined }), /"exp"/],
    ['no time', () => ({ iat: undefined }), /"iat"/],
    ['no subject', () => ({ sub: undefined }), /"sub"/],
    ['a time long ago', () => ({ iat: nowSeconds() - 3600 }), /may be 900/],
    ['a time to come', () => ({ iat: nowSeconds() + 120 }), /issued in the future/],
    ['a beginning to come', () => ({ nbf: nowSeconds() + 120 }), /"nbf"/],
    ['an issuer with a slash behind', () => ({ iss: `${issuer}/` }), /no rule for issuer/],
    ['another issuer', () => ({ iss: 'https://evil.test' }), /no rule for issuer/],
    ['no issuer', () => ({ iss: undefined }), /no JWT/],
    ['an issuer that is a list', () => ({ iss: [issuer] }), /no JWT/],
  ] as readonly (readonly [string, () => Record<string, unknown>, RegExp])[])(
    'with %s is refused',
    async (_, change, reason) => {
      await refuses(await sign(change()), reason);
    },
  );

  const encode = (value: object): string =>
    Buffer.from(JSON.stringify(value)).toString('base64url');
  const forgeries: readonly (readonly [string, () => Promise<string>, RegExp])[] = [
    ['by another key', () => sign({}, {}, other), /not taken/],
    ['under an unknown kid', () => sign({}, { kid: 'none' }, other), /no key of the issuer/],
    [
      'under the kid of a private key',
      () => sign({}, { kid: 'private' }, other),
      /no key of the issuer/,
    ],
    [
      'under the kid of a key for encryption',
      () => sign({}, { kid: 'enc' }, other),
      /no key of the issuer/,
    ],
    [
      'with a key of its own in the header',
      async () => sign({}, { jwk: await exportJWK(other.publicKey) }, other),
      /not taken/,
    ],
    [
      'that says where its keys are',
      () => sign({}, { jku: 'http://127.0.0.1:1/keys' }, other),
      /not taken/,
    ],
    [
      'without a signature',
      async () => `${encode({ alg: 'none', kid: 'ec' })}.${encode(rightClaims())}.`,
      /no key of the issuer/,
    ],
    [
      'without an algorithm',
      async () => `${encode({ kid: 'ec' })}.${encode(rightClaims())}.AA`,
      /no JWT/,
    ],
    [
      'signed by the shared secret of the set',
      async () => {
        const text = `${encode({ alg: 'HS256', kid: 'oct' })}.${encode(rightClaims())}`;
        return `${text}.${createHmac('sha256', 'secret').update(text).digest('base64url')}`;
      },
      /no key of the issuer/,
    ],
    [
      'signed by the public key as if it were a secret',
      async () => {
        const text = `${encode({ alg: 'HS256', kid: 'rsa' })}.${encode(rightClaims())}`;
        const pem = JSON.stringify(await exportJWK(rsa.publicKey));
        return `${text}.${createHmac('sha256', pem).update(text).digest('base64url')}`;
      },
      /no key of the issuer/,
    ],
    [
      'with an algorithm that the key has not',
      () => sign({}, { alg: 'RS256', kid: 'ec' }, rsa),
      /no key of the issuer/,
    ],
    [
      'with an unknown critical header',
      async () => {
        const text = `${encode({ alg: 'ES256', kid: 'ec', crit: ['x'], x: 1 })}.${encode(rightClaims())}`;
        return `${text}.${'A'.repeat(86)}`;
      },
      /not taken/,
    ],
    [
      'with a signature of zeros',
      async () => `${(await sign()).split('.').slice(0, 2).join('.')}.${'A'.repeat(86)}`,
      /not taken/,
    ],
    ['that is no JWT', async () => 'abc', /no JWT/],
    ['that is very long', () => sign({ x: 'x'.repeat(17_000) }), /no JWT/],
  ];
  it.each(forgeries)('%s is refused', async (_, forge, reason) => {
    await refuses(await forge(), reason);
  });

  it('that another algorithm signed than the rule allows is refused', async () => {
    await server.joining.rules.remove('ci', 'test');
    await server.joining.rules.add(rule({ algorithms: ['RS256'] }));
    await refuses(await sign(), /algorithm ES256 is not allowed/);
  });

  it('that fits two rules with two identities gets none', async () => {
    await server.joining.rules.add(rule({ name: 'too', identity: `${DOMAIN}/ns/a/sa/{job}` }));
    await refuses(await sign(), /different identities/);
  });

  it('of a rule that was removed is refused', async () => {
    await server.joining.rules.remove('ci', 'test');
    await refuses(await sign(), /no rule for issuer/);
  });

  it('that gives another identity than was wanted is not used', async () => {
    const work = join(await sign(), `${DOMAIN}/ns/shop/sa/other`);
    await expect(work).rejects.toThrow(/is not of spiffe:/);
  });

  it('with kids that nobody knows does not have the keys fetched each time', async () => {
    const before = fetches;
    for (let i = 0; i < 8; i++) await refuses(await sign({}, { kid: `x${i}` }, other), /no key/);
    expect(fetches - before).toBeLessThanOrEqual(1);
  });
});
