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
import type { Filter, PolicyFilter } from '../model/policy.ts';
import type { FilterConfig, NamedSnapshot } from '../model/snapshot.ts';
import { LinkError, link } from './link.ts';

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
  expect(linked.emptySlots).toHaveLength(4);
});
