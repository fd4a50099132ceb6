/** Whatever can be made of a mesh credential by who has none, or has one for something else. */
import { beforeAll, describe, expect, it } from 'vitest';
import { createFakeHost } from '../../src/host/fake-host.ts';
import { RequestHeaderList } from '../../src/lib/header-list.ts';
import type { BodyStart, Exchange } from '../../src/model/exchange.ts';
import type { Peer } from '../../src/model/identity.ts';
import { CredentialVerifier } from '../../src/credential/verifier.ts';
import { ReplayCache } from '../../src/credential/replay.ts';
import type { CredentialConfig } from '../../src/policies/credential/config.ts';
import { filters } from '../../src/presets/edge.ts';
import { createConnections, createEngine, link } from '../../src/proxy/index.ts';
import type { Fields, Pair } from '../fixtures/credentials.ts';
import {
  CredentialWorld,
  IDENTITY,
  NOW_MS,
  NOW_S,
  base64url,
  hmacJws,
  jws,
  pair,
  sha256,
} from '../fixtures/credentials.ts';
import {
  cluster,
  clusterName,
  endpoint,
  listener,
  noKeys,
  overlay,
  snapshot,
} from '../fixtures/snapshots.ts';

type Header = readonly [name: string, value: string];

const world = new CredentialWorld();

const CONFIG: CredentialConfig = {
  policy: '',
  skewMs: 60_000,
  wantsDigest: false,
  required: false,
  audience: { service: 'shop.test', ports: { '8080': [80] } },
};

interface Call {
  readonly headers: readonly Header[];
  readonly method?: string;
  readonly target?: string;
  readonly authority?: string;
  readonly scheme?: 'http' | 'https';
  readonly body?: string;
  readonly config?: Partial<CredentialConfig>;
}

interface Seen {
  readonly status: number;
  readonly details: string;
  readonly principal: string | undefined;
  readonly forwarded: readonly Header[];
}

/** A sidecar before a service, which sees no mutual TLS. */
function proxy(config: Partial<CredentialConfig> = {}) {
  const host = createFakeHost({ nowMs: NOW_MS });
  const linked = link(
    snapshot({
      type: 'sidecar-inbound',
      mesh: { trust: world.trust },
      listeners: [
        listener({
          port: 8080,
          direction: 'inbound',
          filters: [{ kind: 'credential', config: { ...CONFIG, ...config } }],
        }),
      ],
      clusters: [cluster('shop')],
    }),
    overlay({ [clusterName('shop')]: [endpoint('10.0.0.1')] }),
    noKeys,
    { host, filters },
  );
  const engine = createEngine({ host });
  return async (call: Call): Promise<Seen> => {
    const { method = 'GET', target = '/buy?a=1', authority = 'shop.test', scheme = 'http' } = call;
    const body = new TextEncoder().encode(call.body ?? '');
    const head = new RequestHeaderList({ method, scheme, authority, target }, call.headers);
    const readBody = (maxBytes: number): Promise<BodyStart> =>
      Promise.resolve({ bytes: body.subarray(0, maxBytes), isWhole: body.length <= maxBytes });
    const x: Exchange = engine.begin({
      linked,
      head,
      peer: { ip: '192.0.2.1' },
      port: 8080,
      ...(call.body === undefined ? {} : { readBody }),
    });
    let step = engine.onRequest(x);
    while (step === 'wait') {
      await x.waiting;
      step = engine.resume(x);
    }
    const forwarded: Header[] = [];
    x.request.forEach((name, value) => forwarded.push([name, value]));
    engine.onEnd(x);
    return {
      status: step === 'forward' ? 200 : (x.reply?.status ?? 0),
      details: x.details,
      principal: x.peer.principal,
      forwarded: step === 'forward' ? forwarded : [],
    };
  };
}

const ask = (call: Call): Promise<Seen> => proxy(call.config)(call);

const shown = (wit: string, wpt = world.wpt(wit)): Header[] => [
  ['workload-identity-token', wit],
  ['workload-proof-token', wpt],
];

const refused = (reason: string): Partial<Seen> => ({
  status: 401,
  details: `mesh_credential{${reason}}`,
  principal: undefined,
});

