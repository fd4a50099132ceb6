/** TCP keepalive of connections to endpoints, as far as the runtime sets it. */
import type { Socket } from 'node:net';
import type { PoolLimits } from '../../src/model/snapshot.ts';

/** What Linux does where nobody says anything else. */
const DEFAULTS = { timeMs: 7_200_000, intervalMs: 75_000, probes: 9 };
/** Linux takes whole seconds, and refuses more of them or more probes. */
const MOST_MS = 32_767_000;
const MOST_PROBES = 127;

const bounded = (ms: number): number => Math.min(MOST_MS, Math.max(1000, ms));

/** On a connected socket. Node before 26.4 takes the time alone: it then sends ten probes, a second apart. */
export function keepAlive(socket: Socket, given: PoolLimits['keepAlive']): void {
  if (given === undefined) return;
  const { timeMs, intervalMs, probes } = { ...DEFAULTS, ...given };
  socket.setKeepAlive(true, bounded(timeMs), bounded(intervalMs), Math.min(MOST_PROBES, probes));
}
