/** RE2's syntax to a tree; what RE2 refuses is refused (lookaround, backreferences, possessive repeats). */
import { bracket, escapedPoint, escapedSet, folded } from './brackets.ts';
import { Scanner } from './scanner.ts';
import type { Assertion, Ranges, Tree } from './syntax.ts';
import { negate } from './syntax.ts';

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

interface Bounds {
  readonly min: number;
  readonly max: number | undefined;
}

const MAX_REPEAT = 1000;
const MAX_DEPTH = 1000;
const ASSERTIONS: Readonly<Record<string, Assertion>> = {
  A: 'text-start',
  z: 'text-end',
  b: 'word',
  B: 'not-word',
};
const ANY = negate([]);
const NOT_NEWLINE = negate([[10, 10]]);

class Parser {
  readonly #scan: Scanner;
  #depth = 0;
  groups = 0;
  #flags: Flags;

  constructor(text: string, ignoreCase: boolean) {
    this.#scan = new Scanner(text);
    this.#flags = { ignoreCase, multiLine: false, dotAll: false, swapGreed: false };
  }

  parseAll(): Tree {
    const tree = this.#alternatives();
    if (!this.#scan.isDone) throw this.#scan.fault('unexpected )');
    return tree;
  }

  #alternatives(): Tree {
    if (++this.#depth > MAX_DEPTH) throw this.#scan.fault('expression nests too deeply');
    const outer = this.#flags;
    const parts = [this.#sequence()];
    while (this.#scan.eat('|')) parts.push(this.#sequence());
    this.#flags = outer;
    this.#depth--;
    return parts.length === 1 ? (parts[0] as Tree) : { kind: 'alternate', parts };
  }

  #sequence(): Tree {
    const scan = this.#scan;
    const parts: Tree[] = [];
    let lastRepeat: number | undefined;
    while (!scan.isDone && !scan.sees('|') && !scan.sees(')')) {
      const start = scan.at;
      const bounds = this.#bounds();
      if (bounds === undefined) parts.push(...this.#atoms());
      else {
        const lazy = scan.eat('?') !== this.#flags.swapGreed;
        if (lastRepeat !== undefined)
          throw scan.fault('bad repetition operator: two in a row', lastRepeat);
        // Flags and empty quotes leave nothing behind: a repeat after them is of what stands before.
        const part = parts.pop();
        if (part === undefined) throw scan.fault('missing argument to repetition operator', start);
        const repeat: Tree = { kind: 'repeat', part, ...bounds, lazy, at: start };
        if (Math.max(bounds.min, bounds.max ?? 0) > 1 && !copiesWithin(repeat, MAX_REPEAT))
          throw scan.fault(`repeat count above ${MAX_REPEAT} with the repeats inside`, start);
        parts.push(repeat);
      }
      lastRepeat = bounds === undefined ? undefined : start;
    }
    return { kind: 'concat', parts };
  }

  #bounds(): Bounds | undefined {
    const scan = this.#scan;
    const start = scan.at;
    if (scan.eat('*')) return { min: 0, max: undefined };
    if (scan.eat('+')) return { min: 1, max: undefined };
    if (scan.eat('?')) return { min: 0, max: 1 };
    // As in RE2, braces that are no repeat are plain text.
    const match = scan.eatMatch(/\{(0|[1-9]\d*)(,(0|[1-9]\d*)?)?\}/y);
    if (match === undefined) return undefined;
    const min = Number(match[1]);
    const most = match[3] === undefined ? undefined : Number(match[3]);
    const max = match[2] === undefined ? min : most;
    if (Math.max(min, max ?? 0) > MAX_REPEAT)
      throw scan.fault(`repeat count above ${MAX_REPEAT}`, start);
    if (max !== undefined && max < min)
      throw scan.fault('bad repeat: the maximum is below the minimum', start);
    return { min, max };
  }

  #atoms(): readonly Tree[] {
    const scan = this.#scan;
    const { dotAll, ignoreCase, multiLine } = this.#flags;
    if (scan.sees('(')) return this.#group();
    if (scan.sees('[')) return [{ kind: 'class', ranges: bracket(scan, ignoreCase) }];
    if (scan.sees('\\')) return this.#escape();
    if (scan.eat('.')) return [{ kind: 'class', ranges: dotAll ? ANY : NOT_NEWLINE }];
    if (scan.eat('^'))
      return [{ kind: 'assert', assertion: multiLine ? 'line-start' : 'text-start' }];
    if (scan.eat('$')) return [{ kind: 'assert', assertion: multiLine ? 'line-end' : 'text-end' }];
    return [this.#literal(scan.take())];
  }

  #literal(point: number): Tree {
    const ranges: Ranges = [[point, point]];
    return { kind: 'class', ranges: folded(ranges, this.#flags.ignoreCase) };
  }

  #group(): readonly Tree[] {
    const scan = this.#scan;
    const start = scan.at;
    scan.at++;
    if (!scan.eat('?')) return [this.#body(start, ++this.groups)];
    if (['=', '!', '<=', '<!'].some((what) => scan.sees(what)))
      throw scan.fault('lookaround is not part of RE2', start);
    if (scan.eat('P<') || scan.eat('<')) {
      if (scan.eatMatch(/\w+>/y) === undefined) throw scan.fault('bad group name', start);
      return [this.#body(start, ++this.groups)];
    }
    const flags = scan.eatMatch(/([imsU]*)(?:-([imsU]+))?([:)])/y);
    if (flags === undefined) throw scan.fault('unknown kind of group', start);
    const outer = this.#flags;
    this.#flags = withFlags(withFlags(outer, flags[1] ?? '', true), flags[2] ?? '', false);
    if (flags[3] === ')') return [];
    const body = this.#body(start, 0);
    this.#flags = outer;
    return [body];
  }

  #body(start: number, index: number): Tree {
    const part = this.#alternatives();
    if (!this.#scan.eat(')')) throw this.#scan.fault('missing closing )', start);
    return index === 0 ? part : { kind: 'group', part, index };
  }

  #escape(): readonly Tree[] {
    const scan = this.#scan;
    const assertion = ASSERTIONS[scan.text[scan.at + 1] ?? ''];
    if (assertion !== undefined) {
      scan.at += 2;
      return [{ kind: 'assert', assertion }];
    }
    if (scan.eat('\\Q')) return this.#quoted();
    const ranges = escapedSet(scan, this.#flags.ignoreCase);
    return ranges === undefined ? [this.#literal(escapedPoint(scan))] : [{ kind: 'class', ranges }];
  }

  #quoted(): readonly Tree[] {
    const scan = this.#scan;
    const parts: Tree[] = [];
    while (!scan.isDone && !scan.eat('\\E')) parts.push(this.#literal(scan.take()));
    return parts;
  }
}

/** No more than `most` copies of anything, counted repeats inside counted repeats multiplied. */
function copiesWithin(tree: Tree, most: number): boolean {
  switch (tree.kind) {
    case 'class':
    case 'assert':
      return true;
    case 'group':
      return copiesWithin(tree.part, most);
    case 'concat':
    case 'alternate':
      return tree.parts.every((part) => copiesWithin(part, most));
    case 'repeat': {
      const copies = tree.max ?? tree.min;
      if (tree.max === 0) return true;
      return copies <= most && copiesWithin(tree.part, Math.floor(most / Math.max(copies, 1)));
    }
    default:
      return tree satisfies never;
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
