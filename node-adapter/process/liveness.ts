/**
 * Whether a process still answers. Time is counted in turns of its supervisor, each of which finds an answer owed or not: a
 * machine that sleeps, or a supervisor that is stopped or starved as well, counts for one turn at most.
 */

/** Turns that a process has for its first word: Node starts, and reads its code, on a machine that may be busy. */
const FIRST_TURNS = 60;

export interface LivenessOptions {
  /** Settles when the process says something, be it a refusal. */
  readonly ask: () => Promise<unknown>;
  /** Turns that it may let pass; 0 = any number. */
  readonly limit: number;
}

export class Liveness {
  readonly #ask: () => Promise<unknown>;
  readonly #limit: number;
  #isOwed = false;
  #hasSpoken = false;
  #silent = 0;

  constructor({ ask, limit }: LivenessOptions) {
    this.#ask = ask;
    this.#limit = limit;
  }

  /** Turns since an answer is owed. */
  get silent(): number {
    return this.#silent;
  }

  /** It did something else that it was told, so it runs. */
  spoke(): void {
    this.#hasSpoken = true;
  }

  /** One question at a time. True, once: it has been silent for too long. */
  turn(): boolean {
    if (!this.#isOwed) {
      this.#isOwed = true;
      const heard = (): void => this.#heard();
      void this.#ask().then(heard, heard);
      return false;
    }
    this.#silent++;
    const limit = this.#hasSpoken ? this.#limit : Math.max(this.#limit, FIRST_TURNS);
    return this.#limit > 0 && this.#silent === limit;
  }

  #heard(): void {
    this.#isOwed = false;
    this.#hasSpoken = true;
    this.#silent = 0;
  }
}
