/** Header blocks into fields. RFC 7541. */
import type { ByteTools } from './bytes.ts';
import { PORTABLE_BYTES } from './bytes.ts';
import { compressionFault } from './errors.ts';
import { Field, fieldName, TAKEN } from './field.ts';
import type { FieldName } from './field.ts';
import { decodedRoom, decodeHuffman } from './huffman.ts';
import { RepeatedLiterals } from './repeated-literals.ts';
import type { LiteralCode } from './repeated-literals.ts';
import { STATIC_COUNT, STATIC_FIELDS } from './static-table.ts';

const DEFAULT_TABLE_BYTES = 4096;
const ENTRY_OVERHEAD = 32;
const MAX_SHIFT = 21;
/** A sender may say its smallest and its final size (RFC 7541, 4.2). */
const MAX_UPDATES = 2;

export interface BlockLimits {
  /** Names, values and 32 bytes for each field. @default 65536 */
  readonly headerListBytes: number;
  /** Fields of a block; crumbs of cookies count as one. @default 100 */
  readonly fields: number;
}

export class HpackDecoder {
  /** Of the block decoded last; lent until the next one. */
  readonly fields: Field[] = [];
  count = 0;
  /** The block had more than the limits let in; the table is right all the same. */
  isTooLarge = false;
  readonly #tools: ByteTools;
  readonly #limits: BlockLimits;
  #ring: Field[];
  #mask: number;
  #inserted = 0;
  #kept = 0;
  #size = 0;
  /** What the sender may choose at most, and what it chose. */
  #allowed: number;
  #max: number;
  /** The sender must say a smaller size before anything else. */
  #needsUpdate = false;
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  #end = 0;
  #listBytes = 0;
  #crumbs = 0;
  #plain: Uint8Array;
  readonly #repeated = new RepeatedLiterals();

  constructor(limits: BlockLimits, tools: ByteTools = PORTABLE_BYTES) {
    this.#limits = limits;
    this.#tools = tools;
    this.#allowed = DEFAULT_TABLE_BYTES;
    this.#max = DEFAULT_TABLE_BYTES;
    const capacity = capacityOf(DEFAULT_TABLE_BYTES);
    this.#ring = emptyRing(capacity);
    this.#mask = capacity - 1;
    this.#plain = tools.allocate(256);
  }

  /** Our setting is in force: the peer has acknowledged it. */
  allow(tableBytes: number): void {
    this.#allowed = tableBytes;
    if (this.#max > tableBytes) this.#needsUpdate = true;
    const capacity = capacityOf(tableBytes);
    if (capacity <= this.#ring.length) return;
    const ring = emptyRing(capacity);
    for (let i = this.#inserted - this.#kept; i < this.#inserted; i++)
      ring[i & (capacity - 1)] = this.#ring[i & this.#mask] as Field;
    this.#ring = ring;
    this.#mask = capacity - 1;
  }

  /** Fills `fields`; throws ConnectionFault where the block is no block. */
  decode(bytes: Uint8Array, start: number, end: number): void {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
    this.count = 0;
    this.isTooLarge = false;
    this.#listBytes = 0;
    this.#crumbs = 0;
    this.#readUpdates();
    while (this.#at < end) {
      const first = bytes[this.#at] as number;
      if ((first & 0x80) !== 0) this.#push(this.#entry(this.#integer(0x7f)));
      else if ((first & 0x40) !== 0) {
        const field = this.#literal(0x3f, false);
        this.#insert(field);
        this.#push(field);
      } else if ((first & 0x20) !== 0) throw compressionFault('table_size_update_within_block');
      else this.#push(this.#literal(0x0f, (first & 0x10) !== 0));
    }
    this.#bytes = EMPTY;
  }

  #readUpdates(): void {
    let updates = 0;
    while (this.#at < this.#end && ((this.#bytes[this.#at] as number) & 0xe0) === 0x20) {
      const size = this.#integer(0x1f);
      if (++updates > MAX_UPDATES || size > this.#allowed)
        throw compressionFault('table_size_update_too_large');
      this.#max = size;
      this.#needsUpdate = false;
      this.#evict(size);
    }
    if (this.#needsUpdate) throw compressionFault('table_size_update_missing');
  }

  #push(field: Field): void {
    this.#listBytes += field.size;
    if (field.name === 'cookie') this.#crumbs++;
    const { fields, headerListBytes } = this.#limits;
    // Four pseudo-headers are no fields.
    const surplus = this.count - Math.max(0, this.#crumbs - 1) - 4;
    if (this.#listBytes > headerListBytes || surplus >= fields) this.isTooLarge = true;
    else this.fields[this.count++] = field;
  }

  #entry(index: number): Field {
    if (index > STATIC_COUNT) {
      const back = index - STATIC_COUNT;
      if (back <= this.#kept) return this.#ring[(this.#inserted - back) & this.#mask] as Field;
    } else if (index > 0) return STATIC_FIELDS[index - 1] as Field;
    throw compressionFault('index_unknown');
  }

  #literal(mask: number, isSensitive: boolean): Field {
    const index = this.#integer(mask);
    const name: FieldName =
      index === 0 ? fieldName(this.#text(this.#code())) : this.#entry(index).fieldName;
    const code = this.#code();
    if (!isSensitive) return new Field(name, this.#text(code), false);
    const repeated = this.#repeated.find(name, code);
    if (repeated !== undefined) return repeated;
    const field = new Field(name, this.#text(code), true);
    this.#repeated.keep(field, code);
    return field;
  }

  #insert(field: Field): void {
    const { size } = field;
    this.#evict(this.#max - size);
    if (size > this.#max) return;
    this.#ring[this.#inserted++ & this.#mask] = field;
    this.#kept++;
    this.#size += size;
  }

  #evict(room: number): void {
    while (this.#size > room && this.#kept > 0)
      this.#size -= (this.#ring[(this.#inserted - this.#kept--) & this.#mask] as Field).size;
  }

  #integer(mask: number): number {
    const bytes = this.#bytes;
    let value = (bytes[this.#at++] as number) & mask;
    if (value < mask) return value;
    for (let shift = 0; shift <= MAX_SHIFT; shift += 7) {
      if (this.#at >= this.#end) throw compressionFault('block_cut');
      const byte = bytes[this.#at++] as number;
      value += (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw compressionFault('integer_too_large');
  }

  #code(): LiteralCode {
    if (this.#at >= this.#end) throw compressionFault('block_cut');
    const bytes = this.#bytes;
    const isHuffman = (bytes[this.#at] as number) >= 0x80;
    const length = this.#integer(0x7f);
    const start = this.#at;
    const end = start + length;
    if (end > this.#end) throw compressionFault('block_cut');
    this.#at = end;
    return { bytes, start, end, isHuffman };
  }

  #text({ bytes, start, end, isHuffman }: LiteralCode): string {
    if (!isHuffman) return this.#tools.text(bytes, start, end);
    const room = decodedRoom(end - start);
    if (room > this.#plain.length) this.#plain = this.#tools.allocate(room);
    return this.#tools.text(this.#plain, 0, decodeHuffman(bytes, start, end, this.#plain));
  }
}

const EMPTY = new Uint8Array(0);

function capacityOf(tableBytes: number): number {
  let capacity = 2;
  while (capacity * ENTRY_OVERHEAD <= tableBytes) capacity *= 2;
  return capacity;
}

const emptyRing = (capacity: number): Field[] => Array.from({ length: capacity }, () => TAKEN);
