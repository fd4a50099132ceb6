/** Connections to an endpoint: address, time bound, TLS. */
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { connect as connectSecure } from 'node:tls';
import type { ConnectionOptions, TLSSocket } from 'node:tls';
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
  /**
   * Asked for each connection, since secrets change between two; undefined: plain. Where HTTP/2 is among the protocols
   * that it offers, a server that agrees to none of them isn't spoken to.
   */
  readonly tls: (() => ConnectionOptions | undefined) | undefined;
  readonly mode: ReadMode;
  readonly keepAlive?: PoolLimits['keepAlive'];
  /** Where a client said the address: whoever listens there mustn't be this proxy. @default anybody may be */
  readonly isOwnPort?: IsOwnPort;
}

const PLAIN: ConnectionOptions = {};
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

interface Opened {
  readonly socket: Socket;
  /** How it was asked for TLS. */
  readonly secure: ConnectionOptions;
}

/** Undefined: it can't be, and where TLS is wanted nothing goes out without. */
function open(options: DialOptions, reader: BytesReader): Opened | undefined {
  const { host, port, tls, mode, keepAlive } = options;
  const common = {
    host,
    port,
    noDelay: true,
    allowHalfOpen: true,
    lookup,
    ...keepAliveOptions(keepAlive),
  };
  const reading = readingOptions(reader, mode);
  if (tls === undefined) return { socket: connect({ ...common, ...reading }), secure: PLAIN };
  try {
    const secure = tls();
    return secure && { socket: connectSecure({ ...common, ...secure, ...reading }), secure };
  } catch {
    return undefined;
  }
}

/** HTTP/2 over TLS is agreed on (RFC 9113, 3.2): who hasn't may take its frames for anything. */
function isMismatch({ socket, secure: { ALPNProtocols: offered } }: Opened): boolean {
  if (!Array.isArray(offered) || !offered.includes('h2')) return false;
  const agreed = (socket as TLSSocket).alpnProtocol;
  return typeof agreed !== 'string' || !offered.includes(agreed);
}

/** Why a connection that stands isn't used. */
function refusalOf(opened: Opened, { isOwnPort }: DialOptions): UpstreamFailure | undefined {
  if (isMismatch(opened)) return 'alpn-mismatch';
  const isLoop = isOwnPort !== undefined && leadsToItself(opened.socket, isOwnPort);
  return isLoop ? 'connect-failure' : undefined;
}

export function createDialer(options: DialOptions): Dialer {
  const { connectTimeoutMs, tls, mode } = options;
  return (reader, dialed) => {
    const opened = open(options, reader);
    if (opened === undefined) {
      queueMicrotask(() => dialed.onFailed('connect-failure'));
      return;
    }
    const { socket } = opened;
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
        const refusal = refusalOf(opened, options);
        if (refusal === undefined) {
          dialed.onConnected(socket);
          startReading(socket, reader, mode);
        } else {
          abandon(socket);
          dialed.onFailed(refusal);
        }
      }),
    );
    socket.once('close', onError);
  };
}
