/** A little of what `npm run fuzz -- --only http1` does at length. */
import { describe, expect, it } from 'vitest';
import { http1Parsers } from './http1-parse.ts';
import { http1Proxy } from './http1-proxy.ts';
import { Counts, failureOf } from './property.ts';
import type { Property } from './property.ts';
import { Random } from './random.ts';
import { shrink } from './shrink.ts';

function expectHolds(property: Property, runs: number): Counts {
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

describe('streams of HTTP/1.1', () => {
  it('are read as the slow reference reads them', () => {
    const counts = expectHolds(http1Parsers, 10_000);
    expect(counts.of('messages')).toBeGreaterThan(20_000);
    expect(counts.of('streams that end in fault')).toBeGreaterThan(1000);
  });

  it('pass through the proxy and mean the same, each answered in its turn', () => {
    const counts = expectHolds(http1Proxy, 3500);
    expect(counts.of('requests forwarded')).toBeGreaterThan(7000);
    expect(counts.of('answers of backends')).toBeGreaterThan(7000);
  });
});
