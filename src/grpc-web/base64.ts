/** Base64 of a stream: padded groups may stand anywhere in it, since each piece of it may have been encoded by itself. */

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const PAD = 0x3d;
const NONE = 0xff;
const ENCODED: Uint8Array = Uint8Array.from(ALPHABET, (char) => char.charCodeAt(0));
const DECODED: Uint8Array = new Uint8Array(256).fill(NONE);
for (let i = 0; i < ENCODED.length; i++) DECODED[ENCODED[i] as number] = i;

/** Strict: other characters, padding in the wrong place and bits that say nothing are refused. */
export class Base64Decoder {
  #bits = 0;
  /** Characters of the group under way. */
  #count = 0;
  #padding = 0;

  /** No group is under way: the text may end here. */
  get isWhole(): boolean {
    return this.#count === 0;
  }

  /** Undefined = it is no base64. */
  decode(bytes: Uint8Array, start: number, end: number): Uint8Array | undefined {
    const out = new Uint8Array(Math.ceil((end - start + this.#count) / 4) * 3);
    let length = 0;
    for (let at = start; at < end; at++) {
      if (!this.#take(bytes[at] as number)) return undefined;
      if (this.#count < 4) continue;
      // What the padding stands for holds nothing.
      if ((this.#bits & ((1 << (8 * this.#padding)) - 1)) !== 0) return undefined;
      out[length++] = this.#bits >> 16;
      if (this.#padding < 2) out[length++] = this.#bits >> 8;
      if (this.#padding < 1) out[length++] = this.#bits;
      this.#bits = 0;
      this.#count = 0;
      this.#padding = 0;
    }
    return out.subarray(0, length);
  }

  #take(byte: number): boolean {
    if (byte === PAD) {
      if (this.#count < 2) return false;
      this.#padding++;
      this.#bits <<= 6;
    } else {
      const value = DECODED[byte] as number;
      if (value === NONE || this.#padding > 0) return false;
      this.#bits = (this.#bits << 6) | value;
    }
    this.#count++;
    return true;
  }
}

/** Keeps what makes no whole group until more comes, or the group is closed. */
export class Base64Encoder {
  #bits = 0;
  /** Bytes of the group under way. */
  #count = 0;
  #out: Uint8Array = new Uint8Array(0);
  #length = 0;

  /** Room for so many bytes in so many closed pieces; what was written is taken by `taken`. */
  reserve(bytes: number, pieces: number): void {
    this.#out = new Uint8Array((Math.ceil((bytes + 2) / 3) + pieces) * 4);
    this.#length = 0;
  }

  encode(bytes: Uint8Array, start: number, end: number): void {
    for (let at = start; at < end; at++) {
      this.#bits = (this.#bits << 8) | (bytes[at] as number);
      if (++this.#count === 3) this.#write(0);
    }
  }

  /** The piece is whole. */
  close(): void {
    if (this.#count === 0) return;
    const padding = 3 - this.#count;
    this.#bits <<= 8 * padding;
    this.#write(padding);
  }

  taken(): Uint8Array {
    return this.#out.subarray(0, this.#length);
  }

  #write(padding: number): void {
    for (let i = 0; i < 4; i++)
      this.#out[this.#length++] =
        i < 4 - padding ? (ENCODED[(this.#bits >> (18 - 6 * i)) & 0x3f] as number) : PAD;
    this.#bits = 0;
    this.#count = 0;
  }
}
