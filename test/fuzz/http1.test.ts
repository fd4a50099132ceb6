/** A little of what `npm run fuzz -- --only http1` does at length. */
import { describe, expect, it } from 'vitest';
import { expectHolds } from './expect-holds.ts';
import { http1Parsers } from './http1-parse.ts';
import { http1Proxy } from './http1-proxy.ts';

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
