/** The tree of a regular expression, and sets of code points. */

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
      /** Offset of the operator. */
      readonly at: number;
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

const LAST = 0x10_ffff;

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

export const POSIX: ReadonlyMap<string, Ranges> = new Map(
  Object.entries<Ranges>({
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
  }),
);
