import { describe, expect, test } from 'vitest';
import { retryPolicy } from '../../test/fixtures/snapshots.ts';
import { createFakeHost } from '../host/fake-host.ts';
import { ResponseHeaderList } from '../lib/header-list.ts';
import type { UpstreamFailure } from '../model/error.ts';
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
