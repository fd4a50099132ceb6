/** A token bucket that fills as time passes: bursts up to its size, on average its rate. */
export interface TokenBucketOptions {
  /** Tokens that fit, and with which it starts. */
  readonly size: number;
  /** Tokens that come in a second. */
  readonly perSecond: number;
}

export class TokenBucket {
  readonly #size: number;
  readonly #perMs: number;
  #tokens: number;
  #filledMs: number;

  /** @throws RangeError when the bucket could never give a token. */
  constructor(options: TokenBucketOptions, nowMs: number) {
    const { size, perSecond } = options;
    if (!(size >= 1 && perSecond >= 0))
      throw new RangeError(`a bucket of ${size} tokens and ${perSecond} a second gives none`);
    this.#size = size;
    this.#perMs = perSecond / 1000;
    this.#tokens = size;
    this.#filledMs = nowMs;
  }

  /** Takes the tokens, all or none; false = there aren't enough. */
  take(nowMs: number, count = 1): boolean {
    this.#fill(nowMs);
    if (this.#tokens < count) return false;
    this.#tokens -= count;
    return true;
  }

  /** Until `count` tokens will be there, if nobody else takes any; Infinity = never. */
  waitMs(nowMs: number, count = 1): number {
    this.#fill(nowMs);
    const missing = count - this.#tokens;
    if (missing <= 0) return 0;
    return count > this.#size ? Infinity : missing / this.#perMs;
  }

  /** A wall clock may step back: that gives no tokens, and takes none. */
  #fill(nowMs: number): void {
    const passedMs = nowMs - this.#filledMs;
    this.#filledMs = nowMs;
    if (passedMs > 0) this.#tokens = Math.min(this.#size, this.#tokens + passedMs * this.#perMs);
  }
}
