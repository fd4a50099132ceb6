/** Tokens that an issuer signed, and that say what must not be believed, or say it in two ways. */
import { AUDIENCE, ISSUER, NOW_S, OTHER_ISSUER, encode, forge, goodClaims } from './forge.ts';
import type { Forging } from './forge.ts';
import { bearing, headerOf, refused } from './token-case.ts';
import type { TokenCase } from './token-case.ts';

const saying = (name: string, claims: Forging['claims']): TokenCase =>
  refused(name, forge({ claims: claims ?? {} }));

const issuers: readonly TokenCase[] = [
  ...[
    `${ISSUER}/`,
    `${ISSUER}.evil.test`,
    `${ISSUER}/realms/other`,
    `${ISSUER}@evil.test`,
    `${ISSUER}:443`,
    `${ISSUER}?`,
    `${ISSUER}#`,
    `${ISSUER}\0`,
    `${ISSUER} `,
    ` ${ISSUER}`,
    'https://A.test',
    'HTTPS://a.test',
    'a.test',
    'test',
    '',
  ].map((iss) => saying(`iss ${JSON.stringify(iss)}`, { iss })),
  saying('no iss', { iss: undefined }),
  saying('iss null', { iss: null }),
  saying('a list of issuers', { iss: [ISSUER] }),
  saying('iss by an object', { iss: { toString: ISSUER } }),
  saying('iss a number', { iss: 5 }),
];

const elsewhere = (name: string, aud: unknown): TokenCase => ({
  ...saying(name, { aud }),
  want: 403,
});
const audiences: readonly TokenCase[] = [
  ...['api2', 'my-api', 'API', 'api,web', 'api web', ' api', 'https://evil.test/api', ''].map(
    (aud) => elsewhere(`aud ${JSON.stringify(aud)}`, aud),
  ),
  elsewhere('no aud', undefined),
  elsewhere('a list of others', ['api2', 'xapi']),
  elsewhere('an empty list', []),
  saying('aud null', { aud: null }),
  saying('aud an object', { aud: { api: true } }),
  saying('aud a list in a list', { aud: [['api']] }),
  saying('aud a list with a number', { aud: ['api', 5] }),
  saying('aud a number', { aud: 0 }),
];

const times: readonly TokenCase[] = [
  saying('exp a minute and a second ago', { exp: NOW_S - 62 }),
  saying('exp an hour ago, nearly', { exp: NOW_S - 3590 }),
  saying('exp a text', { exp: 'never' }),
  saying('exp a number as text', { exp: `${NOW_S + 600}` }),
  saying('exp null', { exp: null }),
  saying('exp negative', { exp: -1 }),
  saying('exp a list', { exp: [NOW_S + 600] }),
  saying('exp an object', { exp: {} }),
  saying('exp 1e308', { exp: 1e308 }),
  saying('exp 2^64', { exp: 2 ** 64 }),
  saying(
    'exp beyond any number',
    `{"iss":"${ISSUER}","aud":"${AUDIENCE}","sub":"ann","exp":1e999}`,
  ),
  saying('nbf in an hour', { nbf: NOW_S + 3600 }),
  saying('nbf in a minute and some', { nbf: NOW_S + 70 }),
  saying('nbf a text', { nbf: 'now' }),
  saying('nbf negative', { nbf: -5 }),
  saying('nbf 1e308', { nbf: 1e308 }),
  saying('iat a text', { iat: 'yesterday' }),
  saying('iat negative', { iat: -1 }),
  saying('iat null', { iat: null }),
];

const subjects: readonly TokenCase[] = [
  saying('sub a list', { sub: ['ann', 'admin'] }),
  saying('sub an object', { sub: { toString: 'admin' } }),
  saying('sub a number', { sub: 0 }),
  saying('sub true', { sub: true }),
  saying('sub null', { sub: null }),
];

const usual = `"iss":"${ISSUER}","aud":"${AUDIENCE}","exp":${NOW_S + 600}`;
const twofold: readonly TokenCase[] = [
  saying('sub twice', `{${usual},"sub":"ann","sub":"admin"}`),
  saying('iss twice', `{"iss":"https://evil.test",${usual},"sub":"ann"}`),
  saying('exp twice', `{"exp":1,${usual},"sub":"ann"}`),
  saying('sub twice, once with an escape', `{${usual},"sub":"ann","s\\u0075b":"admin"}`),
  saying('a name twice further in', `{${usual},"sub":"ann","deep":{"role":"user","role":"admin"}}`),
  saying('a name twice in a list', `{${usual},"sub":"ann","list":[{"a":1,"a":2}]}`),
  refused('kid twice', forge({ header: '{"alg":"RS256","kid":"x","kid":"r"}' })),
  refused(
    'crit hidden by a second one',
    forge({ header: '{"alg":"RS256","kid":"r","typ":"a","typ":"JWT"}' }),
  ),
];

const between =
  (insert: string) =>
  (part: string): string =>
    `${part.slice(0, 8)}${insert}${part.slice(8)}`;
