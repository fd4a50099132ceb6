/** Smaller cases that fail in the same way. */
import type { Json, Step } from './json.ts';
import { pathsOf, replaced, valueAt } from './json.ts';
import type { Failure, Property } from './property.ts';
import { failureOf } from './property.ts';

const MAX_TRIES = 6000;

function* shorterTexts(text: string): Generator<string> {
  for (let size = text.length >> 1; size >= 1; size >>= 1)
    for (let from = 0; from < text.length; from += size)
      yield text.slice(0, from) + text.slice(from + size);
}

function* smallerLists(list: readonly Json[]): Generator<Json[]> {
  for (let size = list.length >> 1; size >= 2; size >>= 1)
    for (let from = 0; from < list.length; from += size)
      yield [...list.slice(0, from), ...list.slice(from + size)];
}

/** Big steps first: they save the small ones. */
function* smaller(value: Json): Generator<Json> {
  for (const path of pathsOf(value)) {
    const found = valueAt(value, path);
    if (Array.isArray(found))
      for (const list of smallerLists(found)) yield replaced(value, path, list);
    if (path.length > 0) yield replaced(value, path, undefined);
  }
  for (const path of pathsOf(value)) yield* simpler(value, path);
}

function* simpler(value: Json, path: readonly Step[]): Generator<Json> {
  const found = valueAt(value, path);
  if (typeof found === 'string')
    for (const text of shorterTexts(found)) yield replaced(value, path, text);
  if (typeof found === 'number' && found !== 0 && found !== 1) yield replaced(value, path, 1);
}

export interface Shrunk {
  readonly value: Json;
  readonly failure: Failure;
}

export function shrink(property: Property, given: Json, failure: Failure): Shrunk {
  let best: Shrunk = { value: given, failure };
  let tries = 0;
  for (let isBetter = true; isBetter && tries < MAX_TRIES;) {
    isBetter = false;
    for (const value of smaller(best.value)) {
      if (++tries > MAX_TRIES) break;
      const found = failureOf(property, value);
      if (found?.signature !== failure.signature) continue;
      best = { value, failure: found };
      isBetter = true;
      break;
    }
  }
  return best;
}
