/** Those who wait for a connection of a pool, in their order, and no more of them than its limits say. */
import type { UpstreamFailure } from '../../src/model/error.ts';
import type { PoolLimits } from '../../src/model/snapshot.ts';
import type { Waiter } from './pool.ts';

/** Those who wait in all lines that count together. */
interface Waiting {
  waiting: number;
}

/** Each is a request that is held in memory. */
const DEFAULT_MAX_PENDING = 16_384;

export class WaitingLine {
  readonly #most: number;
  readonly #all: Waiting;
  #waiting: Waiter[] = [];
  /** They hear of it when the call that brought them is over, unless they have left by then. */
  readonly #refused: Set<Waiter> = new Set();

  /** @param all lines to one endpoint. @default this one alone */
  constructor(
    { maxPendingRequests = DEFAULT_MAX_PENDING }: PoolLimits,
    all: Waiting = { waiting: 0 },
  ) {
    this.#all = all;
    this.#most = Math.max(1, maxPendingRequests);
  }

  get length(): number {
    return this.#waiting.length;
  }

  /** False: too many wait already. */
  join(waiter: Waiter): boolean {
    if (this.#all.waiting < this.#most) {
      this.#all.waiting++;
      this.#waiting.push(waiter);
      return true;
    }
    this.#refused.add(waiter);
    queueMicrotask(() => {
      if (this.#refused.delete(waiter)) waiter.onNoStream('overflow');
    });
    return false;
  }

  leave(waiter: Waiter): void {
    this.#refused.delete(waiter);
    const at = this.#waiting.indexOf(waiter);
    if (at < 0) return;
    this.#all.waiting--;
    this.#waiting.splice(at, 1);
  }

  next(): Waiter | undefined {
    const next = this.#waiting.shift();
    if (next !== undefined) this.#all.waiting--;
    return next;
  }

  failAll(failure: UpstreamFailure): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#all.waiting -= waiting.length;
    for (const waiter of waiting) waiter.onNoStream(failure);
  }
}
