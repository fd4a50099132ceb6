/** The header port over a received head: offsets into its text, edits in a list beside it. */
import { beginsLike, isUnderscored } from '../lib/underscored.ts';
import type { HeaderBlock, RequestHead, ResponseHead } from '../model/head.ts';
import { sendableTarget, sendableValue } from './chars.ts';
import type { FieldIndex } from './field-index.ts';
import { keyOfName } from './field-index.ts';

const NO_VALUES: readonly string[] = [];

class RawHead implements HeaderBlock {
  readonly joinsRepeated: boolean = false;
  editCount = 0;
  /** The parser's. */
  readonly index: FieldIndex;
  /** Names and values in turn, behind all received fields; an empty name was taken out again. */
  readonly #added: string[] = [];
  /** Keys of the names, at the same places: most comparisons need no more. */
  readonly #addedKeys: number[] = [];
  /** How much of the lists counts: they outlive the head that they were grown for. */
  #end = 0;

  constructor(index: FieldIndex) {
    this.index = index;
  }

  /** Of the head in its text, the empty line included: where the body begins. */
  get length(): number {
    return this.index.end + 2;
  }

  /** Declared length of the body; -1 = none was declared. */
  get contentLength(): number {
    return this.index.contentLength;
  }

  get isChunked(): boolean {
    return this.index.isChunked;
  }

  /** 0 or 1: HTTP/1.0 or HTTP/1.1. */
  get minorVersion(): number {
    return this.index.minorVersion;
  }

  /** Whether the sender keeps the connection, by version and Connection header as received. */
  get keepsAlive(): boolean {
    const { saysClose, saysKeepAlive, minorVersion } = this.index;
    return !saysClose && (minorVersion === 1 || saysKeepAlive);
  }

