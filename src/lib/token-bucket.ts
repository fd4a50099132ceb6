/** Tokens that come back continuously; one timestamp, no timer. */
export class TokenBucket {
  readonly #perMs: number;
  readonly #max: number;
  #tokens: number;
  #atMs: number;

  /** Starts full. */
  constructor(limit: { readonly max: number; readonly perSecond: number }, nowMs: number) {
    this.#max = limit.max;
    this.#perMs = limit.perSecond / 1000;
    this.#tokens = limit.max;
    this.#atMs = nowMs;
  }

  /** Takes `count` tokens if they are there. */
  take(nowMs: number, count = 1): boolean {
    const refilled = this.#tokens + Math.max(0, nowMs - this.#atMs) * this.#perMs;
    this.#tokens = Math.min(this.#max, refilled);
    this.#atMs = Math.max(this.#atMs, nowMs);
    if (this.#tokens < count) return false;
    this.#tokens -= count;
    return true;
  }
}
