/** The beginning of a message, kept until enough of it is there to decide. */

const NOTHING = Buffer.alloc(0);
const FIRST_BYTES = 1024;
/** What each may keep whatever others do. */
const FREE_BYTES = 65_536;
/** Of all messages of a worker together, beyond what each may keep anyway. */
const MAX_HELD_BYTES = 134_217_728;

/** Shared by all who hold. */
export class HeldBudget {
  #left: number;

  constructor(bytes: number = MAX_HELD_BYTES) {
    this.#left = bytes;
  }

  take(bytes: number): boolean {
    if (bytes > this.#left) return false;
    this.#left -= bytes;
    return true;
  }

  give(bytes: number): void {
    this.#left += bytes;
  }
}

export class HeldMessage {
  readonly #budget: HeldBudget;
  #bytes = NOTHING;
  #length = 0;
  /** Of the budget. */
  #taken = 0;

  constructor(budget: HeldBudget) {
    this.#budget = budget;
  }

  get length(): number {
    return this.#length;
  }

  /** A view: good until the next call. */
  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Copied. False: there is no room for it. */
  add(bytes: Buffer, start: number, end: number): boolean {
    const length = this.#length + end - start;
    if (length > this.#bytes.length && !this.#grow(length)) return false;
    bytes.copy(this.#bytes, this.#length, start, end);
    this.#length = length;
    return true;
  }

  /** Hands over what is held: it counts until `clear`, after which another may be held. */
  release(): Buffer {
    const { bytes } = this;
    this.#bytes = NOTHING;
    this.#length = 0;
    return bytes;
  }

  /** Nothing is held, and nothing that was handed over is kept. */
  clear(): void {
    this.release();
    this.#budget.give(this.#taken);
    this.#taken = 0;
  }

  #grow(length: number): boolean {
    const size = Math.max(FIRST_BYTES, length, this.#bytes.length * 2);
    const taken = Math.max(0, size - FREE_BYTES);
    if (!this.#budget.take(taken - this.#taken)) return false;
    this.#taken = taken;
    const grown = Buffer.allocUnsafe(size);
    this.#bytes.copy(grown, 0, 0, this.#length);
    this.#bytes = grown;
    return true;
  }
}
