/** Reads DER (X.690), as far as certificates need it. */

export interface Element {
  readonly tag: number;
  readonly content: Uint8Array;
  /** With tag and length. */
  readonly whole: Uint8Array;
  readonly rest: Uint8Array;
}

export function readElement(bytes: Uint8Array): Element | undefined {
  const [tag, first] = bytes;
  if (tag === undefined || first === undefined || (tag & 31) === 31) return undefined;
  let length = first;
  let head = 2;
  if (first > 127) {
    const count = first & 127;
    if (count === 0 || count > 3 || bytes.length < 2 + count) return undefined;
    length = 0;
    for (let i = 0; i < count; i++) length = length * 256 + (bytes[2 + i] as number);
    head += count;
  }
  const end = head + length;
  if (bytes.length < end) return undefined;
  return {
    tag,
    content: bytes.subarray(head, end),
    whole: bytes.subarray(0, end),
    rest: bytes.subarray(end),
  };
}

/** All elements side by side; undefined = the bytes are something else. */
export function elementsOf(bytes: Uint8Array): readonly Element[] | undefined {
  const found: Element[] = [];
  let rest = bytes;
  while (rest.length > 0) {
    const element = readElement(rest);
    if (element === undefined) return undefined;
    found.push(element);
    ({ rest } = element);
  }
  return found;
}
