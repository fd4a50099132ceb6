/** Requests with tokens in odd places, and with headers that only a verified token may fill. */
import { attacker, encode, forge, goodClaims } from './forge.ts';
import { bearing, headerOf } from './token-case.ts';
import type { Sent, TokenCase, Verdict } from './token-case.ts';

const good = forge();
const foreign = forge({ key: attacker.rsa.privateKey });
const none = `${encode({ alg: 'none' })}.${encode(goodClaims())}.`;
const authorization = (...values: readonly string[]): Sent => ({
  headers: values.map((value) => ['authorization', value] as const),
  target: '/',
});

/** Without a token that counts there is no identity. */
const anonymous = (name: string, sent: Sent): TokenCase => ({ name, sent, want: 'forward' });
const refused = (name: string, sent: Sent, harm?: TokenCase['harm']): TokenCase => ({
  name,
  sent,
  want: 401,
  ...(harm === undefined ? {} : { harm }),
});

const schemes: readonly TokenCase[] = [
  anonymous('bearer in lower case', authorization(`bearer ${good}`)),
  anonymous('BEARER', authorization(`BEARER ${good}`)),
  anonymous('Bearer and a tab', authorization(`Bearer\t${good}`)),
  anonymous('Bearer and a colon', authorization(`Bearer:${good}`)),
  anonymous('Bearer without a blank', authorization(`Bearer${good}`)),
  refused('Bearer and two blanks before a forged one', authorization(`Bearer  ${none}`)),
  refused('a forged one behind Basic', authorization(`Basic abc, Bearer ${none}`)),
  refused('Bearer twice', authorization(`Bearer ${none}, Bearer ${none}`)),
  refused('a good one before a forged one', authorization(`Bearer ${good}, Bearer ${foreign}`)),
  refused('two headers, the first is good', authorization(`Bearer ${good}`, `Bearer ${foreign}`)),
  refused('two headers, both are good', authorization(`Bearer ${good}`, `Bearer ${good}`)),
  refused('a good one and text behind', authorization(`Bearer ${good} x`)),
  refused('a good one and a comma', authorization(`Bearer ${good},`)),
];

const inQuery = (query: string, ...headers: Sent['headers']): Sent => ({
  headers,
  target: `/?${query}`,
});
/** A token that was read must not go on: logs and services behind would have it. */
const leaks = (verdict: Verdict): boolean =>
  'target' in verdict && (verdict.target.includes(foreign) || verdict.target.includes(good));
const keeping = (name: string, sent: Sent): TokenCase => ({
  name,
  sent,
  want: 'forward',
  harm: leaks,
});

const places: readonly TokenCase[] = [
  refused('unsigned in the query', inQuery(`access_token=${none}`)),
  refused('unsigned in the query, the name escaped', inQuery(`access%5Ftoken=${none}`)),
  refused('unsigned in a cookie', { headers: [['cookie', `a=b; session=${none}`]], target: '/' }),
  refused('unsigned in a quoted cookie', {
    headers: [['cookie', `session="${none}"`]],
    target: '/',
  }),
  refused(
    'a good header beside a forged query',
    inQuery(`access_token=${foreign}`, ['authorization', `Bearer ${good}`]),
  ),
  refused(
    'a good header beside an empty query',
    inQuery('access_token=', ['authorization', `Bearer ${good}`]),
  ),
  refused('a good header beside a forged cookie', {
    headers: [
      ['authorization', `Bearer ${good}`],
      ['cookie', `session=${foreign}`],
    ],
    target: '/',
  }),
  refused('a good query beside a forged cookie', {
    headers: [['cookie', `session=${foreign}`]],
    target: `/?access_token=${good}`,
  }),
  refused('forged in all three places', {
    headers: [
      ['authorization', `Bearer ${none}`],
      ['cookie', `session=${none}`],
    ],
    target: `/?access_token=${none}`,
  }),
  keeping('in the query', inQuery(`a=1&access_token=${good}&b=2`)),
  keeping('in the query, the name escaped', inQuery(`access%5Ftoken=${good}`)),
  keeping(
    'twice in the query, the second forged',
    inQuery(`access_token=${good}&access_token=${foreign}`),
  ),
  keeping(
    'twice in the query, the second escaped',
    inQuery(`access_token=${good}&%61ccess_token=${foreign}`),
  ),
  keeping(
    'in the header and in the query',
    inQuery(`access_token=${good}`, ['authorization', `Bearer ${good}`]),
  ),
  {
    name: 'in the header and in the query: neither goes on',
    sent: inQuery(`access_token=${good}`, ['authorization', `Bearer ${good}`]),
    want: 'forward',
    harm: (verdict) => headerOf(verdict, 'authorization') !== undefined,
  },
];

