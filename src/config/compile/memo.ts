/**
 * Results of compile's steps, kept beside what they were made from and gone when that goes: a second run over nearly
 * the same resources does little again, and gives what it would have given without the first.
 */

/** Whose result it is. Of each slot the latest result is kept for as long as the owner lives. */
export interface Key {
  readonly owner: object;
  readonly slot: string;
  /** All that the result depends on besides owner and slot; compared one by one, by identity. */
  readonly inputs: readonly unknown[];
}

export interface Kept {
  readonly inputs: readonly unknown[];
  readonly value: unknown;
}

export function sameItems(a: readonly unknown[], b: readonly unknown[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

const NONE: readonly never[] = [];

/** Most lists that are kept are empty, and there are many. */
export function compact<T>(list: readonly T[]): readonly T[] {
  return list.length === 0 ? NONE : list;
}

export class Memo {
  readonly #kept = new WeakMap<object, Map<string, Kept>>();

  /** `make` may read nothing but what stands in the key. */
  keep<T>({ owner, slot, inputs }: Key, make: () => T): T {
    const kept = this.find(owner, slot);
    if (kept !== undefined && sameItems(kept.inputs, inputs)) return kept.value as T;
    const value = make();
    this.set(owner, slot, { inputs: compact(inputs), value });
    return value;
  }

  find(owner: object, slot: string): Kept | undefined {
    return this.#kept.get(owner)?.get(slot);
  }

  set(owner: object, slot: string, kept: Kept): void {
    const slots = this.#kept.get(owner);
    if (slots === undefined) this.#kept.set(owner, new Map([[slot, kept]]));
    else slots.set(slot, kept);
  }
}
