import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { route as routeOf } from '../../../test/fixtures/snapshots.ts';
import { matchHolds } from '../../../test/fuzz/reference.ts';
import type { PlainText } from '../../../test/fuzz/reference.ts';
import { RequestHeaderList } from '../../lib/header-list.ts';
import { compileRegex } from '../../lib/regex/compile.ts';
import type { Exchange } from '../../model/exchange.ts';
import type { Route, RouteMatch } from '../../model/snapshot.ts';
import { linkRoutes } from './routes.ts';

function exchange(path: string, headers: readonly (readonly [string, string])[] = []): Exchange {
  const line = { method: 'GET', scheme: 'http', authority: 'h', target: path } as const;
  const request = new RequestHeaderList(line, headers);
  const [bare = '', ...rest] = path.split('?');
  const query = rest.length === 0 ? '' : `?${rest.join('?')}`;
  return {
    ...line,
    request,
    path: bare,
    query,
    host: 'h',
    trace: undefined,
  } as unknown as Exchange;
}

const regex = (source: string): NonNullable<RouteMatch['path']> => ({
  kind: 'regex',
  source,
  program: compileRegex(source),
});
const named = (name: string, match: RouteMatch): Route => routeOf({ name, match });
const matched = (routes: readonly Route[], x: Exchange): string | undefined =>
  linkRoutes(routes).match(x)?.name;

const plain = (path: NonNullable<RouteMatch['path']>): PlainText =>
  path.kind === 'regex' ? { kind: path.kind, value: path.source } : path;

/** What the list says, read from top to bottom by who knows nothing of the data path. */
function firstByWalk(routes: readonly Route[], x: Exchange): string | undefined {
  const { path, query, method, scheme, authority } = x;
  const headers: [string, string][] = [];
  x.request.forEach((name, value) => headers.push([name, value]));
  const request = { port: 80, scheme, authority, method, path, query, headers };
  return routes.find(({ match }) =>
    matchHolds(
      {
        ...(match.path === undefined ? {} : { path: plain(match.path) }),
        headers: match.headers ?? [],
      },
      request,
    ),
  )?.name;
}

describe('first match wins', () => {
  test('whatever kind of match stands first', () => {
    const routes = [
      named('regex', { path: regex('/a/\\d+') }),
      named('prefix', { path: { kind: 'prefix', value: '/a' } }),
      named('exact', { path: { kind: 'exact', value: '/a/b' } }),
      named('rest', {}),
    ];
    expect(matched(routes, exchange('/a/7'))).toBe('regex');
    expect(matched(routes, exchange('/a/b'))).toBe('prefix');
    expect(matched(routes, exchange('/b'))).toBe('rest');
    expect(matched(routes.toReversed(), exchange('/a/b'))).toBe('rest');
  });

  test('a candidate whose other conditions fail gives way to the next', () => {
    const routes = [
      named('beta', {
        path: { kind: 'prefix', value: '/' },
        headers: [{ name: 'x-beta', value: { kind: 'exact', value: '1' } }],
      }),
      named('main', { path: { kind: 'prefix', value: '/' } }),
    ];
    expect(
      matched(
        routes,
        exchange('/', [
          ['x-beta', '0'],
          ['x-beta', '1'],
        ]),
      ),
    ).toBe('beta');
    expect(matched(routes, exchange('/', [['x-beta', '0,1']]))).toBe('main');
  });

  test('a segment prefix ends at a slash, a prefix anywhere', () => {
    const segment = [named('s', { path: { kind: 'segment-prefix', value: '/foo/' } })];
    expect(matched(segment, exchange('/foo'))).toBe('s');
    expect(matched(segment, exchange('/foo/x'))).toBe('s');
    expect(matched(segment, exchange('/foobar'))).toBeUndefined();
    expect(
      matched([named('p', { path: { kind: 'prefix', value: '/foo' } })], exchange('/foobar')),
    ).toBe('p');
  });

  test('inverted headers: a missing one counts as empty only where asked', () => {
    const without = (missingAsEmpty: boolean): Route[] => [
      named('w', {
        headers: [
          { name: 'x-a', value: { kind: 'prefix', value: '' }, invert: true, missingAsEmpty },
        ],
      }),
    ];
    expect(matched(without(true), exchange('/'))).toBeUndefined();
    expect(matched(without(false), exchange('/'))).toBe('w');
    expect(matched(without(false), exchange('/', [['x-a', 'b']]))).toBeUndefined();
  });

  test('query parameters are raw, case-sensitive, and their first value counts', () => {
    const routes = [named('q', { query: [{ name: 'v', value: { kind: 'exact', value: '1' } }] })];
    expect(matched(routes, exchange('/?v=1&v=2'))).toBe('q');
    expect(matched(routes, exchange('/?v=2&v=1'))).toBeUndefined();
    expect(matched(routes, exchange('/?V=1'))).toBeUndefined();
    expect(matched(routes, exchange('/?%76=1'))).toBeUndefined();
    expect(matched(routes, exchange('/?a;v=1'))).toBeUndefined();
  });

  test('with and without a trace the same route is found', () => {
    const routes = [
      named('a', { path: { kind: 'exact', value: '/a' } }),
      named('b', { path: { kind: 'prefix', value: '/' } }),
    ];
    const traced = { ...exchange('/b'), trace: [] } as Exchange;
    expect(linkRoutes(routes).match(traced)?.name).toBe('b');
    expect(traced.trace?.map((step) => step.outcome)).toEqual(['not-matched', 'matched']);
  });
});