describe('what must pass', () => {
  it.each<[string, () => Call]>([
    ['a whole credential', () => ({ headers: shown(world.wit()) })],
    [
      'a token that ended less than the skew ago',
      () => ({ headers: shown(world.wit({ exp: NOW_S - 59 })) }),
    ],
    [
      'a proof of a clock that is ahead by less than the skew',
      () => {
        const wit = world.wit();
        return { headers: shown(wit, world.wpt(wit, { iat: NOW_S + 60, exp: NOW_S + 90 })) };
      },
    ],
    [
      'sent to https, with a front that ended it',
      () => {
        const wit = world.wit();
        return { headers: shown(wit, world.wpt(wit, { aud: 'https://shop.test:80/buy' })) };
      },
    ],
    [
      'a body that is as it was',
      () => {
        const wit = world.wit();
        const wpt = world.wpt(wit, { htd: sha256('money'), htm: 'POST' });
        return { headers: shown(wit, wpt), body: 'money', method: 'POST' };
      },
    ],
  ])('%s', async (_name, make) => {
    const seen = await ask(make());
    expect(seen).toMatchObject({ status: 200, details: '', principal: IDENTITY });
    expect(seen.forwarded.filter(([name]) => name.startsWith('workload'))).toEqual([]);
  });

  it('the identity of another trust domain, by its own key', async () => {
    const sub = 'spiffe://other.test/ns/a/sa/b';
    const wit = world.wit({ sub }, {}, world.otherSigner);
    const trust = { ...world.trust };
    trust.tokenKeys = { 'other.test': [world.trust.tokenKeys['other.test']?.[0] as Fields] };
    const verifier = new CredentialVerifier({ trust, replays: new ReplayCache() });
    const verdict = await verifier.verify(
      {
        identityToken: wit,
        proofToken: world.wpt(wit),
        call: {
          scheme: 'http',
          path: '/buy',
          query: '?a=1',
          method: 'GET',
          isHere: (host, port) => host === 'shop.test' && port === 80,
        },
        body: () => Promise.resolve(new Uint8Array(0)),
        wantsDigest: false,
      },
      NOW_MS,
    );
    expect(verdict).toEqual({ ok: true, identity: 'other.test/ns/a/sa/b' });
  });
});

