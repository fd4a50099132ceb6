/** Kept connections of HTTP/1.1 to one endpoint: the one used last is taken first, so that the others may go. */
import type { PoolLimits } from '../../src/model/snapshot.ts';
import type { UpstreamFailure } from '../../src/model/error.ts';
import { Http1Client } from '../http1/client.ts';
import type { ClientConnectionOwner } from '../http1/client.ts';
import type { Deadlines } from '../sockets/deadlines.ts';
import type { ClientStream } from '../stream.ts';
import { DEFAULT_CONNECTION_LIMITS } from '../limits.ts';
import type { Dialer } from './dial.ts';
import { lifetimeOf } from './lifetime.ts';
import type { ServerGuard } from './lifetime.ts';
import type { Pool, PoolStats, Waiter } from './pool.ts';
import type { Room, RoomUser } from './room.ts';
import { WaitingLine } from './waiting-line.ts';

export interface HttpPoolOptions {
  readonly dial: Dialer;
  readonly deadlines: Deadlines;
  readonly limits: PoolLimits;
  /** Shared with other pools to the same endpoint, whose limits then hold for all of them. @default it has its own */
  readonly room?: Room;
  /** Of servers that must be of the mesh. @default nobody watches what they proved */
  readonly guard?: ServerGuard;
  onFault(error: unknown): void;
  /** No connection is left, and nobody waits for one. @default nobody wants to know */
  onEmpty?(): void;
}

/** Below what most servers keep an idle connection for: the one that closes first should be us. */
const DEFAULT_IDLE_MS = 4000;

export class Http1Pool implements Pool, ClientConnectionOwner, RoomUser {
  readonly #options: HttpPoolOptions;
  readonly #idle: Http1Client[] = [];
  readonly #waiting: WaitingLine;
  readonly #connected = new Set<Http1Client>();
  #connecting = 0;
  #isDraining = false;
  hasAnswered = false;

  constructor(options: HttpPoolOptions) {
    this.#options = options;
    this.#waiting = new WaitingLine(options.limits, options.room);
  }

  get stats(): PoolStats {
    return {
      connections: this.#connected.size,
      idle: this.#idle.length,
      waiting: this.#waiting.length,
    };
  }

  acquire(waiter: Waiter, isFresh = false): ClientStream | undefined {
    if (isFresh) this.#makeRoom();
    else
      for (let kept = this.#idle.pop(); kept !== undefined; kept = this.#idle.pop())
        if (kept.isUsable) return this.#use(kept);
        else kept.close();
    if (this.#waiting.join(waiter)) this.#connectIfWanted();
    return undefined;
  }

  cancel(waiter: Waiter): void {
    this.#waiting.leave(waiter);
    this.#tellIfEmpty();
  }

  drain(): void {
    this.#isDraining = true;
    for (const kept of this.#idle.splice(0)) kept.close();
    this.#tellIfEmpty();
  }

  close(): void {
    this.drain();
    for (const connection of this.#connected) connection.close();
  }

  onIdle(connection: Http1Client): void {
    const { maxRequestsPerConnection = 0, idleTimeoutMs = DEFAULT_IDLE_MS } = this.#options.limits;
    const { room } = this.#options;
    if (connection.attempts > 0) this.hasAnswered = true;
    const isWorn = maxRequestsPerConnection > 0 && connection.attempts >= maxRequestsPerConnection;
    if (isWorn || connection.isOld || (connection.attempts > 0 && room?.passesOn(this) === true)) {
      connection.close();
      return;
    }
    const waiter = this.#waiting.next();
    if (waiter !== undefined) {
      waiter.onStream(connection);
      return;
    }
    if (this.#isDraining || room?.rest(this) === false) {
      connection.close();
      return;
    }
    this.#idle.push(connection);
    this.#options.deadlines.set(connection.idleDeadline, idleTimeoutMs);
  }

  onClosed(connection: Http1Client): void {
    this.#options.deadlines.set(connection.idleDeadline, 0);
    connection.lifetime?.cancel();
    this.#connected.delete(connection);
    const at = this.#idle.indexOf(connection);
    if (at >= 0) this.#idle.splice(at, 1);
    this.#options.room?.leave();
    this.#connectIfWanted();
    this.#tellIfEmpty();
  }

  onRoom(): boolean {
    const before = this.#connecting;
    this.#connectIfWanted();
    return this.#connecting > before;
  }

  giveWay(): boolean {
    const kept = this.#idle.shift();
    kept?.close();
    return kept !== undefined;
  }

  onFault(error: unknown): void {
    this.#options.onFault(error);
  }

  #use(connection: Http1Client): Http1Client {
    this.#options.deadlines.set(connection.idleDeadline, 0);
    return connection;
  }

  #takesPlace(): boolean {
    return this.#options.room?.take(this) ?? this.#hasRoom();
  }

  #hasRoom(): boolean {
    const { maxConnections = 0 } = this.#options.limits;
    return maxConnections === 0 || this.#connected.size + this.#connecting < maxConnections;
  }

  /** Where no more are allowed, one that idles gives way; it is told when it has closed. Shared room is made by who shares it. */
  #makeRoom(): void {
    if (this.#options.room === undefined && !this.#hasRoom()) this.#idle.shift()?.close();
  }

  #connectIfWanted(): void {
    if (this.#waiting.length > this.#connecting && this.#takesPlace()) this.#connect();
  }

  #connect(): void {
    this.#connecting++;
    const connection = new Http1Client(this, DEFAULT_CONNECTION_LIMITS.head);
    this.#options.dial(connection, {
      onConnected: (socket) => {
        this.#connecting--;
        connection.attach(socket);
        this.#connected.add(connection);
        const onOver = (): void => connection.retire();
        connection.lifetime = lifetimeOf(socket, { ...this.#options, onOver });
        this.onIdle(connection);
      },
      onFailed: (failure: UpstreamFailure) => {
        this.#connecting--;
        // Each failed connection answers for one request: others may get through.
        this.#waiting.next()?.onNoStream(failure);
        this.#options.room?.leave();
        this.#connectIfWanted();
        this.#tellIfEmpty();
      },
    });
  }

  #tellIfEmpty(): void {
    const options = this.#options;
    if (this.#waiting.length === 0 && this.#idle.length === 0) options.room?.forget(this);
    if (this.#connected.size + this.#connecting + this.#waiting.length === 0) options.onEmpty?.();
  }
}
