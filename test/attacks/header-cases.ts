/** Fields that try to be another's: what becomes of each, and what a backend may see of it. */
import type { Question } from './planes.ts';

/**
 * `denied`: 403. `refused`: answered by whoever stands first, with 400 or more, or not at all. `passes`: 200.
 * `closed`: denied, refused, or it passes with what `sees` says.
 */
export type HeaderFate = 'denied' | 'refused' | 'passes' | 'closed';

export interface HeaderCase {
  readonly name: string;
  readonly question: Question;
  readonly fate: HeaderFate;
  /** Where repeats are joined before anybody sees them. @default as elsewhere */
  readonly joined?: HeaderFate;
  /** Values that the backend gets of a field; null = none. */
  readonly sees?: Readonly<Record<string, readonly string[] | null>>;
}

const at =
  (host: string) =>
  (
    name: string,
    fate: HeaderFate,
    fields: Question['fields'],
    more: Partial<HeaderCase> = {},
  ): HeaderCase => ({
    name,
    fate,
    question: { target: '/', host, ...(fields === undefined ? {} : { fields }) },
    ...more,
  });

/** Refuses x-role evil, user agents of bots, referers of evil.test and method DELETE. */
const deny = at('deny.test');
const repeats: readonly HeaderCase[] = [
  deny('the value itself', 'denied', [['x-role', 'evil']]),
  deny('another value', 'passes', [['x-role', 'good']], { sees: { 'x-role': ['good'] } }),
  deny('another value, then it', 'denied', [
    ['x-role', 'good'],
    ['x-role', 'evil'],
  ]),
  deny('it, then another value', 'denied', [
    ['x-role', 'evil'],
    ['x-role', 'good'],
  ]),
  deny('it between others', 'denied', [
    ['x-role', 'a'],
    ['x-role', 'evil'],
    ['x-role', 'b'],
  ]),
  deny('in capitals and not', 'denied', [
    ['X-ROLE', 'good'],
    ['x-role', 'evil'],
  ]),
  deny('the name in capitals', 'denied', [['X-ROLE', 'evil']]),
  deny('the name in both', 'denied', [['x-RoLe', 'evil']]),
  deny('the value in capitals is another', 'passes', [['x-role', 'EVIL']]),
  deny('joined by a comma', 'passes', [['x-role', 'good,evil']], { joined: 'denied' }),
  deny('joined by a comma and a blank', 'passes', [['x-role', 'good, evil']], { joined: 'denied' }),
  deny('blanks around it', 'denied', [['x-role', '  evil  ']]),
  deny('tabs around it', 'denied', [['x-role', '\tevil\t']]),
  deny('an empty value, then it', 'denied', [
    ['x-role', ''],
    ['x-role', 'evil'],
  ]),
  deny('a user agent', 'denied', [['User-Agent', 'bot']]),
  deny('a user agent twice', 'denied', [
    ['user-agent', 'curl'],
    ['user-agent', 'bot'],
  ]),
  deny('a referer twice', 'denied', [
    ['referer', 'http://a.test'],
    ['referer', 'http://evil.test'],
  ]),
  deny('accept twice', 'denied', [
    ['accept', 'a/b'],
    ['accept', 'evil/type'],
  ]),
  deny('authorization twice', 'denied', [
    ['authorization', 'Basic eA=='],
    ['authorization', 'evil'],
  ]),
  deny('origin twice', 'denied', [
    ['origin', 'http://a.test'],
    ['origin', 'http://evil.test'],
  ]),
];

const names: readonly HeaderCase[] = [
  deny('an underscore is another name', 'passes', [['x_role', 'evil']]),
  deny('a blank before the colon', 'refused', [['x-role ', 'evil']]),
  deny('a name with a blank', 'refused', [['x role', 'evil']]),
  deny('a name of nothing', 'refused', [['', 'evil']]),
  deny('a name with a colon', 'refused', [[':x-role', 'evil']]),
  deny('a pseudo header as a field', 'refused', [[':authority', 'admin.test']]),
  deny('a line break in a value', 'refused', [['x-a', 'b\r\n x-role: evil']]),
  deny('a bare line feed in a value', 'closed', [['x-a', 'b\nx-role: evil']], {
    sees: { 'x-role': null },
  }),
  deny('a bare carriage return in a value', 'refused', [['x-a', 'b\rx-role: evil']]),
  deny('a NUL in a value', 'refused', [['x-role', 'evil\0']]),
  deny('a name with a byte beyond ASCII', 'refused', [['x-rol\xe9', 'evil']]),
];

