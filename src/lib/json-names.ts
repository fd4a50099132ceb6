/** Whether JSON text says each name once, and nests no deeper than it should: two parsers then see the same in it. */

const QUOTE = 34;
const COLON = 58;
const BACKSLASH = 92;

/** Members of all objects in this text, which is known to be JSON. */
function membersIn(text: string): number {
  let count = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === COLON) count++;
    else if (code === QUOTE)
      for (i++; text.charCodeAt(i) !== QUOTE; i++) if (text.charCodeAt(i) === BACKSLASH) i++;
  }
  return count;
}

/** Of all objects in a parsed value; NaN = it is deeper than so many levels. */
function membersOf(value: unknown, levels: number): number {
  if (typeof value !== 'object' || value === null) return 0;
  if (levels === 0) return Number.NaN;
  let count = 0;
  if (Array.isArray(value)) for (const entry of value) count += membersOf(entry, levels - 1);
  else for (const entry of Object.values(value)) count += 1 + membersOf(entry, levels - 1);
  return count;
}

/** `value` is what the text was parsed to: of a name that stands twice only one is left there. */
export function isPlain(text: string, value: object, levels: number): boolean {
  return membersIn(text) === membersOf(value, levels);
}
