/** Analysis says of a match that another takes all its requests: the data path's matcher must agree on every request. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { matchCovers } from '../../src/config/analyse/match-cover.ts';
import { compileMatch } from '../../src/config/compile/matches.ts';
import { RequestHeaderList } from '../../src/lib/header-list.ts';
import type { HttpMatch, StringMatchSpec } from '../../src/model/api.ts';
import type { Exchange } from '../../src/model/exchange.ts';
import { linkConditions } from '../../src/proxy/matcher/conditions.ts';

const SCOPE = { gateway: 'mesh', namespace: 'a', labels: { app: 'x' }, port: 80 };

const texts = (values: readonly string[]): fc.Arbitrary<StringMatchSpec> =>
  fc.oneof(
    fc.constantFrom(...values).map((exact) => ({ exact })),
    fc.constantFrom(...values).map((prefix) => ({ prefix })),
    fc.constantFrom('.*', 'a.*', '[ab]+').map((regex) => ({ regex })),
  );

const optional = <Value>(value: fc.Arbitrary<Value>): fc.Arbitrary<Value | undefined> =>
  fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: value });

const VALUES = ['a', 'A', 'ab', 'b'];
const PATHS = ['/', '/a', '/A', '/a/b', '/b'];
const header = fc.oneof(texts(VALUES), fc.constant({}));
const headers = (names: readonly string[]): fc.Arbitrary<HttpMatch['headers'] | undefined> =>
  optional(fc.dictionary(fc.constantFrom(...names), header, { minKeys: 1, maxKeys: 2 }));

const match: fc.Arbitrary<HttpMatch> = fc
  .record({
    uri: fc.option(texts(PATHS), { nil: undefined }),
    ignoreUriCase: fc.boolean(),
    method: optional(fc.constantFrom({ exact: 'GET' }, { exact: 'POST' })),
    headers: headers(['x-a', 'X-A', 'x-b']),
    withoutHeaders: headers(['x-a', 'x-b']),
    queryParams: optional(fc.dictionary(fc.constantFrom('q', 'Q'), texts(VALUES), { maxKeys: 2 })),
    port: optional(fc.constantFrom(0, 80, 81)),
    sourceLabels: optional(fc.constantFrom({ app: 'x' }, { app: 'y' })),
    sourceNamespace: optional(fc.constantFrom('', 'a', 'b')),
    gateways: optional(fc.constantFrom(['mesh'], ['front'])),
  })
  .map(
    (fields) =>
      Object.fromEntries(
        Object.entries(fields).filter(([, value]) => value !== undefined),
      ) as HttpMatch,
  );

const request: fc.Arbitrary<Exchange> = fc
  .record({
    method: fc.constantFrom('GET', 'POST'),
    path: fc.constantFrom(...PATHS, '/a/b/c', '/AB'),
    headers: fc.array(fc.tuple(fc.constantFrom('x-a', 'x-b'), fc.constantFrom(...VALUES, '')), {
      maxLength: 3,
    }),
    query: fc.constantFrom('', '?q=a', '?q=ab&Q=b', '?q'),
  })
  .map(({ method, path, headers: fields, query }) => {
    const line = { method, scheme: 'http', authority: 'h', target: path + query } as const;
    return {
      ...line,
      path,
      query,
      request: new RequestHeaderList(line, fields),
    } as unknown as Exchange;
  });

function takes(given: HttpMatch, x: Exchange): boolean {
  const compiled = compileMatch(given, SCOPE);
  return compiled !== undefined && (linkConditions(compiled, true)?.holds(x) ?? true);
}

/** A match and one that is narrower by a condition or two: pairs of which one covers the other. */
const related = fc
  .tuple(match, match)
  .map(([wide, more]): readonly [HttpMatch, HttpMatch] => [
    wide,
    { ...more, ...wide, ignoreUriCase: more.ignoreUriCase === true },
  ]);

describe('a match that covers another', () => {
  it('takes every request that the other takes', () => {
    fc.assert(
      fc.property(
        fc.oneof(related, fc.tuple(match, match)),
        fc.array(request, { minLength: 30, maxLength: 30 }),
        ([wide, narrow], requests) => {
          fc.pre(matchCovers(wide, narrow));
          for (const x of requests) if (takes(narrow, x)) expect(takes(wide, x)).toBe(true);
        },
      ),
      { numRuns: 2_000, maxSkipsPerRun: 200 },
    );
  });

  it('covers itself', () => {
    fc.assert(fc.property(match, (given) => matchCovers(given, given)));
  });
});
