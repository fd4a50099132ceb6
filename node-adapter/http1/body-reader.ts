/** A body on its way in, by the framing that its head declared. */
import { ChunkedReader, NO_TRAILERS } from '../../src/http1/index.ts';
import type {
  BodyFraming,
  BodySink,
  HeadFault,
  HeadLimits,
  Trailers,
} from '../../src/http1/index.ts';

export class BodyReader {
  #framing: BodyFraming = 0;
  #left = 0;
  #chunks: ChunkedReader | undefined;
  readonly #limits: HeadLimits;

  constructor(limits: HeadLimits) {
    this.#limits = limits;
  }

  begin(framing: BodyFraming): void {
    this.#framing = framing;
    this.#left = typeof framing === 'number' ? framing : 0;
    this.#chunks = framing === 'chunked' ? new ChunkedReader(this.#limits) : undefined;
  }

  /** How far the body goes in these bytes. */
  read(bytes: Uint8Array, start: number, end: number, sink: BodySink): number {
    if (this.#chunks !== undefined) return this.#chunks.read(bytes, start, end, sink);
    if (this.#framing === 'until-close') {
      sink.onBody(bytes, start, end);
      return end;
    }
    const stop = Math.min(end, start + this.#left);
    this.#left -= stop - start;
    if (stop > start) sink.onBody(bytes, start, stop);
    return stop;
  }

  get isWhole(): boolean {
    if (this.#chunks !== undefined) return this.#chunks.isDone;
    return this.#framing !== 'until-close' && this.#left === 0;
  }

  /** The end of the connection is the end of the body. */
  get endsWithConnection(): boolean {
    return this.#framing === 'until-close';
  }

  /** Why the body can't be read on. */
  get fault(): HeadFault | undefined {
    return this.#chunks?.fault;
  }

  get trailers(): Trailers {
    return this.#chunks?.trailers ?? NO_TRAILERS;
  }
}
