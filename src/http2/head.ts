/** The header port over decoded fields: edits take objects out of a list and append others. */
import { beginsLike, isUnderscored } from '../lib/underscored.ts';
import type { HeaderBlock, RequestHead, ResponseHead } from '../model/head.ts';
import type { Field } from './field.ts';
import { keyOfName, makeField, TAKEN } from './field.ts';

const NO_VALUES: readonly string[] = [];

/** A bit of 32 by which absent names are told without a walk. */
const bitOf = (key: number): number => 1 << ((key ^ (key >> 8) ^ (key >> 16)) & 31);

export class FieldHead implements HeaderBlock {
  readonly joinsRepeated: boolean = false;
  editCount = 0;
  /** In their order; `TAKEN` where one was taken out. */
  readonly fields: Field[];
  #bits = 0;

  /** @param fields the head's own from now on */
  constructor(fields: Field[]) {
    this.fields = fields;
    let bits = 0;
    for (const field of fields) bits |= bitOf(field.key);
    this.#bits = bits;
  }

  get(name: string): string | undefined {
    const key = keyOfName(name);
    let joined: string | undefined;
    for (let i = this.#find(name, key, 0); i >= 0; i = this.#find(name, key, i + 1)) {
      const { value } = this.fields[i] as Field;
      joined = joined === undefined ? value : `${joined},${value}`;
    }
    return joined;
  }

  getAll(name: string): readonly string[] {
    const key = keyOfName(name);
    let values: string[] | undefined;
    for (let i = this.#find(name, key, 0); i >= 0; i = this.#find(name, key, i + 1))
      (values ??= []).push((this.fields[i] as Field).value);
    return values ?? NO_VALUES;
  }

  has(name: string): boolean {
    return this.#find(name, keyOfName(name), 0) >= 0;
  }

  set(name: string, value: string): void {
    this.#take(name);
    this.#append(makeField(name, value));
  }

  add(name: string, value: string): void {
    this.#append(makeField(name, value));
  }

  remove(name: string): void {
    if (this.#take(name)) this.editCount++;
  }

  removePrefix(prefix: string): void {
    const { fields } = this;
    for (let i = 0; i < fields.length; i++)
      if (beginsLike((fields[i] as Field).name, prefix)) {
        fields[i] = TAKEN;
        this.editCount++;
      }
  }

  removeUnderscored(name: string): void {
    const { fields } = this;
    const key = keyOfName(name);
    // All of them have the name's key.
    if ((this.#bits & bitOf(key)) === 0) return;
    for (let i = 0; i < fields.length; i++) {
      const field = fields[i] as Field;
      if (field.key !== key || !isUnderscored(field.name, name)) continue;
      fields[i] = TAKEN;
      this.editCount++;
    }
  }

  forEach(visit: (name: string, value: string) => void): void {
    for (const field of this.fields) if (field !== TAKEN) visit(field.name, field.value);
  }

  #append(field: Field): void {
    this.editCount++;
    this.#bits |= bitOf(field.key);
    this.fields.push(field);
  }

  #find(name: string, key: number, from: number): number {
    if ((this.#bits & bitOf(key)) === 0) return -1;
    const { fields } = this;
    for (let i = from; i < fields.length; i++) {
      const field = fields[i] as Field;
      if (field.key === key && field.name === name) return i;
    }
    return -1;
  }

  /** True = there was one. */
  #take(name: string): boolean {
    const key = keyOfName(name);
    let found = false;
    for (let i = this.#find(name, key, 0); i >= 0; i = this.#find(name, key, i + 1)) {
      this.fields[i] = TAKEN;
      found = true;
    }
    return found;
  }
}

export interface RequestLine {
  readonly method: string;
  readonly scheme: 'http' | 'https';
  readonly authority: string;
  readonly target: string;
  /** Of an extended CONNECT (RFC 8441); '' = none. */
  readonly protocol: string;
  readonly hasBody: boolean;
  /** -1 = none was declared. */
  readonly contentLength: number;
}

/** A received request head. Host is no field of it: `authority` says it. */
export class Http2RequestHead extends FieldHead implements RequestHead {
  readonly method: string;
  readonly scheme: 'http' | 'https';
  readonly authority: string;
  readonly target: string;
  readonly protocol: string;
  readonly hasBody: boolean;
  readonly contentLength: number;

  constructor(line: RequestLine, fields: Field[]) {
    super(fields);
    this.method = line.method;
    this.scheme = line.scheme;
    this.authority = line.authority;
    this.target = line.target;
    this.protocol = line.protocol;
    this.hasBody = line.hasBody;
    this.contentLength = line.contentLength;
  }
}

/** A received response head. */
export class Http2ResponseHead extends FieldHead implements ResponseHead {
  readonly status: number;
  /** -1 = none was declared. */
  readonly contentLength: number;

  constructor(status: number, contentLength: number, fields: Field[]) {
    super(fields);
    this.status = status;
    this.contentLength = contentLength;
  }
}
