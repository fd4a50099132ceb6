/** Linking in steps: what comes of it, and what doesn't when nobody takes the last one. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  cluster,
  clusterName,
  endpoint,
  listener,
  noKeys,
  overlay,
  route,
  snapshot,
  virtualHost,
} from '../../test/fixtures/snapshots.ts';
import { createFakeHost } from '../host/fake-host.ts';
import type { Exchange } from '../model/exchange.ts';
import type { PolicyFilter } from '../model/policy.ts';
import type { FilterConfig, NamedSnapshot, Route } from '../model/snapshot.ts';
import type { LinkedSnapshot, Linker } from './link.ts';
import { LinkError } from './link-error.ts';
import { createLinker } from './link.ts';

const host = createFakeHost();
const policy: PolicyFilter = {
  kind: 'rbac',
  phase: 'authz',
  link: (config) => ({
    request: () => ({ status: 200, body: String(config), headers: [], flag: '', details: '' }),
  }),
};
const options = { host, filters: [policy] };
const endpoints = overlay({ [clusterName('shop')]: [endpoint('10.0.0.1')] });

const PATHS = ['/', '/a', '/a/b', '/a/bc', '/b'] as const;
const DOMAINS = ['a.test', '*.test', '*'] as const;

const anyRoute = fc.record({
  path: fc.constantFrom(...PATHS),
  kind: fc.constantFrom('exact' as const, 'prefix' as const, 'suffix' as const),
  filter: fc.constantFrom(undefined, 'one', 'two'),
});
/** More than one step's worth of routes and clusters, now and then. */
const anyConfiguration = fc.record({
  hosts: fc.array(fc.array(anyRoute, { maxLength: 5 }), { maxLength: DOMAINS.length }),
  padding: fc.constantFrom(0, 0, 150),
});

const filterLists = new Map<string, readonly FilterConfig[]>();
function filtersOf(config: string | undefined): readonly FilterConfig[] {
  if (config === undefined) return [];
  const list = filterLists.get(config) ?? [{ kind: 'rbac', config }];
  filterLists.set(config, list);
  return list;
}

const named = ({
  hosts,
  padding,
}: {
  hosts: readonly (readonly Parameters<typeof routeOf>[0][])[];
  padding: number;
}): NamedSnapshot =>
  snapshot({
    listeners: [
      listener({
        virtualHosts: hosts.map((routes, index) => ({
          ...virtualHost(
            [...Array.from({ length: padding }, () => padded), ...routes.map(routeOf)],
            [DOMAINS[index] ?? ''],
          ),
          name: `h${index}`,
        })),
      }),
    ],
    clusters: Array.from({ length: padding + 1 }, (_, index) =>
      cluster(index === 0 ? 'shop' : `c${index}`),
    ),
  });

const padded = route({ match: { path: { kind: 'exact', value: '/never' } } });

function routeOf(
  given: { path: string; kind: 'exact' | 'prefix' | 'suffix'; filter: string | undefined },
  index: number,
): Route {
  const { path, kind, filter } = given;
  return route({
    name: `${index} ${kind} ${path}`,
    match: { path: { kind, value: path } },
    filters: filtersOf(filter),
  });
}

/** All that a request can learn of it. */
function meaningOf(linked: LinkedSnapshot): unknown {
  const table = linked.listeners.find(80, undefined)?.hosts;
  return {
    pointer: linked.pointer,
    slots: linked.emptySlots.length,
    clusters: [...linked.clusters].map(([name, { balancing }]) => [name, balancing.endpoints]),
    routes: ['a.test', 'b.test', 'else.org'].map((name) =>
      PATHS.map((path) => {
        const x = { path, query: '', trace: undefined } as unknown as Exchange;
        const found = table?.lookup(name)?.matcher.match(x);
        const bodies = linked
          .filtersOf(found?.filters ?? [])
          .map((filter) => (filter.request?.({} as never) as { body: string } | undefined)?.body);
        return [found?.name, bodies];
      }),
    ),
  };
}

/** Takes all steps, or as many. */
function inSteps(
  linker: Linker,
  given: NamedSnapshot,
  most = Infinity,
): LinkedSnapshot | undefined {
  const steps = linker.steps(given, endpoints, noKeys);
  for (let taken = 0; taken < most; taken++) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
  return undefined;
}

test('gives what linking in one go gives, also when others were begun and left between', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(anyConfiguration, fc.constantFrom(1, 2, 4, Infinity)), {
        minLength: 1,
        maxLength: 5,
      }),
      (list) => {
        const linker = createLinker(options);
        for (const [configuration, most] of list) {
          const given = named(configuration);
          const linked = inSteps(linker, given, most);
          if (linked === undefined) continue;
          const alone = createLinker(options).link(given, endpoints, noKeys);
          expect(meaningOf(linked)).toEqual(meaningOf(alone));
        }
      },
    ),
    { numRuns: 200 },
  );
});

test('no step does much, and nothing is used of one that was left', () => {
  const routes = Array.from({ length: 5000 }, (_, index) =>
    route({ match: { path: { kind: 'exact', value: `/${index}` } } }),
  );
  const large = snapshot({ listeners: [listener({ virtualHosts: [virtualHost(routes)] })] });
  const linker = createLinker(options);
  const steps = linker.steps(large, endpoints, noKeys);
  let count = 1;
  while (steps.next().done !== true) count++;
  expect(count).toBeGreaterThan(5000 / 64);
  const fresh = createLinker(options);
  expect(inSteps(fresh, large, 10)).toBeUndefined();
  const hostOf = (linked: LinkedSnapshot): unknown =>
    linked.listeners.find(80, undefined)?.hosts.lookup('shop.test');
  expect(hostOf(fresh.link(large, endpoints, noKeys))).toBe(
    hostOf(fresh.link(large, endpoints, noKeys)),
  );
});

test('throws what linking in one go throws, and what was before stays', () => {
  const linker = createLinker(options);
  const good = snapshot();
  const first = linker.link(good, endpoints, noKeys);
  const unknown = snapshot({ listeners: [listener({ filters: [{ kind: 'new', config: {} }] })] });
  expect(() => inSteps(linker, unknown)).toThrow(LinkError);
  const name = clusterName('shop');
  expect(linker.link(good, endpoints, noKeys).clusters.get(name)?.balancing).toBe(
    first.clusters.get(name)?.balancing,
  );
});
