/** Connections to an endpoint that are read by nobody yet. */
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { TLSSocket, connect as connectSecure } from 'node:tls';
import type { ConnectionOptions } from 'node:tls';
import type { UpstreamFailure } from '../../src/model/error.ts';
import type { PoolLimits } from '../../src/model/snapshot.ts';
import { keepAlive } from '../pool/keep-alive.ts';
import { lookup } from '../pool/dns.ts';
import { leadsToItself } from '../pool/own-ports.ts';
import type { IsOwnPort } from '../pool/own-ports.ts';

export interface ConnectOptions {
  /** IP or host name. */
  readonly host: string;
  readonly port: number;
  readonly timeoutMs: number;
  /** Undefined: plain. */
  readonly tls: ConnectionOptions | undefined;
  /** Written before anything else, before TLS too. */
  readonly preface: Buffer | undefined;
  readonly keepAlive: PoolLimits['keepAlive'];
  /** Where a client said the address: whoever listens there mustn't be this proxy. @default anybody may be */
  readonly isOwnPort?: IsOwnPort | undefined;
  /** Told why a server isn't spoken to. @default nobody wants to know */
  readonly onRefused?: ((reason: string) => void) | undefined;
}

/** Why a server's certificate wasn't taken; undefined = it wasn't that. */
export function refusalText(socket: Socket): string | undefined {
  // Null until something is wrong with it, whatever its type says.
  const error: unknown = socket instanceof TLSSocket ? socket.authorizationError : undefined;
  if (error instanceof Error) return error.message;
  return typeof error === 'string' ? error : undefined;
}

export interface ConnectEvents {
  /** Paused. */
  onConnected(socket: Socket): void;
  onFailed(failure: UpstreamFailure): void;
}

class Attempt {
  readonly #options: ConnectOptions;
  readonly #events: ConnectEvents;
  readonly #plain: Socket;
  readonly #timer: NodeJS.Timeout;
  #socket: Socket;
  #isOver = false;
  readonly #onClose = (): void => {
    const refusal = refusalText(this.#socket);
    if (!this.#isOver && refusal !== undefined) this.#options.onRefused?.(refusal);
    this.#fail(refusal === undefined ? 'connect-failure' : 'certificate-refused');
  };

  constructor(options: ConnectOptions, events: ConnectEvents) {
    const { host, port, timeoutMs } = options;
    this.#options = options;
    this.#events = events;
    this.#plain = connect({ host, port, lookup, noDelay: true, allowHalfOpen: true });
    this.#socket = this.#plain;
    this.#timer = setTimeout(() => this.#fail('connect-timeout'), timeoutMs);
    this.#watch(this.#plain);
    this.#plain.once('connect', () => this.#onPlain());
  }

  cancel(): void {
    if (this.#take()) this.#destroy();
  }

  #onPlain(): void {
    const { tls, preface, isOwnPort } = this.#options;
    if (isOwnPort !== undefined && leadsToItself(this.#plain, isOwnPort)) {
      this.#fail('connect-failure');
      return;
    }
    keepAlive(this.#plain, this.#options.keepAlive);
    if (preface !== undefined) this.#plain.write(preface);
    if (tls === undefined) {
      this.#done();
      return;
    }
    const options = { ...tls, socket: this.#plain, allowHalfOpen: true } as ConnectionOptions;
    let secure: Socket;
    try {
      secure = connectSecure(options);
    } catch {
      this.#fail('connect-failure');
      return;
    }
    this.#socket = secure;
    this.#watch(secure);
    secure.once('secureConnect', () => this.#done());
  }

  #watch(socket: Socket): void {
    socket.on('error', this.#onClose);
    socket.on('close', this.#onClose);
  }

  #done(): void {
    if (!this.#take()) return;
    this.#socket.removeListener('close', this.#onClose);
    this.#socket.removeListener('error', this.#onClose);
    this.#events.onConnected(this.#socket);
  }

  #fail(failure: UpstreamFailure): void {
    if (!this.#take()) return;
    this.#destroy();
    this.#events.onFailed(failure);
  }

  #destroy(): void {
    this.#socket.destroy();
    this.#plain.destroy();
  }

  /** The first outcome counts. */
  #take(): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    clearTimeout(this.#timer);
    return true;
  }
}

/** Ends in one call of `events`, unless what it returns is called before. */
export function connectTo(options: ConnectOptions, events: ConnectEvents): () => void {
  const attempt = new Attempt(options, events);
  return () => attempt.cancel();
}