test('the trie and a walk through the list agree', () => {
  const text = fc
    .array(fc.constantFrom('/', 'a', 'b', '/a', '/b'), { maxLength: 5 })
    .map((parts) => `/${parts.join('')}`);
  const path = fc.oneof(
    fc.constant(undefined),
    text.map((value) => ({ kind: 'exact', value }) as const),
    text.map((value) => ({ kind: 'prefix', value }) as const),
    text.map((value) => ({ kind: 'segment-prefix', value }) as const),
    text.map(
      (value) => ({ kind: 'prefix', value: value.toUpperCase(), ignoreCase: true }) as const,
    ),
    text.map((value) => regex(`${value}.*`)),
  );
  const headers = fc.constantFrom(undefined, [
    { name: 'x-a', value: { kind: 'present' } as const },
  ]);
  const list = fc.array(fc.tuple(path, headers), { maxLength: 12 }).map((matches) =>
    matches.map(([wanted, fields], index) =>
      named(`r${index}`, {
        ...(wanted === undefined ? {} : { path: wanted }),
        ...(fields === undefined ? {} : { headers: fields }),
      }),
    ),
  );
  fc.assert(
    fc.property(list, text, fc.boolean(), (routes, target, hasHeader) => {
      const x = exchange(target, hasHeader ? [['x-a', '1']] : []);
      expect(matched(routes, x)).toBe(firstByWalk(routes, x));
    }),
    { numRuns: 2000 },
  );
});

test('ten thousand routes cost about as much as ten', () => {
  const build = (count: number): Route[] =>
    Array.from({ length: count }, (_, i) =>
      named(`r${i}`, { path: { kind: 'prefix', value: `/service-${i}/` } }),
    );
  const cost = (count: number): number => {
    const matcher = linkRoutes(build(count));
    const x = exchange(`/service-${count - 1}/x`);
    expect(matcher.match(x)?.name).toBe(`r${count - 1}`);
    let best = Infinity;
    for (let round = 0; round < 12; round++) {
      const start = performance.now();
      for (let i = 0; i < 20_000; i++) matcher.match(x);
      best = Math.min(best, performance.now() - start);
    }
    return best;
  };
  cost(10);
  // A list would be a thousand times dearer; the margin is for a busy machine and a deeper trie.
  expect(cost(10_000) / cost(10)).toBeLessThan(8);
});
