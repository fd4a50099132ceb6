/**
 * Proofs that were taken, until nobody would take them any more. In slots of time, so that what is over goes without a
 * look at each; bounded, and a peer who fills its share shuts itself out before others.
 */
const SLOT_MS = 10_000;

export interface ReplayOptions {
  /** @default 400000 */
  readonly maxEntries?: number;
  /** @default three quarters of it */
  readonly maxOfOne?: number;
}

const MAX_ENTRIES = 400_000;

/** Ids by who sent them. */
type Slot = Map<string, Set<string>>;

export class ReplayCache {
  readonly #maxEntries: number;
  readonly #maxOfOne: number;
  /** By the number of the slot in which an entry ends. */
  readonly #slots = new Map<number, Slot>();
  readonly #counts = new Map<string, number>();
  #size = 0;
  #sweptSlot = 0;

  constructor({ maxEntries = MAX_ENTRIES, maxOfOne }: ReplayOptions = {}) {
    this.#maxEntries = maxEntries;
    this.#maxOfOne = maxOfOne ?? Math.ceil((maxEntries * 3) / 4);
  }

  get size(): number {
    return this.#size;
  }

  /** Takes a proof that lasts until `untilMs`. @param id no other proof of `peer` has it */
  take(peer: string, id: string, untilMs: number, nowMs: number): 'taken' | 'seen' | 'full' {
    this.#sweep(Math.floor(nowMs / SLOT_MS));
    const number = Math.floor(untilMs / SLOT_MS);
    const ids = this.#slots.get(number)?.get(peer);
    if (ids?.has(id) === true) return 'seen';
    const count = this.#counts.get(peer) ?? 0;
    if (this.#size >= this.#maxEntries || count >= this.#maxOfOne) return 'full';
    (ids ?? this.#open(number, peer)).add(id);
    this.#counts.set(peer, count + 1);
    this.#size += 1;
    return 'taken';
  }

  #open(number: number, peer: string): Set<string> {
    const slot = this.#slots.get(number) ?? new Map<string, Set<string>>();
    const ids = new Set<string>();
    slot.set(peer, ids);
    this.#slots.set(number, slot);
    return ids;
  }

  #sweep(current: number): void {
    if (current <= this.#sweptSlot) return;
    this.#sweptSlot = current;
    for (const [number, slot] of this.#slots) {
      if (number >= current) continue;
      this.#slots.delete(number);
      for (const [peer, ids] of slot) this.#forget(peer, ids.size);
    }
  }

  #forget(peer: string, count: number): void {
    this.#size -= count;
    const left = (this.#counts.get(peer) ?? 0) - count;
    if (left > 0) this.#counts.set(peer, left);
    else this.#counts.delete(peer);
  }
}
