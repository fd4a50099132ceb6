/** The way out of a socket: text and bytes of one turn in one write, in order. */
import type { Socket } from 'node:net';
import type { Dirty } from './turn.ts';
import { markDirty } from './turn.ts';

/** Below it bytes travel as text: one string is written faster than a string and a buffer. */
const TEXT_LIMIT = 16_384;

export class Outbox implements Dirty {
  readonly #socket: Socket;
  #text = '';
  #isDirty = false;
  #isEnding = false;
  #given = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Characters of one byte each. */
  text(text: string): void {
    this.#text += text;
    this.#mark();
  }

  /** Copied, so that they may be overwritten. */
  bytes(bytes: Uint8Array, start: number, end: number): void {
    // Bodies of replies are bytes of any make.
    const buffer = Buffer.isBuffer(bytes)
      ? bytes
      : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (end - start <= TEXT_LIMIT) {
      this.#text += buffer.latin1Slice(start, end);
      this.#mark();
      return;
    }
    const { length } = this.#text;
    const whole = Buffer.allocUnsafe(length + end - start);
    if (length > 0) whole.latin1Write(this.#text, 0, length);
    this.#text = '';
    buffer.copy(whole, length, start, end);
    this.#send(whole);
  }

  /** Half-closes behind what was written. */
  end(): void {
    this.#isEnding = true;
    this.#mark();
  }

  flush(): void {
    this.#isDirty = false;
    const text = this.#text;
    this.#text = '';
    if (text !== '') this.#send(text);
    if (this.#isEnding && this.#socket.writable) this.#socket.end();
  }

  /** Bytes handed to the socket so far: what its own `bytesWritten` says, without asking the system. */
  get given(): number {
    return this.#given;
  }

  /** What was written hasn't left yet: the socket says `drain` when it has. */
  get isFull(): boolean {
    return this.#socket.writableNeedDrain;
  }

  /** All that was given has been handed to the system. */
  get isEmpty(): boolean {
    return this.#text === '' && this.#socket.writableLength === 0;
  }

  #mark(): void {
    if (this.#isDirty) return;
    this.#isDirty = true;
    markDirty(this);
  }

  #send(data: string | Buffer): void {
    if (!this.#socket.writable) return;
    this.#given += data.length;
    if (typeof data === 'string') this.#socket.write(data, 'latin1');
    else this.#socket.write(data);
  }
}
