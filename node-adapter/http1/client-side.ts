/** A client's socket as its codec uses it: the way out, the time that there is, and whether it is read. */
import type { Socket } from 'node:net';
import type { Deadlines } from '../sockets/deadlines.ts';
import { Deadline } from '../sockets/deadlines.ts';
import { Outbox } from '../sockets/outbox.ts';
import { BodyWriter } from './body-writer.ts';

export interface ClientSideEvents {
  onEnd(): void;
  onClosed(): void;
  onDrain(): void;
  onDeadline(): void;
}

export class ClientSide {
  readonly outbox: Outbox;
  readonly out: BodyWriter;
  /** The response under way ends with the connection: nothing but a reset says that it isn't whole. */
  endsByClose: boolean = false;
  readonly #socket: Socket;
  readonly #deadlines: Deadlines;
  readonly #deadline: Deadline;
  readonly #listeners: readonly (readonly [string, () => void])[];
  #isPaused = false;

  constructor(socket: Socket, deadlines: Deadlines, events: ClientSideEvents) {
    this.#socket = socket;
    this.#deadlines = deadlines;
    this.outbox = new Outbox(socket);
    this.out = new BodyWriter(this.outbox);
    this.#deadline = new Deadline(() => events.onDeadline());
    this.#listeners = [
      ['end', () => events.onEnd()],
      ['error', () => socket.destroy()],
      ['close', () => events.onClosed()],
      ['drain', () => events.onDrain()],
    ];
    for (const [name, told] of this.#listeners) socket.on(name, told);
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  pause(): void {
    this.#isPaused = true;
    this.#socket.pause();
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#socket.resume();
  }

  /** `onDeadline` is called in so long, unless something else is said before; 0 = never. */
  await(afterMs: number): void {
    this.#deadlines.set(this.#deadline, afterMs);
  }

  /** Another goes on with the socket. */
  leave(): void {
    this.outbox.flush();
    this.await(0);
    for (const [name, told] of this.#listeners) this.#socket.removeListener(name, told);
    this.resume();
  }

  drop(): void {
    this.await(0);
    if (this.endsByClose) reset(this.#socket);
    else this.#socket.destroy();
  }
}

/** Sockets of some kinds have no reset; their peers see another way that the end is none. */
function reset(socket: Socket): void {
  try {
    socket.resetAndDestroy();
  } catch {
    socket.destroy();
  }
}
