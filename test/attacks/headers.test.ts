/** Confusing fields against policies on them, on every plane; and what reaches the log through them. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HEADERS } from './header-cases.ts';
import type { HeaderCase, HeaderFate } from './header-cases.ts';
import { heads, nodePlane, purePlane, settings, workerdPlane } from './planes.ts';
import type { Fields, Outcome, Plane } from './planes.ts';

const KEY =
  '{"kty":"EC","crv":"P-256","x":"yDV5wwMW5lKz9WbmZEmVjTPV6sBS3GAVb59RjboiXp4","y":"6Dz3eF6gaZT2yeZ0ImXdByPxptyHkizSibxJqVb4S7w","kid":"one","alg":"ES256"}';
const POLICIES = `${settings('BASE')}---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: jwt}
spec: {jwtRules: [{issuer: 'https://i.test', jwks: '{"keys":[${KEY}]}', outputClaimToHeaders: [{header: x-jwt-sub, claim: sub}]}]}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: refused}
spec:
  action: DENY
  rules:
  - to: [{operation: {hosts: [admin.test]}}]
  - to: [{operation: {hosts: [deny.test], methods: [DELETE]}}]
  - {to: [{operation: {hosts: [deny.test]}}], when: [{key: 'request.headers[x-role]', values: [evil]}]}
  - {to: [{operation: {hosts: [deny.test]}}], when: [{key: 'request.headers[user-agent]', values: [bot]}]}
  - {to: [{operation: {hosts: [deny.test]}}], when: [{key: 'request.headers[accept]', values: [evil/type]}]}
  - {to: [{operation: {hosts: [deny.test]}}], when: [{key: 'request.headers[authorization]', values: [evil]}]}
  - {to: [{operation: {hosts: [deny.test]}}], when: [{key: 'request.headers[referer]', values: ['http://evil.test']}]}
  - {to: [{operation: {hosts: [deny.test]}}], when: [{key: 'request.headers[origin]', values: ['http://evil.test']}]}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: taken}
spec:
  rules:
  - to: [{operation: {hosts: [deny.test, 'admin.test*', 'ADMIN.test']}}]
  - {from: [{source: {principals: ['*']}}], to: [{operation: {hosts: [principal.test]}}]}
  - {from: [{source: {remoteIpBlocks: [203.0.113.0/24]}}], to: [{operation: {hosts: [address.test]}}]}
  - {from: [{source: {requestPrincipals: ['*']}}], to: [{operation: {hosts: [token.test]}}]}
`;

const valuesOf = (fields: Fields, wanted: string): string[] =>
  fields.filter(([name]) => name === wanted).map(([, value]) => value);

function expectFate(fate: HeaderFate, { status, seen }: Outcome): void {
  if (fate === 'passes') expect([status, seen !== undefined]).toEqual([200, true]);
  else if (fate === 'denied') expect([status, seen]).toEqual([403, undefined]);
  else if (fate === 'refused') {
    expect(seen).toBeUndefined();
    expect(status === 0 || status >= 400).toBe(true);
  } else expect(seen === undefined ? 200 : status).toBe(200);
}

async function expectSafe(plane: Plane, given: HeaderCase): Promise<void> {
  const { question, fate, joined = fate, sees = {} } = given;
  const outcome = await plane.ask(question);
  expectFate(plane.tellsRepeats ? fate : joined, outcome);
  const { seen } = outcome;
  if (seen === undefined) return;
  for (const [name, values] of Object.entries(sees))
    expect([name, valuesOf(seen.fields, name)]).toEqual([name, values ?? []]);
  for (const [name, value] of seen.fields) expect(name + value).not.toMatch(/[\r\n\0]/);
}

const named = (cases: readonly HeaderCase[]): [string, HeaderCase][] =>
  cases.map((one) => [one.name, one]);

describe.each(Object.entries(HEADERS))('%s', (kind, cases) => {
  /** What only a parser of bytes meets: other heads begin behind one. */
  const isOfParser = (question: HeaderCase['question']): boolean =>
    kind === 'names' ||
    (question.fields ?? []).some(
      ([name, value]) => /^host$/i.test(name) || value.trim() !== value,
    ) ||
    !/^[-\w.]+(?::\d+)?$/.test(question.host ?? 'x') ||
    (question.method ?? '').includes(' ');

  describe.each(Object.keys(heads))('on the engine over %s', (name) => {
    const plane = purePlane(name, POLICIES);
    it.each(named(cases))('%s', async (_, given) => {
      if (name !== 'http1 bytes' && isOfParser(given.question)) return;
      await expectSafe(plane, given);
    });
  });

  describe.each([
    ['Node', nodePlane],
    ['workerd', workerdPlane],
  ] as const)('over sockets of %s', (_, start) => {
    let plane: Plane;
    beforeAll(async () => {
      plane = await start(POLICIES);
    });
    afterAll(() => plane.close());
    it.each(named(cases))('%s', async (_name, given) => {
      await expectSafe(plane, given);
    });
  });
});