  get(name: string): string | undefined {
    const { index } = this;
    const key = keyOfName(name);
    let joined: string | undefined;
    for (let i = index.find(name, key, 0); i >= 0; i = index.find(name, key, i + 1))
      joined = joined === undefined ? index.value(i) : `${joined},${index.value(i)}`;
    const added = this.#added;
    for (let i = this.#findAdded(name, key, 0); i >= 0; i = this.#findAdded(name, key, i + 2))
      joined = joined === undefined ? added[i + 1] : `${joined},${added[i + 1]}`;
    return joined;
  }

  getAll(name: string): readonly string[] {
    const { index } = this;
    const key = keyOfName(name);
    let values: string[] | undefined;
    for (let i = index.find(name, key, 0); i >= 0; i = index.find(name, key, i + 1))
      (values ??= []).push(index.value(i));
    for (let i = this.#findAdded(name, key, 0); i >= 0; i = this.#findAdded(name, key, i + 2))
      (values ??= []).push(this.#added[i + 1] as string);
    return values ?? NO_VALUES;
  }

  has(name: string): boolean {
    const key = keyOfName(name);
    return this.index.find(name, key, 0) >= 0 || this.#findAdded(name, key, 0) >= 0;
  }

  set(name: string, value: string): void {
    const key = keyOfName(name);
    this.#dropReceived(name, key);
    const at = this.#findAdded(name, key, 0);
    if (at < 0) {
      this.#append(name, key, value);
      return;
    }
    this.editCount++;
    this.#added[at + 1] = value;
    this.#dropAdded(name, key, at + 2);
  }

  add(name: string, value: string): void {
    this.#append(name, keyOfName(name), value);
  }

  remove(name: string): void {
    const key = keyOfName(name);
    const wasReceived = this.#dropReceived(name, key);
    if (this.#dropAdded(name, key, 0) || wasReceived) this.editCount++;
  }

  removePrefix(prefix: string): void {
    const { index } = this;
    for (let i = 0; i < index.count; i++)
      if (index.isNamedFrom(i, prefix)) {
        index.remove(i);
        this.editCount++;
      }
    const added = this.#added;
    for (let i = 0; i < this.#end; i += 2)
      if (beginsLike(added[i] as string, prefix)) {
        added[i] = '';
        this.editCount++;
      }
  }

  removeUnderscored(name: string): void {
    const { index } = this;
    const key = keyOfName(name);
    for (let i = index.findKey(key, 0); i >= 0; i = index.findKey(key, i + 1))
      if (isUnderscored(index.name(i), name)) {
        index.remove(i);
        this.editCount++;
      }
    const added = this.#added;
    for (let i = 0; i < this.#end; i += 2)
      if (this.#addedKeys[i] === key && isUnderscored(added[i] as string, name)) {
        added[i] = '';
        this.editCount++;
      }
  }

  forEach(visit: (name: string, value: string) => void): void {
    const { index } = this;
    for (let i = 0; i < index.count; i++)
      if (!index.isRemoved(i)) visit(index.name(i), index.value(i));
    const added = this.#added;
    for (let i = 0; i < this.#end; i += 2)
      if (added[i] !== '') visit(added[i] as string, added[i + 1] as string);
  }

  /** The fields to send: untouched ones as they came, in runs; then what was added. Ends with the empty line. */
  protected writeFields(): string {
    const { index } = this;
    const { text } = index;
    let out = '';
    let from = index.lineStart(0);
    for (let i = 0; i < index.count; i++) {
      if (!index.isRemoved(i)) continue;
      const start = index.lineStart(i);
      if (start > from) out += text.slice(from, start);
      from = index.lineStart(i + 1);
    }
    if (index.end > from) out += text.slice(from, index.end);
    const added = this.#added;
    for (let i = 0; i < this.#end; i += 2)
      if (added[i] !== '') out += `${added[i]}: ${sendableValue(added[i + 1] as string)}\r\n`;
    return `${out}\r\n`;
  }

  /** Makes the head one of the text that its index was filled from anew. */
  protected clearEdits(): void {
    this.editCount = 0;
    this.#end = 0;
  }

  #append(name: string, key: number, value: string): void {
    this.editCount++;
    this.#addedKeys[this.#end] = key;
    this.#addedKeys[this.#end + 1] = 0;
    this.#added[this.#end++] = name;
    this.#added[this.#end++] = value;
  }

  #findAdded(name: string, key: number, from: number): number {
    const keys = this.#addedKeys;
    for (let i = from; i < this.#end; i += 2)
      if (keys[i] === key && this.#added[i] === name) return i;
    return -1;
  }

  /** True = there was one. */
  #dropReceived(name: string, key: number): boolean {
    const { index } = this;
    let found = false;
    for (let i = index.find(name, key, 0); i >= 0; i = index.find(name, key, i + 1)) {
      index.remove(i);
      found = true;
    }
    return found;
  }

  #dropAdded(name: string, key: number, from: number): boolean {
    let found = false;
    for (let i = this.#findAdded(name, key, from); i >= 0; i = this.#findAdded(name, key, i + 2)) {
      this.#added[i] = '';
      found = true;
    }
    return found;
  }
}

/** A received request head. A driver that answers one request at a time may let the parser fill the same one again. */
export class RawRequestHead extends RawHead implements RequestHead {
  readonly scheme: 'http' | 'https';
  method = '';
  authority = '';
  target = '';

  constructor(index: FieldIndex, scheme: 'http' | 'https') {
    super(index);
    this.scheme = scheme;
  }

  get hasBody(): boolean {
    return this.contentLength > 0 || this.isChunked;
  }

  get isHttp1(): boolean {
    return true;
  }

  /** The parser's: takes what its index was just filled with. */
  begin(method: string, target: string, authority: string): void {
    this.clearEdits();
    this.method = method;
    this.target = target;
    this.authority = authority;
  }

  /** The head to send: Host says `authority` whatever was received. */
  write(method: string, target: string, authority: string): string {
    // What was received was made fit to be sent then.
    const sendable = target === this.target ? target : sendableTarget(target);
    const line = `${method} ${sendable} HTTP/1.1\r\n`;
    const host = this.get('host');
    if (host === authority) return line + this.writeFields();
    this.remove('host');
    return `${line}Host: ${sendableValue(authority)}\r\n${this.writeFields()}`;
  }
}

/** A received response head. */
export class RawResponseHead extends RawHead implements ResponseHead {
  status = 0;
  #reasonStart = 0;
  #reasonEnd = 0;

  get reason(): string {
    return this.index.text.slice(this.#reasonStart, this.#reasonEnd);
  }

  /** The parser's: takes what its index was just filled with. */
  begin(status: number, reasonStart: number, reasonEnd: number): void {
    this.clearEdits();
    this.status = status;
    this.#reasonStart = reasonStart;
    this.#reasonEnd = reasonEnd;
  }

  /** The head to send, with the reason as received. */
  write(): string {
    return `HTTP/1.1 ${this.status} ${this.reason}\r\n${this.writeFields()}`;
  }
}
