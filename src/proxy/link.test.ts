import { describe, expect, test } from 'vitest';
import {
  cluster,
  clusterName,
  endpoint,
  listener,
  noKeys,
  overlay,
  route,
  shopEndpoint,
  snapshot,
  virtualHost,
} from '../../test/fixtures/snapshots.ts';
import { createFakeHost } from '../host/fake-host.ts';
import type { Filter, LinkContext, PolicyFilter } from '../model/policy.ts';
import type { Host } from '../host/host.ts';
import type { FilterConfig, NamedSnapshot } from '../model/snapshot.ts';
import { LinkError } from './link-error.ts';
import { createLinker, link } from './link.ts';

const host = createFakeHost();
const guarded = (filters: readonly FilterConfig[]): NamedSnapshot =>
  snapshot({ listeners: [listener({ filters })] });

test('a filter that this proxy lacks refuses the snapshot, on a listener and on a route', () => {
  const config = { kind: 'rbac', config: {} };
  expect(() => link(guarded([config]), shopEndpoint, noKeys, { host, filters: [] })).toThrow(
    LinkError,
  );
  const onRoute = snapshot({
    listeners: [listener({ virtualHosts: [virtualHost([route({ filters: [config] })])] })],
  });
  expect(() => link(onRoute, shopEndpoint, noKeys, { host, filters: [] })).toThrow(/rbac/);
});

test('a config that a filter cannot link refuses it, with the cause kept', () => {
  const broken: PolicyFilter = {
    kind: 'jwt',
    phase: 'authn',
    link: () => {
      throw new Error('no key');
    },
  };
  expect(() =>
    link(guarded([{ kind: 'jwt', config: {} }]), shopEndpoint, noKeys, { host, filters: [broken] }),
  ).toThrow(/s1.*no key/);
});

test('an unknown format is refused', () => {
  const named = snapshot();
  const next = { ...named, snapshot: { ...named.snapshot, format: 2 } } as unknown as NamedSnapshot;
  expect(() => link(next, shopEndpoint, noKeys, { host, filters: [] })).toThrow(/format 2/);
});

test('filters run in phase order, whatever the order of the list, each with its own slot', () => {
  const slots: number[] = [];
  const named = (kind: string, phase: PolicyFilter['phase']): PolicyFilter => ({
    kind,
    phase,
    link: (_config, { slot }) => {
      slots.push(slot);
      return { request: () => ({ status: 200, body: kind, headers: [], flag: '', details: '' }) };
    },
  });
  const list = [
    { kind: 'cors', config: {} },
    { kind: 'rbac', config: {} },
    { kind: 'jwt', config: {} },
  ];
  const filters = [named('cors', 'cors'), named('rbac', 'authz'), named('jwt', 'authn')];
  const linked = link(guarded(list), shopEndpoint, noKeys, { host, filters });
  const bodies = linked
    .filtersOf(list)
    .map((filter) => (filter.request?.({} as never) as { body: string } | undefined)?.body);
  expect(bodies).toEqual(['jwt', 'rbac', 'cors']);
  expect(new Set(slots).size).toBe(3);
  expect(linked.pointer).toEqual({ snapshot: 's1', endpoints: 'e1', keys: 'k1' });
});

test('a filter of the listener that yields gives way to one of its kind on the route, and keeps phase order', () => {
  const made: PolicyFilter[] = (['authz', 'limit', 'headers'] as const).map((phase) => ({
    kind: phase,
    phase,
    link: (config) => ({
      request: () => ({ status: 200, body: String(config), headers: [], flag: '', details: '' }),
    }),
  }));
  const early = { kind: 'authz', config: 'own' };
  const list: FilterConfig[] = [
    { kind: 'headers', config: 'mesh', yields: true },
    { kind: 'limit', config: 'mesh', yields: true },
    early,
  ];
  const bare: FilterConfig[] = [];
  const own: FilterConfig[] = [{ kind: 'headers', config: 'route' }];
  const routes = [route({ filters: own }), route({ filters: bare })];
  const named = snapshot({
    listeners: [listener({ filters: list, virtualHosts: [virtualHost(routes)] })],
  });
  const linked = link(named, shopEndpoint, noKeys, { host, filters: made });
  const texts = (filters: readonly Filter[]): unknown[] =>
    filters.map((filter) => (filter.request?.({} as never) as { body: string } | undefined)?.body);
  expect(texts(linked.filtersOf(list))).toEqual(['own']);
  expect(texts(linked.routeFiltersOf(list, bare))).toEqual(['mesh', 'mesh']);
  expect(texts(linked.routeFiltersOf(list, own))).toEqual(['mesh', 'route']);
  expect(linked.routeFiltersOf(list, own)).toBe(linked.routeFiltersOf(list, own));
  // One for who said who asks; three places, each of the listener's, a route's and a route's early one.
  expect(linked.emptySlots).toHaveLength(10);
});

