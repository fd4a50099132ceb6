import { describe, expect, test } from 'vitest';
import { cluster, endpoint } from '../../../test/fixtures/snapshots.ts';
import { createFakeHost } from '../../host/fake-host.ts';
import type { Balancer, Endpoint } from '../../model/snapshot.ts';
import { linkBalancer } from './balancer.ts';
import type { Balancing } from './balancer.ts';

function balancing(
  kind: Balancer,
  endpoints: readonly Endpoint[],
  draws: number[] = [],
): Balancing {
  return linkBalancer(
    cluster('shop', { balancer: kind }),
    endpoints,
    createFakeHost({ draws }).random,
  );
}

function picks(from: Balancing, count: number): Record<string, number> {
  const seen: Record<string, number> = {};
  for (let i = 0; i < count; i++) {
    const { address } = from.pick([]) ?? { address: 'none' };
    seen[address] = (seen[address] ?? 0) + 1;
  }
  return seen;
}

const three = [endpoint('a'), endpoint('b'), endpoint('c')];

describe('round robin', () => {
  test('in turn', () => {
    expect(picks(balancing('ROUND_ROBIN', three), 9)).toEqual({ a: 3, b: 3, c: 3 });
  });

  test('by weight, and never one endpoint in a block', () => {
    const from = balancing('ROUND_ROBIN', [
      endpoint('a', { weight: 3 }),
      endpoint('b', { weight: 1 }),
    ]);
    expect(picks(from, 40)).toEqual({ a: 30, b: 10 });
  });
});

test('random follows the draw, by weight', () => {
  const weighted = [endpoint('a', { weight: 3 }), endpoint('b', { weight: 1 })];
  expect(picks(balancing('RANDOM', weighted, [0, 0.5, 0.7499, 0.75]), 4)).toEqual({ a: 3, b: 1 });
  expect(picks(balancing('RANDOM', three, [0, 0.34, 0.99]), 3)).toEqual({ a: 1, b: 1, c: 1 });
});

describe('least request', () => {
  test('of two at random the one with fewer requests', () => {
    const from = balancing('LEAST_REQUEST', three, [0, 0.4, 0, 0.4]);
    const first = from.pick([]);
    expect(first?.address).toBe('a');
    if (first !== undefined) from.begin(first);
    expect(from.pick([])?.address).toBe('b');
  });

  test('a request that ended counts no more', () => {
    const from = balancing('LEAST_REQUEST', three, [0, 0.4]);
    const [a] = three;
    if (a === undefined) throw new Error('no endpoint');
    from.begin(a);
    from.end(a);
    expect(from.pick([])?.address).toBe('a');
  });
});

describe('any', () => {
  test.each(['ROUND_ROBIN', 'RANDOM', 'LEAST_REQUEST'] as const)(
    '%s leaves out the sick and the tried',
    (kind) => {
      const from = balancing(kind, [...three.slice(0, 2), endpoint('c', { healthy: false })]);
      const [a, b] = three as [Endpoint, Endpoint];
      for (let i = 0; i < 20; i++) {
        expect(from.pick([a])?.address).toBe('b');
        expect(['a', 'b']).toContain(from.pick([a, b])?.address);
      }
    },
  );

  test('none healthy, none picked', () => {
    expect(balancing('RANDOM', [endpoint('a', { healthy: false })]).pick([])).toBeUndefined();
  });
});