/** Fields that speak for a proxy or a peer. */
const trust: readonly HeaderCase[] = [
  deny(
    'a client certificate that nobody showed',
    'passes',
    [['x-forwarded-client-cert', 'By=spiffe://a;URI=spiffe://cluster.local/ns/a/sa/b']],
    {
      sees: { 'x-forwarded-client-cert': null },
    },
  ),
  deny('in capitals', 'passes', [['X-Forwarded-Client-Cert', 'Hash=1']], {
    sees: { 'x-forwarded-client-cert': null },
  }),
  deny('with underscores', 'passes', [['x_forwarded_client_cert', 'Hash=1']], {
    sees: { x_forwarded_client_cert: null },
  }),
  deny(
    'twice',
    'passes',
    [
      ['x-forwarded-client-cert', 'Hash=1'],
      ['x-forwarded-client-cert', 'Hash=2'],
    ],
    {
      sees: { 'x-forwarded-client-cert': null },
    },
  ),
  deny('with some underscores', 'passes', [['x-forwarded_client-cert', 'Hash=1']], {
    sees: { 'x-forwarded_client-cert': null },
  }),
  deny('an identity', 'passes', [['x-lateen-identity', 'cluster.local/ns/a/sa/b']], {
    sees: { 'x-lateen-identity': null },
  }),
  deny('an identity with underscores', 'passes', [['x_lateen_identity', 'a']], {
    sees: { x_lateen_identity: null },
  }),
  deny(
    'retries of Envoy',
    'passes',
    [
      ['x-envoy-retry-on', '5xx'],
      ['x-envoy-max-retries', '99'],
    ],
    {
      sees: { 'x-envoy-retry-on': null, 'x-envoy-max-retries': null },
    },
  ),
  deny('a timeout of Envoy', 'passes', [['X-Envoy-Upstream-Rq-Timeout-Ms', '1']], {
    sees: { 'x-envoy-upstream-rq-timeout-ms': null },
  }),
  deny('an original path', 'passes', [['x-envoy-original-path', '/admin']], {
    sees: { 'x-envoy-original-path': null },
  }),
  deny('a trusted address of Envoy', 'passes', [['x-envoy-external-address', '203.0.113.7']], {
    sees: { 'x-envoy-external-address': null },
  }),
  deny('internal of Envoy', 'passes', [['x-envoy-internal', 'true']], {
    sees: { 'x-envoy-internal': null },
  }),
  deny("an authorizer's word", 'passes', [['x-envoy-auth-partial-body', 'false']], {
    sees: { 'x-envoy-auth-partial-body': null },
  }),
  deny('a scheme that it did not come by', 'passes', [['x-forwarded-proto', 'https']], {
    sees: { 'x-forwarded-proto': ['http'] },
  }),
  deny('a claim that no token made', 'passes', [['x-jwt-sub', 'admin']], {
    sees: { 'x-jwt-sub': null },
  }),
  deny('a claim in capitals', 'passes', [['X-JWT-Sub', 'admin']], { sees: { 'x-jwt-sub': null } }),
  deny('a claim with underscores', 'passes', [['x_jwt_sub', 'admin']], {
    sees: { x_jwt_sub: null },
  }),
  deny(
    'a claim twice',
    'passes',
    [
      ['x-jwt-sub', 'a'],
      ['x-jwt-sub', 'b'],
    ],
    { sees: { 'x-jwt-sub': null } },
  ),
];

const principal = at('principal.test');
const address = at('address.test');
const token = at('token.test');
const forged = 'eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL2kudGVzdCIsInN1YiI6ImEifQ.';
/** Each of these hosts wants what only a connection, or a verified token, can give. */
const identities: readonly HeaderCase[] = [
  principal('nobody', 'denied', []),
  principal('a client certificate in a field', 'denied', [
    ['x-forwarded-client-cert', 'URI=spiffe://cluster.local/ns/a/sa/b'],
  ]),
  principal('an identity in a field', 'denied', [['x-lateen-identity', 'cluster.local/ns/a/sa/b']]),
  principal('an SSL client of nginx', 'denied', [
    ['ssl-client-verify', 'SUCCESS'],
    ['ssl-client-s-dn', 'CN=a'],
  ]),
  address('from elsewhere', 'denied', []),
  address('an address in X-Forwarded-For', 'denied', [['x-forwarded-for', '203.0.113.7']]),
  address('a list of addresses', 'denied', [['x-forwarded-for', '203.0.113.7, 203.0.113.8']]),
  address('X-Forwarded-For twice', 'denied', [
    ['x-forwarded-for', '203.0.113.7'],
    ['x-forwarded-for', '203.0.113.7'],
  ]),
  address('X-Forwarded-For in capitals', 'denied', [['X-FORWARDED-FOR', '203.0.113.7']]),
  address('with underscores', 'denied', [['x_forwarded_for', '203.0.113.7']]),
  address('X-Real-IP', 'denied', [['x-real-ip', '203.0.113.7']]),
  address('Forwarded', 'denied', [['forwarded', 'for=203.0.113.7']]),
  address('True-Client-IP', 'denied', [['true-client-ip', '203.0.113.7']]),
  address('CF-Connecting-IP', 'denied', [['cf-connecting-ip', '203.0.113.7']]),
  token('none', 'denied', []),
  token('the claim in a field', 'denied', [['x-jwt-sub', 'a']]),
  token('a token without signature', 'refused', [['authorization', `Bearer ${forged}`]]),
  token('a token of nothing', 'refused', [['authorization', 'Bearer ..']]),
];

