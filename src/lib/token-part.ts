/**
 * A part of a compact token (RFC 7515, 7.1; RFC 8725): base64url of a JSON object that says each name once and nests no
 * deeper than it should, so that two parsers see the same in it.
 */
import { decodeBase64url } from './base64url.ts';
import type { Fields } from './fields.ts';
import { isFields } from './fields.ts';

const QUOTE = 34;
const COLON = 58;
const BACKSLASH = 92;
/** Deeper ones are nobody's claims; to walk them costs stack. */
const MAX_DEPTH = 64;
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

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

/** Undefined = it has no reading, or two. */
export function readTokenPart(part: string): Fields | undefined {
  const bytes = decodeBase64url(part);
  if (bytes === undefined) return undefined;
  try {
    const text = decoder.decode(bytes);
    const value: unknown = JSON.parse(text);
    // Of a name that stands twice only one is left in the value.
    return isFields(value) && membersIn(text) === membersOf(value, MAX_DEPTH) ? value : undefined;
  } catch {
    return undefined;
  }
}
