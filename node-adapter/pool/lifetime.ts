/** Until when a connection to an endpoint takes attempts. */
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { PoolLimits } from '../../src/model/snapshot.ts';
import type { Deadlines } from '../sockets/deadlines.ts';
import { Moment } from '../sockets/moment.ts';
import { expiryOf } from '../tls/expiry.ts';

/** Infinity = for ever. One that had ended when it was shown was taken all the same: nobody is held to it. */
function certifiedUntil(socket: Socket): number {
  if (!(socket instanceof TLSSocket)) return Infinity;
  const certificate = socket.getPeerX509Certificate();
  const expiresMs = certificate === undefined ? undefined : expiryOf(certificate);
  return expiresMs === undefined || expiresMs <= Date.now() ? Infinity : expiresMs;
}

export interface Lifetime {
  readonly limits: PoolLimits;
  readonly deadlines: Deadlines;
  readonly onOver: () => void;
}

/** As long as the pool says, and as the server's certificate holds. Undefined = for ever. */
export function lifetimeOf(
  socket: Socket,
  { limits, deadlines, onOver }: Lifetime,
): Moment | undefined {
  const { maxConnectionDurationMs = Infinity } = limits;
  const untilMs = Math.min(certifiedUntil(socket), Date.now() + maxConnectionDurationMs);
  return Number.isFinite(untilMs) ? new Moment(deadlines, untilMs, onOver) : undefined;
}
