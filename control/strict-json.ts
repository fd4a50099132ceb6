/** JSON that two readers could take differently is refused: members twice, names that mean something to the language, no end of nesting. */
import { Problem } from './problem.ts';

const MAX_DEPTH = 64;
/** As keys they reach what every object has. */
const RESERVED = new Set(['__proto__', 'constructor', 'prototype']);
const BACKSLASH = 0x5c;

const refuse = (what: string): Problem => new Problem(400, 'bad request', `the body ${what}`);

/** One object or array that isn't closed yet. */
interface Open {
  /** Of an object only. */
  readonly names: Set<string> | undefined;
  /** A string that comes next is a member's name. */
  isName: boolean;
}

function takeName(open: Open, text: string): void {
  const name = JSON.parse(text) as string;
  if (RESERVED.has(name)) throw refuse(`has a member ${name}`);
  if (open.names?.has(name) === true)
    throw refuse(`has the member ${JSON.stringify(name.slice(0, 80))} twice`);
  open.names?.add(name);
}

/** Where the string that begins at a quote ends, behind its last quote. */
function stringEnd(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); ; end = text.indexOf('"', end + 1)) {
    let slashes = 0;
    while (text.charCodeAt(end - 1 - slashes) === BACKSLASH) slashes++;
    if (slashes % 2 === 0) return end + 1;
  }
}

function step(stack: Open[], character: string): void {
  const open = stack.at(-1);
  if (character === '{' || character === '[') {
    if (stack.length >= MAX_DEPTH) throw refuse(`is nested deeper than ${MAX_DEPTH} levels`);
    const isObject = character === '{';
    stack.push({ names: isObject ? new Set() : undefined, isName: isObject });
  } else if (character === '}' || character === ']') stack.pop();
  else if (open !== undefined && character === ':') open.isName = false;
  else if (open !== undefined && character === ',') open.isName = open.names !== undefined;
}

/** Of text that is JSON: JSON.parse has said so. */
function checkStructure(text: string): void {
  const stack: Open[] = [];
  for (let at = 0; at < text.length; at++) {
    const character = text.charAt(at);
    if (character !== '"') {
      step(stack, character);
      continue;
    }
    const end = stringEnd(text, at);
    const open = stack.at(-1);
    if (open?.isName === true) takeName(open, text.slice(at, end));
    at = end - 1;
  }
}

/** @throws Problem 400 */
export function parseStrictJson(text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw refuse('is no JSON');
  }
  checkStructure(text);
  return value;
}
