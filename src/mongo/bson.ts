/** Walks over the elements of a BSON document without building it. Nothing here throws: what is malformed ends the walk. */
import type { View } from './view.ts';

export const BSON = {
  double: 1,
  string: 2,
  document: 3,
  array: 4,
  binary: 5,
  boolean: 8,
  int32: 16,
  int64: 18,
} as const;

const MIN_DOCUMENT = 5;
const MAX_KEY = 64;

/** Bytes of a value by its type; -1 = said by the value itself, -2 = no such type. */
function fixedSize(type: number): number {
  if (type === 8) return 1;
  if (type === 16) return 4;
  if (type === 1 || type === 9 || type === 17 || type === 18) return 8;
  if (type === 7) return 12;
  if (type === 19) return 16;
  if (type === 6 || type === 10 || type === 127 || type === 255) return 0;
  const isSized = (type >= 2 && type <= 5) || (type >= 11 && type <= 15);
  return isSized ? -1 : -2;
}

/** End of a value whose length stands in it; -1 = malformed or not there. */
function sizedEnd(view: View, type: number, at: number): number {
  if (type === 11) {
    const first = view.findZero(at, view.length);
    const second = first < 0 ? -1 : view.findZero(first + 1, view.length);
    return second < 0 ? -1 : second + 1;
  }
  const size = view.int32(at);
  if (size === undefined || size < 0) return -1;
  if (type === BSON.document || type === BSON.array) return size < MIN_DOCUMENT ? -1 : at + size;
  if (type === 15) return size < 14 ? -1 : at + size;
  if (type === BSON.binary) return at + 5 + size;
  if (size < 1) return -1;
  return at + 4 + size + (type === 12 ? 12 : 0);
}

/** Element by element of one document. */
export class Elements {
  readonly view: View;
  /** Name of the element; longer ones are cut off. */
  key = '';
  type = 0;
  /** Of the value. */
  at = 0;
  /** Behind the value. */
  next: number;
  /** Something isn't as BSON says, or isn't there. */
  isBroken = false;
  readonly #end: number;

  /** @param at of the document's length */
  constructor(view: View, at: number, limit: number) {
    this.view = view;
    const size = view.int32(at);
    const isWhole = size !== undefined && size >= MIN_DOCUMENT && at + size <= limit;
    this.isBroken = !isWhole;
    this.#end = isWhole ? at + size - 1 : at;
    this.next = at + 4;
  }

  /** Behind the document. */
  get end(): number {
    return this.#end + 1;
  }

  /** To the next element; false = there is none. */
  step(): boolean {
    if (this.isBroken || this.next >= this.#end) return false;
    const { view } = this;
    const type = view.byte(this.next);
    const keyEnd = view.findZero(this.next + 1, this.#end);
    const size = fixedSize(type);
    if (type < 0 || keyEnd < 0 || size === -2) return this.#break();
    const at = keyEnd + 1;
    const end = size >= 0 ? at + size : sizedEnd(view, type, at);
    if (end < at || end > this.#end) return this.#break();
    this.key = view.text(this.next + 1, keyEnd, MAX_KEY) ?? '';
    this.type = type;
    this.at = at;
    this.next = end;
    return true;
  }

  /** '' = it is no text. */
  string(max: number = MAX_KEY): string {
    if (this.type !== BSON.string) return '';
    return this.view.text(this.at + 4, this.next - 1, max) ?? '';
  }

  /** Of numbers and booleans; undefined = it is neither. Of 64 bits the lower half, where the upper is empty. */
  number(): number | undefined {
    const { view, type, at } = this;
    if (type === BSON.int32) return view.int32(at);
    if (type === BSON.double) return view.double(at);
    if (type === BSON.boolean) return view.byte(at);
    if (type !== BSON.int64) return undefined;
    return view.uint32(at + 4) === 0 ? view.uint32(at) : undefined;
  }

  /** 16 hex digits of an int64; '' = it is none. */
  int64(): string {
    if (this.type === BSON.int64) return this.view.hex64(this.at) ?? '';
    const small = this.type === BSON.int32 ? this.number() : undefined;
    return small === undefined || small < 0 ? '' : small.toString(16).padStart(16, '0');
  }

  /** The elements of this one, where it is a document or an array. */
  inner(): Elements | undefined {
    return this.type === BSON.document || this.type === BSON.array
      ? new Elements(this.view, this.at, this.next)
      : undefined;
  }

  #break(): false {
    this.isBroken = true;
    return false;
  }
}
