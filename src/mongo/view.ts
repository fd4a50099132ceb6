/**
 * The bytes of one message by their place in it, even where its middle was thrown away: what matters stands in its
 * first and last few kilobytes, and whole values in between are skipped by their length.
 */
export class View {
  readonly length: number;
  readonly #bytes: Uint8Array;
  /** Of the message's first byte in `bytes`. */
  readonly #start: number;
  readonly #gapStart: number;
  readonly #gapEnd: number;

  /** @param gap places of the message that `bytes` doesn't have; @default none */
  constructor(
    bytes: Uint8Array,
    start: number,
    length: number,
    gap: readonly [start: number, end: number] = [length, length],
  ) {
    this.#bytes = bytes;
    this.#start = start;
    this.length = length;
    [this.#gapStart, this.#gapEnd] = gap;
  }

  /** -1 = it isn't there. */
  byte(at: number): number {
    const place = this.#place(at);
    return place < 0 ? -1 : (this.#bytes[place] as number);
  }

  /** Undefined = not all of it is there. */
  int32(at: number): number | undefined {
    const value = this.uint32(at);
    return value === undefined ? undefined : value | 0;
  }

  uint32(at: number): number | undefined {
    const place = this.#span(at, 4);
    if (place < 0) return undefined;
    const bytes = this.#bytes;
    return (
      ((bytes[place] as number) |
        ((bytes[place + 1] as number) << 8) |
        ((bytes[place + 2] as number) << 16) |
        ((bytes[place + 3] as number) << 24)) >>>
      0
    );
  }

  /** 64 bits as 16 hex digits: they are compared, never counted with. */
  hex64(at: number): string | undefined {
    const low = this.uint32(at);
    const high = this.uint32(at + 4);
    if (low === undefined || high === undefined) return undefined;
    return high.toString(16).padStart(8, '0') + low.toString(16).padStart(8, '0');
  }

  double(at: number): number | undefined {
    const place = this.#span(at, 8);
    if (place < 0) return undefined;
    const { buffer, byteOffset } = this.#bytes;
    return new DataView(buffer, byteOffset + place, 8).getFloat64(0, true);
  }

  /** UTF-8 up to `end`, cut off behind `max` bytes; undefined = it isn't there. */
  text(at: number, end: number, max: number): string | undefined {
    const stop = Math.min(end, at + max);
    const place = this.#span(at, stop - at);
    if (place < 0) return undefined;
    let text = '';
    for (let i = place; i < place + stop - at; i++) {
      const byte = this.#bytes[i] as number;
      if (byte >= 0x80) return decoder.decode(this.#bytes.subarray(place, place + stop - at));
      text += String.fromCharCode(byte);
    }
    return text;
  }

  /** Place of the next zero byte before `end`; -1 = there is none, or it can't be known. */
  findZero(at: number, end: number): number {
    for (let i = at; i < end; i++) {
      const byte = this.byte(i);
      if (byte <= 0) return byte < 0 ? -1 : i;
    }
    return -1;
  }

  /** Undefined = some of it isn't there. */
  slice(at: number, end: number): Uint8Array | undefined {
    const place = this.#span(at, end - at);
    return place < 0 ? undefined : this.#bytes.subarray(place, place + end - at);
  }

  #place(at: number): number {
    if (at < 0 || at >= this.length) return -1;
    if (at < this.#gapStart) return this.#start + at;
    return at < this.#gapEnd ? -1 : this.#start + at - (this.#gapEnd - this.#gapStart);
  }

  /** Place of a run of bytes that must all be there. */
  #span(at: number, count: number): number {
    if (count === 0) return this.#start;
    if (at < 0 || count < 0 || at + count > this.length) return -1;
    const isTorn = at < this.#gapEnd && at + count > this.#gapStart;
    return isTorn && this.#gapStart < this.#gapEnd ? -1 : this.#place(at);
  }
}

const decoder = new TextDecoder();
