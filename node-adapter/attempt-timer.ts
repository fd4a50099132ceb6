/** How long an attempt may take. */
import { takeTurn } from './sockets/turn.ts';

export class AttemptTimer {
  readonly #onTimeout: () => void;
  readonly #onFault: (error: unknown) => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(onTimeout: () => void, onFault: (error: unknown) => void) {
    this.#onTimeout = onTimeout;
    this.#onFault = onFault;
  }

  /** The one before counts no more. */
  start(afterMs: number): void {
    this.clear();
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      takeTurn(this.#onTimeout, this.#onFault);
    }, afterMs);
  }

  clear(): void {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
