import { describe, expect, test } from 'vitest';
import { bench } from '../../test/fixtures/bench.ts';
import type { Bench } from '../../test/fixtures/bench.ts';
import {
  cluster,
  clusterName,
  listener,
  noKeys,
  retryPolicy,
  route,
  shopEndpoint,
  snapshot,
  virtualHost,
} from '../../test/fixtures/snapshots.ts';
import type { SnapshotParts } from '../../test/fixtures/snapshots.ts';
import { createFakeHost } from '../host/fake-host.ts';
import { RequestHeaderList, ResponseHeaderList } from '../lib/header-list.ts';
import type { UpstreamFailure } from '../model/error.ts';
import type { Exchange, Step } from '../model/exchange.ts';
import type { PoolLimits } from '../model/snapshot.ts';
import { createEngine } from './engine.ts';
import { link } from './link.ts';
import { createRetryState, nextBackoffMs, retriesFailure, retriesResponse } from './retry.ts';

const answers = (
  on: string[],
  status: number,
  fields: [string, string][] = [],
  method = 'GET',
): boolean =>
  retriesResponse(
    retryPolicy({ on, statusCodes: [429] }),
    method,
    new ResponseHeaderList(status, fields),
  );

describe('responses', () => {
  test.each([
    [['5xx'], 599, true],
    [['5xx'], 429, false],
    [['gateway-error'], 502, true],
    [['gateway-error'], 500, false],
    [['retriable-4xx'], 409, true],
    [['retriable-4xx'], 404, false],
    [['retriable-status-codes'], 429, true],
    [['retriable-status-codes'], 503, false],
    [['connect-failure', 'reset'], 503, false],
  ])('%j on %i: %s', (on, status, wanted) => {
    expect(answers(on, status)).toBe(wanted);
  });

  test('gRPC statuses in the head', () => {
    expect(answers(['unavailable'], 200, [['grpc-status', '14']])).toBe(true);
    expect(answers(['unavailable'], 200, [['grpc-status', '13']])).toBe(false);
  });

  test('a rate limit is retried only where asked', () => {
    expect(answers(['5xx'], 503, [['x-envoy-ratelimited', 'true']])).toBe(false);
    expect(answers(['envoy-ratelimited'], 429, [['x-envoy-ratelimited', 'true']])).toBe(true);
  });

  test('what may have been executed is repeated only for methods that bear it', () => {
    expect(answers(['5xx'], 503, [], 'POST')).toBe(false);
    expect(
      retriesResponse(
        retryPolicy({ on: ['5xx'], nonIdempotent: true }),
        'POST',
        new ResponseHeaderList(503, []),
      ),
    ).toBe(true);
  });
});

describe('failures', () => {
  const table: [string, UpstreamFailure, boolean][] = [
    ['connect-failure', 'connect-failure', true],
    ['connect-failure', 'connect-timeout', true],
    ['connect-failure', 'reset', false],
    ['connect-failure', 'timeout', false],
    ['refused-stream', 'refused-stream', true],
    ['reset-before-request', 'reset-before-request', true],
    ['reset', 'reset', true],
    ['reset', 'timeout', true],
    ['5xx', 'timeout', true],
    ['gateway-error', 'reset', true],
    ['retriable-4xx', 'reset', false],
  ];
  test.each(table)('%s on %s: %s', (on, failure, wanted) => {
    expect(retriesFailure(retryPolicy({ on: [on] }), 'GET', failure)).toBe(wanted);
  });

  test('a POST is repeated when it provably never ran, not after a reset', () => {
    expect(
      retriesFailure(retryPolicy({ on: ['connect-failure'] }), 'POST', 'connect-failure'),
    ).toBe(true);
    expect(retriesFailure(retryPolicy({ on: ['reset'] }), 'POST', 'reset')).toBe(false);
  });
});

test('back-off: a draw below an interval that doubles up to ten times the base', () => {
  const { random } = createFakeHost({ fallback: 0.9999 });
  const state = createRetryState(retryPolicy({ backoffMs: 25 }));
  const waits = Array.from({ length: 6 }, () => nextBackoffMs(state, random));
  expect(waits).toEqual([24, 49, 99, 199, 249, 249]);
});

test('a failure of unknown kind repeats no POST under conditions that mean it never left', () => {
  const policy = retryPolicy({
    on: ['connect-failure', 'reset-before-request'],
    nonIdempotent: true,
  });
  expect(retriesFailure(policy, 'POST', 'unknown')).toBe(false);
  expect(retriesFailure(policy, 'GET', 'unknown')).toBe(true);
  expect(retriesFailure(policy, 'POST', 'connect-failure')).toBe(true);
});

describe('retries under way', () => {
  const parts = (pool?: PoolLimits): SnapshotParts => ({
    listeners: [
      listener({
        virtualHosts: [
          virtualHost([route({ retry: retryPolicy({ on: ['5xx'], attempts: 2, backoffMs: 0 }) })]),
        ],
      }),
    ],
    clusters: [cluster('shop', pool === undefined ? {} : { pool })],
  });
  const failed = (): ResponseHeaderList => new ResponseHeaderList(503, []);
  const begun = ({ engine, begin }: Bench): Exchange => {
    const x = begin();
    engine.onRequest(x);
    return x;
  };
  const name = clusterName('shop');

  test('are as many as the pool of a cluster says, and beyond it the answer stands', () => {
    const gateway = bench(parts({ maxRetries: 1 }));
    const { engine } = gateway;
    const [first, second] = [begun(gateway), begun(gateway)];
    expect(engine.onResponse(first, failed())).toBe('wait');
    expect(engine.onResponse(second, failed())).toBe('deliver');
    expect(second).toMatchObject({ flags: 'UO', attempts: 1, response: { status: 503 } });
    expect(engine.stats().clusters[name]?.retryOverflows).toBe(1);
    // Answered: the place is free, for the same request as well.
    engine.resume(first);
    expect(engine.onResponse(first, failed())).toBe('wait');
    engine.onEnd(first, { cancelled: true });
    const third = begun(gateway);
    expect(engine.onResponse(third, failed())).toBe('wait');
  });

  test('are no longer bound by the budget where the pool says more', () => {
    const gateway = bench(parts({ maxRetries: 5 }));
    const all = Array.from({ length: 6 }, () => begun(gateway));
    const steps = all.map((x) => gateway.engine.onFailure(x, 'connect-failure'));
    expect(steps).toEqual(['wait', 'wait', 'wait', 'wait', 'wait', 'reply']);
    expect(all[5]?.flags).toBe('UO,UF');
  });

  test('are bound by the budget where it says nothing', () => {
    const gateway = bench(parts());
    const all = Array.from({ length: 4 }, () => begun(gateway));
    const steps = all.map((x) => gateway.engine.onResponse(x, failed()));
    expect(steps).toEqual(['wait', 'wait', 'wait', 'deliver']);
    expect(gateway.engine.stats().clusters[name]?.retryOverflows).toBe(1);
  });

  test('are counted over snapshots', () => {
    const host = createFakeHost();
    const engine = createEngine({ host });
    const step = (): Step => {
      const linked = link(snapshot(parts({ maxRetries: 1 })), shopEndpoint, noKeys, {
        host,
        filters: [],
      });
      const line = { method: 'GET', scheme: 'http', authority: 'a', target: '/' } as const;
      const head = new RequestHeaderList(line, []);
      const x = engine.begin({ linked, head, peer: { ip: '192.0.2.7' }, port: 80 });
      engine.onRequest(x);
      return engine.onResponse(x, failed());
    };
    expect([step(), step()]).toEqual(['wait', 'deliver']);
  });
});
