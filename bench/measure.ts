/** How the benchmarks measure. One process, medians of rounds; ratios say more than the figures of one machine. */
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const ROUNDS = 27;
/** Rounds in which the compiler still works. */
const WARM_UP = 5;

export function median(values: readonly number[]): number {
  return spread(values).median;
}

/** Takes away what preparing has left, so that no collection of it falls into what is measured. */
export function settle(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}

export interface Spread {
  readonly median: number;
  /** Lower quartile: nearer to what the code costs where neighbours share the machine. */
  readonly quartile: number;
}

export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  return {
    median: sorted[Math.floor(sorted.length / 2)] ?? 0,
    quartile: sorted[Math.floor(sorted.length / 4)] ?? 0,
  };
}

/** Microseconds for one call of `work`, which is given a running number. */
export function microseconds(work: (index: number) => void, perRound: number): Spread {
  const rounds: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const begun = performance.now();
    for (let i = 0; i < perRound; i++) work(i);
    rounds.push(((performance.now() - begun) * 1000) / perRound);
  }
  return spread(rounds.slice(WARM_UP));
}

/**
 * Bytes of heap allocated since the process began, by V8's own count: what collections took away stays counted, so
 * that a difference of two readings is what the code between them allocated.
 */
export function allocatedSoFar(): number {
  return getHeapStatistics().total_allocated_bytes;
}