describe('identity tokens that hold nothing', () => {
  const claims =
    (fields: Fields): (() => string) =>
    () =>
      world.wit(fields);
  const header =
    (fields: Fields): (() => string) =>
    () =>
      world.wit({}, fields);
  const raw =
    (head: string, body?: string): (() => string) =>
    () =>
      jws(head, body ?? JSON.stringify(world.witClaims()), world.signer);
  const cnf = (make: (jwk: Fields) => unknown): (() => string) => claimsOf({ make });
  function claimsOf({ make }: { make: (jwk: Fields) => unknown }): () => string {
    return () => world.wit({ cnf: make({ ...world.caller.jwk, alg: 'ES256' }) });
  }
  const tampered =
    (change: (parts: string[]) => string[]): (() => string) =>
    () =>
      change(world.wit().split('.')).join('.');

  it.each<[string, () => string, string]>([
    [
      'alg none',
      () => jws(world.witHeader({ alg: 'none' }), world.witClaims(), undefined),
      'algorithm',
    ],
    ['alg None', header({ alg: 'None' }), 'algorithm'],
    [
      'alg none, said to be ES256',
      () => jws(world.witHeader(), world.witClaims(), undefined),
      'signature',
    ],
    [
      'HS256 by the public key',
      () =>
        hmacJws(
          world.witHeader({ alg: 'HS256' }),
          world.witClaims(),
          JSON.stringify(world.signer.jwk),
        ),
      'algorithm',
    ],
    [
      'ES384 by a key that is none of ours',
      () => jws(world.witHeader({ alg: 'ES384' }), world.witClaims(), pair('P-384'), 'sha384'),
      'algorithm',
    ],
    ['EdDSA', header({ alg: 'EdDSA' }), 'algorithm'],
    ['es256', header({ alg: 'es256' }), 'algorithm'],
    ['without alg', header({ alg: undefined }), 'algorithm'],
    ['a list as alg', header({ alg: ['ES256'] }), 'algorithm'],
    ['typ of a proof', header({ typ: 'wpt+jwt' }), 'type'],
    ['typ JWT', header({ typ: 'JWT' }), 'type'],
    ['without typ', header({ typ: undefined }), 'type'],
    ['typ in capitals', header({ typ: 'WIT+JWT' }), 'type'],
    ['typ as a media type', header({ typ: 'application/wit+jwt' }), 'type'],
    [
      'a JWT-SVID',
      () => world.wit({ aud: ['shop.test'], cnf: undefined }, { typ: 'JOSE' }),
      'type',
    ],
    ['with an audience', claims({ aud: 'http://shop.test' }), 'claims'],
    ['crit', header({ crit: ['exp'] }), 'critical_header'],
    ['b64 false', header({ b64: false }), 'critical_header'],
    [
      'a key of its own in jwk',
      () => jws(world.witHeader({ jwk: world.stranger.jwk }), world.witClaims(), world.stranger),
      'malformed',
    ],
    ['jku', header({ jku: 'https://evil.test/jwks' }), 'malformed'],
    ['x5u', header({ x5u: 'https://evil.test/x' }), 'malformed'],
    ['x5c', header({ x5c: ['AAAA'] }), 'malformed'],
    ['a key that nobody knows', () => world.wit({}, {}, world.stranger), 'signature'],
    ['without kid', header({ kid: undefined }), 'key_of_domain'],
    ['an empty kid', header({ kid: '' }), 'key_of_domain'],
    ['an unknown kid', header({ kid: 'k9' }), 'key_of_domain'],
    ['a kid that is a path', header({ kid: '../../keys/k1' }), 'key_of_domain'],
    ['a kid that is SQL', header({ kid: "k1' OR '1'='1" }), 'key_of_domain'],
    ['a kid that is a number', header({ kid: 1 }), 'key_of_domain'],
    ['a kid that is a list', header({ kid: ['k1'] }), 'key_of_domain'],
    ['a kid of another domain', header({ kid: 'k2' }), 'key_of_domain'],
    ['signed by another domain', () => world.wit({}, {}, world.otherSigner), 'signature'],
    [
      'of another domain, signed by ours',
      claims({ sub: 'spiffe://other.test/ns/a/sa/b' }),
      'signature',
    ],
    [
      'of a domain that nobody knows',
      claims({ sub: 'spiffe://evil.test/ns/a/sa/b' }),
      'key_of_domain',
    ],
    ['of a domain without keys', claims({ sub: 'spiffe://empty.test/ns/a/sa/b' }), 'key_of_domain'],
    [
      'of a domain named __proto__',
      claims({ sub: 'spiffe://__proto__/ns/a/sa/b' }),
      'key_of_domain',
    ],
    [
      'of a domain named constructor',
      claims({ sub: 'spiffe://constructor/ns/a/sa/b' }),
      'key_of_domain',
    ],
    ['a denied identity', claims({ sub: 'spiffe://cluster.local/ns/edge/sa/denied' }), 'denied'],
    [
      'a denied identity, domain in capitals',
      claims({ sub: 'spiffe://CLUSTER.local/ns/edge/sa/denied' }),
      'denied',
    ],
    ['without sub', claims({ sub: undefined }), 'claims'],
    ['sub without scheme', claims({ sub: IDENTITY }), 'claims'],
    ['sub of another scheme', claims({ sub: `https://${IDENTITY}` }), 'claims'],
    ['sub of a domain alone', claims({ sub: 'spiffe://cluster.local' }), 'claims'],
    ['sub that ends in a slash', claims({ sub: `spiffe://${IDENTITY}/` }), 'claims'],
    ['sub with an empty segment', claims({ sub: 'spiffe://cluster.local/ns//sa/b' }), 'claims'],
    ['sub with dots', claims({ sub: 'spiffe://cluster.local/ns/x/../edge/sa/front' }), 'claims'],
    [
      'sub with an encoded slash',
      claims({ sub: 'spiffe://cluster.local/ns%2Fedge/sa/front' }),
      'claims',
    ],
    ['sub with a query', claims({ sub: `spiffe://${IDENTITY}?a` }), 'claims'],
    ['sub with a port', claims({ sub: 'spiffe://cluster.local:80/ns/edge/sa/front' }), 'claims'],
    ['sub with a user', claims({ sub: 'spiffe://a@cluster.local/ns/edge/sa/front' }), 'claims'],
    ['sub with NUL', claims({ sub: `spiffe://${IDENTITY}\0` }), 'claims'],
    ['sub with a line break', claims({ sub: `spiffe://${IDENTITY}\n` }), 'claims'],
    [
      'sub in another alphabet',
      claims({ sub: 'spiffe://cluster.local/ns/\u0435dge/sa/front' }),
      'claims',
    ],
    ['sub as a list', claims({ sub: [`spiffe://${IDENTITY}`] }), 'claims'],
    ['sub too long', claims({ sub: `spiffe://cluster.local/${'a'.repeat(2048)}` }), 'claims'],
    ['of the authority of another domain', claims({ iss: 'spiffe://other.test' }), 'claims'],
    ['with a list as iss', claims({ iss: ['spiffe://cluster.local'] }), 'claims'],
    ['without exp', claims({ exp: undefined }), 'claims'],
    ['exp 0', claims({ exp: 0 }), 'claims'],
    ['exp below 0', claims({ exp: -1 }), 'claims'],
    ['exp as text', claims({ exp: String(NOW_S + 60) }), 'claims'],
    ['exp null', claims({ exp: null }), 'claims'],
    ['exp in milliseconds', claims({ exp: NOW_MS + 60_000 }), 'claims'],
    [
      'exp beyond numbers',
      raw(JSON.stringify(world.witHeader()), '{"sub":"spiffe://cluster.local/a","exp":1e999}'),
      'claims',
    ],
    ['expired, skew included', claims({ exp: NOW_S - 60 }), 'expired'],
    ['not yet valid, skew included', claims({ nbf: NOW_S + 61 }), 'not_yet_valid'],
    ['nbf as text', claims({ nbf: '0' }), 'claims'],
    ['issued later than now', claims({ iat: NOW_S + 61 }), 'not_yet_valid'],
    ['for longer than a day', claims({ exp: NOW_S + 86_400 + 61 }), 'lifetime'],
    ['without cnf', claims({ cnf: undefined }), 'claims'],
    ['cnf null', claims({ cnf: null }), 'claims'],
    ['cnf with a thumbprint alone', claims({ cnf: { jkt: 'x' } }), 'confirmation_key'],
    ['cnf with two keys', cnf((jwk) => ({ jwk, jku: 'https://evil.test' })), 'confirmation_key'],
    ['cnf.jwk without alg', cnf(({ alg: _alg, ...jwk }) => ({ jwk })), 'confirmation_key'],
    [
      'cnf.jwk for another algorithm',
      cnf((jwk) => ({ jwk: { ...jwk, alg: 'ES384' } })),
      'confirmation_key',
    ],
    [
      'cnf.jwk symmetric',
      cnf(() => ({ jwk: { kty: 'oct', k: 'AAAA', alg: 'ES256' } })),
      'confirmation_key',
    ],
    ['cnf.jwk private', cnf((jwk) => ({ jwk: { ...jwk, d: 'AAAA' } })), 'confirmation_key'],
    ['cnf.jwk off the curve', cnf((jwk) => ({ jwk: { ...jwk, y: jwk['x'] } })), 'confirmation_key'],
    ['cnf.jwk short', cnf((jwk) => ({ jwk: { ...jwk, x: 'AAAA' } })), 'confirmation_key'],
    ['alg twice', raw('{"alg":"none","typ":"wit+jwt","kid":"k1","alg":"ES256"}'), 'malformed'],
    [
      'sub twice',
      () =>
        jws(
          JSON.stringify(world.witHeader()),
          `{"sub":"spiffe://cluster.local/ns/a/sa/admin",${JSON.stringify(world.witClaims()).slice(1)}`,
          world.signer,
        ),
      'malformed',
    ],
    [
      'sub twice, once escaped',
      () =>
        jws(
          JSON.stringify(world.witHeader()),
          `{"\\u0073ub":"spiffe://cluster.local/ns/a/sa/admin",${JSON.stringify(world.witClaims()).slice(1)}`,
          world.signer,
        ),
      'malformed',
    ],
    [
      'a mark in front of the JSON',
      () => jws(`\ufeff${JSON.stringify(world.witHeader())}`, world.witClaims(), world.signer),
      'malformed',
    ],
    ['a header that is a list', raw('[]'), 'malformed'],
    ['claims that are no JSON', raw(JSON.stringify(world.witHeader()), '{'), 'malformed'],
    [
      'claims in bytes that are no UTF-8',
      () => {
        const head = base64url(JSON.stringify(world.witHeader()));
        return `${head}.${base64url(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]))}.AAAA`;
      },
      'malformed',
    ],
    ['padding', tampered(([a, b, c]) => [a ?? '', b ?? '', `${c ?? ''}==`]), 'malformed'],
    [
      'standard base64',
      tampered(([a, b, c]) => [a ?? '', b ?? '', (c ?? '').slice(0, -1) + '+']),
      'malformed',
    ],
    [
      'bits behind the last byte',
      tampered(([a, b, c = '']) => [
        a ?? '',
        b ?? '',
        c.slice(0, -1) + String.fromCharCode((c.at(-1) ?? 'A').charCodeAt(0) + 1),
      ]),
      'malformed',
    ],
    ['blanks inside', tampered(([a = '', b, c]) => [` ${a}`, b ?? '', c ?? '']), 'malformed'],
    ['two parts', tampered(([a, b]) => [a ?? '', b ?? '']), 'malformed'],
    ['four parts', tampered((parts) => [...parts, 'AAAA']), 'malformed'],
    ['five parts, as if encrypted', tampered((parts) => [...parts, 'AAAA', 'AAAA']), 'malformed'],
    [
      'other claims under the same signature',
      tampered(([a, , c]) => [
        a ?? '',
        base64url(JSON.stringify(world.witClaims({ sub: 'spiffe://cluster.local/ns/a/sa/admin' }))),
        c ?? '',
      ]),
      'signature',
    ],
    [
      'a signature of zeros',
      tampered(([a, b]) => [a ?? '', b ?? '', base64url(new Uint8Array(64))]),
      'signature',
    ],
    [
      'a signature in DER',
      tampered(([a, b]) => [a ?? '', b ?? '', base64url(new Uint8Array(71).fill(1))]),
      'signature',
    ],
    ['no signature', tampered(([a, b]) => [a ?? '', b ?? '', '']), 'signature'],
    ['larger than any', () => world.wit({ pad: 'x'.repeat(9000) }), 'malformed'],
    ['a million dots', () => '.'.repeat(1_000_000), 'malformed'],
    ['empty', () => '', 'malformed'],
    [
      'JSON that is nested deeply',
      () => jws(world.witHeader(), `${'['.repeat(3000)}${']'.repeat(3000)}`, world.signer),
      'malformed',
    ],
  ])('%s', async (_name, make, reason) => {
    const wit = make();
    expect(await ask({ headers: shown(wit) })).toMatchObject(refused(reason));
  });
});

