import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ConnectionRoute } from '../../model/snapshot.ts';
import { linkConnections } from './connections.ts';

const origin = { resource: 'TLSRoute default/a', path: 'spec.rules[0]' };

function named(name: string, fields: Partial<ConnectionRoute>): ConnectionRoute {
  return { name, destinations: [], origin, ...fields };
}

function chosen(
  routes: readonly ConnectionRoute[],
  sni: string | undefined,
  ip?: string,
): string | undefined {
  return linkConnections(routes).match(sni, ip)?.connection.name;
}

describe('server names', () => {
  const routes = [
    named('any', { serverNames: ['*'] }),
    named('wide', { serverNames: ['*.test'] }),
    named('exact', { serverNames: ['a.shop.test'] }),
    named('again', { serverNames: ['a.shop.test'] }),
  ];

  test('the most specific takes the connection, of equal ones the first', () => {
    expect(chosen(routes, 'a.shop.test')).toBe('exact');
    expect(chosen(routes, 'A.Shop.Test')).toBe('exact');
    expect(chosen(routes, 'b.shop.test')).toBe('wide');
    expect(chosen(routes, 'other.org')).toBe('any');
  });

  test('without a name only what takes every name, without TLS nothing of it', () => {
    expect(chosen(routes, '')).toBe('any');
    expect(chosen(routes.slice(1), '')).toBeUndefined();
    expect(chosen(routes, undefined)).toBeUndefined();
  });
});

test('addresses are held against what the client wanted, where that is known', () => {
  const routes = [named('ten', { destinationCidrs: ['10.0.0.0/8'] }), named('rest', {})];
  expect(chosen(routes, undefined, '10.1.2.3')).toBe('ten');
  expect(chosen(routes, undefined, '192.0.2.1')).toBe('rest');
  expect(chosen(routes, undefined, 'not an address')).toBe('rest');
  expect(chosen(routes, undefined)).toBe('ten');
});

test('a name whose addresses exclude the client leaves it to routes without names', () => {
  const routes = [
    named('named', { serverNames: ['a.test'], destinationCidrs: ['10.0.0.0/8'] }),
    named('plain', {}),
  ];
  expect(chosen(routes, 'a.test', '192.0.2.1')).toBe('plain');
});

/** Every name that covers, longest first; then routes without names. */
function slowly(routes: readonly ConnectionRoute[], sni: string): string | undefined {
  const covering = routes
    .flatMap((route) => (route.serverNames ?? []).map((name) => ({ name, route })))
    .filter(({ name }) =>
      name.startsWith('*')
        ? name === '*' || (sni.endsWith(name.slice(1)) && sni.length > name.length - 1)
        : name === sni,
    );
  const weight = (name: string): number =>
    name.startsWith('*') ? name.length : 1000 + name.length;
  const [best] = covering.toSorted((a, b) => weight(b.name) - weight(a.name));
  return (best?.route ?? routes.find(({ serverNames }) => serverNames === undefined))?.name;
}

test('the table and a slow reading of the list agree', () => {
  const name = fc.constantFrom('*', '*.test', '*.a.test', 'a.test', 'b.a.test', '*.b.a.test', 'c');
  const lists = fc.array(fc.option(fc.uniqueArray(name, { minLength: 1, maxLength: 3 })), {
    maxLength: 8,
  });
  const sni = fc.constantFrom('a.test', 'b.a.test', 'x.b.a.test', 'c', 'd', 'test', 'x.test');
  fc.assert(
    fc.property(lists, sni, (names, asked) => {
      const routes = names.map((list, index) =>
        named(`r${index}`, list === null ? {} : { serverNames: list }),
      );
      expect(chosen(routes, asked)).toBe(slowly(routes, asked));
    }),
    { numRuns: 1000 },
  );
});