/** Says of each filter that it links which it is and where its slot is. */
function recording(): { readonly filters: PolicyFilter[]; readonly linked: [string, number][] } {
  const linked: [string, number][] = [];
  const link: PolicyFilter['link'] = (config, { slot }) => {
    linked.push([(config as { id: string }).id, slot]);
    return {};
  };
  return { linked, filters: [{ kind: 'rbac', phase: 'authz', link }] };
}
const config = (id: string): FilterConfig => ({ kind: 'rbac', config: { id } });

describe('one snapshot after the other', () => {
  const shared = [config('route')];
  const host1 = virtualHost([route({ filters: shared })]);
  const before = snapshot({
    listeners: [listener({ filters: [config('a')], virtualHosts: [host1] })],
  });

  test('what is the same is used again: filters, matchers, balancers', () => {
    const { filters, linked } = recording();
    const linker = createLinker({ host, filters });
    const first = linker.link(before, shopEndpoint, noKeys);
    const { listeners, clusters } = before.snapshot;
    const grown = snapshot({ listeners, clusters: [...clusters, cluster('cart')] });
    const second = linker.link(grown, shopEndpoint, noKeys);
    expect(linked.map(([id]) => id)).toEqual(['a', 'route']);
    expect(second.filtersOf(shared)).toBe(first.filtersOf(shared));
    const name = clusterName('shop');
    expect(second.clusters.get(name)?.balancing).toBe(first.clusters.get(name)?.balancing);
    expect(second.listeners.find(80, undefined)?.hosts.lookup('x')).toBe(
      first.listeners.find(80, undefined)?.hosts.lookup('x'),
    );
  });

  test('slots stay apart although the listener has more filters than before', () => {
    const { filters, linked } = recording();
    const linker = createLinker({ host, filters });
    linker.link(before, shopEndpoint, noKeys);
    const more = [config('b'), config('c'), config('d')];
    const second = linker.link(
      snapshot({ listeners: [listener({ filters: more, virtualHosts: [host1] })] }),
      shopEndpoint,
      noKeys,
    );
    const slots = linked.filter(([id]) => id !== 'a').map(([, slot]) => slot);
    expect(slots).toHaveLength(4);
    expect(new Set(slots).size).toBe(4);
    expect(Math.max(...slots)).toBeLessThan(second.emptySlots.length);
  });

  test.each([
    ['keys', before, { version: 'k2', sets: {} }],
    [
      'settings of the mesh',
      {
        ...before,
        snapshot: { ...before.snapshot, mesh: { ...before.snapshot.mesh, domain: 'x' } },
      },
      noKeys,
    ],
  ])('filters are linked anew with other %s', (_name, named, keys) => {
    const { filters, linked } = recording();
    const linker = createLinker({ host, filters });
    linker.link(before, shopEndpoint, noKeys);
    linker.link(named, shopEndpoint, keys);
    expect(linked.map(([id]) => id)).toEqual(['a', 'route', 'a', 'route']);
  });

  test('other endpoints give another balancer', () => {
    const linker = createLinker({ host, filters: recording().filters });
    const first = linker.link(before, shopEndpoint, noKeys);
    const moved = overlay({ [clusterName('shop')]: [endpoint('10.9.9.9')] });
    const second = linker.link(before, moved, noKeys);
    const name = clusterName('shop');
    expect(first.clusters.get(name)?.balancing.pick([])?.address).not.toBe('10.9.9.9');
    expect(second.clusters.get(name)?.balancing.pick([])?.address).toBe('10.9.9.9');
  });

  test('a filter that is used again calls the endpoints in force', async () => {
    const asked: (string | undefined)[] = [];
    let call: LinkContext['call'] | undefined;
    const caller: PolicyFilter = {
      kind: 'rbac',
      phase: 'authz',
      link(_config, context) {
        call ??= context.call;
        return {};
      },
    };
    const dial: Host['dial'] = ({ endpoint: to }) => {
      asked.push(to?.address);
      return Promise.reject(new Error('nobody is there'));
    };
    const linker = createLinker({ host: { ...host, dial }, filters: [caller] });
    linker.link(before, shopEndpoint, noKeys);
    const moved = overlay({ [clusterName('shop')]: [endpoint('10.9.9.9')] });
    linker.link(before, moved, noKeys);
    const request = { method: 'GET', url: '/', headers: [] } as unknown as Parameters<
      LinkContext['call']
    >[1];
    await expect(call?.(clusterName('shop'), request)).rejects.toThrow('nobody');
    expect(asked).toEqual(['10.9.9.9']);
  });

  test('one that is refused leaves the next as if it had not been', () => {
    const { filters, linked } = recording();
    const linker = createLinker({ host, filters });
    linker.link(before, shopEndpoint, noKeys);
    const unknown = guarded([{ kind: 'from-the-future', config: {} }]);
    expect(() => linker.link(unknown, shopEndpoint, noKeys)).toThrow(LinkError);
    linker.link(before, shopEndpoint, noKeys);
    expect(linked.map(([id]) => id)).toEqual(['a', 'route']);
  });

  test('filters of no snapshot are never taken for none', () => {
    const linked = link(before, shopEndpoint, noKeys, { host, filters: recording().filters });
    expect(() => linked.filtersOf([config('stranger')])).toThrow(/not of this snapshot/);
  });
});
