/** How long an attempt may take. */
import { enterTurn, leaveTurn } from './sockets/turn.ts';

export class AttemptTimer {
  readonly #onTimeout: () => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(onTimeout: () => void) {
    this.#onTimeout = onTimeout;
  }

  /** The one before counts no more. */
  start(afterMs: number): void {
    this.clear();
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      enterTurn();
      try {
        this.#onTimeout();
      } finally {
        leaveTurn();
      }
    }, afterMs);
  }

  clear(): void {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
