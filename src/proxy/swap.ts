/** The configuration in force, behind one reference. */
import type { LinkedSnapshot } from './link.ts';

/**
 * What new requests begin with. A swap changes nothing for requests under way: each holds the linked snapshot that it
 * was begun with, and the old one goes when the last of them ends. Nothing is swapped that wasn't linked whole.
 */
export class CurrentSnapshot {
  #linked: LinkedSnapshot | undefined;
  #swaps = 0;

  /** Undefined = none was ever had: nothing can be served yet. */
  get linked(): LinkedSnapshot | undefined {
    return this.#linked;
  }

  /** How many were put in force. */
  get swaps(): number {
    return this.#swaps;
  }

  /** Puts the next one in force and gives back the one before; the same triple again changes nothing. */
  swap(next: LinkedSnapshot): LinkedSnapshot | undefined {
    const before = this.#linked;
    if (before !== undefined && samePointer(before, next)) return before;
    this.#linked = next;
    this.#swaps++;
    return before;
  }
}

function samePointer({ pointer: a }: LinkedSnapshot, { pointer: b }: LinkedSnapshot): boolean {
  return a.snapshot === b.snapshot && a.endpoints === b.endpoints && a.keys === b.keys;
}
