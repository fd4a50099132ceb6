/** The tree of a regular expression, and sets of UTF-16 code units. */

/** Pairs [from, to], sorted, inclusive, not touching. */
export type Ranges = readonly (readonly [number, number])[];

export type Assertion = 'text-start' | 'text-end' | 'line-start' | 'line-end' | 'word' | 'not-word';

export type Tree =
  | { readonly kind: 'class'; readonly ranges: Ranges }
  | { readonly kind: 'assert'; readonly assertion: Assertion }
  | { readonly kind: 'concat' | 'alternate'; readonly parts: readonly Tree[] }
  | {
      readonly kind: 'repeat';
      readonly part: Tree;
      readonly min: number;
      readonly max: number | undefined;
      readonly lazy: boolean;
    }
  | { readonly kind: 'group'; readonly part: Tree; readonly index: number };

/** What RE2 would refuse, and where. */
export class RegexSyntaxError extends Error {
  /** Offset in the expression. */
  readonly offset: number;

  constructor(message: string, offset: number) {
    super(message);
    this.name = 'RegexSyntaxError';
    this.offset = offset;
  }
}

const LAST = 0xffff;

export function normalise(ranges: Ranges): Ranges {
  const sorted = [...ranges].sort((a, b) => a[0] - b[0]);
  const merged: [number, number][] = [];
  for (const [from, to] of sorted) {
    const last = merged.at(-1);
    if (last !== undefined && from <= last[1] + 1) last[1] = Math.max(last[1], to);
    else merged.push([from, to]);
  }
  return merged;
}

export function negate(ranges: Ranges): Ranges {
  const gaps: [number, number][] = [];
  let next = 0;
  for (const [from, to] of normalise(ranges)) {
    if (from > next) gaps.push([next, from - 1]);
    next = to + 1;
  }
  if (next <= LAST) gaps.push([next, LAST]);
  return gaps;
}

/** Adds the other case of every letter. */
export function foldCase(ranges: Ranges): Ranges {
  const extra: [number, number][] = [];
  for (const [from, to] of ranges)
    for (let unit = from; unit <= Math.min(to, 0x24ff); unit++) {
      const text = String.fromCharCode(unit);
      for (const other of [text.toLowerCase(), text.toUpperCase()])
        if (other.length === 1 && other !== text)
          extra.push([other.charCodeAt(0), other.charCodeAt(0)]);
    }
  return normalise([...ranges, ...extra]);
}

export const DIGIT: Ranges = [[48, 57]];
export const SPACE: Ranges = [
  [9, 10],
  [12, 13],
  [32, 32],
];
export const WORD: Ranges = [
  [48, 57],
  [65, 90],
  [95, 95],
  [97, 122],
];

export const POSIX: Readonly<Record<string, Ranges>> = {
  alnum: [
    [48, 57],
    [65, 90],
    [97, 122],
  ],
  alpha: [
    [65, 90],
    [97, 122],
  ],
  ascii: [[0, 127]],
  blank: [
    [9, 9],
    [32, 32],
  ],
  cntrl: [
    [0, 31],
    [127, 127],
  ],
  digit: DIGIT,
  graph: [[33, 126]],
  lower: [[97, 122]],
  print: [[32, 126]],
  punct: [
    [33, 47],
    [58, 64],
    [91, 96],
    [123, 126],
  ],
  space: [
    [9, 13],
    [32, 32],
  ],
  upper: [[65, 90]],
  word: WORD,
  xdigit: [
    [48, 57],
    [65, 70],
    [97, 102],
  ],
};

/** `L`, `Lu`, `Greek`, ...; undefined when there is no such property. */
export function unicodeProperty(name: string): Ranges | undefined {
  let test: RegExp;
  try {
    test = new RegExp(`^\\p{${/^[A-Z][a-z]?$/.test(name) ? name : `Script=${name}`}}$`, 'u');
  } catch {
    return undefined;
  }
  const found: [number, number][] = [];
  for (let unit = 0; unit <= LAST; unit++) {
    const isSurrogate = unit >= 0xd800 && unit <= 0xdfff;
    if (!isSurrogate && test.test(String.fromCharCode(unit))) found.push([unit, unit]);
  }
  return normalise(found);
}