describe('proofs that prove nothing', () => {
  let wit = '';
  beforeAll(() => {
    wit = world.wit();
  });
  const claims =
    (fields: Fields): (() => string) =>
    () =>
      world.wpt(wit, fields);
  const header =
    (fields: Fields): (() => string) =>
    () =>
      world.wpt(wit, {}, fields);
  const by =
    (key: () => Pair): (() => string) =>
    () =>
      world.wpt(wit, {}, {}, key());
  const aud = (audience: unknown): (() => string) => claims({ aud: audience });

  it.each<[string, () => string, string]>([
    [
      'alg none',
      () => jws(world.wptHeader({ alg: 'none' }), world.wptClaims(wit), undefined),
      'algorithm',
    ],
    [
      'HS256 by the key of the token',
      () =>
        hmacJws(
          world.wptHeader({ alg: 'HS256' }),
          world.wptClaims(wit),
          JSON.stringify(world.caller.jwk),
        ),
      'algorithm',
    ],
    [
      'ES384',
      () => jws(world.wptHeader({ alg: 'ES384' }), world.wptClaims(wit), pair('P-384'), 'sha384'),
      'algorithm',
    ],
    ['the identity token itself', () => wit, 'type'],
    ['typ JWT', header({ typ: 'JWT' }), 'type'],
    ['typ dpop+jwt', header({ typ: 'dpop+jwt' }), 'type'],
    [
      'a key of its own',
      () => jws(world.wptHeader({ jwk: world.stranger.jwk }), world.wptClaims(wit), world.stranger),
      'malformed',
    ],
    ['crit', header({ crit: ['exp'] }), 'critical_header'],
    ['another key than the token names', by(() => world.stranger), 'signature'],
    ['the key of the authority', by(() => world.signer), 'signature'],
    ['for another token', claims({ wth: sha256('other') }), 'token_hash'],
    [
      'for another token of the same caller',
      () => world.wpt(world.wit({ jti: 'wit-2' })),
      'token_hash',
    ],
    ['without wth', claims({ wth: undefined }), 'claims'],
    ['wth in hex', claims({ wth: Buffer.from(sha256(''), 'base64url').toString('hex') }), 'claims'],
    ['without exp', claims({ exp: undefined }), 'claims'],
    ['exp as text', claims({ exp: String(NOW_S + 30) }), 'claims'],
    ['without iat', claims({ iat: undefined }), 'claims'],
    ['iat as text', claims({ iat: String(NOW_S) }), 'claims'],
    ['iat null', claims({ iat: null }), 'claims'],
    ['expired, skew included', claims({ iat: NOW_S - 90, exp: NOW_S - 60 }), 'expired'],
    ['of the future, skew included', claims({ iat: NOW_S + 61, exp: NOW_S + 90 }), 'not_yet_valid'],
    ['nbf of the future', claims({ nbf: NOW_S + 61 }), 'not_yet_valid'],
    ['for longer than 30 s', claims({ exp: NOW_S + 31 }), 'lifetime'],
    ['that ends before it begins', claims({ iat: NOW_S, exp: NOW_S - 1 }), 'lifetime'],
    ['without jti', claims({ jti: undefined }), 'claims'],
    ['an empty jti', claims({ jti: '' }), 'claims'],
    ['a jti as number', claims({ jti: 1 }), 'claims'],
    ['a jti without end', claims({ jti: 'x'.repeat(65) }), 'claims'],
    ['without aud', aud(undefined), 'target'],
    ['aud as list', aud(['http://shop.test:80/buy']), 'target'],
    ['aud empty', aud(''), 'target'],
    ['aud *', aud('*'), 'target'],
    ['aud of another host', aud('http://evil.test:80/buy'), 'target'],
    ['aud of a host that ends like it', aud('http://evil-shop.test:80/buy'), 'target'],
    ['aud of a host below it', aud('http://a.shop.test:80/buy'), 'target'],
    ['aud with a dot behind the host', aud('http://shop.test.:80/buy'), 'target'],
    ['aud in capitals', aud('http://SHOP.test:80/buy'), 'target'],
    ['aud with a user', aud('http://shop.test:80@evil.test/buy'), 'target'],
    ['aud with a user in front', aud('http://evil.test@shop.test:80/buy'), 'target'],
    ['aud of another port', aud('http://shop.test:81/buy'), 'target'],
    ['aud of the port behind the service', aud('http://shop.test:8080/buy'), 'target'],
    ['aud of port 080', aud('http://shop.test:080/buy'), 'target'],
    ['aud of another scheme', aud('ftp://shop.test:80/buy'), 'target'],
    ['aud without scheme', aud('shop.test:80/buy'), 'target'],
    ['aud without path', aud('http://shop.test:80'), 'target'],
    ['aud of another path', aud('http://shop.test:80/admin'), 'target'],
    ['aud of a path above', aud('http://shop.test:80/'), 'target'],
    ['aud of a path below', aud('http://shop.test:80/buy/now'), 'target'],
    ['aud with dots', aud('http://shop.test:80/x/../buy'), 'target'],
    ['aud with an encoded letter', aud('http://shop.test:80/%62uy'), 'target'],
    ['aud with a slash behind', aud('http://shop.test:80/buy/'), 'target'],
    ['aud with two slashes', aud('http://shop.test:80//buy'), 'target'],
    ['aud with a parameter', aud('http://shop.test:80/buy;x'), 'target'],
    ['aud with its query', aud('http://shop.test:80/buy?a=1'), 'target'],
    ['aud with a fragment', aud('http://shop.test:80/buy#a'), 'target'],
    ['aud with a backslash', aud(String.raw`http://shop.test:80\buy`), 'target'],
    ['aud with a blank', aud(' http://shop.test:80/buy'), 'target'],
    ['aud with a line break', aud('http://shop.test:80/buy\n'), 'target'],
    ['another method', claims({ htm: 'POST' }), 'method'],
    ['the method in lower case', claims({ htm: 'get' }), 'method'],
    ['without method', claims({ htm: undefined }), 'method'],
    ['methods as list', claims({ htm: ['GET'] }), 'method'],
    ['another query', claims({ htq: sha256('?a=2') }), 'query'],
    ['the query without its mark', claims({ htq: sha256('a=1') }), 'query'],
    ['no query', claims({ htq: sha256('') }), 'query'],
    ['without hash of the query', claims({ htq: undefined }), 'claims'],
    ['a hash of the body that is none', claims({ htd: 'x' }), 'claims'],
    ['bound to an access token', claims({ ath: sha256('x') }), 'claims'],
    [
      'aud twice',
      () =>
        jws(
          world.wptHeader(),
          `{"aud":"http://evil.test/",${JSON.stringify(world.wptClaims(wit)).slice(1)}`,
          world.caller,
        ),
      'malformed',
    ],
    ['larger than any', claims({ pad: 'x'.repeat(9000) }), 'malformed'],
    ['padding', () => `${world.wpt(wit)}=`, 'malformed'],
    ['empty', () => '', 'malformed'],
  ])('%s', async (_name, make, reason) => {
    expect(await ask({ headers: shown(wit, make()) })).toMatchObject(refused(reason));
  });
});

