import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TokenBucket } from './token-bucket.ts';

test('gives its size at once, then its rate', () => {
  const bucket = new TokenBucket({ size: 2, perSecond: 10 }, 0);
  expect([bucket.take(0), bucket.take(0), bucket.take(0)]).toEqual([true, true, false]);
  expect([bucket.take(99), bucket.take(100), bucket.take(100)]).toEqual([false, true, false]);
  expect([bucket.take(10_000), bucket.take(10_000), bucket.take(10_000)]).toEqual([
    true,
    true,
    false,
  ]);
});

test('takes several or none, and says how long to wait', () => {
  const bucket = new TokenBucket({ size: 5, perSecond: 1000 }, 0);
  expect([bucket.take(0, 4), bucket.take(0, 2), bucket.take(0, 1)]).toEqual([true, false, true]);
  expect([bucket.waitMs(0), bucket.waitMs(0, 5), bucket.waitMs(0, 6)]).toEqual([1, 5, Infinity]);
  expect(bucket.waitMs(5, 5)).toBe(0);
});

test('a clock that steps back gives nothing and breaks nothing', () => {
  const bucket = new TokenBucket({ size: 1, perSecond: 1 }, 5000);
  expect([bucket.take(5000), bucket.take(0), bucket.take(999), bucket.take(1000)]).toEqual([
    true,
    false,
    false,
    true,
  ]);
});

test('a bucket that can never give a token is refused', () => {
  for (const [size, perSecond] of [
    [0, 1],
    [1, -1],
    [Number.NaN, 1],
  ] as const)
    expect(() => new TokenBucket({ size, perSecond }, 0)).toThrow(RangeError);
});

test('over any time no more comes out than size and rate allow', () => {
  const steps = fc.array(fc.integer({ min: 0, max: 50 }), { maxLength: 200 });
  fc.assert(
    fc.property(
      steps,
      fc.integer({ min: 1, max: 20 }),
      fc.integer({ min: 0, max: 500 }),
      (gaps, size, perSecond) => {
        const bucket = new TokenBucket({ size, perSecond }, 0);
        let nowMs = 0;
        let taken = 0;
        for (const gap of gaps) {
          nowMs += gap;
          if (bucket.take(nowMs)) taken++;
          expect(taken).toBeLessThanOrEqual(size + (nowMs * perSecond) / 1000 + 1e-6);
        }
      },
    ),
  );
});
