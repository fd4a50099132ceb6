import { describe, expect, it } from 'vitest';
import type { Resource } from '../../model/api.ts';
import { kinds } from '../../presets/control.ts';
import { readConfig } from '../pipeline.ts';
import type { AuthorityFacts } from './authority.ts';
import { hardenAuthority } from './authority.ts';
import { hardenEdge } from './edge.ts';

const nowMs = Date.parse('2026-01-01T00:00:00Z');
const DAY_MS = 24 * 3_600_000;
const MINUTE_MS = 60_000;
const sound: AuthorityFacts = {
  isSetUp: true,
  secretSinceMs: nowMs - DAY_MS,
  conditions: [{ type: 'Ready', status: 'True', reason: 'Signs', message: '' }],
  denied: [{ of: 'serials', count: 1, max: 10 }],
  joinTokens: [],
  oidcJoins: [{ name: 'ci', claims: { owner: 'shop', ref: 'refs/heads/*' } }],
};
const found = (more: Partial<AuthorityFacts>): string[] =>
  hardenAuthority({ ...sound, ...more }, nowMs).map(
    ({ code, level, resource }) => `${code} ${level} ${resource ?? 'mesh'}`,
  );
const condition = (type: string, reason: string): Partial<AuthorityFacts> => ({
  conditions: [{ type, status: 'False', reason, message: 'm' }],
});
const denied = (count: number): Partial<AuthorityFacts> => ({
  denied: [{ of: 'serials', count, max: 10 }],
});
const token = (more: object): Partial<AuthorityFacts> => ({
  joinTokens: [{ id: 't', createdMs: nowMs, expiresMs: nowMs + 15 * MINUTE_MS, ...more }],
});
const join = (claims: Readonly<Record<string, string>>): Partial<AuthorityFacts> => ({
  oidcJoins: [{ name: 'ci', claims }],
});

describe('harden, of an authority', () => {
  it('says nothing of one that is sound', () => {
    expect(found({})).toEqual([]);
  });

  it('finds that there is none', () => {
    const none = 'LAT0750';
    expect(hardenAuthority(undefined, nowMs).map(({ code }) => code)).toEqual([none]);
    expect(found({ isSetUp: false })).toEqual(['LAT0750 warning mesh']);
  });

  it.each<[string, Partial<AuthorityFacts>]>([
    ['LAT0751 warning Authority', condition('SignerValid', 'Expiring')],
    ['LAT0751 error Authority', condition('SignerValid', 'Expired')],
    ['LAT0751 warning Authority', condition('RootValid', 'Expiring')],
    ['LAT0755 warning Authority', condition('KeysWrapped', 'Older')],
    ['LAT0755 info Authority', { secretSinceMs: nowMs - 366 * DAY_MS }],
    ['LAT0756 error Authority', condition('Ready', 'NoSigner')],
    ['LAT0752 warning Authority', denied(8)],
    ['LAT0752 error Authority', denied(10)],
    ['LAT0753 info JoinToken t', token({})],
    ['LAT0754 warning OidcJoin ci', join({ ref: 'refs/*' })],
    ['LAT0754 warning OidcJoin ci', join({ aud: 'x', owner: 'shop*' })],
  ])('finds %s', (expected, facts) => {
    expect(found(facts)).toEqual([expected]);
  });

  it.each<[string, Partial<AuthorityFacts>]>([
    ['a condition that others tell of', condition('Federated/other.test', 'Stale')],
    ['a list with room', denied(7)],
    ['a token that was used', token({ usedMs: nowMs })],
    ['one that is over', token({ createdMs: nowMs - 20 * MINUTE_MS, expiresMs: nowMs })],
    ['one for some addresses', token({ cidr: '10.0.0.0/8' })],
    ['one of ten minutes', token({ expiresMs: nowMs + 10 * MINUTE_MS })],
  ])('says nothing of %s', (_what, facts) => {
    expect(found(facts)).toEqual([]);
  });
});

describe('harden, of gateway workers', () => {
  const proxy = { type: 'sidecar-inbound', namespace: 'a', name: 'cart' } as const;
  const strict = (namespace: string, mode = 'STRICT'): string =>
    `apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: d, namespace: ${namespace}}\nspec: {mtls: {mode: ${mode}}}\n`;
  const entry = (labels: string): string =>
    `apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: e, namespace: b}\nspec: {hosts: [e.test], ports: [{number: 80, name: http, protocol: HTTP}], resolution: STATIC, endpoints: [{address: 1.2.3.4, labels: ${labels}}]}\n`;
  const read = (...texts: string[]): Resource[] => {
    const { resources } = readConfig([{ file: 'x', text: texts.join('---\n') }], { kinds });
    return resources.map(({ resource }) => resource);
  };

  it('finds those that know callers by bindings alone', () => {
    for (const namespace of ['a', 'istio-system']) {
      const [one, ...others] = hardenEdge([proxy], read(strict(namespace), entry('{}')));
      expect([one?.code, one?.resource, others]).toEqual(['LAT0734', 'Proxy a/cart', []]);
    }
  });

  it.each<[string, string[], object]>([
    ['an endpoint asks for credentials', [strict('a'), entry('{lateen.io/credential: x}')], {}],
    ['STRICT holds elsewhere', [strict('b')], {}],
    ['plaintext is taken', [strict('a', 'PERMISSIVE')], {}],
    ['nobody calls it so', [strict('a')], { type: 'gateway' }],
  ])('says nothing where %s', (_what, texts, more) => {
    expect(hardenEdge([{ ...proxy, ...more }], read(...texts))).toEqual([]);
  });
});
