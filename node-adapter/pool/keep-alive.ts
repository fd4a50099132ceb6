/** TCP keepalive of connections to endpoints, in Node's words. */
import type { PoolLimits } from '../../src/model/snapshot.ts';

const DEFAULT_TIME_MS = 7_200_000;

export function keepAliveOptions(given: PoolLimits['keepAlive']): {
  readonly keepAlive?: boolean;
  readonly keepAliveInitialDelay?: number;
} {
  if (given === undefined) return {};
  return { keepAlive: true, keepAliveInitialDelay: given.timeMs ?? DEFAULT_TIME_MS };
}
