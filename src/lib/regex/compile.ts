/** Text to program. Not for data planes: they get programs. */
import { parseRegex } from './parse.ts';
import type { Instruction, RegexProgram } from './program.ts';
import type { Tree } from './syntax.ts';
import { RegexSyntaxError } from './syntax.ts';

export { RegexSyntaxError } from './syntax.ts';

/** Istio's own limit for a program is of this order; it bounds what nested repeats can grow to. */
const MAX_INSTRUCTIONS = 10_000;

export interface RegexOptions {
  readonly ignoreCase?: boolean;
  /** Keeps group positions, for rewrites. */
  readonly captures?: boolean;
}

/** Emits backwards: every part is told where to go on. */
class Emitter {
  readonly instructions: Instruction[] = [];
  readonly #captures: boolean;

  constructor(captures: boolean) {
    this.#captures = captures;
  }

  add(instruction: Instruction): number {
    if (this.instructions.length >= MAX_INSTRUCTIONS)
      throw new RegexSyntaxError('expression too large', 0);
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
    return this.add({ op: 'split', first: lazy ? after : body, second: lazy ? body : after });
  }

  #repeat(tree: Extract<Tree, { kind: 'repeat' }>, next: number): number {
    let at = next;
    if (tree.max === undefined) {
      const loop = this.add({ op: 'match' });
      const body = this.emit(tree.part, loop);
      this.instructions[loop] = tree.lazy
        ? { op: 'split', first: next, second: body }
        : { op: 'split', first: body, second: next };
      at = loop;
    } else {
      for (let i = tree.min; i < tree.max; i++)
        at = this.#split(this.emit(tree.part, at), next, tree.lazy);
    }
    for (let i = 0; i < tree.min; i++) at = this.emit(tree.part, at);
    return at;
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
