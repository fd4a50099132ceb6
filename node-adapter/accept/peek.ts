/** The first bytes of a connection, read before anybody decides who goes on with it. */
import type { Socket } from 'node:net';
import { divert } from '../sockets/reading.ts';
import type { BytesReader, ReadMode } from '../sockets/reading.ts';
import { enterTurn, leaveTurn } from '../sockets/turn.ts';

export interface PeekOptions {
  readonly mode: ReadMode;
  /** From now on; when it is over `look` is asked once more, with what there is. */
  readonly timeoutMs: number;
  /** False: more is wanted. `isOver`: no more will come. */
  look(early: Buffer, isOver: boolean): boolean;
  /** The client has gone. */
  onGone(): void;
}

/**
 * Reads a paused socket until `look` is content, and leaves it paused: nothing is lost, and what was read is the
 * looker's to hand on.
 */
export function peek(socket: Socket, options: PeekOptions): void {
  const looking = new Peek(socket, options);
  // Not resumed: as far as anybody sees it stays paused.
  if (divert(socket, looking, options.mode)) socket.read(0);
  else looking.readStream();
}

const NOTHING = Buffer.alloc(0);

class Peek implements BytesReader {
  readonly #socket: Socket;
  readonly #options: PeekOptions;
  readonly #timer: NodeJS.Timeout;
  readonly #onEnd = (): void => this.#decide();
  readonly #onClose = (): void => {
    this.#stop();
    this.#options.onGone();
  };
  #onReadable: (() => void) | undefined;
  #early: Buffer = NOTHING;
  #isOver = false;

  constructor(socket: Socket, options: PeekOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#timer = setTimeout(this.#onEnd, options.timeoutMs);
    socket.on('end', this.#onEnd);
    socket.on('close', this.#onClose);
  }

  /** By the stream's own buffer, where its reads can't be had. */
  readStream(): void {
    const socket = this.#socket;
    this.#onReadable = () => {
      while (!this.#isOver) {
        const chunk = socket.read() as Buffer | null;
        if (chunk === null) return;
        this.#take(chunk);
      }
    };
    socket.on('readable', this.#onReadable);
  }

  onBytes(bytes: Buffer, length: number): void {
    enterTurn();
    try {
      this.#read(bytes, length);
    } finally {
      leaveTurn();
    }
  }

  #read(bytes: Buffer, length: number): void {
    const chunk = Buffer.from(bytes.subarray(0, length));
    // TLS tells all that a read has brought, also to who has stopped: whoever goes on finds it in the stream.
    if (this.#isOver) {
      this.#socket.push(chunk);
      return;
    }
    // Before it is looked at: who goes on with the socket may begin to read at once.
    this.#socket.pause();
    if (!this.#take(chunk)) this.#socket.read(0);
  }

  /** True = it was enough. */
  #take(chunk: Buffer): boolean {
    this.#early = this.#early.length === 0 ? chunk : Buffer.concat([this.#early, chunk]);
    const isEnough = this.#options.look(this.#early, false);
    if (isEnough) this.#stop();
    return isEnough;
  }

  #decide(): void {
    const isEnough = this.#options.look(this.#early, true);
    this.#stop();
    if (!isEnough) this.#options.onGone();
  }

  #stop(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#timer);
    if (this.#onReadable !== undefined) this.#socket.removeListener('readable', this.#onReadable);
    this.#socket.removeListener('end', this.#onEnd);
    this.#socket.removeListener('close', this.#onClose);
  }
}
