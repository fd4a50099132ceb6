/** Attacks with tokens: each gets through a verifier as it is often written, and not through this one, by engine and over sockets. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compile } from '../../src/config/compile/index.ts';
import { readConfig } from '../../src/config/pipeline.ts';
import { KeyRefreshes } from '../../src/delivery/key-refreshes.ts';
import { createFakeHost } from '../../src/host/fake-host.ts';
import { kinds, policyCompilers } from '../../src/presets/control.ts';
import { filters } from '../../src/presets/node.ts';
import { link, simulate } from '../../src/simulate/index.ts';
import { gatewayBefore, gatewayScope, rawClient, startTestProxy } from '../fixtures/node-proxy.ts';
import type { TestProxy } from '../fixtures/node-proxy.ts';
import { startRecorder } from './backend.ts';
import type { Recorder } from './backend.ts';
import {
  AUDIENCE,
  ISSUER,
  NOW_S,
  OTHER_ISSUER,
  SECRET_ISSUER,
  attacker,
  forge,
  jwks,
  otherJwks,
  pairs,
  secretJwks,
  unsigned,
} from './forge.ts';
import type { Kid } from './forge.ts';
import { naiveVerdict } from './naive-verifier.ts';
import { OUTPUTS, bearing, hasIdentity, headerOf } from './token-case.ts';
import type { Sent, TokenCase, Verdict } from './token-case.ts';
import { CLAIMED } from './token-cases-claims.ts';
import { FORGED } from './token-cases-forged.ts';
import { REQUESTED } from './token-cases-requests.ts';

const outputs = OUTPUTS.map(([header, claim]) => `{header: ${header}, claim: ${claim}}`).join(', ');
const POLICIES = `---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: tokens}
spec:
  jwtRules:
  - issuer: ${ISSUER}
    audiences: [${AUDIENCE}]
    jwks: '${jwks}'
    fromHeaders: [{name: authorization, prefix: 'Bearer '}]
    fromParams: [access_token]
    fromCookies: [session]
    outputPayloadToHeader: x-payload
    outputClaimToHeaders: [${outputs}]
  - {issuer: ${OTHER_ISSUER}, jwks: '${otherJwks}', outputClaimToHeaders: [{header: x-sub, claim: sub}]}
  - {issuer: ${SECRET_ISSUER}, jwks: '${secretJwks}', outputClaimToHeaders: [{header: x-sub, claim: sub}]}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: admins}
spec: {action: DENY, rules: [{to: [{operation: {paths: ["/admin/*"]}}], when: [{key: "request.auth.claims[role]", notValues: [admin]}]}]}
`;

/** As it came, or by throwing. */
function harmOfNaive(attack: TokenCase): boolean {
  let verdict: Verdict;
  try {
    verdict = naiveVerdict(attack.sent);
  } catch {
    return true;
  }
  return (attack.harm ?? hasIdentity)(verdict);
}

const host = createFakeHost({ nowMs: NOW_S * 1000, sleepless: true });
const { resources } = readConfig([{ file: 'attack', text: gatewayBefore(80) + POLICIES }], {
  kinds,
});
const compiled = compile(
  { resources: resources.map(({ resource }) => resource), scope: gatewayScope },
  policyCompilers,
);
const linked = link(
  compiled.named,
  compiled.endpoints,
  { version: '', sets: {} },
  { host, filters },
);

async function byEngine({ headers, target }: Sent): Promise<Verdict> {
  const decision = await simulate({
    linked,
    host,
    request: { host: 'shop.test', port: 80, path: target, headers },
  });
  return decision.outcome === 'forward'
    ? { headers: decision.requestHeaders ?? {}, target: decision.path ?? '' }
    : { status: decision.status ?? 0 };
}

let proxy: TestProxy;
let recorder: Recorder;

beforeAll(async () => {
  recorder = await startRecorder();
  proxy = await startTestProxy({ yaml: gatewayBefore(recorder.port) + POLICIES });
});

afterAll(async () => {
  recorder.close();
  await proxy.close();
});

function receivedHeaders(head: string): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const line of head.split('\r\n').slice(1)) {
    const colon = line.indexOf(': ');
    if (colon > 0) headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 2);
  }
  return headers;
}

async function overSockets({ headers, target }: Sent): Promise<Verdict> {
  recorder.taken();
  const client = rawClient(proxy.port);
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  client.write(`GET ${target} HTTP/1.1\r\nHost: shop.test\r\n${lines}Connection: close\r\n\r\n`);
  const answer = await client.closed;
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1] ?? 0);
  const received = recorder.taken().join('');
  if (received === '') return { status };
  return { headers: receivedHeaders(received), target: received.split(' ')[1] ?? '' };
}

const ATTACKS = [...FORGED, ...CLAIMED, ...REQUESTED];

it('each attack has a name of its own', () => {
  const names = ATTACKS.map(({ name }) => name);
  expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
});

