/**
 * How a backend may read a request other than this proxy does. What is refused should be refused in every
 * reading, what is allowed only where all readings agree.
 */

const AMBIGUOUS = /[;\\]|\/\/|%2[ef]|%5c|\/\.\.?(?:\/|$)/i;

function withoutDots(path: string): string {
  const out: string[] = [];
  for (const segment of path.split('/')) {
    if (segment === '..') out.pop();
    else if (segment !== '.' && segment !== '') out.push(segment);
  }
  return `/${out.join('/')}`;
}

/** A path without parameters, encoded separators, repeated slashes and dot segments; undefined where it has none. */
export function plainPath(path: string): string | undefined {
  if (!AMBIGUOUS.test(path)) return undefined;
  const decoded = path
    .replaceAll(/%2e/gi, '.')
    .replaceAll(/%2f/gi, '/')
    .replaceAll(/%5c|\\/gi, '/')
    .replaceAll(/;[^/]*/g, '');
  const isFolder = /\/(?:\.\.?)?$/.test(decoded);
  const plain = withoutDots(decoded);
  const text = isFolder && plain !== '/' ? `${plain}/` : plain;
  return text === path ? undefined : text;
}

/** Repeats of a field as one value, or a value that the runtime joined as several; undefined where that is all the same. */
export function otherValues(
  values: readonly string[],
  joinsRepeated: boolean,
): readonly string[] | undefined {
  if (values.length > 1) return [values.join(',')];
  return joinsRepeated && values[0]?.includes(',') === true
    ? values[0].split(',').map((part) => part.trim())
    : undefined;
}
