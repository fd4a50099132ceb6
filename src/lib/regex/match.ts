/**
 * Runs programs in linear time, whatever the input.
 *
 * Tests keep the set of instructions that a text has reached as one state, made when first met and remembered
 * (the lazily built automaton of RE2); rewrites run the threads in order, with their group positions.
 */
import type { Instruction, RegexProgram } from './program.ts';
import type { Assertion, Ranges } from './syntax.ts';

export interface Regex {
  /** Does the whole text match? */
  fullMatch(text: string): boolean;
  /** Does some part of the text match? */
  search(text: string): boolean;
}

/** States kept per expression; beyond, they are forgotten and made anew. */
const MAX_STATES = 1024;
/** A text that has states forgotten this often meets too few of them twice: then none is kept. */
const MAX_FORGOTTEN = 4;

interface State {
  readonly instructions: readonly number[];
  readonly isKept: boolean;
  readonly next: Map<number, State>;
  /** Accepts when the text ends here. */
  readonly accepts: boolean;
}

const isWord = (point: number): boolean =>
  (point >= 48 && point <= 57) ||
  (point >= 65 && point <= 90) ||
  point === 95 ||
  (point >= 97 && point <= 122);

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

export function contains(ranges: Ranges, point: number): boolean {
  let low = 0;
  let high = ranges.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ranges[middle]?.[1] ?? 0) < point) low = middle + 1;
    else high = middle;
  }
  return (ranges[low]?.[0] ?? Infinity) <= point;
}

class Automaton {
  readonly #program: RegexProgram;
  readonly #unanchored: boolean;
  /** Without assertions the character before doesn't count, and far fewer steps are remembered. */
  readonly #looksBack: boolean;
  #states = new Map<string, State>();
  #start: State | undefined;
  #forgotten = 0;
  /** By instruction, the round that has last met it. */
  readonly #met: Float64Array;
  #round = 0;

  constructor(program: RegexProgram, unanchored: boolean) {
    this.#program = program;
    this.#unanchored = unanchored;
    this.#met = new Float64Array(program.instructions.length);
    this.#looksBack = program.instructions.some((instruction) => instruction.op === 'assert');
  }

  /** Assertions look at the character before and after, so states are entered with the one that follows. */
  test(text: string): boolean {
    this.#forgotten = 0;
    let state = (this.#start ??= this.#state([this.#program.start]));
    let before = -1;
    for (let i = 0; i < text.length; i += before > 0xffff ? 2 : 1) {
      const point = text.codePointAt(i) as number;
      if (this.#unanchored && this.#acceptsBefore(state, before, point)) return true;
      const key = this.#looksBack ? (before + 1) * 0x11_0000 + point : point;
      let next = state.next.get(key);
      if (next === undefined) {
        next = this.#step(state, before, point);
        if (next.isKept && state.next.size < 512) state.next.set(key, next);
      }
      if (next.instructions.length === 0) return false;
      state = next;
      before = point;
    }
    return this.#acceptsBefore(state, before, -1);
  }

  #acceptsBefore(state: State, before: number, after: number): boolean {
    if (state.accepts) return true;
    return this.#closure(state.instructions, before, after).matched;
  }

  #state(instructions: number[]): State {
    if (this.#forgotten >= MAX_FORGOTTEN)
      return { instructions, isKept: false, next: new Map(), accepts: false };
    const key = instructions.sort((a, b) => a - b).join(',');
    let state = this.#states.get(key);
    if (state === undefined) {
      if (this.#states.size >= MAX_STATES) {
        this.#states = new Map();
        this.#start = undefined;
        this.#forgotten++;
      }
      const accepts = instructions.some((at) => this.#program.instructions[at]?.op === 'match');
      state = { instructions, isKept: true, next: new Map(), accepts };
      this.#states.set(key, state);
    }
    return state;
  }

  #step(state: State, before: number, point: number): State {
    const { classes } = this.#closure(state.instructions, before, point);
    const reached: number[] = [];
    this.#round++;
    const reach = (at: number): void => {
      if (this.#meets(at)) reached.push(at);
    };
    for (const at of classes) {
      const instruction = this.#program.instructions[at] as Extract<Instruction, { op: 'class' }>;
      if (contains(instruction.ranges, point)) reach(instruction.next);
    }
    if (this.#unanchored) reach(this.#program.start);
    return this.#state(reached);
  }

  /** For the first time in this round? */
  #meets(at: number): boolean {
    if (this.#met[at] === this.#round) return false;
    this.#met[at] = this.#round;
    return true;
  }

  /** Follows what consumes nothing, knowing what stands on both sides. */
  #closure(
    from: readonly number[],
    before: number,
    after: number,
  ): { classes: number[]; matched: boolean } {
    const stack = [...from];
    const classes: number[] = [];
    let matched = false;
    this.#round++;
    for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
      if (!this.#meets(at)) continue;
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
