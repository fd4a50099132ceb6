import { expect, test } from 'vitest';
import {
  listener,
  noKeys,
  route,
  shopEndpoint,
  snapshot,
  virtualHost,
} from '../../test/fixtures/snapshots.ts';
import { createFakeHost } from '../host/fake-host.ts';
import { RequestHeaderList } from '../lib/header-list.ts';
import type { Exchange } from '../model/exchange.ts';
import type { RequestIdentity } from '../model/identity.ts';
import type { PolicyFilter } from '../model/policy.ts';
import type { FilterConfig, Listener, Route } from '../model/snapshot.ts';
import { createEngine } from './engine.ts';
import { link } from './link.ts';

const host = createFakeHost();

const knownAs = (subject: string): RequestIdentity => ({
  principal: `i/${subject}`,
  issuer: 'i',
  subject,
  audiences: [],
  claims: { iss: 'i', sub: subject },
  spaceDelimitedClaims: [],
});

let met: string[] = [];

/** Notes that it was met, and says who asks where its config does. */
const noting = (kind: string, phase: PolicyFilter['phase']): PolicyFilter => ({
  kind,
  phase,
  link: (config) => ({
    request(x: Exchange) {
      met.push(`${kind} ${String(config)}`);
      if (phase === 'authn') x.identity = knownAs(String(config));
      return undefined;
    },
  }),
});

const filters = [noting('door', 'authn'), noting('rbac', 'authz'), noting('body', 'limit')];
const rbac: FilterConfig = { kind: 'rbac', config: 'judges' };
const door = (config: string): FilterConfig => ({ kind: 'door', config });
const yielded = (config: FilterConfig): FilterConfig => ({ ...config, yields: true });

function meets(
  own: readonly FilterConfig[],
  routes: readonly Route[],
  path: string,
): readonly string[] {
  const one: Listener = listener({ filters: own, virtualHosts: [virtualHost(routes)] });
  const linked = link(snapshot({ listeners: [one] }), shopEndpoint, noKeys, { host, filters });
  const engine = createEngine({ host });
  const line = { method: 'GET', scheme: 'http', authority: 'shop.test', target: path } as const;
  met = [];
  const head = new RequestHeaderList(line, []);
  const x = engine.begin({ linked, head, peer: { ip: '192.0.2.1' }, port: one.port });
  engine.onRequest(x);
  engine.onEnd(x);
  return met;
}

const at = (name: string, prefix: string, own: readonly FilterConfig[] = []): Route =>
  route({ name, match: { path: { kind: 'prefix', value: prefix } }, filters: own });

test('who asks is known before it is judged, by the listener’s word or the route’s', () => {
  const own = [rbac, yielded(door('listener')), yielded({ kind: 'body', config: 'bounds' })];
  const routes = [at('a', '/a', [door('route')]), at('rest', '/')];
  expect(meets(own, routes, '/a')).toEqual(['door route', 'rbac judges', 'body bounds']);
  expect(meets(own, routes, '/b')).toEqual(['door listener', 'rbac judges', 'body bounds']);
});

test('what no route takes is asked by the listener all the same', () => {
  const own = [rbac, yielded(door('listener'))];
  expect(meets(own, [at('a', '/a', [door('route')])], '/b')).toEqual([
    'door listener',
    'rbac judges',
  ]);
});

const claimed = (own: readonly FilterConfig[]): Route =>
  route({
    name: 'claimed',
    match: { claims: [{ path: ['sub'], value: { kind: 'exact', value: 'listener' } }] },
    filters: own,
  });

test('a route that who asks leads to asks what the first one didn’t, and that is judged', () => {
  const own = [rbac, yielded(door('listener'))];
  const rest = at('rest', '/');
  expect(meets(own, [claimed([door('other')]), rest], '/')).toEqual([
    'door listener',
    'rbac judges',
    'door other',
    'rbac judges',
  ]);
  // The same check isn't made twice.
  expect(meets(own, [claimed([door('listener')]), rest], '/')).toEqual([
    'door listener',
    'rbac judges',
  ]);
});

test('other parts stay where they were', () => {
  const body: FilterConfig = { kind: 'body', config: 'route' };
  expect(meets([rbac], [at('a', '/', [body])], '/a')).toEqual(['rbac judges', 'body route']);
});
