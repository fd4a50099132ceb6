/** One client, the real codecs, relay, pool and engine, and backends, over sockets in memory. A seed decides who moves when. */
import { Connection } from '../../node-adapter/exchanges.ts';
import type { ConnectionServices } from '../../node-adapter/exchanges.ts';
import { createNodeHost } from '../../node-adapter/host.ts';
import { Http1Server } from '../../node-adapter/http1/server.ts';
import { DEFAULT_CONNECTION_LIMITS } from '../../node-adapter/limits.ts';
import { Plane } from '../../node-adapter/plane.ts';
import type { Dialed } from '../../node-adapter/pool/dial.ts';
import { Http1Pool } from '../../node-adapter/pool/http1-pool.ts';
import type { Waiter } from '../../node-adapter/pool/pool.ts';
import type { ServerExchange } from '../../node-adapter/server-context.ts';
import type { Deadline } from '../../node-adapter/sockets/deadlines.ts';
import type { BytesReader } from '../../node-adapter/sockets/reading.ts';
import { enterTurn, leaveTurn } from '../../node-adapter/sockets/turn.ts';
import type { ServerStream } from '../../node-adapter/stream.ts';
import { compile } from '../../src/config/compile/index.ts';
import { readConfig } from '../../src/config/pipeline.ts';
import { kinds, policyCompilers } from '../../src/presets/control.ts';
import { gatewayBefore, gatewayScope } from '../fixtures/node-proxy.ts';
import { MemoryBackend } from './http1-backend.ts';
import type { Ledger } from './http1-backend.ts';
import { MemorySocket } from './http1-sockets.ts';
import { Random } from './random.ts';

const host = createNodeHost({
  log: () => undefined,
  dial: () => Promise.reject(new Error('nobody is called')),
});

async function createPlane(): Promise<Plane> {
  const rules = '[{route: [{destination: {host: back.test}}], retries: {attempts: 0}}]';
  const { resources } = readConfig([{ file: 'fuzz', text: gatewayBefore(1, rules) }], { kinds });
  const { named, endpoints } = compile(
    { resources: resources.map(({ resource }) => resource), scope: gatewayScope },
    policyCompilers,
  );
  const plane = new Plane({ host, scope: gatewayScope });
  await plane.apply({ named, endpoints, keys: { version: '', sets: {} } });
  return plane;
}

const plane = await createPlane();

/** Due when somebody says so. */
class Timers {
  readonly #due = new Map<Deadline, number>();
  set(deadline: Deadline, afterMs: number): void {
    if (afterMs > 0) this.#due.set(deadline, afterMs);
    else this.#due.delete(deadline);
  }
  fire(): void {
    const due = [...this.#due.keys()];
    this.#due.clear();
    for (const deadline of due) deadline.onDue();
  }
}

/** Numbers the requests that are begun. */
class Counting extends Connection {
  begun: number = 0;
  override open(stream: ServerStream): ServerExchange {
    this.begun++;
    return super.open(stream);
  }
}

interface Line {
  readonly socket: MemorySocket;
  readonly reader: BytesReader;
  readonly backend: MemoryBackend;
}

interface Dial {
  readonly reader: BytesReader;
  readonly dialed: Dialed;
}

const MAX_STEPS = 100_000;

export class World {
  readonly front: MemorySocket = new MemorySocket();
  readonly ledger: Ledger;
  readonly faults: unknown[] = [];
  /** What the client has got. */
  received = '';
  readonly #random: Random;
  readonly #pieces: string[];
  readonly #lines: Line[] = [];
  readonly #dials: Dial[] = [];
  readonly #timers = new Timers();
  readonly #server: Http1Server;
  readonly #connection: Counting;

