/** Fields into header blocks. RFC 7541. */
import type { Field } from './field.ts';
import { makeField, TAKEN } from './field.ts';
import { encodeHuffman, huffmanLength } from './huffman.ts';
import type { Output } from './output.ts';
import { STATIC_COUNT } from './static-table.ts';

/** Larger tables cost their memory on both sides and save little. */
const MAX_TABLE_BYTES = 4096;
const DEFAULT_TABLE_BYTES = 4096;
const CAPACITY = 256;
const RING_MASK = CAPACITY - 1;
const BUCKETS = 128;
const BUCKET_MASK = BUCKETS - 1;
const SEEN = 256;
const SEEN_MASK = SEEN - 1;
/** Of integers in their longest form: index, name and value. */
const MAX_INTEGERS = 18;

const INDEXED = 0x80;
const INSERTED = 0x40;
const PLAIN = 0x00;
const NEVER_INDEXED = 0x10;
const SIZE_UPDATE = 0x20;

/** So that a field can tell by a number which encoder it remembers. */
let encoders = 0;

export interface EncoderOptions {
  /** Shorter on the wire for a little more time. @default false */
  readonly usesHuffman?: boolean;
}

/**
 * What comes twice is worth an entry: values that are new each time, as request ids are, would only push out those that
 * stay. Positions count from 1 and never fall, so that what was evicted is told by a comparison; the chains of a bucket
 * run from new to old and end at the first evicted one, so that nothing is ever taken out of them.
 */
export class HpackEncoder {
  readonly #id = ++encoders;
  readonly #usesHuffman: boolean;
  readonly #ring: Field[] = Array.from({ length: CAPACITY }, () => TAKEN);
  readonly #older = new Float64Array(CAPACITY);
  readonly #newest = new Float64Array(BUCKETS);
  /** Newest position of a name. */
  readonly #names = new Float64Array(BUCKETS);
  readonly #seen = new Int32Array(SEEN);
  #inserted = 0;
  #kept = 0;
  #size = 0;
  #max = DEFAULT_TABLE_BYTES;
  /** To be said at the start of the next block: the smallest in between, and what holds. -1 = nothing. */
  #smallest = -1;

  constructor(options: EncoderOptions = {}) {
    this.#usesHuffman = options.usesHuffman ?? false;
  }

  /** The peer's SETTINGS_HEADER_TABLE_SIZE. */
  limit(tableBytes: number): void {
    const max = Math.min(tableBytes, MAX_TABLE_BYTES);
    if (max === this.#max && this.#smallest < 0) return;
    this.#max = max;
    this.#smallest = this.#smallest < 0 ? max : Math.min(this.#smallest, max);
    this.#evict(max);
  }

  /** Before the fields of a block. */
  begin(out: Output): void {
    if (this.#smallest < 0) return;
    out.reserve(MAX_INTEGERS);
    if (this.#smallest < this.#max) putInteger(out, SIZE_UPDATE, 0x1f, this.#smallest);
    putInteger(out, SIZE_UPDATE, 0x1f, this.#max);
    this.#smallest = -1;
  }

  field(field: Field, out: Output): void {
    out.reserve(field.name.length + field.value.length + MAX_INTEGERS);
    if (field.staticIndex > 0 && field.value !== '') {
      out.bytes[out.length++] = INDEXED | field.staticIndex;
      return;
    }
    if (field.encoder === this.#id && field.encodedAt > this.#inserted - this.#kept) {
      this.#putIndexed(field.encodedAt, out);
      return;
    }
    this.#lookUp(field, out);
  }

  /** A field that no table holds yet. */
  text(name: string, value: string, out: Output): void {
    this.field(makeField(name, value), out);
  }

  #lookUp(field: Field, out: Output): void {
    if (field.isSensitive) {
      this.#putLiteral(field, NEVER_INDEXED, out);
      return;
    }
    for (const candidate of field.fieldName.staticFields)
      if (candidate.value === field.value) {
        field.staticIndex = candidate.staticIndex;
        out.bytes[out.length++] = INDEXED | candidate.staticIndex;
        return;
      }
    const { hash } = field;
    const found = this.#find(field, hash);
    if (found > 0) {
      this.#remember(field, found);
      this.#putIndexed(found, out);
      return;
    }
    const at = hash & SEEN_MASK;
    const isWorth = this.#seen[at] === hash || this.#nameIndex(field) === 0;
    this.#seen[at] = hash;
    if (!isWorth || field.size > this.#max) {
      this.#putLiteral(field, PLAIN, out);
      return;
    }
    this.#putLiteral(field, INSERTED, out);
    this.#insert(field, hash);
  }

  #find(field: Field, hash: number): number {
    const evicted = this.#inserted - this.#kept;
    let at = this.#newest[hash & BUCKET_MASK] as number;
    while (at > evicted) {
      const entry = this.#ring[at & RING_MASK] as Field;
      if (entry.hash === hash && entry.value === field.value && entry.name === field.name)
        return at;
      at = this.#older[at & RING_MASK] as number;
    }
    return 0;
  }

  #insert(field: Field, hash: number): void {
    this.#evict(this.#max - field.size);
    const at = ++this.#inserted;
    this.#kept++;
    this.#size += field.size;
    this.#ring[at & RING_MASK] = field;
    const bucket = hash & BUCKET_MASK;
    this.#older[at & RING_MASK] = this.#newest[bucket] as number;
    this.#newest[bucket] = at;
    this.#names[field.fieldName.hash & BUCKET_MASK] = at;
    this.#remember(field, at);
  }

  #remember(field: Field, at: number): void {
    field.encoder = this.#id;
    field.encodedAt = at;
  }

  #evict(room: number): void {
    while (this.#size > room && this.#kept > 0)
      this.#size -= (this.#ring[(this.#inserted - --this.#kept) & RING_MASK] as Field).size;
  }

  /** Index of an entry with its name; 0 = none. */
  #nameIndex(field: Field): number {
    const { staticIndex, hash, text } = field.fieldName;
    if (staticIndex > 0) return staticIndex;
    const at = this.#names[hash & BUCKET_MASK] as number;
    if (at <= this.#inserted - this.#kept) return 0;
    return (this.#ring[at & RING_MASK] as Field).name === text ? this.#indexOf(at) : 0;
  }

  #indexOf(at: number): number {
    return STATIC_COUNT + 1 + this.#inserted - at;
  }

  #putIndexed(at: number, out: Output): void {
    putInteger(out, INDEXED, 0x7f, this.#indexOf(at));
  }

  #putLiteral(field: Field, form: number, out: Output): void {
    const name = this.#nameIndex(field);
    putInteger(out, form, form === INSERTED ? 0x3f : 0x0f, name);
    if (name === 0) this.#putString(field.name, out);
    this.#putString(field.value, out);
  }

  #putString(text: string, out: Output): void {
    if (this.#usesHuffman) {
      const length = huffmanLength(text);
      if (length < text.length) {
        putInteger(out, 0x80, 0x7f, length);
        encodeHuffman(text, out);
        return;
      }
    }
    putInteger(out, 0, 0x7f, text.length);
    out.tools.put(text, out.bytes, out.length);
    out.length += text.length;
  }
}

/** RFC 7541, 5.1; there must be room. */
function putInteger(out: Output, form: number, mask: number, value: number): void {
  const { bytes } = out;
  if (value < mask) {
    bytes[out.length++] = form | value;
    return;
  }
  bytes[out.length++] = form | mask;
  let rest = value - mask;
  while (rest > 0x7f) {
    bytes[out.length++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  bytes[out.length++] = rest;
}
