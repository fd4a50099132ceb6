/**
 * Where the fields of a received head stand in its text. Nothing is cut out of the text until somebody asks.
 *
 * Four numbers a field: key, start of the name, start and end of the value (blanks around it left out). The key
 * packs length, first and last letter of the name, so that most lookups compare one number and no text.
 */
import { beginsLike } from '../lib/underscored.ts';

const STRIDE = 4;
const NAME = 1;
const VALUE = 2;
const END = 3;
/** Key of a field that was taken out. */
const REMOVED = 0;

/** Of a name from its length and its first and last character, in any case. */
export function keyOf(length: number, first: number, last: number): number {
  return (length << 16) | ((first | 0x20) << 8) | (last | 0x20);
}

/** Of a lower-case name. */
export function keyOfName(name: string): number {
  return keyOf(name.length, name.charCodeAt(0), name.charCodeAt(name.length - 1));
}

/** For sixteen fields, what most heads have: a list that grows by itself is copied three times on the way there. */
const ROOM: readonly number[] = Array.from({ length: 16 * STRIDE }, () => 0);

/** A bit of 32 by which absent names are told without a walk. */
const bitOf = (key: number): number => 1 << ((key ^ (key >> 8) ^ (key >> 16)) & 31);

export class FieldIndex {
  /** The head; the parser sets it when it is whole. */
  text = '';
  count = 0;
  /** Behind the last field's line, where the empty line stands. */
  end = 0;
  /** -1 = none. */
  contentLength = -1;
  isChunked = false;
  minorVersion = 1;
  /** Options of the Connection header as received. */
  saysClose = false;
  saysKeepAlive = false;
  /** The Host field; -1 = there is none. */
  hostField = -1;
  #base = 0;
  #bits = 0;
  readonly #numbers: number[] = ROOM.slice();

  /** For a head whose first byte is at `base` of what was received: places are told from there. */
  reset(base: number, minorVersion: number): void {
    this.#base = base;
    this.count = 0;
    this.end = 0;
    this.contentLength = -1;
    this.isChunked = false;
    this.minorVersion = minorVersion;
    this.saysClose = false;
    this.saysKeepAlive = false;
    this.hostField = -1;
    this.#bits = 0;
  }

  /** `key` belongs to the name that starts at `name`. */
  add(key: number, name: number, value: number, valueEnd: number): void {
    const at = this.count++ * STRIDE;
    const numbers = this.#numbers;
    const base = this.#base;
    numbers[at] = key;
    numbers[at + NAME] = name - base;
    numbers[at + VALUE] = value - base;
    numbers[at + END] = valueEnd - base;
    this.#bits |= bitOf(key);
  }

  /** No further field: the empty line is at `end`. */
  finish(end: number): void {
    this.end = end - this.#base;
  }

  /** As received; undefined = there was none. */
  get host(): string | undefined {
    return this.hostField < 0 ? undefined : this.value(this.hostField);
  }

  /** Index of the next field of this lower-case name, from `from` on; -1 = there is none. */
  find(name: string, key: number, from: number): number {
    if ((this.#bits & bitOf(key)) === 0) return -1;
    const numbers = this.#numbers;
    const { count } = this;
    for (let i = from; i < count; i++)
      if (numbers[i * STRIDE] === key && this.#isNamed(numbers[i * STRIDE + NAME] as number, name))
        return i;
    return -1;
  }

  /** Index of the next field whose name has this key, as many have. */
  findKey(key: number, from: number): number {
    if ((this.#bits & bitOf(key)) === 0) return -1;
    for (let i = from; i < this.count; i++) if (this.#numbers[i * STRIDE] === key) return i;
    return -1;
  }

  remove(field: number): void {
    this.#numbers[field * STRIDE] = REMOVED;
  }

  isRemoved(field: number): boolean {
    return this.#numbers[field * STRIDE] === REMOVED;
  }

  value(field: number): string {
    const at = field * STRIDE;
    return this.text.slice(this.#numbers[at + VALUE], this.#numbers[at + END]);
  }

  /** In lower case. */
  name(field: number): string {
    return this.receivedName(field).toLowerCase();
  }

  /** Of a field that wasn't taken out. */
  receivedName(field: number): string {
    const at = field * STRIDE;
    const start = this.#numbers[at + NAME] as number;
    return this.text.slice(start, start + ((this.#numbers[at] as number) >> 16));
  }

  /** Its name begins so, or a backend like CGI's reads it as one that does. */
  isNamedFrom(field: number, prefix: string): boolean {
    const at = field * STRIDE;
    const length = (this.#numbers[at] as number) >> 16;
    if (length < prefix.length) return false;
    const start = this.#numbers[at + NAME] as number;
    // Most names differ in their first character.
    if ((this.text.charCodeAt(start) | 0x20) !== prefix.charCodeAt(0)) return false;
    return beginsLike(this.text.slice(start, start + prefix.length).toLowerCase(), prefix);
  }

  /** Start of the field's line; of the one behind the last field, `end`. */
  lineStart(field: number): number {
    return field < this.count ? (this.#numbers[field * STRIDE + NAME] as number) : this.end;
  }

  #isNamed(start: number, name: string): boolean {
    const { text } = this;
    for (let i = 0; i < name.length; i++) {
      const wanted = name.charCodeAt(i);
      const difference = text.charCodeAt(start + i) ^ wanted;
      // Upper and lower case differ in one bit; so do some marks, which are different names.
      if (difference !== 0 && (difference !== 0x20 || wanted < 97 || wanted > 122)) return false;
    }
    return true;
  }
}