  constructor(pieces: readonly string[], seed: number) {
    this.#random = new Random(seed);
    this.#pieces = [...pieces];
    this.ledger = { seed, forwarded: [], bodies: new Map(), spoiled: new Set() };
    const onFault = (error: unknown): void => {
      this.faults.push(error);
    };
    const deadlines = this.#timers as unknown as ConnectionServices['deadlines'];
    const dial = (reader: BytesReader, dialed: Dialed): void => {
      this.#dials.push({ reader, dialed });
    };
    const pool = new Http1Pool({ dial, deadlines, limits: {}, onFault });
    const upstreams = {
      acquire: (_x: unknown, waiter: Waiter) => pool.acquire(waiter),
      cancel: (_x: unknown, waiter: Waiter) => pool.cancel(waiter),
    };
    const services = {
      upstreams,
      host,
      upgrades: new Set<string>(),
      onFault,
      limits: DEFAULT_CONNECTION_LIMITS,
      deadlines,
      isDraining: () => false,
    } as unknown as ConnectionServices;
    const peer = { ip: '192.0.2.1' };
    const facts = {
      plane,
      peer,
      scheme: 'http' as const,
      portOf: () => 80,
      onClosed: () => undefined,
    };
    this.#connection = new Counting(services, facts);
    this.#server = new Http1Server(this.#connection);
    this.#server.attach(this.front.asSocket);
  }

  /** Requests that the proxy has begun to decide on. */
  get begun(): number {
    return this.#connection.begun;
  }

  get isOver(): boolean {
    return this.front.destroyed || this.front.isEnded;
  }

  /** Pieces that the client could not send. */
  get unsent(): number {
    return this.#pieces.length;
  }

  /** Until nobody can do anything. False: there is no end to it. */
  settle(): boolean {
    for (let steps = 0; steps < MAX_STEPS; steps++) {
      const moves = this.#moves();
      if (moves.length === 0) return true;
      (moves.length === 1 ? moves[0] : this.#random.pick(moves))?.();
    }
    return false;
  }

  /** The client sends no more. */
  endClient(): void {
    if (!this.front.isClosed && !this.front.hasPeerEnded) this.front.endRead();
  }

  fireTimers(): void {
    this.#timers.fire();
  }

  #moves(): (() => void)[] {
    const moves: (() => void)[] = [];
    const { front } = this;
    const piece = this.#pieces[0];
    if (piece !== undefined && !front.destroyed && !front.isPaused && !front.hasPeerEnded)
      moves.push(() => this.#send());
    if (front.writableLength > 0) moves.push(() => (this.received += front.take()));
    else if (front.isEnded && !front.hasPeerEnded && !front.destroyed)
      moves.push(() => front.endRead());
    if (
      !front.isClosed &&
      (front.destroyed || (front.isEnded && front.hasPeerEnded)) &&
      front.writableLength === 0
    )
      moves.push(() => front.close());
    if (this.#dials.length > 0) moves.push(() => this.#connect());
    for (const line of this.#lines) this.#movesOf(line, moves);
    return moves;
  }

  #movesOf({ socket, reader, backend }: Line, moves: (() => void)[]): void {
    if (socket.isClosed) return;
    if (socket.destroyed) {
      moves.push(() => socket.close());
      return;
    }
    if (socket.writableLength > 0) moves.push(() => backend.feed(socket.take()));
    const said = backend.pieces[0];
    if (socket.isPaused || !socket.readable) {
      if (socket.isEnded && socket.hasPeerEnded) moves.push(() => socket.close());
      return;
    }
    if (said !== undefined)
      moves.push(() => {
        backend.pieces.shift();
        const bytes = Buffer.from(said, 'latin1');
        reader.onBytes(bytes, bytes.length);
      });
    else if (backend.ends || socket.isEnded) moves.push(() => socket.endRead());
  }

  #send(): void {
    const bytes = Buffer.from(this.#pieces.shift() ?? '', 'latin1');
    this.#server.onBytes(bytes, bytes.length);
    // The next read overwrites it.
    bytes.fill(0x21);
  }

  #connect(): void {
    const { reader, dialed } = this.#dials.shift() as Dial;
    enterTurn();
    try {
      if (this.#random.chance(0.01)) {
        this.ledger.spoiled.add(this.begun - 1);
        dialed.onFailed('connect-failure');
        return;
      }
      const socket = new MemorySocket(() => this.begun - 1);
      const backend = new MemoryBackend(socket, this.ledger, this.#lines.length);
      this.#lines.push({ socket, reader, backend });
      dialed.onConnected(socket.asSocket);
    } finally {
      leaveTurn();
    }
  }
}
