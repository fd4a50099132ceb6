/** Attempts at one endpoint over few connections that each carry many of them. */
import type { Socket } from 'node:net';
import type { UpstreamFailure } from '../../src/model/error.ts';
import type { PoolLimits } from '../../src/model/snapshot.ts';
import type { Dialer } from '../pool/dial.ts';
import { lifetimeOf } from '../pool/lifetime.ts';
import type { Lifetime, ServerGuard } from '../pool/lifetime.ts';
import type { Pool, PoolStats, Waiter } from '../pool/pool.ts';
import type { Room, RoomUser } from '../pool/room.ts';
import { WaitingLine } from '../pool/waiting-line.ts';
import { Deadline } from '../sockets/deadlines.ts';
import type { Deadlines } from '../sockets/deadlines.ts';
import type { ClientStream } from '../stream.ts';
import { DEFAULT_STREAMS, Http2Client } from './client.ts';
import type { Http2ClientOptions, Http2ClientOwner } from './client.ts';

export interface Http2PoolOptions {
  readonly dial: Dialer;
  readonly deadlines: Deadlines;
  readonly limits: PoolLimits;
  /** Shared with other pools to the same endpoint, whose limits then hold for all of them. @default it has its own */
  readonly room?: Room;
  /** Of servers that must be of the mesh. @default nobody watches what they proved */
  readonly guard?: ServerGuard;
  /** Of each connection, beside what the limits say. */
  readonly client?: Http2ClientOptions;
  onFault(error: unknown): void;
  /** No connection is left, and nobody waits for one. @default nobody wants to know */
  onEmpty?(): void;
}

/** A connection that carries all requests is worth keeping. */
const DEFAULT_IDLE_MS = 300_000;

interface Member {
  readonly client: Http2Client;
  readonly idle: Deadline;
  /** Until when it takes attempts; undefined = for ever. */
  readonly lifetime: Lifetime | undefined;
}

export class Http2Pool implements Pool, Http2ClientOwner, RoomUser {
  readonly #options: Http2PoolOptions;
  readonly #client: Http2ClientOptions;
  /** What the endpoint let in at a time when it last said so: a new connection is expected to be like the others. */
  #peerStreams = Infinity;
  /** Those that take attempts, the oldest first: it is filled before the next one is begun. */
  #open: readonly Member[] = [];
  readonly #closing: Set<Http2Client> = new Set();
  #connecting = 0;
  readonly #waiting: WaitingLine;
  #isDraining = false;

