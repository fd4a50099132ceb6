/**
 * Literals that their sender wants in no table (RFC 7541, 7.1.3) and sends with every request all the same, as clients do
 * with tokens: who sends the same bytes again means the same field. Only whole values are compared, so that nobody who
 * shares the connection finds out a part of one.
 */
import type { Field, FieldName } from './field.ts';

/** Kept for one connection. */
const MAX_LITERALS = 4;
/** Shorter codes are read as fast as they are compared, longer ones are too much to keep. */
const MIN_BYTES = 24;
const MAX_BYTES = 1024;

interface Literal {
  readonly code: Uint8Array;
  readonly isHuffman: boolean;
  readonly field: Field;
}

/** Where the value's code stands in what was received. */
export interface LiteralCode {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
  readonly isHuffman: boolean;
}

function isSame(code: Uint8Array, { bytes, start, end }: LiteralCode): boolean {
  if (code.length !== end - start) return false;
  let difference = 0;
  for (let i = 0; i < code.length; i++)
    difference |= (code[i] as number) ^ (bytes[start + i] as number);
  return difference === 0;
}

export class RepeatedLiterals {
  readonly #kept: Literal[] = [];
  #next = 0;

  find(name: FieldName, code: LiteralCode): Field | undefined {
    for (const kept of this.#kept)
      if (
        kept.field.fieldName === name &&
        kept.isHuffman === code.isHuffman &&
        isSame(kept.code, code)
      )
        return kept.field;
    return undefined;
  }

  keep(field: Field, { bytes, start, end, isHuffman }: LiteralCode): void {
    const length = end - start;
    if (length < MIN_BYTES || length > MAX_BYTES) return;
    // A copy: what was received is overwritten.
    const code = new Uint8Array(bytes.subarray(start, end));
    this.#kept[this.#next] = { code, isHuffman, field };
    this.#next = (this.#next + 1) % MAX_LITERALS;
  }
}
