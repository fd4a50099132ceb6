/**
 * Protocol buffers without descriptors: fields are written by number, and read one after the other. Reading is strict:
 * what a sender of proto3 never writes is a fault, and so is text that isn't UTF-8.
 */

export class ProtoFault extends Error {}

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const FIRST_BYTES = 256;
const LOW_BITS = 0x7f;
const MORE = 0x80;
const BITS = 7;
/** Of a varint of 64 bits. */
const MAX_VARINT_BYTES = 10;

/** Fields with proto3's default value are left out, as its writers do. */
export class ProtoWriter {
  #bytes = new Uint8Array(FIRST_BYTES);
  #at = 0;

  /** int32, int64, uint32, uint64, bool, enums: a safe integer; a negative one takes ten bytes. */
  integer(field: number, value: number): void {
    if (value === 0) return;
    this.#varint(field * 8 + VARINT);
    if (value > 0) this.#varint(value);
    else this.#negative(value);
  }

  text(field: number, value: string): void {
    if (value !== '') this.bytes(field, encoder.encode(value));
  }

  bytes(field: number, value: Uint8Array): void {
    if (value.length > 0) this.#delimited(field, value);
  }

  /** Written even where nothing is in it: being there says something. */
  message(field: number, write: (inner: ProtoWriter) => void): void {
    const inner = new ProtoWriter();
    write(inner);
    this.#delimited(field, inner.finish());
  }

  /** One entry of a map from text to text. */
  entry(field: number, key: string, value: string): void {
    this.message(field, (inner) => {
      inner.text(1, key);
      inner.text(2, value);
    });
  }

  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#at);
  }

  #delimited(field: number, value: Uint8Array): void {
    this.#varint(field * 8 + BYTES);
    this.#varint(value.length);
    this.#grow(value.length);
    this.#bytes.set(value, this.#at);
    this.#at += value.length;
  }

  #varint(value: number): void {
    this.#grow(MAX_VARINT_BYTES);
    let rest = value;
    while (rest > LOW_BITS) {
      this.#bytes[this.#at++] = (rest % MORE) + MORE;
      rest = Math.floor(rest / MORE);
    }
    this.#bytes[this.#at++] = rest;
  }

  #negative(value: number): void {
    this.#grow(MAX_VARINT_BYTES);
    let rest = BigInt.asUintN(64, BigInt(value));
    while (rest > BigInt(LOW_BITS)) {
      this.#bytes[this.#at++] = Number(rest & BigInt(LOW_BITS)) + MORE;
      rest >>= BigInt(BITS);
    }
    this.#bytes[this.#at++] = Number(rest);
  }

  #grow(more: number): void {
    const needed = this.#at + more;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = grown;
  }
}

/** Goes through the fields of one message: `next`, then one of the readers, or none to pass a field over. */
export class ProtoReader {
  /** Of the field that `next` came to. */
  field = 0;
  readonly #bytes: Uint8Array;
  #at = 0;
  #type = -1;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** False at the end. @throws ProtoFault */
  next(): boolean {
    if (this.#type >= 0) this.#skip();
    if (this.#at >= this.#bytes.length) return false;
    const key = this.#varint();
    this.#type = key % 8;
    this.field = Math.floor(key / 8);
    if (this.field === 0 || this.field > 0x1fff_ffff)
      throw new ProtoFault('no field has such a number');
    if (![VARINT, FIXED64, BYTES, FIXED32].includes(this.#type))
      throw new ProtoFault(`wire type ${this.#type} is none of proto3`);
    return true;
  }

  /** Of 64 bits, as a signed number; exact as far as numbers are. */
  integer(): number {
    this.#expect(VARINT);
    return this.#varint();
  }

  bool(): boolean {
    return this.integer() !== 0;
  }

  text(): string {
    const bytes = this.bytes();
    try {
      return decoder.decode(bytes);
    } catch {
      throw new ProtoFault('a text is not UTF-8');
    }
  }

  bytes(): Uint8Array {
    this.#expect(BYTES);
    const length = this.#varint();
    const from = this.#at;
    if (length < 0 || length > this.#bytes.length - from)
      throw new ProtoFault('a field is cut off');
    this.#at += length;
    return this.#bytes.subarray(from, this.#at);
  }

  message(): ProtoReader {
    return new ProtoReader(this.bytes());
  }

  #expect(type: number): void {
    if (this.#type !== type)
      throw new ProtoFault(`field ${this.field} has wire type ${this.#type}, want ${type}`);
    this.#type = -1;
  }

  #skip(): void {
    const type = this.#type;
    if (type === VARINT) this.integer();
    else if (type === BYTES) this.bytes();
    else {
      this.#type = -1;
      this.#at += type === FIXED64 ? 8 : 4;
      if (this.#at > this.#bytes.length) throw new ProtoFault('a field is cut off');
    }
  }

  #varint(): number {
    let value = 0n;
    for (let i = 0; i < MAX_VARINT_BYTES; i++) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) throw new ProtoFault('a number is cut off');
      value |= BigInt(byte & LOW_BITS) << BigInt(i * BITS);
      if (byte < MORE) {
        if (i === MAX_VARINT_BYTES - 1 && byte > 1) break;
        return Number(BigInt.asIntN(64, value));
      }
    }
    throw new ProtoFault('a number is longer than 64 bits');
  }
}