describe.each([
  ['the engine', byEngine, ATTACKS],
  ['a proxy over sockets', overSockets, ATTACKS.filter(({ engineOnly }) => engineOnly !== true)],
] as const)('%s', (_name, ask, attacks) => {
  it.each(Object.keys(pairs) as Kid[])('takes an honest token by key %s', async (kid) => {
    const verdict = await ask(bearing(forge({ kid })));
    expect([headerOf(verdict, 'x-sub'), headerOf(verdict, 'authorization')]).toEqual([
      'ann',
      undefined,
    ]);
    expect(hasIdentity(naiveVerdict(bearing(forge({ kid }))))).toBe(true);
  });

  it.each(attacks.map((attack) => [attack.name, attack] as const))(
    'lets not through: %s',
    async (_attack, attack) => {
      expect(harmOfNaive(attack), 'a naive verifier is not harmed').toBe(true);
      const verdict = await ask(attack.sent);
      expect('status' in verdict ? verdict.status : 'forward').toBe(attack.want);
      expect((attack.harm ?? hasIdentity)(verdict)).toBe(false);
    },
  );
});

describe('keys that come and go', () => {
  const KEYS = JSON.parse(jwks) as { keys: readonly { kid: string }[] };
  const only = (...kids: readonly string[]) => ({
    keys: KEYS.keys.filter(({ kid }) => kids.includes(kid)),
    fetchedAtMs: 0,
  });
  const URI = `${ISSUER}/keys`;
  const remote = `---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: tokens}
spec: {jwtRules: [{issuer: ${ISSUER}, jwksUri: "${URI}", outputClaimToHeaders: [{header: x-sub, claim: sub}]}]}
`;

  /** A gateway whose control plane has these keys, and is asked as seldom as a real one. */
  function gateway(first: ReturnType<typeof only> | undefined) {
    const { resources: read } = readConfig([{ file: 'keys', text: gatewayBefore(80) + remote }], {
      kinds,
    });
    const all = read.map(({ resource }) => resource);
    const { named, endpoints } = compile({ resources: all, scope: gatewayScope }, policyCompilers);
    const own = createFakeHost({ nowMs: NOW_S * 1000 });
    const refreshes = new KeyRefreshes();
    const state = { set: first, published: first, asked: [] as string[], isAway: false };
    const ends = link(
      named,
      endpoints,
      { version: '', sets: {} },
      {
        host: own,
        filters,
        currentKeys: () => ({
          version: '',
          sets: state.set === undefined ? {} : { [URI]: state.set },
        }),
        refreshKeys: (uri, kid) =>
          refreshes.ask(uri, {
            clock: own.clock,
            refresh: async () => {
              state.asked.push(kid);
              if (state.isAway) await new Promise(() => undefined);
              state.set = state.published;
            },
          }),
      },
    );
    const ask = async (token: string): Promise<number> => {
      const { headers } = bearing(token);
      const request = { host: 'shop.test', port: 80, path: '/', headers };
      return (await simulate({ linked: ends, host: own, request })).status ?? 200;
    };
    return { state, own, ask };
  }

  it('a token ends with its key, however often it was seen', async () => {
    const { state, ask } = gateway(only('r', 'e'));
    const token = forge();
    expect([await ask(token), await ask(token)]).toEqual([200, 200]);
    state.set = state.published = only('e');
    expect(await ask(token)).toBe(401);
    expect(await ask(forge({ kid: 'e' }))).toBe(200);
  });

  it('a rotation costs no request: the first token of a new key brings it', async () => {
    const { state, ask } = gateway(only('r'));
    expect(await ask(forge())).toBe(200);
    state.published = only('r', 'e');
    expect(
      await Promise.all([1, 2, 3].map((jti) => ask(forge({ kid: 'e', claims: { jti } })))),
    ).toEqual([200, 200, 200]);
    expect(state.asked).toHaveLength(1);
    expect(await ask(forge())).toBe(200);
  });

  it('a thousand names that nobody has ask once in 30 s', async () => {
    const { state, own, ask } = gateway(only('r'));
    for (let index = 0; index < 1000; index++) {
      expect(await ask(forge({ header: { kid: `k${index}` } }))).toBe(401);
      own.advance(100);
    }
    expect(state.asked).toHaveLength(4);
  });

  it('one name that nobody has is asked for once in five minutes', async () => {
    const { state, own, ask } = gateway(only('r'));
    for (let second = 0; second < 290; second++) {
      expect(await ask(forge({ header: { kid: 'nobody' } }))).toBe(401);
      own.advance(1000);
    }
    expect(state.asked).toEqual(['nobody']);
    state.set = only('r', 'e');
    await ask(forge({ header: { kid: 'nobody' } }));
    expect(state.asked).toHaveLength(2);
  });

  it.each([
    ['alg none', unsigned({ alg: 'none', kid: 'nobody' })],
    ['a name of 300 characters', forge({ header: { kid: 'k'.repeat(300) } })],
    ['no name', forge({ header: { kid: '' }, key: attacker.rsa.privateKey })],
    ['an expired token', forge({ header: { kid: 'nobody' }, claims: { exp: 1 } })],
    ['another issuer', forge({ header: { kid: 'nobody' }, claims: { iss: OTHER_ISSUER } })],
    ['a forged one by a known name', forge({ key: attacker.rsa.privateKey })],
  ])('%s asks nobody', async (_name, token) => {
    const { state, ask } = gateway(only('r'));
    expect(await ask(token)).toBe(401);
    expect(state.asked).toEqual([]);
  });

  it('a control plane that is away is waited for two seconds, once', async () => {
    const { state, own, ask } = gateway(undefined);
    state.isAway = true;
    const first = ask(forge());
    own.advance(2000);
    expect(await first).toBe(401);
    own.advance(30_000);
    state.isAway = false;
    state.published = only('r');
    expect(await ask(forge())).toBe(200);
  });
});
