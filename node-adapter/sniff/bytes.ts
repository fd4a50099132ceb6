/** Reading numbers and parts of received bytes: what isn't there is undefined, never an exception. */

export class ByteReader {
  readonly #bytes: Uint8Array;
  #at: number;
  readonly #end: number;

  constructor(bytes: Uint8Array, start = 0, end: number = bytes.length) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = Math.min(end, bytes.length);
  }

  get at(): number {
    return this.#at;
  }

  get left(): number {
    return this.#end - this.#at;
  }

  /** Big endian, one to four bytes. */
  number(bytes: number): number | undefined {
    if (this.left < bytes) return undefined;
    let value = 0;
    for (let i = 0; i < bytes; i++) value = value * 256 + (this.#bytes[this.#at + i] as number);
    this.#at += bytes;
    return value;
  }

  /** The next bytes as a reader of their own. */
  part(length: number): ByteReader | undefined {
    if (this.left < length) return undefined;
    const part = new ByteReader(this.#bytes, this.#at, this.#at + length);
    this.#at += length;
    return part;
  }

  /** A part behind its length, which takes `lengthBytes`. */
  vector(lengthBytes: number): ByteReader | undefined {
    const length = this.number(lengthBytes);
    return length === undefined ? undefined : this.part(length);
  }

  /** All that is left. */
  rest(): Uint8Array {
    const rest = this.#bytes.subarray(this.#at, this.#end);
    this.#at = this.#end;
    return rest;
  }

  /** All that is left, a character each byte. */
  text(): string {
    let text = '';
    for (const byte of this.rest()) text += String.fromCharCode(byte);
    return text;
  }
}
