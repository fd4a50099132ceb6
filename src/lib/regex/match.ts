/**
 * Runs programs in linear time, whatever the input.
 *
 * Tests keep the set of instructions that a text has reached as one state, made when first met and remembered
 * (the lazily built automaton of RE2); rewrites run the threads in order, with their group positions.
 */
import type { Instruction, RegexProgram } from './program.ts';
import type { Assertion } from './syntax.ts';

export interface Regex {
  /** Does the whole text match? */
  fullMatch(text: string): boolean;
  /** Does some part of the text match? */
  search(text: string): boolean;
}

/** States kept per expression; beyond, they are forgotten and made anew. */
const MAX_STATES = 1024;

interface State {
  readonly instructions: readonly number[];
  readonly next: Map<number, State>;
  /** Accepts when the text ends here. */
  readonly accepts: boolean;
}

const isWord = (unit: number): boolean =>
  (unit >= 48 && unit <= 57) ||
  (unit >= 65 && unit <= 90) ||
  unit === 95 ||
  (unit >= 97 && unit <= 122);

/** -1 stands for the text's start or end. */
export function holds(assertion: Assertion, before: number, after: number): boolean {
  switch (assertion) {
    case 'text-start':
      return before === -1;
    case 'text-end':
      return after === -1;
    case 'line-start':
      return before === -1 || before === 10;
    case 'line-end':
      return after === -1 || after === 10;
    case 'word':
      return isWord(before) !== isWord(after);
    case 'not-word':
      return isWord(before) === isWord(after);
    default:
      return assertion satisfies never;
  }
}

export function contains(
  instruction: Extract<Instruction, { op: 'class' }>,
  unit: number,
): boolean {
  for (const [from, to] of instruction.ranges) if (unit <= to) return unit >= from;
  return false;
}

class Automaton {
  readonly #program: RegexProgram;
  readonly #unanchored: boolean;
  /** Without assertions the unit before doesn't count, and far fewer steps are remembered. */
  readonly #looksBack: boolean;
  #states = new Map<string, State>();
  #start: State | undefined;

  constructor(program: RegexProgram, unanchored: boolean) {
    this.#program = program;
    this.#unanchored = unanchored;
    this.#looksBack = program.instructions.some((instruction) => instruction.op === 'assert');
  }

  /** Assertions look at the unit before and after, so states are entered with the unit that follows. */
  test(text: string): boolean {
    let state = (this.#start ??= this.#state([this.#program.start]));
    let before = -1;
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      if (this.#unanchored && this.#acceptsBefore(state, before, unit)) return true;
      const key = this.#looksBack ? (before + 1) * 0x1_0000 + unit : unit;
      let next = state.next.get(key);
      if (next === undefined) {
        next = this.#step(state, before, unit);
        if (state.next.size < 512) state.next.set(key, next);
      }
      if (next.instructions.length === 0) return false;
      state = next;
      before = unit;
    }
    return this.#acceptsBefore(state, before, -1);
  }

  #acceptsBefore(state: State, before: number, after: number): boolean {
    if (state.accepts) return true;
    return this.#closure(state.instructions, before, after).matched;
  }

  #state(instructions: readonly number[]): State {
    const key = instructions.join(',');
    let state = this.#states.get(key);
    if (state === undefined) {
      if (this.#states.size >= MAX_STATES) {
        this.#states = new Map();
        this.#start = undefined;
      }
      const accepts = instructions.some((at) => this.#program.instructions[at]?.op === 'match');
      state = { instructions, next: new Map(), accepts };
      this.#states.set(key, state);
    }
    return state;
  }

  #step(state: State, before: number, unit: number): State {
    const { classes } = this.#closure(state.instructions, before, unit);
    const reached = new Set<number>();
    for (const at of classes) {
      const instruction = this.#program.instructions[at] as Extract<Instruction, { op: 'class' }>;
      if (contains(instruction, unit)) reached.add(instruction.next);
    }
    if (this.#unanchored) reached.add(this.#program.start);
    return this.#state([...reached].sort((a, b) => a - b));
  }

  /** Follows what consumes nothing, knowing what stands on both sides. */
  #closure(
    from: readonly number[],
    before: number,
    after: number,
  ): { classes: number[]; matched: boolean } {
    const seen = new Set<number>();
    const stack = [...from];
    const classes: number[] = [];
    let matched = false;
    for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
      if (seen.has(at)) continue;
      seen.add(at);
      const instruction = this.#program.instructions[at] as Instruction;
      if (instruction.op === 'match') matched = true;
      else if (instruction.op === 'class') classes.push(at);
      else if (instruction.op === 'split') stack.push(instruction.first, instruction.second);
      else if (instruction.op === 'save') stack.push(instruction.next);
      else if (holds(instruction.assertion, before, after)) stack.push(instruction.next);
    }
    return { classes, matched };
  }
}

export function linkRegex(program: RegexProgram): Regex {
  let whole: Automaton | undefined;
  let part: Automaton | undefined;
  return {
    fullMatch(text) {
      return (whole ??= new Automaton(program, false)).test(text);
    },
    search(text) {
      return (part ??= new Automaton(program, true)).test(text);
    },
  };
}