/** Of a POST of `money`, and of no other body. */
function bound(): Header[] {
  const wit = world.wit();
  return shown(wit, world.wpt(wit, { htd: sha256('money'), htm: 'POST' }));
}

describe('right credentials in the wrong place', () => {
  const both = (): Header[] => shown(world.wit());

  it.each<[string, () => Call, string]>([
    ['the identity token alone', () => ({ headers: both().slice(0, 1) }), 'incomplete'],
    ['the proof alone', () => ({ headers: both().slice(1) }), 'incomplete'],
    [
      'the identity token twice',
      () => {
        const [a, b] = both();
        return { headers: [a, a, b] as Header[] };
      },
      'repeated',
    ],
    [
      'the proof twice',
      () => {
        const [a, b] = both();
        return { headers: [a, b, b] as Header[] };
      },
      'repeated',
    ],
    [
      'identity tokens joined by a comma',
      () => {
        const [a, b] = both();
        return { headers: [[a?.[0] ?? '', `${a?.[1]},${a?.[1]}`], b] as Header[] };
      },
      'repeated',
    ],
    [
      'proofs joined by a comma',
      () => {
        const [a, b] = both();
        return { headers: [a, [b?.[0] ?? '', `${b?.[1]}, x`]] as Header[] };
      },
      'repeated',
    ],
    [
      'behind a scheme',
      () => {
        const [a, b] = both();
        return { headers: [[a?.[0] ?? '', `Bearer ${a?.[1]}`], b] as Header[] };
      },
      'malformed',
    ],
    ['at another path', () => ({ headers: both(), target: '/admin?a=1' }), 'target'],
    [
      'at a path that is normalised to it',
      () => ({ headers: both(), target: '/x/../buy?a=1' }),
      'target',
    ],
    ['at an encoded path', () => ({ headers: both(), target: '/%62uy?a=1' }), 'target'],
    ['with another query', () => ({ headers: both(), target: '/buy?a=2' }), 'query'],
    ['with more of a query', () => ({ headers: both(), target: '/buy?a=1&a=2' }), 'query'],
    ['without query', () => ({ headers: both(), target: '/buy' }), 'query'],
    ['by another method', () => ({ headers: both(), method: 'DELETE' }), 'method'],
    ['by a method that overrides', () => ({ headers: both(), method: 'HEAD' }), 'method'],
    ['sent to http, over https', () => ({ headers: both(), scheme: 'https' }), 'target'],
    [
      'with another body',
      () => ({ headers: bound(), method: 'POST', body: 'Money' }),
      'body_digest',
    ],
    [
      'with a body cut off',
      () => ({ headers: bound(), method: 'POST', body: 'mone' }),
      'body_digest',
    ],
    ['without the body', () => ({ headers: bound(), method: 'POST' }), 'body_digest'],
    [
      'without hash of the body, where one is wanted',
      () => ({ headers: both(), config: { wantsDigest: true } }),
      'body_digest',
    ],
    [
      'at a proxy of another service',
      () => ({ headers: both(), config: { audience: { service: 'cart.test', ports: {} } } }),
      'target',
    ],
    [
      'there, with the Host that it was for',
      () => ({
        headers: both(),
        authority: 'shop.test',
        config: { audience: { service: 'cart.test', ports: {} } },
      }),
      'target',
    ],
  ])('%s', async (_name, make, reason) => {
    expect(await ask(make())).toMatchObject(refused(reason));
  });

  it.each<[string, () => Header[]]>([
    ['in Authorization', () => [['authorization', `Bearer ${world.wit()}`]]],
    [
      'in Authorization, as the proof',
      () => {
        const wit = world.wit();
        return [['authorization', `WPT ${world.wpt(wit)}`]];
      },
    ],
    ['in a cookie', () => [['cookie', `workload-identity-token=${world.wit()}`]]],
    [
      'under names with underscores',
      () => both().map(([name, value]): Header => [name.replaceAll('-', '_'), value]),
    ],
    [
      'under names with one underscore',
      () => both().map(([name, value]): Header => [name.replace('-', '_'), value]),
    ],
    [
      'named in Connection',
      () => [...both(), ['connection', 'workload-identity-token, workload-proof-token']],
    ],
    ['as an identity that a hop wrote', () => [['x-lateen-identity', IDENTITY]]],
    [
      'as a certificate that a hop wrote',
      () => [['x-forwarded-client-cert', `By=x;URI=spiffe://${IDENTITY}`]],
    ],
    ['as a certificate that a front wrote', () => [['client-cert', ':AAAA:']]],
  ])('nobody is anybody: %s', async (_name, make) => {
    const seen = await ask({ headers: make() });
    expect(seen).toMatchObject({ status: 200, principal: undefined });
    const left = seen.forwarded.map(([name]) => name.replaceAll('_', '-'));
    for (const name of [
      'workload-identity-token',
      'workload-proof-token',
      'client-cert',
      'x-lateen-identity',
      'x-forwarded-client-cert',
    ])
      expect(left).not.toContain(name);
  });
});

