/** A point in time by the system's clock, which deadlines drift away from: days ahead by minutes. */
import { Deadline } from './deadlines.ts';
import type { Deadlines } from './deadlines.ts';

/** How long nobody looks at the clock. */
const MOST_MS = 30_000;

export class Moment {
  readonly #deadlines: Deadlines;
  readonly #atMs: number;
  readonly #onDue: () => void;
  readonly #deadline = new Deadline(() => this.#look());

  /** @param atMs since the epoch; what is past is due with the next tick */
  constructor(deadlines: Deadlines, atMs: number, onDue: () => void) {
    this.#deadlines = deadlines;
    this.#atMs = atMs;
    this.#onDue = onDue;
    this.#wait(atMs - Date.now());
  }

  /** It matters no more. */
  cancel(): void {
    this.#deadlines.set(this.#deadline, 0);
  }

  #wait(ms: number): void {
    this.#deadlines.set(this.#deadline, Math.min(MOST_MS, Math.max(1, ms)));
  }

  #look(): void {
    const leftMs = this.#atMs - Date.now();
    if (leftMs > 0) this.#wait(leftMs);
    else this.#onDue();
  }
}
