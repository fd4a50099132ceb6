/** Names of keys that were asked for in vain: nobody is asked for them again for a while. */

const FORGET_MS = 300_000;
const MAX_KIDS = 1000;
/** Longer names are no issuer's; they would fill the memory. */
const MAX_LENGTH = 256;

export class UnknownKids {
  readonly #untilMs = new Map<string, number>();
  /** What the set was when they weren't in it. */
  #keys: unknown;

  /** Is it known that this set lacks it? */
  has(kid: string, keys: unknown, nowMs: number): boolean {
    if (kid.length > MAX_LENGTH) return true;
    return this.#keys === keys && nowMs < (this.#untilMs.get(kid) ?? 0);
  }

  add(kid: string, keys: unknown, nowMs: number): void {
    if (kid.length > MAX_LENGTH) return;
    // Other keys are another question.
    if (this.#keys !== keys) this.#untilMs.clear();
    this.#keys = keys;
    if (this.#untilMs.size >= MAX_KIDS) {
      const [oldest] = this.#untilMs.keys();
      if (oldest !== undefined) this.#untilMs.delete(oldest);
    }
    this.#untilMs.delete(kid);
    this.#untilMs.set(kid, nowMs + FORGET_MS);
  }
}
