/** Connections to an endpoint: address, time bound, TLS. */
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { connect as connectSecure } from 'node:tls';
import type { ConnectionOptions } from 'node:tls';
import type { UpstreamFailure } from '../../src/model/error.ts';
import type { PoolLimits } from '../../src/model/snapshot.ts';
import { readingOptions, startReading } from '../sockets/reading.ts';
import type { BytesReader, ReadMode } from '../sockets/reading.ts';
import { enterTurn, leaveTurn } from '../sockets/turn.ts';
import { lookup } from './dns.ts';
import { leadsToItself } from './own-ports.ts';
import type { IsOwnPort } from './own-ports.ts';

export interface Dialed {
  /** It reads already. */
  onConnected(socket: Socket): void;
  onFailed(failure: UpstreamFailure): void;
}

/** Connects, and lets the socket read into `reader`. Ends in one call of `dialed`. */
export type Dialer = (reader: BytesReader, dialed: Dialed) => void;

export interface DialOptions {
  /** IP or host name. */
  readonly host: string;
  readonly port: number;
  readonly connectTimeoutMs: number;
  /** Asked for each connection, since secrets change between two; undefined: plain. */
  readonly tls: (() => ConnectionOptions | undefined) | undefined;
  readonly mode: ReadMode;
  readonly keepAlive?: PoolLimits['keepAlive'];
  /** Where a client said the address: whoever listens there mustn't be this proxy. @default anybody may be */
  readonly isOwnPort?: IsOwnPort;
}

const DEFAULT_KEEP_ALIVE_MS = 7_200_000;

/** In Node's words. */
export function keepAliveOptions(given: PoolLimits['keepAlive']): {
  readonly keepAlive?: boolean;
  readonly keepAliveInitialDelay?: number;
} {
  if (given === undefined) return {};
  return { keepAlive: true, keepAliveInitialDelay: given.timeMs ?? DEFAULT_KEEP_ALIVE_MS };
}

function abandon(socket: Socket): void {
  socket.on('error', () => undefined);
  socket.destroy();
}

export function createDialer(options: DialOptions): Dialer {
  const { host, port, connectTimeoutMs, tls, mode, keepAlive, isOwnPort } = options;
  const common = {
    host,
    port,
    noDelay: true,
    allowHalfOpen: true,
    lookup,
    ...keepAliveOptions(keepAlive),
  };
  const open = (reader: BytesReader): Socket | undefined => {
    const reading = readingOptions(reader, mode);
    if (tls === undefined) return connect({ ...common, ...reading });
    try {
      const secure = tls();
      // Where TLS is wanted, nothing goes out without.
      return secure && connectSecure({ ...common, ...secure, ...reading });
    } catch {
      return undefined;
    }
  };
  return (reader, dialed) => {
    const socket = open(reader);
    if (socket === undefined) {
      queueMicrotask(() => dialed.onFailed('connect-failure'));
      return;
    }
    let isOver = false;
    const end = (outcome: () => void): void => {
      if (isOver) return;
      isOver = true;
      clearTimeout(timer);
      socket.removeListener('error', onError);
      enterTurn();
      try {
        outcome();
      } finally {
        leaveTurn();
      }
    };
    const onError = (): void => end(() => dialed.onFailed('connect-failure'));
    const timer = setTimeout(() => {
      end(() => dialed.onFailed('connect-timeout'));
      abandon(socket);
    }, connectTimeoutMs);
    socket.on('error', onError);
    socket.once(tls === undefined ? 'connect' : 'secureConnect', () =>
      end(() => {
        if (isOwnPort !== undefined && leadsToItself(socket, isOwnPort)) {
          abandon(socket);
          dialed.onFailed('connect-failure');
        } else {
          dialed.onConnected(socket);
          startReading(socket, reader, mode);
        }
      }),
    );
    socket.once('close', onError);
  };
}
