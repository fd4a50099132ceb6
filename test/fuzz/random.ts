/** Draws that a seed repeats: a failing run is named by one number. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
    // Seeds that follow each other begin alike otherwise.
    for (let i = 0; i < 4; i++) this.uint();
  }

  /** splitmix32. */
  uint(): number {
    this.#state = (this.#state + 0x9e3779b9) >>> 0;
    let z = this.#state;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return (z ^ (z >>> 16)) >>> 0;
  }

  /** Both ends count. */
  int(min: number, max: number): number {
    return min + (this.uint() % (max - min + 1));
  }

  chance(share: number): boolean {
    return this.uint() / 2 ** 32 < share;
  }

  pick<Value>(list: readonly Value[]): Value {
    return list[this.uint() % list.length] as Value;
  }

  shuffled<Value>(list: readonly Value[]): Value[] {
    const out = [...list];
    for (let i = out.length - 1; i > 0; i--) {
      const j = this.int(0, i);
      [out[i], out[j]] = [out[j] as Value, out[i] as Value];
    }
    return out;
  }

  some<Value>(list: readonly Value[], most: number): Value[] {
    return this.shuffled(list).slice(0, this.int(0, Math.min(most, list.length)));
  }
}
