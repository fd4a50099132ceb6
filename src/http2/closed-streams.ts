/** Streams that ended not long ago: frames may still come that their peer sent before it knew. */
const CAPACITY = 256;

export class ClosedStreams {
  readonly #ids = new Int32Array(CAPACITY);
  #next = 0;

  add(id: number): void {
    this.#ids[this.#next] = id;
    this.#next = (this.#next + 1) % CAPACITY;
  }

  has(id: number): boolean {
    return this.#ids.includes(id);
  }
}
