import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { listener, route, virtualHost } from '../../../test/fixtures/snapshots.ts';
import { bestOf } from '../../../test/fuzz/reference.ts';
import { finish } from '../../lib/steps.ts';
import type { Exchange } from '../../model/exchange.ts';
import type { VirtualHost } from '../../model/snapshot.ts';
import { HostTable, linkListeners } from './hosts.ts';

describe('listener of a connection', () => {
  const tls = (name: string, ...serverNames: string[]): ReturnType<typeof listener> =>
    listener({ name, port: 443, protocol: 'HTTPS', serverNames });
  const { table } = linkListeners([listener(), tls('exact', 'shop.test'), tls('wild', '*.test')]);

  test.each([
    ['shop.test', 'exact'],
    ['SHOP.Test', 'exact'],
    ['other.test', 'wild'],
    ['a.b.test', 'wild'],
    ['test', undefined],
    ['', undefined],
    [undefined, undefined],
  ])('server name %s: %s', (sni, wanted) => {
    expect(table.find(443, sni)?.listener.name).toBe(wanted);
  });

  test('without a server name only a listener for all of them answers', () => {
    const { table: any } = linkListeners([tls('exact', 'shop.test'), tls('any', '*')]);
    expect(any.find(443, '')?.listener.name).toBe('any');
    expect(any.find(443, 'x.test')?.listener.name).toBe('any');
  });

  test('the plain port takes anything, an unknown port nothing', () => {
    expect(table.find(80, undefined)?.listener.name).toBe('http-80');
    expect(table.find(81, undefined)).toBeUndefined();
  });
});

test('virtual host: exact, then the longest wildcard, then *; no way back', () => {
  const hosts = linkListeners([
    listener({
      virtualHosts: [
        virtualHost([], ['*']),
        virtualHost([], ['*.test']),
        virtualHost([], ['*.shop.test']),
        virtualHost([], ['a.shop.test']),
      ],
    }),
  ]).table.find(80, undefined)?.hosts;
  const name = (host: string): string | undefined => hosts?.lookup(host)?.host.name;
  expect(['a.shop.test', 'b.shop.test', 'shop.test', 'else.org'].map((host) => name(host))).toEqual(
    ['a.shop.test', '*.shop.test', '*.test', '*'],
  );
});

describe('hosts linked one table after the other', () => {
  const DOMAINS = ['*', '*.test', '*.a.test', 'a.test', 'x.a.test', 'b.test', 'c.test'];
  const anyHost = fc.record({
    name: fc.constantFrom('h1', 'h2', 'h3', 'h4'),
    domains: fc.uniqueArray(fc.constantFrom(...DOMAINS), { minLength: 1, maxLength: 3 }),
    variant: fc.constantFrom(0, 1),
  });
  /** The same parts give the same objects, as they do at a gateway. */
  const made = new Map<string, VirtualHost>();
  const hostOf = ({
    name,
    domains,
    variant,
  }: {
    name: string;
    domains: string[];
    variant: number;
  }) => {
    const key = JSON.stringify([name, domains, variant]);
    const host = made.get(key) ?? {
      ...virtualHost([route({ timeoutMs: variant })], domains),
      name,
    };
    made.set(key, host);
    return host;
  };
  const hosts = fc
    .uniqueArray(anyHost, { selector: ({ name }) => name, maxLength: 4 })
    .map((list) => list.map(hostOf));

  test('take what a table by itself takes, with routes of their own', () => {
    fc.assert(
      fc.property(fc.array(hosts, { minLength: 2, maxLength: 6 }), (lists) => {
        let before: HostTable | undefined;
        for (const list of lists) {
          const table = finish(HostTable.steps(list, before));
          const alone = finish(HostTable.steps(list));
          for (const name of ['a.test', 'x.a.test', 'y.a.test', 'b.test', 'q.test', 'else.org']) {
            const found = table.lookup(name);
            expect(found?.host).toBe(alone.lookup(name)?.host);
            const owners = list.map((host) => [host, host.domains] as const);
            expect(found?.host).toBe(bestOf(owners, name));
            const x = { path: '/', trace: undefined } as unknown as Exchange;
            expect(found?.matcher.match(x)).toBe(found?.host.routes[0]);
          }
          before = table;
        }
      }),
      { numRuns: 500 },
    );
  });

  test('keep the matcher of a host that is the same, wherever it stands', () => {
    const [a, b] = [virtualHost([route()], ['a.test']), virtualHost([route()], ['b.test'])];
    const first = finish(HostTable.steps([a, b]));
    const second = finish(HostTable.steps([b, a], first));
    expect(second.lookup('a.test')).toBe(first.lookup('a.test'));
    const changed = finish(HostTable.steps([b, { ...a, routes: [] }], second));
    expect(changed.lookup('a.test')?.host.routes).toEqual([]);
    expect(changed.lookup('b.test')).toBe(first.lookup('b.test'));
  });
});
