/**
 * Whether a series of measurements grows, told from noise: the median of the slopes between all pairs (Theil and Sen), which
 * single samples that are far off don't move, with the bounds that Kendall's statistic gives it.
 */

export interface Sample {
  readonly minute: number;
  readonly value: number;
}

export interface Trend {
  /** A minute. */
  readonly slope: number;
  /** A series that doesn't grow exceeds 0 here once in a hundred times; -Infinity: there are too few samples to say. */
  readonly atLeast: number;
}

/** One-sided, 99 %. */
const Z = 2.326;

/** Of `n` independent values: the spread of the number of pairs in order less those out of it. */
const kendallDeviation = (n: number): number => Math.sqrt((n * (n - 1) * (2 * n + 5)) / 18);

export function trendOf(samples: readonly Sample[]): Trend {
  const slopes: number[] = [];
  for (const [i, a] of samples.entries())
    for (const b of samples.slice(i + 1))
      if (b.minute !== a.minute) slopes.push((b.value - a.value) / (b.minute - a.minute));
  slopes.sort((a, b) => a - b);
  const middle = slopes.length / 2;
  const [low, high] = [slopes[Math.ceil(middle) - 1] ?? 0, slopes[Math.floor(middle)] ?? 0];
  const below = Math.floor((slopes.length - Z * kendallDeviation(samples.length)) / 2);
  return { slope: (low + high) / 2, atLeast: slopes[below] ?? Number.NEGATIVE_INFINITY };
}

/** What has surely been added from the first sample to the last; 0 = perhaps nothing. */
export function surelyGrown(samples: readonly Sample[]): number {
  const minutes = (samples.at(-1)?.minute ?? 0) - (samples[0]?.minute ?? 0);
  return minutes === 0 ? 0 : Math.max(0, trendOf(samples).atLeast * minutes);
}
