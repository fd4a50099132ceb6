import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { celFault } from './cel.ts';

const UNITS = 'a 1 . ( [ { } ] ) ? : ! - & | " \\ ,'.split(' ');

describe('CEL syntax', () => {
  it.each([
    'response.code >= 500 || connection.mtls',
    'response.code',
    "request.headers['x-a'] == 'b' && !has(request.auth)",
    'a ? b : c ? d : e',
    '[1, 2.5, "x"].exists(x, x > 1)',
    "{'a': 1, 'b': [2]}['a'] in [1]",
    '-(-1) + 0x1F % 7u',
    'type.googleapis.com.Msg{field: 1}',
  ])('takes %s', (source) => {
    expect(celFault(source)).toBeUndefined();
  });

  it.each(['response.code >= ', 'a b', '(a', 'a ? b', 'a[1', '"open', 'a &&& b', '.', 'f(,)'])(
    'refuses %s',
    (source) => {
      expect(celFault(source)).toBeDefined();
    },
  );

  it('ends on every text, also on one that nests without end', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...UNITS) }), (text) => {
        celFault(text);
      }),
    );
    expect(celFault('('.repeat(100_000))).toContain('deeply');
  });
});
