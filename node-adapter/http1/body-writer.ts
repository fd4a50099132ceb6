/** A body on its way out, framed as its head said. */
import { chunkStart, chunksEnd } from '../../src/http1/index.ts';
import type { BodyFraming, Trailers } from '../../src/http1/index.ts';
import type { Outbox } from '../sockets/outbox.ts';

export class BodyWriter {
  readonly #outbox: Outbox;
  #framing: BodyFraming = 0;
  #left = 0;

  constructor(outbox: Outbox) {
    this.#outbox = outbox;
  }

  begin(framing: BodyFraming): void {
    this.#framing = framing;
    this.#left = typeof framing === 'number' ? framing : 0;
  }

  /** What goes beyond a declared length isn't sent: it would be read as the next message. */
  write(bytes: Uint8Array, start: number, end: number): void {
    if (end === start) return;
    const outbox = this.#outbox;
    if (this.#framing === 'chunked') {
      outbox.text(chunkStart(end - start));
      outbox.bytes(bytes, start, end);
      outbox.text('\r\n');
      return;
    }
    if (this.#framing === 'until-close') {
      outbox.bytes(bytes, start, end);
      return;
    }
    const stop = Math.min(end, start + this.#left);
    this.#left -= stop - start;
    outbox.bytes(bytes, start, stop);
  }

  /** False: less came than was declared, so the connection must not go on. */
  end(trailers: Trailers): boolean {
    if (this.#framing === 'chunked') this.#outbox.text(chunksEnd(trailers));
    return this.#left === 0;
  }
}
