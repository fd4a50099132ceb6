/** Counts what is cheap to send and not to take; the clock is asked only when a count is past its bound. */
import { floodFault } from './errors.ts';

export class Guard {
  #count = 0;
  #since: number;
  readonly #limit: number;
  readonly #intervalMs: number;
  readonly #nowMs: () => number;
  readonly #reason: string;

  constructor(reason: string, limit: number, intervalMs: number, nowMs: () => number) {
    this.#reason = reason;
    this.#limit = limit;
    this.#intervalMs = intervalMs;
    this.#nowMs = nowMs;
    this.#since = nowMs();
  }

  /** Throws ConnectionFault where there were too many in one interval. */
  count(): void {
    if (++this.#count <= this.#limit) return;
    const now = this.#nowMs();
    if (now - this.#since < this.#intervalMs) throw floodFault(this.#reason);
    this.#since = now;
    this.#count = 1;
  }

  /** Something that makes `worth` of them plausible. */
  credit(worth: number): void {
    this.#count = Math.max(0, this.#count - worth);
  }
}
