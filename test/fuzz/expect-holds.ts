/** A property as a test: the first runs of it, and what failed in its smallest form. */
import { expect } from 'vitest';
import { Counts, failureOf } from './property.ts';
import type { Property } from './property.ts';
import { Random } from './random.ts';
import { shrink } from './shrink.ts';

export function expectHolds(property: Property, runs: number): Counts {
  const counts = new Counts();
  for (let seed = 1; seed <= runs; seed++) {
    const value = property.make(new Random(seed));
    const failure = failureOf(property, value, counts);
    if (failure === undefined) continue;
    const small = shrink(property, value, failure);
    expect.fail(`seed ${seed}: ${small.failure.message}\n${property.show(small.value)}`);
  }
  return counts;
}