const only =
  (which: 'header' | 'payload', change: (part: string) => string): NonNullable<Forging['spell']> =>
  (part, here) =>
    here === which ? change(part) : part;
const spellings: readonly (readonly [string, (part: string) => string])[] = [
  ['with a blank', between(' ')],
  ['with a tab', between('\t')],
  ['with a comma', between(',')],
  ['with a quote', between('"')],
  ['with a percent escape', between('%20')],
  ['with padding inside', between('=')],
  ['with padding at the end', (part) => `${part}=`],
];
const spelled: readonly TokenCase[] = (['header', 'payload'] as const).flatMap((which) =>
  spellings.map(([name, change]) =>
    refused(`${which} ${name}`, forge({ spell: only(which, change) })),
  ),
);

const whole: readonly TokenCase[] = [
  refused('four parts', `${forge()}.x`),
  refused('a dot at the end', `${forge()}.`),
  refused('five parts', `${forge()}.x.y`),
  refused('a dot in front', `.${forge()}`),
  refused('two parts', forge().split('.').slice(0, 2).join('.')),
  refused('one part', encode(goodClaims())),
  refused('dots alone', '..'),
  refused('nothing', '.'),
  refused('no JSON', `${encode('{')}.${encode('{')}.AAAA`),
  refused('a header that is null', `${encode('null')}.${encode(goodClaims())}.AAAA`),
  refused('a header that is a list', forge({ header: '[]' })),
  refused('a header that is a text', forge({ header: '"RS256"' })),
  refused('claims that are null', forge({ claims: 'null' })),
  refused('claims that are a list', forge({ claims: '[]' })),
  refused('claims that are a number', forge({ claims: '5' })),
  refused('claims with a comma too many', forge({ claims: `{${usual},"sub":"ann",}` })),
  refused('claims with a byte order mark', forge({ claims: `\uFEFF{${usual},"sub":"ann"}` })),
  refused('claims with something behind', forge({ claims: `{${usual},"sub":"ann"}{}` })),
  refused('claims that are no UTF-8', noUtf8()),
  refused(
    'claims as deep as they are long',
    forge({ claims: `{${usual},"sub":"ann","deep":${'['.repeat(3000)}${']'.repeat(3000)}}` }),
  ),
  {
    ...refused('a token of 1 MB', forge({ claims: { fill: 'x'.repeat(786_432) } })),
    engineOnly: true,
  },
  {
    ...refused('a token of 20 kB', forge({ claims: { fill: 'x'.repeat(15_000) } })),
    engineOnly: true,
  },
];

/** Two decoders make different names of it. */
function noUtf8(): string {
  const bytes = Buffer.concat([
    Buffer.from(`{${usual},"sub":"ann`),
    Buffer.from([0xff, 0xc0]),
    Buffer.from('"}'),
  ]);
  const spell = only('payload', () => bytes.toString('base64url'));
  return forge({ spell });
}

const asAdmin = (name: string, role: unknown): TokenCase => ({
  name: `role ${name}`,
  sent: bearing(forge({ claims: { role } }), '/admin/x'),
  want: 403,
});
const roles: readonly TokenCase[] = [
  asAdmin('administrator', 'administrator'),
  asAdmin('in capitals', 'ADMIN'),
  asAdmin('with a blank', 'admin '),
  asAdmin('among others in one text', 'user admin'),
  asAdmin('behind a comma', 'user,admin'),
  asAdmin('by an object', { admin: true }),
  asAdmin('in a list in a list', [['admin']]),
  asAdmin('in an object in a list', [{ role: 'admin' }]),
  { ...asAdmin('with NUL', 'admin\0'), want: 503 },
];

const names: readonly TokenCase[] = [
  {
    name: '__proto__ with a subject',
    sent: bearing(forge({ claims: `{${usual},"__proto__":{"sub":"admin","role":"admin"}}` })),
    want: 'forward',
  },
  {
    name: '__proto__ with a role',
    sent: bearing(
      forge({ claims: `{${usual},"sub":"ann","__proto__":{"role":"admin"}}` }),
      '/admin/x',
    ),
    want: 403,
  },
  ...['x-constructor', 'x-to-string'].map((header): TokenCase => ({
    name: `a claim that every object has, for ${header}`,
    sent: bearing(forge()),
    want: 'forward',
    harm: (verdict) => headerOf(verdict, header) !== undefined,
  })),
  {
    name: 'a claim whose name has dots where another is further in',
    sent: bearing(forge({ claims: { 'deep.role': 'admin', deep: { role: 'user' } } })),
    want: 'forward',
    harm: (verdict) => headerOf(verdict, 'x-deep') === 'admin',
  },
  {
    name: 'a claim of the other issuer',
    sent: bearing(forge({ claims: { iss: OTHER_ISSUER, sub: 'ann' } })),
    want: 401,
  },
];

export const CLAIMED: readonly TokenCase[] = [
  ...issuers,
  ...audiences,
  ...times,
  ...subjects,
  ...twofold,
  ...spelled,
  ...whole,
  ...roles,
  ...names,
];