  constructor(options: Http2PoolOptions) {
    this.#options = options;
    this.#waiting = new WaitingLine(options.limits, options.room);
    const { maxConcurrentStreams, maxRequestsPerConnection, http2KeepAlive } = options.limits;
    this.#client = {
      ...(maxConcurrentStreams === undefined ? {} : { maxStreams: maxConcurrentStreams }),
      ...(maxRequestsPerConnection === undefined ? {} : { maxRequests: maxRequestsPerConnection }),
      ...(http2KeepAlive === undefined
        ? {}
        : { pingIntervalMs: http2KeepAlive.intervalMs, pingTimeoutMs: http2KeepAlive.timeoutMs }),
      ...options.client,
    };
  }

  acquire(waiter: Waiter, isFresh = false): ClientStream | undefined {
    if (!isFresh || !this.#mayConnect())
      for (const member of this.#open) if (member.client.hasPlace) return this.#take(member);
    if (this.#waiting.join(waiter)) this.#connectIfWanted();
    return undefined;
  }

  cancel(waiter: Waiter): void {
    this.#waiting.leave(waiter);
    this.#tellIfEmpty();
  }

  drain(): void {
    this.#isDraining = true;
    for (const { client } of this.#open) client.drain();
    this.#tellIfEmpty();
  }

  close(): void {
    const clients = [...this.#open.map(({ client }) => client), ...this.#closing];
    this.drain();
    this.#waiting.failAll('overflow');
    for (const client of clients) client.close();
  }

  get stats(): PoolStats {
    const idle = this.#open.filter(({ client }) => client.taken === 0).length;
    const connections = this.#open.length + this.#closing.size;
    return { connections, idle, waiting: this.#waiting.length };
  }

  onPeerStreams(maxStreams: number): void {
    this.#peerStreams = Math.max(1, maxStreams);
  }

  onPlaces(client: Http2Client): void {
    const member = this.#memberOf(client);
    if (member === undefined) return;
    const { room } = this.#options;
    if (client.attempts > 0 && room?.passesOn(this) === true) {
      client.drain();
      return;
    }
    this.#handOut(member);
    const { idleTimeoutMs = DEFAULT_IDLE_MS } = this.#options.limits;
    if (client.taken > 0) return;
    if (room?.rest(this) === false) client.drain();
    else this.#options.deadlines.set(member.idle, idleTimeoutMs);
  }

  onClosing(client: Http2Client): void {
    const member = this.#memberOf(client);
    if (member === undefined) return;
    this.#options.deadlines.set(member.idle, 0);
    member.lifetime?.cancel();
    this.#open = this.#open.filter((other) => other !== member);
    this.#closing.add(client);
    this.#connectIfWanted();
  }

  onClosed(client: Http2Client): void {
    this.#closing.delete(client);
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
    const resting = this.#open.find(({ client }) => client.taken === 0);
    resting?.client.drain();
    return resting !== undefined;
  }

  onFault(error: unknown): void {
    this.#options.onFault(error);
  }

  #memberOf(client: Http2Client): Member | undefined {
    return this.#open.find((member) => member.client === client);
  }

  #take({ client, idle }: Member): ClientStream {
    if (client.taken === 0) this.#options.deadlines.set(idle, 0);
    return client.take();
  }

  /** At once: a request that could go by a kept connection waits for no other one. */
  #mayConnect(): boolean {
    return this.#options.room?.hasPlace ?? this.#hasRoom();
  }

  #hasRoom(): boolean {
    const { maxConnections = 0 } = this.#options.limits;
    const all = this.#open.length + this.#closing.size + this.#connecting;
    return maxConnections === 0 || all < maxConnections;
  }

  /** One more, where those that are on their way won't do. Those that close count still: they are connections. */
  #connectIfWanted(): void {
    const maxStreams = Math.min(this.#client.maxStreams ?? DEFAULT_STREAMS, this.#peerStreams);
    if (this.#waiting.length > this.#connecting * maxStreams && this.#takesPlace()) this.#connect();
  }

  #takesPlace(): boolean {
    return this.#options.room?.take(this) ?? this.#hasRoom();
  }

  #connect(): void {
    this.#connecting++;
    const client = new Http2Client(this, this.#options.deadlines, {
      ...this.#client,
      expectedStreams: this.#peerStreams,
    });
    this.#options.dial(client, {
      onConnected: (socket) => {
        this.#connecting--;
        this.#add(client, socket);
        client.attach(socket);
        this.onPlaces(client);
        if (this.#isDraining) client.drain();
      },
      onFailed: (failure) => {
        this.#connecting--;
        this.#onConnectFailed(failure);
      },
    });
  }

  #add(client: Http2Client, socket: Socket): void {
    const onOver = (): void => client.drain();
    const lifetime = lifetimeOf(socket, { ...this.#options, onOver });
    this.#open = [...this.#open, { client, idle: new Deadline(onOver), lifetime }];
  }

  /** It would have carried all who wait: where no other connection has places for them, they may try elsewhere. */
  #onConnectFailed(failure: UpstreamFailure): void {
    const isLast = this.#connecting === 0;
    if (isLast) {
      for (const member of this.#open) this.#handOut(member);
      this.#waiting.failAll(failure);
    }
    this.#options.room?.leave();
    if (!isLast) return;
    this.#connectIfWanted();
    this.#tellIfEmpty();
  }

  #handOut(member: Member): void {
    while (this.#waiting.length > 0 && member.client.hasPlace)
      this.#waiting.next()?.onStream(this.#take(member));
  }

  #tellIfEmpty(): void {
    const options = this.#options;
    if (this.#waiting.length + this.#open.length === 0) options.room?.forget(this);
    const connections = this.#open.length + this.#closing.size + this.#connecting;
    if (connections + this.#waiting.length === 0) options.onEmpty?.();
  }
}
