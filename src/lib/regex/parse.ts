/** RE2's syntax to a tree; what RE2 refuses is refused (lookaround, backreferences, possessive repeats). */
import type { Assertion, Ranges, Tree } from './syntax.ts';
import {
  DIGIT,
  POSIX,
  RegexSyntaxError,
  SPACE,
  WORD,
  foldCase,
  negate,
  normalise,
  unicodeProperty,
} from './syntax.ts';

export interface ParsedRegex {
  readonly tree: Tree;
  /** Capturing groups, the whole match not counted. */
  readonly groups: number;
}

interface Flags {
  readonly ignoreCase: boolean;
  readonly multiLine: boolean;
  readonly dotAll: boolean;
  readonly swapGreed: boolean;
}

const MAX_REPEAT = 1000;
const MAX_DEPTH = 250;
const ESCAPES: Readonly<Record<string, number>> = { a: 7, f: 12, n: 10, r: 13, t: 9, v: 11 };
const ASSERTIONS: Readonly<Record<string, Assertion>> = {
  A: 'text-start',
  z: 'text-end',
  b: 'word',
  B: 'not-word',
};
const CLASSES: Readonly<Record<string, Ranges>> = {
  d: DIGIT,
  D: negate(DIGIT),
  s: SPACE,
  S: negate(SPACE),
  w: WORD,
  W: negate(WORD),
};

class Parser {
  readonly #text: string;
  #at = 0;
  #depth = 0;
  groups = 0;
  #flags: Flags;

  constructor(text: string, ignoreCase: boolean) {
    this.#text = text;
    this.#flags = { ignoreCase, multiLine: false, dotAll: false, swapGreed: false };
  }

  parseAll(): Tree {
    const tree = this.#alternatives();
    if (this.#at < this.#text.length) throw this.#fault('unexpected )');
    return tree;
  }

  #fault(message: string, offset = this.#at): RegexSyntaxError {
    return new RegexSyntaxError(message, offset);
  }

  #eat(text: string): boolean {
    if (!this.#text.startsWith(text, this.#at)) return false;
    this.#at += text.length;
    return true;
  }