const forgedHeader = (verdict: Verdict): boolean =>
  'headers' in verdict && Object.values(verdict.headers).some((value) => value.includes('forged'));
const PREFLIGHT: Sent['headers'] = [
  ['origin', 'https://app.test'],
  ['access-control-request-method', 'PUT'],
];
const SPELLINGS = [
  'x-sub',
  'X-SUB',
  'x_sub',
  'X_Sub',
  'x-role-name',
  'x_role_name',
  'x_role-name',
  'x-role_name',
  'x-payload',
  'x_payload',
  'x-deep',
  'x_to-string',
];
const forgedHeaders: readonly TokenCase[] = SPELLINGS.flatMap((name) => {
  const header: Sent['headers'] = [[name, 'forged']];
  return [
    {
      name: `${name} without a token`,
      sent: { headers: header, target: '/' },
      want: 'forward',
      harm: forgedHeader,
    },
    {
      name: `${name} beside a good token`,
      sent: {
        headers: [
          ...bearing(forge({ claims: { role: undefined, sub: undefined } })).headers,
          ...header,
        ],
        target: '/',
      },
      want: 'forward',
      harm: forgedHeader,
    },
    {
      name: `${name} on a preflight`,
      sent: { headers: [...PREFLIGHT, ...header], target: '/' },
      want: 'forward',
      harm: forgedHeader,
    },
  ] satisfies TokenCase[];
});
const repeated: readonly TokenCase[] = [
  {
    name: 'x-sub twice',
    sent: {
      headers: [
        ['x-sub', 'a'],
        ['x-sub', 'forged'],
      ],
      target: '/',
    },
    want: 'forward',
    harm: forgedHeader,
  },
  { name: 'x-sub empty', sent: { headers: [['x-sub', '']], target: '/' }, want: 'forward' },
];

/** As the bytes that latin1 makes of it: a character beyond it loses its upper half. */
const breaksOut = (verdict: Verdict): boolean =>
  'headers' in verdict &&
  Object.values(verdict.headers).some((value) =>
    [...Buffer.from(value, 'latin1')].some((byte) => byte < 32 || byte === 127),
  );
const injecting = (name: string, text: string, want: TokenCase['want'] = 503): TokenCase => ({
  name: `a claim with ${name}`,
  sent: bearing(forge({ claims: { role: text } })),
  want,
  harm: breaksOut,
});
const injections: readonly TokenCase[] = [
  injecting('CR LF and a header', 'user\r\nx-admin: 1'),
  injecting('LF and a header', 'user\nx-admin: 1'),
  injecting('CR and a header', 'user\rx-admin: 1'),
  injecting('a whole request', 'user\r\n\r\nGET /admin HTTP/1.1\r\nHost: a\r\n\r\n'),
  injecting('CR LF at its end', 'user\r\n'),
  injecting('NUL', 'user\0admin'),
  injecting('DEL', 'user\x7f'),
  injecting('ESC', 'user\x1b[2J'),
  injecting('a form feed', 'user\x0cadmin'),
  injecting('a vertical tab', 'user\x0badmin'),
  injecting('U+010A, half of which is LF', 'user\u010ax-admin: 1', 'forward'),
  injecting('U+010D U+010A, half of which is CR LF', 'user\u010d\u010ax-admin: 1', 'forward'),
  injecting('U+0100, half of which is NUL', 'user\u0100', 'forward'),
  injecting('U+5C0A', '尊\u5c0a\u5c0d', 'forward'),
  injecting('a character of two halves', `user${String.fromCodePoint(0x1f40a)}\u0a0a`, 'forward'),
];

export const REQUESTED: readonly TokenCase[] = [
  ...schemes,
  ...places,
  ...forgedHeaders,
  ...repeated,
  ...injections,
];
