/** Flow control of what comes in: windows are filled up again as their streams are read. RFC 9113, 6.9. */
import { ConnectionFault, ErrorCode } from './errors.ts';
import type { Http2Limits } from './limits.ts';
import type { Sender } from './sender.ts';
import type { Stream } from './stream.ts';

export const FIRST_WINDOW = 65_535;

export class Receiver {
  readonly #sender: Sender;
  readonly #limits: Http2Limits;
  #window: number;
  #consumed = 0;

  constructor(sender: Sender, limits: Http2Limits) {
    this.#sender = sender;
    this.#limits = limits;
    this.#window = Math.max(FIRST_WINDOW, limits.connectionWindow);
  }

  /** The connection's window is larger than what every connection begins with. */
  begin(): void {
    const more = this.#window - FIRST_WINDOW;
    if (more > 0) this.#sender.windowUpdate(0, more);
  }

  /** A stream was opened. Until a peer has read our settings it may assume the window of the RFC. */
  open(stream: Stream): void {
    stream.receiveWindow = Math.max(FIRST_WINDOW, this.#limits.streamWindow);
    stream.receiveTarget = this.#limits.streamWindow;
  }

  /** A frame's payload. */
  take(length: number): void {
    if (length > this.#window)
      throw new ConnectionFault(ErrorCode.flowControlError, 'connection_window_exceeded');
    this.#window -= length;
  }

  /** False = more than its window lets in. */
  takeStream(stream: Stream, length: number): boolean {
    if (length > stream.receiveWindow) return false;
    stream.receiveWindow -= length;
    return true;
  }

  /** What nobody keeps. */
  drop(length: number): void {
    this.#consumed += length;
    // Of what streams that pause keep nothing can be given back: half of what is left counts.
    const isEarly = this.#consumed < this.#window;
    if (isEarly && this.#consumed * 2 < this.#limits.connectionWindow) return;
    this.#sender.windowUpdate(0, this.#consumed);
    this.#window += this.#consumed;
    this.#consumed = 0;
  }

  /** What a stream was given. */
  consume(stream: Stream, length: number): void {
    stream.consumed += length;
    if (stream.isPaused && !stream.isClosed) {
      stream.withheld += length;
      return;
    }
    this.drop(length);
    this.#fill(stream);
  }

  /** The stream is read on, or closed. */
  release(stream: Stream): void {
    const { withheld } = stream;
    stream.withheld = 0;
    if (withheld > 0) this.drop(withheld);
    this.#fill(stream);
  }

  /** A reader that has kept up once is let further ahead from then on. */
  #fill(stream: Stream): void {
    if (stream.isRemoteEnded || stream.isClosed) return;
    if (stream.consumed * 2 < stream.receiveTarget) return;
    stream.consumed = 0;
    stream.receiveTarget = Math.max(stream.receiveTarget, this.#limits.maxStreamWindow);
    const more = stream.receiveTarget - stream.receiveWindow;
    if (more <= 0) return;
    stream.receiveWindow += more;
    this.#sender.windowUpdate(stream.id, more);
  }
}
