/** Properties and case folding of code points, as the engine that compiles knows them. Not for data planes. */
import { contains } from './match.ts';
import { CATEGORIES, SCRIPTS } from './unicode-names.ts';
import type { Ranges } from './syntax.ts';
import { normalise } from './syntax.ts';

/** Names differ neither by (ASCII) case nor by what separates their words. */
const plainName = (name: string): string =>
  name.replaceAll(/[-_ ]/g, '').replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());

/** Plain name to what the engine calls it; the engine's own short names of scripts are not RE2's. */
let expressions: ReadonlyMap<string, string> | undefined;

function expressionOf(name: string): string | undefined {
  expressions ??= new Map([
    ...SCRIPTS.split(' ').map((script) => [plainName(script), `Script=${script}`] as const),
    ...CATEGORIES.split(' ').map((category) => [plainName(category), category] as const),
  ]);
  return expressions.get(plainName(name));
}

const LAST = 0x10_ffff;
/** Planes 4 to 13, which have no character: what one has, all have. */
const EMPTY_PLANES = [0x4_0000, 0xd_ffff] as const;

const properties = new Map<string, Ranges>();

/** `L`, `Lu`, `Letter`, `Greek`, ...; undefined when there is no such property. */
export function unicodeProperty(name: string): Ranges | undefined {
  const expression = expressionOf(name);
  if (expression === undefined) return undefined;
  const known = properties.get(expression);
  if (known !== undefined) return known;
  const property = new RegExp(`^\\p{${expression}}$`, 'u');
  const found: [number, number][] = [];
  for (let from = 0, to = 0; from <= LAST; from = to + 1) {
    to = from === EMPTY_PLANES[0] ? EMPTY_PLANES[1] : from;
    if (property.test(String.fromCodePoint(from))) found.push([from, to]);
  }
  const ranges = normalise(found);
  properties.set(expression, ranges);
  return ranges;
}

/** The last code point that has another case. */
const LAST_CASED = 0x1e943;
/** Its upper case is I, yet simple folding leaves it alone. */
const DOTLESS_I = 0x131;

type Orbits = ReadonlyMap<number, readonly number[]>;
let orbits: Orbits | undefined;

/** Code points that are one under simple case folding, such as k, K and the Kelvin sign. */
function makeOrbits(): Orbits {
  const made = new Map<number, number[]>();
  for (let point = 0x41; point <= LAST_CASED; point++) {
    if (point === DOTLESS_I) continue;
    const text = String.fromCodePoint(point);
    for (const other of [text.toLowerCase(), text.toUpperCase()]) {
      const folded = other.codePointAt(0) as number;
      if (folded === point || String.fromCodePoint(folded) !== other) continue;
      const orbit = [
        ...new Set([...(made.get(folded) ?? [folded]), ...(made.get(point) ?? [point])]),
      ];
      for (const member of orbit) made.set(member, orbit);
    }
  }
  return made;
}

/** Adds the other cases of every letter. */
export function foldCase(ranges: Ranges): Ranges {
  orbits ??= makeOrbits();
  const extra: [number, number][] = [];
  const add = (orbit: readonly number[] = []): void => {
    for (const point of orbit) extra.push([point, point]);
  };
  const clean = normalise(ranges);
  if (clean.length === 1 && clean[0]?.[0] === clean[0]?.[1]) add(orbits.get(clean[0]?.[0] ?? 0));
  else for (const [point, orbit] of orbits) if (contains(clean, point)) add(orbit);
  return normalise([...clean, ...extra]);
}
