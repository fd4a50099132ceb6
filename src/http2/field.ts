/**
 * A header field as the tables of HPACK hold it: one object for each entry, so that what is known of it is found out
 * once, however many heads refer to it.
 */
import { sendableValue } from '../lib/sendable.ts';

/** What a field is to the rules of a block. */
export const FieldKind = {
  plain: 0,
  method: 1,
  scheme: 2,
  authority: 3,
  path: 4,
  status: 5,
  protocol: 6,
  /** A pseudo-header that nobody has defined. */
  unknownPseudo: 7,
  /** It speaks of one connection, which HTTP/2 does by other means. */
  connection: 8,
  te: 9,
  contentLength: 10,
  cookie: 11,
  host: 12,
} as const;

const KINDS: Readonly<Record<string, number>> = {
  ':method': FieldKind.method,
  ':scheme': FieldKind.scheme,
  ':authority': FieldKind.authority,
  ':path': FieldKind.path,
  ':status': FieldKind.status,
  ':protocol': FieldKind.protocol,
  connection: FieldKind.connection,
  'keep-alive': FieldKind.connection,
  'proxy-connection': FieldKind.connection,
  'transfer-encoding': FieldKind.connection,
  upgrade: FieldKind.connection,
  te: FieldKind.te,
  'content-length': FieldKind.contentLength,
  cookie: FieldKind.cookie,
  host: FieldKind.host,
};

const kinds = new Map(Object.entries(KINDS));

const PSEUDO = /^:[a-z]+$/;
const NAME = /^[-!#$%&'*+.^_`|~0-9a-z]+$/;
const VALUE = /^[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?$/;

/** Length, first and last character in one number: most names that differ, differ in it. */
export function keyOfName(name: string): number {
  return (name.length << 16) | (name.charCodeAt(0) << 8) | name.charCodeAt(name.length - 1);
}

function hashText(text: string, start: number): number {
  let hash = start;
  const { length } = text;
  // Of long values the middle is left out: whoever takes two for the same compares them.
  const skipFrom = length > 96 ? 48 : length;
  for (let i = 0; i < skipFrom; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  for (let i = Math.max(skipFrom, length - 48); i < length; i++)
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash ^= length;
  return hash ^ (hash >>> 15);
}

/** A name, and all that depends on it alone. */
export class FieldName {
  readonly text: string;
  readonly key: number;
  readonly kind: number;
  readonly hash: number;
  readonly isValid: boolean;
  /** First entry of the static table with this name; 0 = none. */
  staticIndex = 0;
  /** Entries of the static table with this name and a value. */
  staticFields: readonly Field[] = [];

  constructor(text: string) {
    this.text = text;
    this.key = keyOfName(text);
    const kind = kinds.get(text);
    const isPseudo = text.startsWith(':');
    this.kind = kind ?? (isPseudo ? FieldKind.unknownPseudo : FieldKind.plain);
    this.isValid = kind !== undefined || (isPseudo ? PSEUDO : NAME).test(text);
    this.hash = hashText(text, 0x811c9dc5 | 0);
  }
}

export class Field {
  readonly key: number;
  readonly kind: number;
  readonly name: string;
  readonly value: string;
  readonly fieldName: FieldName;
  /** Its sender wants it in no table, on no hop (RFC 7541, 7.1.3). */
  readonly isSensitive: boolean;
  /** In the static table; 0 = it isn't. */
  staticIndex = 0;
  /** The encoder that last wrote it, and where in its table it stands. */
  encoder = 0;
  encodedAt = 0;
  /** 0 = not known yet. */
  #hash = 0;
  /** 0 = not known yet, 1 = valid, 2 = not. */
  #validity = 0;

  constructor(fieldName: FieldName, value: string, isSensitive: boolean) {
    this.key = fieldName.key;
    this.kind = fieldName.kind;
    this.name = fieldName.text;
    this.value = value;
    this.fieldName = fieldName;
    this.isSensitive = isSensitive;
  }

  /** RFC 7541, 4.1. */
  get size(): number {
    return this.name.length + this.value.length + 32;
  }

  get hash(): number {
    if (this.#hash === 0) this.#hash = hashText(this.value, this.fieldName.hash) || 1;
    return this.#hash;
  }

  /** RFC 9113, 8.2.1, and no controls at all: what a field of HTTP/1.1 could hold. */
  get isValid(): boolean {
    if (this.#validity === 0)
      this.#validity =
        this.fieldName.isValid && (this.value === '' || VALUE.test(this.value)) ? 1 : 2;
    return this.#validity === 1;
  }
}

/** Names that were asked for by their text. Bounded: what comes behind is looked up each time anew. */
const known = new Map<string, FieldName>();
const MAX_KNOWN = 1024;
const MAX_KNOWN_LENGTH = 64;

export function fieldName(text: string): FieldName {
  let name = known.get(text);
  if (name === undefined) {
    name = new FieldName(text);
    if (known.size < MAX_KNOWN && text.length <= MAX_KNOWN_LENGTH) known.set(text, name);
  }
  return name;
}

const OUTER_BLANK = /^[ \t]|[ \t]$/;

/** A field of our own, in lower case; its value is made fit to send. */
export function makeField(name: string, value: string): Field {
  const sendable = sendableValue(value);
  const trimmed = OUTER_BLANK.test(sendable)
    ? sendable.replaceAll(/^[ \t]+|[ \t]+$/g, '')
    : sendable;
  return new Field(fieldName(name), trimmed, false);
}

/** Stands where a field was taken out. */
export const TAKEN: Field = new Field(new FieldName(''), '', false);