describe('replay', () => {
  it('a proof is taken once', async () => {
    const send = proxy();
    const headers = shown(world.wit());
    expect(await send({ headers })).toMatchObject({ status: 200 });
    expect(await send({ headers })).toMatchObject(refused('replayed'));
  });

  it('once of two at the same time', async () => {
    const send = proxy();
    const headers = shown(world.wit());
    const seen = await Promise.all([send({ headers }), send({ headers })]);
    expect(seen.map(({ status }) => status)).toEqual(expect.arrayContaining([200, 401]));
  });

  it('once with the other signature that ECDSA has for it', async () => {
    const send = proxy();
    const wit = world.wit();
    const wpt = world.wpt(wit);
    const [head = '', claims = '', signature = ''] = wpt.split('.');
    const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
    const bytes = Buffer.from(signature, 'base64url');
    const s = order - BigInt(`0x${bytes.subarray(32).toString('hex')}`);
    const twin = Buffer.concat([
      bytes.subarray(0, 32),
      Buffer.from(s.toString(16).padStart(64, '0'), 'hex'),
    ]);
    expect(await send({ headers: shown(wit, wpt) })).toMatchObject({ status: 200 });
    const headers = shown(wit, `${head}.${claims}.${base64url(twin)}`);
    expect(await send({ headers })).toMatchObject(refused('replayed'));
  });

  it('a peer that fills its share shuts out itself, and no other', () => {
    const cache = new ReplayCache({ maxEntries: 8, maxOfOne: 4 });
    const take = (peer: string, id: number): string =>
      cache.take(peer, String(id), NOW_MS + 90_000, NOW_MS);
    expect([1, 2, 3, 4, 5].map((id) => take('mallory', id))).toEqual([
      'taken',
      'taken',
      'taken',
      'taken',
      'full',
    ]);
    expect(take('alice', 1)).toBe('taken');
    expect(take('mallory', 1)).toBe('seen');
  });

  it('what nobody would take any more is forgotten, and nothing before', () => {
    const cache = new ReplayCache();
    const until = NOW_MS + 90_000;
    for (let id = 0; id < 1000; id++) cache.take('a', String(id), until, NOW_MS);
    expect(cache.take('a', '1', until, until - 1)).toBe('seen');
    cache.take('a', 'x', until + 40_000, until + 20_000);
    expect(cache.size).toBe(1);
  });
});

