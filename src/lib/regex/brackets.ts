/** What stands for characters: escapes and classes in brackets. */
import type { Scanner } from './scanner.ts';
import type { Ranges } from './syntax.ts';
import { DIGIT, POSIX, SPACE, WORD, negate, normalise } from './syntax.ts';
import { foldCase, unicodeProperty } from './unicode.ts';

const ESCAPES: Readonly<Record<string, number>> = { a: 7, f: 12, n: 10, r: 13, t: 9, v: 11 };
const CLASSES: Readonly<Record<string, Ranges>> = { d: DIGIT, s: SPACE, w: WORD };

const LAST_POINT = 0x10_ffff;

export const folded = (ranges: Ranges, ignoreCase: boolean): Ranges =>
  ignoreCase ? foldCase(ranges) : normalise(ranges);

/** Folded before it is negated: `(?i)\W` has no letter that is an ASCII one in another case. */
function signed(ranges: Ranges, negated: boolean, ignoreCase: boolean): Ranges {
  const all = folded(ranges, ignoreCase);
  return negated ? negate(all) : all;
}

/** `\d`, `\pL`, `\p{Greek}`, `\P...`. */
export function escapedSet(scan: Scanner, ignoreCase: boolean): Ranges | undefined {
  const start = scan.at;
  const letter = scan.text[start + 1] ?? '';
  const lower = letter.toLowerCase();
  const set = CLASSES[lower];
  if (set !== undefined) {
    scan.at += 2;
    return signed(set, letter !== lower, ignoreCase);
  }
  if (lower !== 'p') return undefined;
  scan.at += 2;
  const name = scan.eatMatch(/\{(\^?)([^}]*)\}|([^{])/uy);
  const ranges = name === undefined ? undefined : unicodeProperty(name[2] ?? name[3] ?? '');
  if (ranges === undefined) throw scan.fault('unknown character property', start);
  return signed(ranges, (letter === 'P') !== (name?.[1] === '^'), ignoreCase);
}

/** A backslash and what it makes one character of. */
export function escapedPoint(scan: Scanner): number {
  const start = scan.at;
  scan.at++;
  if (scan.isDone) throw scan.fault('trailing backslash', start);
  const octal = scan.eatMatch(/0[0-7]{0,2}|[1-7][0-7]{1,2}/y);
  if (octal !== undefined) return Number.parseInt(octal[0], 8);
  const point = scan.take();
  const letter = String.fromCodePoint(point);
  const plain = ESCAPES[letter];
  if (plain !== undefined) return plain;
  if (letter === 'x') {
    const hex = scan.eatMatch(/\{([0-9a-fA-F]+)\}|([0-9a-fA-F]{2})/y);
    const value = Number.parseInt(hex?.[1] ?? hex?.[2] ?? '', 16);
    if (hex === undefined || value > LAST_POINT) throw scan.fault('bad \\x escape', start);
    return value;
  }
  if (/\d/.test(letter)) throw scan.fault('backreferences are not part of RE2', start);
  if (point > 127 || /[a-zA-Z]/.test(letter)) throw scan.fault(`unknown escape \\${letter}`, start);
  return point;
}

export function bracket(scan: Scanner, ignoreCase: boolean): Ranges {
  const start = scan.at;
  scan.at++;
  const negated = scan.eat('^');
  const ranges: (readonly [number, number])[] = [];
  for (let first = true; first || !scan.sees(']'); first = false)
    ranges.push(...bracketItem(scan, start, ignoreCase));
  scan.at++;
  return negated ? negate(ranges) : normalise(ranges);
}

function bracketItem(scan: Scanner, start: number, ignoreCase: boolean): Ranges {
  // A name goes on to the next `:]`, wherever that is.
  const posix = scan.eatMatch(/\[:(\^?)([^]*?):\]/y);
  if (posix !== undefined) {
    const ranges = POSIX.get(posix[2] ?? '');
    if (ranges === undefined)
      throw scan.fault(`unknown class ${posix[0]}`, scan.at - posix[0].length);
    return signed(ranges, posix[1] === '^', ignoreCase);
  }
  if (scan.sees('\\')) {
    const set = escapedSet(scan, ignoreCase);
    if (set !== undefined) return set;
  }
  const rangeStart = scan.at;
  const from = bracketPoint(scan, start);
  const isRange = scan.sees('-') && !scan.sees('-]') && scan.at + 1 < scan.text.length;
  if (!isRange) return folded([[from, from]], ignoreCase);
  scan.at++;
  const to = bracketPoint(scan, start);
  if (to < from) throw scan.fault('bad range in brackets', rangeStart);
  return folded([[from, to]], ignoreCase);
}

function bracketPoint(scan: Scanner, start: number): number {
  if (scan.isDone) throw scan.fault('missing closing ]', start);
  return scan.sees('\\') ? escapedPoint(scan) : scan.take();
}
