/** Paths as a Policy lists them: `/a` the path itself, `/a/*` it and what is below, `*.css` every path that ends so. */
import { plainPath } from './readings.ts';

const CANONICAL = /^\/[^\s?#;\\"<>{}|^`\x00-\x1f\x7f-\uffff*]*$/;
const SUFFIX = /^[^\s?#;\\"<>{}|^`\x00-\x1f\x7f-\uffff*/]+$/;

/** Undefined = fine; else what is wrong. */
export function pathFault(text: string): string | undefined {
  const isBelow = text.endsWith('/*');
  const isSuffix = text.startsWith('*');
  const own = isSuffix ? text.slice(1) : isBelow ? text.slice(0, -1) : text;
  if (isSuffix ? SUFFIX.test(own) : CANONICAL.test(own) && plainPath(own) === undefined)
    return undefined;
  return `${JSON.stringify(text)} is no path, want /a, /a/* or *.css, without query and as it is after normalisation`;
}

/** True only where every reading of the path is listed: who lists paths lets them pass. */
export function linkPaths(list: readonly string[]): (path: string) => boolean {
  const exact = new Set(list.filter((text) => !text.includes('*')));
  const below = list.filter((text) => text.endsWith('/*')).map((text) => text.slice(0, -1));
  const suffixes = list.filter((text) => text.startsWith('*')).map((text) => text.slice(1));
  const isListed = (path: string): boolean =>
    exact.has(path) ||
    below.some((prefix) => path.startsWith(prefix) || path === prefix.slice(0, -1)) ||
    suffixes.some((suffix) => path.endsWith(suffix));
  if (list.length === 0) return () => false;
  return (path) => {
    if (!isListed(path)) return false;
    const other = plainPath(path);
    return other === undefined || isListed(other);
  };
}
