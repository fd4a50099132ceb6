/** Replaces every match: leftmost first, RE2's preference among alternatives, linear time. */
import type { Instruction, RegexProgram } from './program.ts';
import { contains, holds } from './match.ts';

/** Positions by slot; slots 0 and 1 are the whole match. */
type Slots = readonly number[];

interface Thread {
  readonly at: number;
  readonly slots: Slots;
}

interface Scan {
  readonly program: RegexProgram;
  readonly text: string;
}

const pointAt = (text: string, at: number): number => text.codePointAt(at) ?? -1;
const widthOf = (point: number): number => (point > 0xffff ? 2 : 1);

/** Adds a thread and what it reaches without consuming, in order of preference. */
function follow(
  scan: Scan,
  list: Thread[],
  seen: Set<number>,
  thread: Thread & { position: number },
): void {
  const stack: Thread[] = [thread];
  const { position } = thread;
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    if (seen.has(next.at)) continue;
    seen.add(next.at);
    const instruction = scan.program.instructions[next.at] as Instruction;
    if (instruction.op === 'split') {
      stack.push(
        { at: instruction.second, slots: next.slots },
        { at: instruction.first, slots: next.slots },
      );
    } else if (instruction.op === 'save') {
      const slots = [...next.slots];
      slots[instruction.slot] = position;
      stack.push({ at: instruction.next, slots });
    } else if (instruction.op === 'assert') {
      if (
        holds(instruction.assertion, pointAt(scan.text, position - 1), pointAt(scan.text, position))
      )
        stack.push({ at: instruction.next, slots: next.slots });
    } else list.push(next);
  }
}

/** The leftmost match at or after `from`. */
function findMatch(scan: Scan, from: number): Slots | undefined {
  let threads: Thread[] = [];
  let found: Slots | undefined;
  for (let position = from; position <= scan.text.length;) {
    const point = pointAt(scan.text, position);
    const after = position + widthOf(point);
    const seen = new Set<number>(threads.map((thread) => thread.at));
    if (found === undefined)
      follow(scan, threads, seen, { at: scan.program.start, slots: [position, -1], position });
    const next: Thread[] = [];
    const seenNext = new Set<number>();
    for (const thread of threads) {
      const instruction = scan.program.instructions[thread.at] as Instruction;
      if (instruction.op === 'match') {
        found = [thread.slots[0] ?? from, position, ...thread.slots.slice(2)];
        break;
      }
      if (instruction.op === 'class' && point >= 0 && contains(instruction.ranges, point))
        follow(scan, next, seenNext, {
          at: instruction.next,
          slots: thread.slots,
          position: after,
        });
    }
    threads = next;
    position = after;
    if (threads.length === 0 && found !== undefined) return found;
  }
  return found;
}

function expand(text: string, slots: Slots, rewrite: string): string {
  return rewrite.replaceAll(/\\(\d|\\)/g, (_whole, what: string) => {
    if (what === '\\') return '\\';
    const start = slots[Number(what) * 2] ?? -1;
    const end = slots[Number(what) * 2 + 1] ?? -1;
    return start < 0 || end < start ? '' : text.slice(start, end);
  });
}

/** `\0` to `\9` in `rewrite` stand for the match and its groups; `program` was compiled with captures. */
export function replaceAll(program: RegexProgram, text: string, rewrite: string): string {
  const scan = { program, text };
  let out = '';
  let lastEnd = -1;
  for (let at = 0; at <= text.length;) {
    const slots = findMatch(scan, at);
    if (slots === undefined) return out + text.slice(at);
    const [start = 0, end = 0] = slots;
    out += text.slice(at, start);
    // An empty match right after a match is none, as in RE2's GlobalReplace.
    if (start === end && start === lastEnd) {
      at = start + widthOf(pointAt(text, start));
      out += text.slice(start, at);
    } else {
      out += expand(text, slots, rewrite);
      at = end;
      lastEnd = end;
    }
  }
  return out;
}
