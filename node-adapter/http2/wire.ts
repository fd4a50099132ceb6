/** Between a connection's bytes and its socket: what one poll of the event loop brought about, in one write. */
import type { Socket } from 'node:net';
import type { ByteTools, Sender } from '../../src/http2/index.ts';
import type { Dirty } from '../sockets/turn.ts';
import { markLate } from './late.ts';

/** More than this on its way to a slow receiver, and its sources are paused. */
const HIGH_WATER = 131_072;
/** A buffer that has grown beyond it isn't kept. */
const KEPT_BYTES = 262_144;

const read = Buffer.prototype.latin1Slice;
const write = Buffer.prototype.latin1Write;

/** What Node does faster than portable code. Their methods take any Uint8Array for `this`. */
export const NODE_BYTES: ByteTools = {
  allocate: (size) => Buffer.allocUnsafeSlow(size),
  text: (bytes, start, end) => read.call(bytes, start, end),
  put(text, into, at) {
    write.call(into, text, at);
  },
};

/** The side of the connection that the wire tells of its socket. */
export interface WireOwner {
  readonly sender: Sender;
  /** What was written is handed on. @param unsentBytes of it that the system hasn't taken */
  onFlushed(unsentBytes: number): void;
}

export class Wire implements Dirty {
  readonly #socket: Socket;
  readonly #owner: WireOwner;
  readonly #onDrain: () => void;
  #isDirty = false;
  #isEnding = false;
  /** Writes don't finish at once: they keep their bytes, so that each gets some of its own. */
  #isSlow = false;
  #hasWaiters = false;

  constructor(socket: Socket, owner: WireOwner, onDrain: () => void) {
    this.#socket = socket;
    this.#owner = owner;
    this.#onDrain = onDrain;
  }

  mark(): void {
    if (this.#isDirty) return;
    this.#isDirty = true;
    markLate(this);
  }

  /** Half-closes behind what was written. */
  end(): void {
    this.#isEnding = true;
    this.mark();
  }

  /** Who is told yes hears of it when that changes. */
  get isFull(): boolean {
    const isFull = this.#socket.writableNeedDrain || this.#owner.sender.out.length > HIGH_WATER;
    if (isFull) this.#hasWaiters = true;
    return isFull;
  }

  /** The socket says so, or a flush that left nothing behind. */
  onDrain(): void {
    if (this.#socket.writableLength === 0) this.#owner.onFlushed(0);
    if (!this.#hasWaiters || this.#socket.writableNeedDrain) return;
    this.#hasWaiters = false;
    this.#onDrain();
  }

  flush(): void {
    this.#isDirty = false;
    const socket = this.#socket;
    const { out } = this.#owner.sender;
    if (out.length > 0 && socket.writable) this.#write();
    out.length = 0;
    this.#owner.onFlushed(socket.writableLength);
    if (this.#isEnding && socket.writable) socket.end();
    this.onDrain();
  }

  #write(): void {
    const socket = this.#socket;
    const { out } = this.#owner.sender;
    const bytes = out.bytes as Buffer;
    if (this.#isSlow && out.length < HIGH_WATER) {
      const copy = Buffer.allocUnsafe(out.length);
      bytes.copy(copy, 0, 0, out.length);
      socket.write(copy);
      this.#isSlow = socket.writableLength > 0;
      return;
    }
    socket.write(bytes.subarray(0, out.length));
    this.#isSlow = socket.writableLength > 0;
    if (this.#isSlow || bytes.length > KEPT_BYTES) out.renew();
  }
}
