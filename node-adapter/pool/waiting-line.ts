/** Those who wait for a connection of a pool, in their order, and no more of them than its limits say. */
import type { UpstreamFailure } from '../../src/model/error.ts';
import type { PoolLimits } from '../../src/model/snapshot.ts';
import type { Waiter } from './pool.ts';

/** Each is a request that is held in memory. */
const DEFAULT_MAX_PENDING = 16_384;

export class WaitingLine {
  readonly #most: number;
  #waiting: Waiter[] = [];
  /** They hear of it when the call that brought them is over, unless they have left by then. */
  readonly #refused: Set<Waiter> = new Set();

  constructor({ maxPendingRequests = DEFAULT_MAX_PENDING }: PoolLimits) {
    this.#most = Math.max(1, maxPendingRequests);
  }

  get length(): number {
    return this.#waiting.length;
  }

  /** False: too many wait already. */
  join(waiter: Waiter): boolean {
    if (this.#waiting.length < this.#most) {
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
    if (at >= 0) this.#waiting.splice(at, 1);
  }

  next(): Waiter | undefined {
    return this.#waiting.shift();
  }

  failAll(failure: UpstreamFailure): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const waiter of waiting) waiter.onNoStream(failure);
  }
}
