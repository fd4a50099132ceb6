/** Connections to an endpoint: address, time bound, TLS. */
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { TLSSocket, connect as connectSecure } from 'node:tls';
import type { ConnectionOptions } from 'node:tls';
import type { UpstreamFailure } from '../../src/model/error.ts';
import type { PoolLimits } from '../../src/model/snapshot.ts';
import { connectTo, refusalText } from '../tcp/connect.ts';
import { readSecured, readingOptions, startReading } from '../sockets/reading.ts';
import type { BytesReader, ReadMode } from '../sockets/reading.ts';
import { enterTurn, leaveTurn } from '../sockets/turn.ts';
import { lookup } from './dns.ts';
import { keepAlive } from './keep-alive.ts';
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
  /** Told why TLS came to nothing. @default nobody wants to know */
  readonly onRefused?: (reason: string) => void;
  readonly mode: ReadMode;
  readonly keepAlive?: PoolLimits['keepAlive'];
  /** Where a client said the address: whoever listens there mustn't be this proxy. @default anybody may be */
  readonly isOwnPort?: IsOwnPort;
  /** Written before anything else, before TLS too. @default nothing is */
  readonly preface?: Buffer;
}

function abandon(socket: Socket): void {
  socket.on('error', () => undefined);
  socket.destroy();
}

function inTurn(work: () => void): void {
  enterTurn();
  try {
    work();
  } finally {
    leaveTurn();
  }
}

const PLAIN: ConnectionOptions = {};

/** HTTP/2 over TLS is agreed on (RFC 9113, 3.2): who hasn't may take its frames for anything. */
function isMismatch(socket: Socket, { ALPNProtocols: offered }: ConnectionOptions): boolean {
  if (!Array.isArray(offered) || !offered.includes('h2')) return false;
  const agreed = (socket as TLSSocket).alpnProtocol;
  return typeof agreed !== 'string' || !offered.includes(agreed);
}

/** The preface goes before TLS: connected first, secured then, read last. */
function createPrefacedDialer(options: DialOptions, preface: Buffer): Dialer {
  const { host, port, connectTimeoutMs: timeoutMs, mode, isOwnPort } = options;
  return (reader, dialed) => {
    const tls = secureOptions(options);
    if (tls === 'missing') {
      queueMicrotask(() => dialed.onFailed('tls-unavailable'));
      return;
    }
    const { onRefused, keepAlive } = options;
    connectTo(
      { host, port, timeoutMs, tls, preface, keepAlive, isOwnPort, onRefused },
      {
        onConnected: (socket) =>
          inTurn(() => {
            if (isMismatch(socket, tls ?? PLAIN)) {
              abandon(socket);
              dialed.onFailed('alpn-mismatch');
              return;
            }
            dialed.onConnected(socket);
            if (socket instanceof TLSSocket) readSecured(socket, reader, mode);
            else startReading(socket, reader, 'data');
          }),
        onFailed: (failure) => inTurn(() => dialed.onFailed(failure)),
      },
    );
  };
}

/** Undefined = plain. Where TLS is wanted, nothing goes out without. */
function secureOptions({ tls, onRefused }: DialOptions): ConnectionOptions | undefined | 'missing' {
  if (tls === undefined) return undefined;
  try {
    return tls() ?? 'missing';
  } catch (error) {
    onRefused?.(error instanceof Error ? error.message : 'unknown');
    return 'missing';
  }
}

interface Opened {
  readonly socket: Socket;
  /** How it was asked for TLS. */
  readonly secure: ConnectionOptions;
}

/** Or why it can't be. */
function open(options: DialOptions, reader: BytesReader): Opened | UpstreamFailure {
  const { host, port, mode } = options;
  const common = { host, port, noDelay: true, allowHalfOpen: true, lookup };
  const reading = readingOptions(reader, mode);
  const secure = secureOptions(options);
  if (secure === undefined) return { socket: connect({ ...common, ...reading }), secure: PLAIN };
  if (secure === 'missing') return 'tls-unavailable';
  try {
    return { socket: connectSecure({ ...common, ...secure, ...reading }), secure };
  } catch {
    return 'connect-failure';
  }
}

/** Why a connection that stands isn't used. */
function refusalOf(
  { socket, secure }: Opened,
  { isOwnPort }: DialOptions,
): UpstreamFailure | undefined {
  if (isMismatch(socket, secure)) return 'alpn-mismatch';
  const isLoop = isOwnPort !== undefined && leadsToItself(socket, isOwnPort);
  return isLoop ? 'connect-failure' : undefined;
}

export function createDialer(options: DialOptions): Dialer {
  if (options.preface !== undefined) return createPrefacedDialer(options, options.preface);
  const { connectTimeoutMs, mode } = options;
  return (reader, dialed) => {
    const opened = open(options, reader);
    if (typeof opened === 'string') {
      queueMicrotask(() => dialed.onFailed(opened));
      return;
    }
    const { socket } = opened;
    let isOver = false;
    const end = (outcome: () => void): void => {
      if (isOver) return;
      isOver = true;
      clearTimeout(timer);
      socket.removeListener('error', onError);
      inTurn(outcome);
    };
    const onError = (): void => {
      const refusal = refusalText(socket);
      if (!isOver && refusal !== undefined) options.onRefused?.(refusal);
      end(() => dialed.onFailed(refusal === undefined ? 'connect-failure' : 'certificate-refused'));
    };
    const timer = setTimeout(() => {
      end(() => dialed.onFailed('connect-timeout'));
      abandon(socket);
    }, connectTimeoutMs);
    socket.on('error', onError);
    socket.once(options.tls === undefined ? 'connect' : 'secureConnect', () =>
      end(() => {
        const refusal = refusalOf(opened, options);
        if (refusal === undefined) {
          keepAlive(socket, options.keepAlive);
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