const hop: readonly HeaderCase[] = [
  deny(
    'Connection names a field that is refused',
    'closed',
    [
      ['connection', 'x-role'],
      ['x-role', 'evil'],
    ],
    { sees: { 'x-role': null } },
  ),
  deny('Connection names Host', 'refused', [['connection', 'host']]),
  deny('Connection names X-Forwarded-For', 'refused', [['connection', 'close, x-forwarded-for']]),
  deny('Connection names X-Forwarded-Proto', 'refused', [['connection', 'X-Forwarded-Proto']]),
  deny('Connection names X-Forwarded-Host', 'refused', [['connection', 'x-forwarded-host']]),
  deny('Connection names Content-Length', 'refused', [['connection', 'content-length']]),
  deny('Connection names a pseudo header', 'refused', [['connection', ':path']]),
  deny('Connection names very many', 'refused', [['connection', 'a,b,c,d,e,f,g,h,i,j,k']]),
  deny('Keep-Alive', 'passes', [['keep-alive', 'timeout=5']], { sees: { 'keep-alive': null } }),
  deny('Proxy-Connection', 'passes', [['proxy-connection', 'keep-alive']], {
    sees: { 'proxy-connection': null },
  }),
  deny('Proxy-Authorization', 'passes', [['proxy-authorization', 'Basic eA==']], {
    sees: { 'proxy-authorization': null },
  }),
  deny('TE', 'closed', [['te', 'gzip']], { sees: { te: null } }),
];

const ask = (name: string, fate: HeaderFate, question: Question): HeaderCase => ({
  name,
  fate,
  question,
});
const hosts: readonly HeaderCase[] = [
  ask('a host that is refused', 'denied', { target: '/', host: 'admin.test' }),
  ask('in capitals', 'denied', { target: '/', host: 'ADMIN.test' }),
  ask('with a port', 'denied', { target: '/', host: 'admin.test:80' }),
  ask('with another port', 'closed', { target: '/', host: 'admin.test:8080' }),
  ask('with a final dot', 'closed', { target: '/', host: 'admin.test.' }),
  ask('with user information', 'refused', { target: '/', host: 'user@admin.test' }),
  ask('with an empty port', 'refused', { target: '/', host: 'admin.test:' }),
  ask('with a port that is none', 'refused', { target: '/', host: 'admin.test:abc' }),
  ask('with a blank', 'refused', { target: '/', host: 'admin.test x' }),
  ask('with a comma', 'refused', { target: '/', host: 'deny.test,admin.test' }),
  ask('with a slash', 'refused', { target: '/', host: 'deny.test/admin.test' }),
  ask('none', 'refused', { target: '/', host: '' }),
  deny('twice', 'refused', [['Host', 'admin.test']]),
  deny('X-Forwarded-Host', 'passes', [['x-forwarded-host', 'admin.test']]),
  deny('X-Host', 'passes', [['x-host', 'admin.test']]),
  deny('X-Original-URL', 'passes', [['x-original-url', '/admin']]),
  ask('only in X-Forwarded-Host', 'denied', {
    target: '/',
    host: 'other.test',
    fields: [['x-forwarded-host', 'deny.test']],
  }),
];

const methods: readonly HeaderCase[] = [
  ask('a method that is refused', 'denied', { method: 'DELETE', target: '/' }),
  ask('it in lower case is another', 'closed', { method: 'delete', target: '/' }),
  deny('an override leaves the method as it is', 'passes', [['x-http-method-override', 'DELETE']]),
  ask('an override of a method that is refused', 'denied', {
    method: 'DELETE',
    target: '/',
    fields: [['x-http-method-override', 'GET']],
  }),
  ask('another override of it', 'denied', {
    method: 'DELETE',
    target: '/',
    fields: [
      ['x-method-override', 'GET'],
      ['x-http-method', 'GET'],
    ],
  }),
  ask('a method with a blank', 'refused', { method: 'GET x', target: '/' }),
  ask('CONNECT', 'refused', { method: 'CONNECT', target: 'admin.test:80' }),
];

export const HEADERS: Readonly<Record<string, readonly HeaderCase[]>> = {
  repeats,
  names,
  trust,
  identities,
  hop,
  hosts,
  methods,
};
