import type { BodyStart } from '../model/exchange.ts';

/**
 * A request body of unknown length that may have to be sent again: it streams on as it comes, and what passed is
 * kept up to a limit. Past it nothing is kept, and nothing can be repeated.
 */
export class RequestBody {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #limit: number;
  readonly #onTooLarge: () => void;
  /** What is kept; the first of them is number `#base` of the whole body. */
  readonly #chunks: Uint8Array[] = [];
  #base = 0;
  #size = 0;
  #isDone = false;
  #reading: Promise<void> | undefined;

  /** `onTooLarge` is called once, when more than `limit` bytes came. */
  constructor(body: ReadableStream<Uint8Array>, limit: number, onTooLarge: () => void) {
    this.#reader = body.getReader();
    this.#limit = limit;
    this.#onTooLarge = onTooLarge;
  }

  /** The whole body for one attempt; a broken attempt before it takes nothing away from it. */
  open(): ReadableStream<Uint8Array> {
    let next = this.#base;
    return new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          while (next - this.#base >= this.#chunks.length && !this.#isDone) await this.#readMore();
          const chunk = this.#chunks[next - this.#base];
          if (chunk === undefined) {
            controller.close();
            return;
          }
          next++;
          controller.enqueue(chunk);
          this.#dropUntil(next);
        },
      },
      { highWaterMark: 0 },
    );
  }

  /** The first bytes of it, read ahead; `open` gives them again. */
  async peek(maxBytes: number): Promise<BodyStart> {
    while (this.#size <= maxBytes && !this.#isDone) await this.#readMore();
    const bytes = new Uint8Array(Math.min(this.#size, maxBytes));
    let at = 0;
    for (const chunk of this.#chunks) {
      if (at >= bytes.length) break;
      bytes.set(chunk.subarray(0, bytes.length - at), at);
      at += chunk.length;
    }
    return { bytes, isWhole: this.#isDone && this.#size <= maxBytes };
  }

  /** Nobody will send it any more. */
  async cancel(): Promise<void> {
    await this.#reader.cancel().catch(() => undefined);
  }

  #dropUntil(next: number): void {
    if (this.#size <= this.#limit) return;
    this.#chunks.splice(0, next - this.#base);
    this.#base = next;
  }

  /** One read for all who wait: an attempt that is over may still have one under way. */
  #readMore(): Promise<void> {
    this.#reading ??= this.#reader
      .read()
      .then(({ done, value }) => {
        if (done) this.#isDone = true;
        else this.#keep(value);
        return undefined;
      })
      .finally(() => {
        this.#reading = undefined;
      });
    return this.#reading;
  }

  #keep(chunk: Uint8Array): void {
    const fitted = this.#size <= this.#limit;
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    if (fitted && this.#size > this.#limit) this.#onTooLarge();
  }
}

/** Bounds a body of unknown length on its way: counted as it passes, nothing kept. */
export class BodyBound {
  /** More than the bound came. */
  isTooLarge = false;
  readonly #maxBytes: number;
  #abort: AbortController | undefined;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Cut off together with the body: without it a response under way would look whole. */
  guard(attempt: AbortController): void {
    this.#abort = attempt;
  }

  /** The body up to the bound, and an error in place of what is past it; counted anew for each attempt. */
  over(body: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
    const reader = body.getReader();
    let left = this.#maxBytes;
    return new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          const { done, value } = await reader.read();
          if (done) {
            controller.close();
            return;
          }
          left -= value.length;
          if (left >= 0) {
            controller.enqueue(value);
            return;
          }
          this.isTooLarge = true;
          controller.error(new RangeError('the request body is larger than its bound'));
          this.#abort?.abort();
          await reader.cancel().catch(() => undefined);
        },
        cancel: (reason) => reader.cancel(reason),
      },
      { highWaterMark: 0 },
    );
  }
}
