/**
 * A request's body on its way through a relay: what came before there was anywhere to send it, and, while the attempt
 * may be repeated, what was sent already. Bounded: past its limit the client is paused, or nothing can be repeated.
 */
import type { BodyStart } from '../src/model/exchange.ts';
import type { BodyTarget } from './stream.ts';

/** Of a body that may be sent again. */
export const MAX_KEPT_BYTES = 65_536;

interface Peek {
  readonly maxBytes: number;
  resolve(start: BodyStart): void;
}

export class KeptBody {
  readonly #chunks: Buffer[] = [];
  #bytes = 0;
  /** Chunks that the attempt under way has got, and their bytes. */
  #sent = 0;
  #sentBytes = 0;
  /** Everything that came is still here. */
  #isKept = true;
  #isWhole = false;
  #peek: Peek | undefined;

  /** More came than may be kept: the client should wait until it is sent. */
  get isFull(): boolean {
    return this.#bytes - this.#sentBytes >= Math.max(MAX_KEPT_BYTES, this.#peek?.maxBytes ?? 0);
  }

  /** The whole body, as far as it came, can be sent again. */
  get isReplayable(): boolean {
    return this.#isKept;
  }

  /** Keeps a copy. */
  push(bytes: Uint8Array, start: number, end: number): void {
    this.#chunks.push(Buffer.from(bytes.subarray(start, end)));
    this.#bytes += end - start;
    this.#answerPeek();
  }

  /** The client has sent all. */
  end(): void {
    this.#isWhole = true;
    this.#answerPeek();
  }

  /** The first bytes of it, as soon as there are so many or no more. */
  peek(maxBytes: number): Promise<BodyStart> {
    return new Promise((resolve) => {
      this.#peek = { maxBytes, resolve };
      this.#answerPeek();
    });
  }

  /** All of it as it is now, for who sends it at another time. */
  pieces(): readonly Buffer[] {
    return [...this.#chunks];
  }

  /** All of it for an attempt that begins. */
  sendAll(target: BodyTarget): void {
    for (const chunk of this.#chunks) target.write(chunk, 0, chunk.length);
    this.#noteSent();
  }

  /** What was just pushed, to the attempt under way. */
  sendLast(target: BodyTarget): void {
    const chunk = this.#chunks.at(-1);
    if (chunk !== undefined) target.write(chunk, 0, chunk.length);
    this.#noteSent();
  }

  /** Nothing is to be repeated any more. */
  drop(): void {
    if (this.#sent === 0) return;
    this.#isKept = false;
    this.#chunks.splice(0, this.#sent);
    this.#sent = 0;
    this.#bytes -= this.#sentBytes;
    this.#sentBytes = 0;
  }

  #noteSent(): void {
    this.#sent = this.#chunks.length;
    this.#sentBytes = this.#bytes;
    if (this.#bytes > MAX_KEPT_BYTES) this.drop();
  }

  #answerPeek(): void {
    const peek = this.#peek;
    // One more byte than asked for says that there is more.
    if (peek === undefined || (!this.#isWhole && this.#bytes <= peek.maxBytes)) return;
    this.#peek = undefined;
    const all = Buffer.concat(this.#chunks);
    const isWhole = this.#isWhole && all.length <= peek.maxBytes;
    peek.resolve({ bytes: all.subarray(0, peek.maxBytes), isWhole });
  }
}
