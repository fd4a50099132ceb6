import { parseDuration } from '../../lib/duration.ts';
import type { HttpRetry } from '../../model/api.ts';
import type { RetryPolicy } from '../../model/snapshot.ts';

const DEFAULT_ON = [
  'connect-failure',
  'refused-stream',
  'unavailable',
  'cancelled',
  'retriable-status-codes',
];

/** What Istio does where nobody says anything. */
export const defaultRetry: RetryPolicy = {
  attempts: 2,
  perTryTimeoutMs: 0,
  on: DEFAULT_ON,
  statusCodes: [],
  backoffMs: 25,
  nonIdempotent: false,
  ignorePreviousHosts: true,
  explicit: false,
};

const ms = (text: string | undefined): number =>
  text === undefined ? 0 : (parseDuration(text) ?? 0);

/** `retries: {}` and `attempts: 0` switch retries off. Conditions that somebody wrote hold for every method. */
export function compileRetry(retries: HttpRetry | undefined): RetryPolicy | undefined {
  if (retries === undefined) return defaultRetry;
  if ((retries.attempts ?? 0) === 0) return undefined;
  const words = (retries.retryOn ?? '').split(',').filter((word) => word !== '');
  const codes = words.filter((word) => /^\d+$/.test(word)).map(Number);
  const conditions = words.filter((word) => !/^\d+$/.test(word));
  if (codes.length > 0 && !conditions.includes('retriable-status-codes'))
    conditions.push('retriable-status-codes');
  const isExplicit = words.length > 0;
  return {
    attempts: retries.attempts ?? 0,
    perTryTimeoutMs: ms(retries.perTryTimeout),
    on: isExplicit ? conditions : DEFAULT_ON,
    statusCodes: codes,
    backoffMs: retries.backoff === undefined ? 25 : ms(retries.backoff),
    nonIdempotent: isExplicit,
    ignorePreviousHosts: retries.retryIgnorePreviousHosts ?? true,
    explicit: true,
  };
}
