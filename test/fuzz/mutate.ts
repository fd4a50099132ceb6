/** Documents made wrong: types, missing and unknown fields, extremes, texts that trade places, depth, control characters. */
import type { Json, Step } from './json.ts';
import { pathsOf, replaced, valueAt } from './json.ts';
import type { Random } from './random.ts';

const WRONG: readonly Json[] = [
  null,
  true,
  0,
  -1,
  1.5,
  '',
  'a',
  [],
  {},
  [''],
  [{}],
  [null],
  { a: 1 },
];
const EXTREME: readonly Json[] = [
  Number.MAX_SAFE_INTEGER,
  Number.MIN_SAFE_INTEGER,
  2 ** 31,
  2 ** 32,
  65_536,
  1e300,
  -1e300,
  1e-300,
  '9'.repeat(40),
  `${'9'.repeat(40)}h`,
  '-1s',
  '0s',
  '0.0000001s',
  'a'.repeat(5000),
  '*',
  '*.',
  '.',
  '~',
  '/',
  '//',
  'x/y/z',
  '%',
  '%%%',
  '%REQ(',
  '${',
  '${}',
  '{**}{*}',
  '{',
  '(',
  '(?i)',
  '(a{1,1000}){1,1000}',
  '[',
  '\\',
  '::/0',
  '10.0.0.0/33',
  'unix://',
  '[::1]:80',
  '2026-13-45T99:99:99Z',
];
const CONTROL = [
  '\u0000',
  '\u0007',
  '\n',
  '\r\n',
  '\t',
  '\u007f',
  '\u0085',
  '\u2028',
  '\ufeff',
  '\ud800',
  '\u202e',
];
const UNKNOWN = [
  '__proto__',
  'constructor',
  'toString',
  'length',
  'hosts ',
  'Spec',
  '',
  'a.b',
  'x[0]',
  '"',
];

function nested(depth: number, random: Random): Json {
  let value: Json = 'a';
  for (let i = 0; i < depth; i++) value = random.chance(0.5) ? [value] : { spec: value };
  return value;
}

type Change = (documents: Json, path: readonly Step[], random: Random) => Json;

const withKey: Change = (documents, path, random) => {
  const found = valueAt(documents, path);
  if (typeof found !== 'object' || found === null || Array.isArray(found)) return documents;
  return replaced(documents, [...path, random.pick(UNKNOWN)], random.pick(WRONG));
};

const withControl: Change = (documents, path, random) => {
  const found = valueAt(documents, path);
  if (typeof found !== 'string') return documents;
  const at = random.int(0, found.length);
  return replaced(documents, path, found.slice(0, at) + random.pick(CONTROL) + found.slice(at));
};

/** Another text of the same mesh: names where hosts belong, patterns where ports do. */
const withOther: Change = (documents, path, random) => {
  const other = valueAt(documents, random.pick(pathsOf(documents)));
  return other === undefined ? documents : replaced(documents, path, other);
};

const twice: Change = (documents, path) => {
  const found = valueAt(documents, path);
  return Array.isArray(found) ? replaced(documents, path, [...found, ...found]) : documents;
};

const CHANGES: readonly Change[] = [
  (documents, path, random) => replaced(documents, path, random.pick(WRONG)),
  (documents, path) => replaced(documents, path, undefined),
  (documents, path, random) => replaced(documents, path, random.pick(EXTREME)),
  (documents, path, random) =>
    replaced(documents, path, nested(random.pick([2, 5, 50, 300]), random)),
  withKey,
  withControl,
  withOther,
  twice,
];

/** The text itself, so that it is another YAML or none. */
function garbled(text: string, random: Random): string {
  const at = random.int(0, text.length);
  const piece = random.pick([
    ...CONTROL,
    '\n---\n',
    ': ',
    '- ',
    '&a ',
    '*a',
    '!!set ',
    '{',
    ']',
    '"',
    '#',
    '<<: ',
    '? ',
  ]);
  return text.slice(0, at) + piece + text.slice(at + random.int(0, 3));
}

export function mutated(documents: Json[], random: Random): Json {
  let changed: Json = documents;
  for (let count = random.pick([1, 1, 2, 3, 6]); count > 0; count--) {
    const paths = pathsOf(changed).filter((path) => path.length > 0);
    if (paths.length === 0) break;
    changed = random.pick(CHANGES)(changed, random.pick(paths), random);
  }
  const list = Array.isArray(changed) ? changed : [changed];
  return list.map((one) =>
    random.chance(0.05) ? garbled(JSON.stringify(one) ?? '', random) : one,
  );
}
