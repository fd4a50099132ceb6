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

const CLIMB = /(?:[/\\]|%2f|%5c)(?:\.|%2e){2}(?=($|[;/\\]|%2f|%5c))/gi;

/**
 * Does a dot segment hide in a path: behind an encoded or back-to-front separator, in an encoding of its own, before
 * parameters? A plain one that is still there was left on purpose.
 */
export function hidesDots(path: string): boolean {
  for (const [segment, end = ''] of path.matchAll(CLIMB))
    if (segment !== '/..' || (end !== '' && end !== '/')) return true;
  return false;
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