  #alternatives(): Tree {
    if (++this.#depth > MAX_DEPTH) throw this.#fault('expression nests too deeply');
    const outer = this.#flags;
    const parts = [this.#sequence()];
    while (this.#eat('|')) parts.push(this.#sequence());
    this.#flags = outer;
    this.#depth--;
    return parts.length === 1 ? (parts[0] as Tree) : { kind: 'alternate', parts };
  }

  #sequence(): Tree {
    const parts: Tree[] = [];
    while (this.#at < this.#text.length) {
      const next = this.#text[this.#at] as string;
      if (next === '|' || next === ')') break;
      const start = this.#at;
      const atom = this.#atom(next);
      if (atom === undefined) continue;
      parts.push(this.#repeats(atom, start));
    }
    return { kind: 'concat', parts };
  }

  #repeats(atom: Tree, start: number): Tree {
    const bounds = this.#bounds();
    if (bounds === undefined) return atom;
    if (bounds.max !== undefined && bounds.max < bounds.min)
      throw this.#fault('bad repeat: the maximum is below the minimum', start);
    if (Math.max(bounds.min, bounds.max ?? 0) > MAX_REPEAT)
      throw this.#fault(`repeat count above ${MAX_REPEAT}`, start);
    const lazy = this.#eat('?') !== this.#flags.swapGreed;
    if (this.#bounds() !== undefined)
      throw this.#fault('bad repetition operator: two in a row', start);
    return { kind: 'repeat', part: atom, min: bounds.min, max: bounds.max, lazy };
  }

  #bounds(): { min: number; max: number | undefined } | undefined {
    if (this.#eat('*')) return { min: 0, max: undefined };
    if (this.#eat('+')) return { min: 1, max: undefined };
    if (this.#eat('?')) return { min: 0, max: 1 };
    // As in RE2, braces that are no repeat are plain text.
    const match = /^\{(\d+)(,(\d*))?\}/.exec(this.#text.slice(this.#at, this.#at + 16));
    if (match === null) return undefined;
    this.#at += match[0].length;
    const min = Number(match[1]);
    if (match[2] === undefined) return { min, max: min };
    return { min, max: match[3] === '' ? undefined : Number(match[3]) };
  }

  #atom(next: string): Tree | undefined {
    const start = this.#at;
    if (next === '(') return this.#group();
    if (next === '[') return this.#bracket();
    if (next === '\\') return this.#escape();
    this.#at++;
    if (next === '*' || next === '+' || next === '?')
      throw this.#fault('missing argument to repetition operator', start);
    if (next === '.')
      return { kind: 'class', ranges: this.#flags.dotAll ? negate([]) : negate([[10, 10]]) };
    if (next === '^')
      return { kind: 'assert', assertion: this.#flags.multiLine ? 'line-start' : 'text-start' };
    if (next === '$')
      return { kind: 'assert', assertion: this.#flags.multiLine ? 'line-end' : 'text-end' };
    return this.#literal(next.charCodeAt(0));
  }

  #literal(unit: number): Tree {
    return this.#class([[unit, unit]]);
  }

  #class(ranges: Ranges): Tree {
    return { kind: 'class', ranges: this.#flags.ignoreCase ? foldCase(ranges) : normalise(ranges) };
  }

  #group(): Tree | undefined {
    const start = this.#at;
    this.#at++;
    if (!this.#eat('?')) return this.#body(start, ++this.groups);
    if (this.#eat('=') || this.#eat('!') || this.#eat('<=') || this.#eat('<!'))
      throw this.#fault('lookaround is not part of RE2', start);
    if (this.#eat('P<') || this.#eat('<')) {
      const name = /^(\w+)>/.exec(this.#text.slice(this.#at));
      if (name === null) throw this.#fault('bad group name', start);
      this.#at += name[0].length;
      return this.#body(start, ++this.groups);
    }
    const flags = /^([imsU]*)(?:-([imsU]+))?([:)])/.exec(this.#text.slice(this.#at));
    if (flags === null || (flags[3] === ')' && flags[0] === ')'))
      throw this.#fault('unknown kind of group', start);
    this.#at += flags[0].length;
    const outer = this.#flags;
    this.#flags = withFlags(withFlags(outer, flags[1] ?? '', true), flags[2] ?? '', false);
    if (flags[3] === ')') return undefined;
    const body = this.#body(start, 0);
    this.#flags = outer;
    return body;
  }

  #body(start: number, index: number): Tree {
    const part = this.#alternatives();
    if (!this.#eat(')')) throw this.#fault('missing closing )', start);
    return index === 0 ? part : { kind: 'group', part, index };
  }

  #escape(): Tree {
    const letter = this.#text[this.#at + 1] ?? '';
    const assertion = ASSERTIONS[letter];
    if (assertion !== undefined) {
      this.#at += 2;
      return { kind: 'assert', assertion };
    }
    if (letter === 'Q') return this.#quoted();
    const set = this.#escapedSet();
    if (set !== undefined) return this.#class(set);
    return this.#literal(this.#escapedUnit());
  }

  #quoted(): Tree {
    const start = this.#at + 2;
    const end = this.#text.indexOf('\\E', start);
    const text = this.#text.slice(start, end < 0 ? undefined : end);
    this.#at = end < 0 ? this.#text.length : end + 2;
    return {
      kind: 'concat',
      parts: text.split('').map((char) => this.#literal(char.charCodeAt(0))),
    };
  }

  /** `\d`, `\pL`, `\p{Greek}`, `\P...`. */
  #escapedSet(): Ranges | undefined {
    const letter = this.#text[this.#at + 1] ?? '';
    const set = CLASSES[letter];
    if (set !== undefined) {
      this.#at += 2;
      return set;
    }
    if (letter !== 'p' && letter !== 'P') return undefined;
    const name = /^(?:\{(\^?)(\w+)\}|(\w))/.exec(this.#text.slice(this.#at + 2));
    const ranges = name === null ? undefined : unicodeProperty(name[2] ?? name[3] ?? '');
    if (name === null || ranges === undefined) throw this.#fault('unknown character property');
    this.#at += 2 + name[0].length;
    return (letter === 'P') === (name[1] === '^') ? ranges : negate(ranges);
  }

  #escapedUnit(): number {
    const start = this.#at;
    const letter = this.#text[start + 1];
    if (letter === undefined) throw this.#fault('trailing backslash');
    this.#at += 2;
    const plain = ESCAPES[letter];
    if (plain !== undefined) return plain;
    if (letter === 'x') {
      const hex = /^(?:\{([0-9a-fA-F]{1,6})\}|([0-9a-fA-F]{2}))/.exec(this.#text.slice(this.#at));
      const value = Number.parseInt(hex?.[1] ?? hex?.[2] ?? '', 16);
      if (hex === null || value > 0xffff) throw this.#fault('bad \\x escape', start);
      this.#at += hex[0].length;
      return value;
    }
    const octal = /^(?:0[0-7]{0,2}|[1-7][0-7]{1,2})/.exec(this.#text.slice(start + 1));
    if (octal !== null) {
      this.#at = start + 1 + octal[0].length;
      return Number.parseInt(octal[0], 8);
    }
    if (/\d/.test(letter)) throw this.#fault('backreferences are not part of RE2', start);
    if (/\w/.test(letter)) throw this.#fault(`unknown escape \\${letter}`, start);
    return letter.charCodeAt(0);
  }

  #bracket(): Tree {
    const start = this.#at;
    this.#at++;
    const negated = this.#eat('^');
    const ranges: (readonly [number, number])[] = [];
    for (let first = true; first || this.#text[this.#at] !== ']'; first = false) {
      if (this.#at >= this.#text.length) throw this.#fault('missing closing ]', start);
      ranges.push(...this.#bracketItem(start));
    }
    this.#at++;
    const folded = this.#flags.ignoreCase ? foldCase(ranges) : normalise(ranges);
    return { kind: 'class', ranges: negated ? negate(folded) : folded };
  }

  #bracketItem(start: number): Ranges {
    const posix = /^\[:(\^?)([a-z]+):\]/.exec(this.#text.slice(this.#at, this.#at + 16));
    if (posix !== null) {
      const ranges = POSIX[posix[2] ?? ''];
      if (ranges === undefined) throw this.#fault(`unknown class ${posix[0]}`);
      this.#at += posix[0].length;
      return posix[1] === '^' ? negate(ranges) : ranges;
    }
    if (this.#text[this.#at] === '\\') {
      const set = this.#escapedSet();
      if (set !== undefined) return set;
    }
    const from = this.#bracketUnit();
    const isRange =
      this.#text[this.#at] === '-' &&
      this.#text[this.#at + 1] !== ']' &&
      this.#at + 1 < this.#text.length;
    if (!isRange) return [[from, from]];
    this.#at++;
    const to = this.#bracketUnit();
    if (to < from) throw this.#fault('bad range in brackets', start);
    return [[from, to]];
  }

  #bracketUnit(): number {
    if (this.#text[this.#at] === '\\') return this.#escapedUnit();
    return this.#text.charCodeAt(this.#at++);
  }
}

function withFlags(flags: Flags, letters: string, on: boolean): Flags {
  const has = (letter: string, now: boolean): boolean => (letters.includes(letter) ? on : now);
  return {
    ignoreCase: has('i', flags.ignoreCase),
    multiLine: has('m', flags.multiLine),
    dotAll: has('s', flags.dotAll),
    swapGreed: has('U', flags.swapGreed),
  };
}

/** @throws RegexSyntaxError */
export function parseRegex(source: string, ignoreCase: boolean): ParsedRegex {
  const parser = new Parser(source, ignoreCase);
  const tree = parser.parseAll();
  return { tree, groups: parser.groups };
}
