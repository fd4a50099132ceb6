/** Text to program. Not for data planes: they get programs. */
import { parseRegex } from './parse.ts';
import type { Instruction, RegexProgram } from './program.ts';
import type { Tree } from './syntax.ts';
import { RegexSyntaxError } from './syntax.ts';

export { RegexSyntaxError } from './syntax.ts';

/** Istio's own limit for a program is of this order; it bounds what nested repeats can grow to. */
const MAX_INSTRUCTIONS = 10_000;
/** Gateways carry the ranges of every copy of a class, and `\pL` alone has hundreds. */
const MAX_RANGES = 250_000;

export interface RegexOptions {
  readonly ignoreCase?: boolean;
  /** Keeps group positions, for rewrites. */
  readonly captures?: boolean;
}

/** Emits backwards: every part is told where to go on. */
class Emitter {
  readonly instructions: Instruction[] = [];
  readonly #captures: boolean;
  #ranges = 0;
  /** Offset of the repeat that is unrolled. */
  #repeatAt = 0;

  constructor(captures: boolean) {
    this.#captures = captures;
  }

  add(instruction: Instruction): number {
    if (instruction.op === 'class') this.#ranges += instruction.ranges.length;
    if (this.instructions.length >= MAX_INSTRUCTIONS || this.#ranges > MAX_RANGES)
      throw new RegexSyntaxError('expression too large', this.#repeatAt);
    return this.instructions.push(instruction) - 1;
  }

  emit(tree: Tree, next: number): number {
    switch (tree.kind) {
      case 'class':
        return this.add({ op: 'class', ranges: tree.ranges, next });
      case 'assert':
        return this.add({ op: 'assert', assertion: tree.assertion, next });
      case 'concat':
        return tree.parts.reduceRight((after, part) => this.emit(part, after), next);
      case 'alternate':
        return tree.parts
          .map((part) => this.emit(part, next))
          .reduceRight((second, first) => this.add({ op: 'split', first, second }));
      case 'group': {
        if (!this.#captures) return this.emit(tree.part, next);
        const end = this.add({ op: 'save', slot: tree.index * 2 + 1, next });
        return this.add({ op: 'save', slot: tree.index * 2, next: this.emit(tree.part, end) });
      }
      case 'repeat':
        return this.#repeat(tree, next);
      default:
        return tree satisfies never;
    }
  }

  #split(body: number, after: number, lazy: boolean): number {
    return this.add(split(body, after, lazy));
  }

  #repeat(tree: Extract<Tree, { kind: 'repeat' }>, next: number): number {
    const { part, min, max, lazy } = tree;
    const outer = this.#repeatAt;
    this.#repeatAt = tree.at;
    let at = next;
    if (max !== undefined)
      for (let i = min; i < max; i++) at = this.#split(this.emit(part, at), next, lazy);
    else {
      const loop = this.add({ op: 'match' });
      const body = this.emit(part, loop);
      this.instructions[loop] = split(body, next, lazy);
      // What may be empty is tried before it is left alone, as in RE2: `(|a)*` is `(?:(|a)+)?`.
      if (min > 0) at = body;
      else at = isNullable(part) ? this.#split(body, next, lazy) : loop;
    }
    for (let i = max === undefined ? 1 : 0; i < min; i++) at = this.emit(part, at);
    this.#repeatAt = outer;
    return at;
  }
}

function split(body: number, after: number, lazy: boolean): Instruction {
  return { op: 'split', first: lazy ? after : body, second: lazy ? body : after };
}

function isNullable(tree: Tree): boolean {
  switch (tree.kind) {
    case 'class':
      return false;
    case 'assert':
      return true;
    case 'concat':
      return tree.parts.every(isNullable);
    case 'alternate':
      return tree.parts.some(isNullable);
    case 'group':
      return isNullable(tree.part);
    case 'repeat':
      return tree.min === 0 || isNullable(tree.part);
    default:
      return tree satisfies never;
  }
}

/** @throws RegexSyntaxError with the offset of what RE2 would refuse. */
export function compileRegex(source: string, options: RegexOptions = {}): RegexProgram {
  const { tree, groups } = parseRegex(source, options.ignoreCase === true);
  const captures = options.captures === true;
  const emitter = new Emitter(captures);
  const start = emitter.emit(tree, emitter.add({ op: 'match' }));
  return { start, groups: captures ? groups : 0, instructions: emitter.instructions };
}