/** Names at the top of a line: its values are texts and numbers alone. */
const keysIn = (line: string): string[] =>
  [...line.replaceAll(/"(?:[^"\\]|\\.)*"(?=[,}])/g, '""').matchAll(/"([^"]+)":/g)].map(
    ([, key = '']) => key,
  );

/** Everything that a client writes and a log shows. */
describe('what reaches the log', () => {
  const LINE = '","status":200,"x":"';
  const ESCAPES = String.fromCharCode(0x1b, 0x9b);
  const questions: readonly (readonly [string, Parameters<Plane['ask']>[0]])[] = [
    ['quotes in a path', { target: `/${LINE}` }],
    ['quotes in a query', { target: `/?${LINE}` }],
    ['a backslash in a query', { target: '/?\\' }],
    ['an encoded line break in a path', { target: '/a%0d%0a{"time":1}' }],
    ['an encoded line break in a query', { target: '/?a%0d%0a{"time":1}' }],
    ['bytes beyond ASCII in a query', { target: '/?\xc2\x85\xe2\x80\xa8' }],
    ['a request id', { target: '/', fields: [['x-request-id', LINE]] }],
    ['a request id of escapes', { target: '/', fields: [['x-request-id', `a${ESCAPES}[2J`]] }],
    ['a trace context', { target: '/', fields: [['traceparent', `00-${LINE}-01`]] }],
    ['a user agent', { target: '/', fields: [['user-agent', `${LINE}${ESCAPES}`]] }],
    ['an address', { target: '/', fields: [['x-forwarded-for', LINE]] }],
    ['a method', { target: '/', method: 'A"B' }],
    ['a host', { target: '/', host: 'deny.test"x' }],
    ['a host of escapes', { target: '/', host: `deny.test${ESCAPES}` }],
    ['a path of escapes', { target: `/${ESCAPES}[2J` }],
    ['a long path', { target: `/${'a'.repeat(8000)}` }],
  ];
  const planes: Plane[] = [];
  beforeAll(async () => {
    planes.push(
      purePlane('http1 bytes', POLICIES),
      purePlane('list', POLICIES),
      await nodePlane(POLICIES),
    );
  });
  afterAll(() => Promise.all(planes.map((plane) => plane.close())));

  it.each(questions)('%s', async (_, question) => {
    for (const plane of planes) {
      const { lines, status } = await plane.ask({ host: 'deny.test', ...question });
      // A head that is none is refused before there is a request; over sockets that is logged too.
      expect(lines.length).toBeLessThanOrEqual(1);
      if (status === 200) expect(lines).toHaveLength(1);
      for (const line of lines) {
        expect(line).toMatch(/^\{[^\0-\x1f\x7f-\x9f\u2028\u2029]*\}$/);
        const entry = JSON.parse(line) as Record<string, unknown>;
        expect(Object.keys(entry)).not.toContain('x');
        // What stands twice in a line is there once in what was read of it.
        expect(keysIn(line)).toEqual(Object.keys(entry));
        if (status === 200) expect(entry['status']).toBe(200);
      }
    }
  });
});
