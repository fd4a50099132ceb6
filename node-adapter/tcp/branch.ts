/** One more connection for a carried client, to another cluster: dialled, written to, and read into the same client. */
import type { Socket } from 'node:net';
import type { UpstreamFailure } from '../../src/model/error.ts';
import type { Exchange } from '../../src/model/exchange.ts';
import type { ConnectionEnd } from '../../src/proxy/index.ts';
import { Deadline } from '../sockets/deadlines.ts';
import type { BranchEvents, CarriedArrival, CarriedBranch, CarryServices } from './contract.ts';
import type { Dialer } from './dial.ts';
import { Flow } from './flow.ts';
import type { FlowEvents } from './flow.ts';

const NOTHING = Buffer.alloc(0);
const noop = (): void => undefined;

/** What it needs of the connection that it belongs to. */
export interface BranchOwner {
  readonly client: Socket;
  readonly arrival: CarriedArrival;
  readonly services: CarryServices;
  readonly dialer: Dialer;
  readonly idleMs: number;
  onActivity(isBulk: boolean): void;
  /** The server takes no more for now. */
  holdClient(): void;
  releaseClient(): void;
  /** Once, whether it was ever open or not. */
  onBranchEnd(branch: Branch): void;
}

export class Branch implements CarriedBranch, FlowEvents {
  readonly #x: Exchange;
  readonly #owner: BranchOwner;
  readonly #events: BranchEvents;
  #server: Socket | undefined;
  #flow: Flow | undefined;
  #cancel: () => void = noop;
  #received = 0;
  #sent = 0;
  #holdsClient = false;
  #isOver = false;
  #cause: Pick<ConnectionEnd, 'flag' | 'details'> = {};
  readonly #idle = new Deadline(() => this.#gone({ details: 'tcp_session_idle_timeout' }));
  readonly #oldest = new Deadline(() =>
    this.#gone({ flag: 'DT', details: 'max_connection_duration' }),
  );
  #idleMs = 0;

  constructor(x: Exchange, owner: BranchOwner, events: BranchEvents) {
    this.#x = x;
    this.#owner = owner;
    this.#events = events;
  }

  /** From the client, and to it. */
  get bytes(): { readonly bytesReceived: number; readonly bytesSent: number } {
    return { bytesReceived: this.#received, bytesSent: this.#sent };
  }

  /** Never tells its events before it returns. */
  start(): void {
    queueMicrotask(() => {
      if (this.#isOver) return;
      if (this.#x.reply === undefined) this.#connect();
      else this.#fail();
    });
  }

  send(bytes: Buffer, start: number, end: number): void {
    this.#received += end - start;
    this.sendOwn(bytes.subarray(start, end));
  }

  sendOwn(bytes: Buffer): void {
    const server = this.#server;
    if (server?.writable !== true || bytes.length === 0) return;
    server.write(Buffer.from(bytes));
    this.onActivity(false);
    if (this.#holdsClient || server.writableLength === 0 || !server.writableNeedDrain) return;
    this.#holdsClient = true;
    this.#owner.holdClient();
  }

  close(): void {
    this.#end();
  }

  onActivity(isBulk: boolean): void {
    this.#owner.onActivity(isBulk);
    this.#owner.services.deadlines.set(this.#idle, this.#idleMs);
  }

  onEnd(): void {
    this.#gone({ flag: 'UC', details: 'upstream_closed' });
  }

  #connect(): void {
    const cancel = this.#owner.dialer.dial(this.#x, {
      onConnected: (socket) => this.#onConnected(socket),
      onFailed: (failure) => this.#onFailed(failure),
    });
    if (cancel === undefined) this.#onFailed('connect-failure');
    else this.#cancel = cancel;
  }

  #onFailed(failure: UpstreamFailure): void {
    if (this.#isOver) return;
    if (this.#owner.arrival.plane.connections.onConnectFailure(this.#x, failure)) this.#connect();
    else this.#fail();
  }

  #fail(): void {
    this.#end();
    this.#events.onFailed(this.#x.details);
  }

  #onConnected(server: Socket): void {
    server.on('error', noop);
    if (this.#isOver) {
      server.destroy();
      return;
    }
    this.#server = server;
    const { client, services, idleMs } = this.#owner;
    const pool = this.#x.cluster?.pool;
    this.#idleMs = pool?.idleTimeoutMs ?? idleMs;
    services.deadlines.set(this.#idle, this.#idleMs);
    services.deadlines.set(this.#oldest, pool?.maxConnectionDurationMs ?? 0);
    server.on('close', () => this.#gone({ flag: 'UC', details: 'upstream_reset' }));
    server.on('drain', () => this.#onDrain());
    const flow = new Flow({
      from: server,
      to: client,
      mode: services.mode,
      events: this,
      gate: { onBytes: (bytes, start, end) => this.#onBytes(bytes, start, end) },
      endsReceiver: false,
    });
    this.#flow = flow;
    flow.begin(NOTHING);
    flow.start();
    this.#events.onOpen();
  }

  #onBytes(bytes: Buffer, start: number, end: number): boolean {
    const passes = this.#events.onBytes(bytes, start, end);
    if (passes) this.#sent += end - start;
    return passes;
  }

  #onDrain(): void {
    if (!this.#holdsClient || (this.#server?.writableLength ?? 0) > 0) return;
    this.#holdsClient = false;
    this.#owner.releaseClient();
  }

  /** By itself, not by who asked for it. */
  #gone(cause: Pick<ConnectionEnd, 'flag' | 'details'>): void {
    if (this.#isOver) return;
    this.#cause = cause;
    this.#end();
    this.#events.onClosed(cause.details ?? '');
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#cancel();
    const { services, arrival } = this.#owner;
    for (const deadline of [this.#idle, this.#oldest]) services.deadlines.set(deadline, 0);
    const { bytes } = this;
    this.#server?.destroy();
    this.#flow?.close();
    if (this.#holdsClient) this.#owner.releaseClient();
    this.#owner.onBranchEnd(this);
    arrival.plane.connections.onBranchEnd(this.#x, { ...bytes, ...this.#cause });
  }
}
