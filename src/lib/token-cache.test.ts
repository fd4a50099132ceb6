import { expect, test } from 'vitest';
import { TokenCache } from './token-cache.ts';

test('what is used stays, what isn’t goes', () => {
  const cache = new TokenCache<number>();
  cache.set('kept', -1);
  cache.set('left', -2);
  for (let i = 0; i < 2000; i++) {
    cache.set(`t${i}`, i);
    expect(cache.get('kept')).toBe(-1);
  }
  expect(cache.get('left')).toBeUndefined();
  expect(cache.get('t1999')).toBe(1999);
});

test('the last value counts, and few large tokens fill it as many small ones do', () => {
  const cache = new TokenCache<number>();
  cache.set('a.b.c', 1);
  cache.set('a.b.c', 2);
  expect(cache.get('a.b.c')).toBe(2);
  for (let i = 0; i < 300; i++) cache.set(`${i}.${'x'.repeat(10_000)}`, i);
  expect(cache.get('a.b.c')).toBeUndefined();
});
