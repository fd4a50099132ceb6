import { describe, expect, it } from 'vitest';
import { surelyGrown, trendOf } from './trend.ts';
import type { Sample } from './trend.ts';

/** Numbers in [0, 1), the same in every run (mulberry32). */
function draws(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d_2b_79_f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** As ten minutes give them: every thirteen seconds, off by up to 2, and one in ten far above. */
function series(seed: number, aMinute: number, count = 32): readonly Sample[] {
  const draw = draws(seed);
  return Array.from({ length: count }, (_, i) => {
    const minute = (i * 13) / 60;
    const noise = draw() * 4 - 2 + (draw() < 0.1 ? draw() * 30 : 0);
    return { minute, value: 17 + aMinute * minute + noise };
  });
}

const seeds = Array.from({ length: 500 }, (_, i) => i + 1);
const share = (isTrue: (seed: number) => boolean): number =>
  seeds.filter(isTrue).length / seeds.length;

describe('a trend', () => {
  it('is the slope of what has one', () => {
    const line = [0, 1, 2, 5].map((minute) => ({ minute, value: 3 + 2 * minute }));
    expect(trendOf(line).slope).toBe(2);
    const apart = [...line, { minute: 3, value: 900 }].sort((a, b) => a.minute - b.minute);
    expect(trendOf(apart).slope).toBe(2);
  });

  it('is seen in noise where there is none in no more than one of a hundred', () => {
    expect(share((seed) => surelyGrown(series(seed, 0)) > 0)).toBeLessThanOrEqual(0.02);
  });

  it('is seen where there is one', () => {
    expect(share((seed) => surelyGrown(series(seed, 1)) > 2)).toBeGreaterThan(0.95);
  });

  it('is not said of a handful of samples', () => {
    expect(surelyGrown(series(1, 10, 4))).toBe(0);
    expect(surelyGrown([])).toBe(0);
    expect(trendOf([])).toEqual({ slope: 0, atLeast: Number.NEGATIVE_INFINITY });
  });
});
