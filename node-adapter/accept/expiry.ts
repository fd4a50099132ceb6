/** The end of a connection whose client is known by a certificate: what that proved ends with it. */
import type { Deadlines } from '../sockets/deadlines.ts';
import { Moment } from '../sockets/moment.ts';

export interface ExpiryOptions {
  /** Ms since the epoch. */
  readonly expiresMs: number;
  /** For what is under way then. */
  readonly graceMs: number;
  readonly deadlines: Deadlines;
  /** Ends behind what is under way. */
  drain(): void;
  /** Ends now. */
  cut(): void;
}

export class Expiry {
  readonly #options: ExpiryOptions;
  #next: Moment;

  constructor(options: ExpiryOptions) {
    this.#options = options;
    this.#next = new Moment(options.deadlines, options.expiresMs, () => this.#drain());
  }

  /** The connection is over. */
  cancel(): void {
    this.#next.cancel();
  }

  #drain(): void {
    const { deadlines, graceMs } = this.#options;
    this.#next = new Moment(deadlines, Date.now() + graceMs, () => this.#options.cut());
    this.#options.drain();
  }
}