describe('a connection that is not HTTP, where a principal is required', () => {
  const begin = (peer: Omit<Peer, 'ip'>, required = true): Exchange => {
    const host = createFakeHost({ nowMs: NOW_MS });
    const linked = link(
      snapshot({
        type: 'sidecar-inbound',
        mesh: { trust: world.trust },
        listeners: [
          listener({
            port: 8080,
            direction: 'inbound',
            protocol: 'TCP',
            filters: [{ kind: 'credential', config: { ...CONFIG, required } }],
            connections: [
              {
                destinations: [],
                passthrough: true,
                origin: { resource: 'Service a/b', path: 'spec' },
              },
            ],
          }),
        ],
      }),
      overlay({}),
      noKeys,
      { host, filters },
    );
    return createConnections({ host }).begin({
      linked,
      peer: { ip: '192.0.2.1', ...peer },
      port: 8080,
    });
  };

  it.each<[string, Omit<Peer, 'ip'>]>([
    ['of nobody', {}],
    ['in plaintext', { mutual: false }],
    ['of a certificate that nobody can read', { mutual: true, isUnreadable: true }],
  ])('%s is closed', (_name, peer) => {
    expect(begin(peer).reply?.details).toBe('mesh_credential{required}');
  });

  it.each<[string, Omit<Peer, 'ip'>, boolean]>([
    ['of a certificate of the mesh', { mutual: true, principal: IDENTITY }, true],
    ['of nobody, where none is required,', { mutual: false }, false],
  ])('%s goes on', (_name, peer, required) => {
    expect(begin(peer, required).reply).toBeUndefined();
  });
});
