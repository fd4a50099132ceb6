/** The first bytes of a socket that reads already, looked at before anybody has it: behind a CONNECT, and inside TLS. */
import type { Socket } from 'node:net';
import type { BytesReader } from '../sockets/reading.ts';

export interface BeginningOptions {
  /** From now on; when it is over `look` is asked once more, with what there is. */
  readonly timeoutMs: number;
  /** False: more is wanted. `isOver`: no more will come. `early` is lent. True: bytes go on to another (`handOn`). */
  look(early: Buffer, isOver: boolean): boolean;
  /** The client has gone before. */
  onGone(): void;
}

const NOTHING = Buffer.alloc(0);

export class Beginning implements BytesReader {
  readonly #options: BeginningOptions;
  readonly #socket: Socket;
  readonly #timer: NodeJS.Timeout;
  #early: Buffer = NOTHING;
  #next: BytesReader | undefined;
  readonly #onEnd = (): void => void this.#socket.destroy();
  readonly #onClose = (): void => {
    clearTimeout(this.#timer);
    if (this.#next === undefined) this.#options.onGone();
  };

  /** The socket is to read into this from now on. */
  constructor(socket: Socket, options: BeginningOptions) {
    this.#options = options;
    this.#socket = socket;
    this.#timer = setTimeout(() => void this.#ask(this.#early, true), options.timeoutMs);
    socket.on('end', this.#onEnd);
    socket.on('error', this.#onEnd);
    socket.on('close', this.#onClose);
  }

  onBytes(bytes: Buffer, length: number): void {
    if (this.#next !== undefined) {
      this.#next.onBytes(bytes, length);
      return;
    }
    const held = this.#early;
    const came = bytes.subarray(0, length);
    const early = held.length === 0 ? came : Buffer.concat([held, came]);
    if (!this.#ask(early, false)) this.#early = held.length === 0 ? Buffer.from(came) : early;
  }

  /** Within `look`. */
  handOn(next: BytesReader): void {
    this.#next = next;
    clearTimeout(this.#timer);
    this.#socket.removeListener('end', this.#onEnd);
    this.#socket.removeListener('close', this.#onClose);
  }

  #ask(early: Buffer, isOver: boolean): boolean {
    return this.#next !== undefined || this.#options.look(early, isOver);
  }
}
