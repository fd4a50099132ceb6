/** Until when a connection to an endpoint takes attempts, and until when it stands. */
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { PoolLimits } from '../../src/model/snapshot.ts';
import type { Deadlines } from '../sockets/deadlines.ts';
import { Moment } from '../sockets/moment.ts';
import { expiryOf } from '../tls/expiry.ts';

/** Watches what a server of the mesh proved. */
export interface ServerGuard {
  /** For what is under way when it holds no more. */
  readonly graceMs: number;
  /** Told when it is denied, or when nobody is believed any more who certified it. Returns what ends it. */
  watch(socket: Socket, onDistrust: () => void): (() => void) | undefined;
}

export interface Lifetime {
  /** The connection is over. */
  cancel(): void;
}

export interface LifetimeOptions {
  readonly limits: PoolLimits;
  readonly deadlines: Deadlines;
  /** @default what it proved stands as long as its certificate */
  readonly guard?: ServerGuard | undefined;
  /** Nothing says when what is under way ends: it is cut when the certificate has ended, too. @default false */
  readonly isCarried?: boolean;
  /** It takes nothing more. */
  onOver(): void;
}

/** Infinity = for ever. One that had ended when it was shown was taken all the same: nobody is held to it. */
function certifiedUntil(socket: Socket): number {
  if (!(socket instanceof TLSSocket)) return Infinity;
  const certificate = socket.getPeerX509Certificate();
  const expiresMs = certificate === undefined ? undefined : expiryOf(certificate);
  return expiresMs === undefined || expiresMs <= Date.now() ? Infinity : expiresMs;
}

class Standing implements Lifetime {
  readonly #socket: Socket;
  readonly #options: LifetimeOptions;
  readonly #unwatch: (() => void) | undefined;
  #next: Moment | undefined;
  #isCutting = false;

  constructor(socket: Socket, untilMs: number, options: LifetimeOptions) {
    this.#socket = socket;
    this.#options = options;
    const { deadlines, guard, isCarried = false } = options;
    const onDue = (): void => (isCarried ? this.#cut() : options.onOver());
    if (Number.isFinite(untilMs)) this.#next = new Moment(deadlines, untilMs, onDue);
    this.#unwatch = guard?.watch(socket, () => this.#cut());
  }

  get isNeeded(): boolean {
    return this.#next !== undefined || this.#unwatch !== undefined;
  }

  cancel(): void {
    this.#next?.cancel();
    this.#unwatch?.();
  }

  #cut(): void {
    if (this.#isCutting) return;
    this.#isCutting = true;
    const { deadlines, guard } = this.#options;
    this.#next?.cancel();
    const atMs = Date.now() + (guard?.graceMs ?? 0);
    this.#next = new Moment(deadlines, atMs, () => this.#socket.destroy());
    this.#options.onOver();
  }
}

/** As long as the pool says, and as what the server proved holds. Undefined = for ever. */
export function lifetimeOf(socket: Socket, options: LifetimeOptions): Lifetime | undefined {
  const { maxConnectionDurationMs = Infinity } = options.limits;
  const untilMs = Math.min(certifiedUntil(socket), Date.now() + maxConnectionDurationMs);
  const standing = new Standing(socket, untilMs, options);
  return standing.isNeeded ? standing : undefined;
}
