/** Does one HTTP match take every request that another would? Undecided counts as no. */
import { canonicalJson } from '../../lib/canonical-json.ts';
import type { HttpMatch, StringMatchSpec } from '../../model/api.ts';

const isEmpty = (value: object | undefined): boolean =>
  value === undefined || Object.keys(value).length === 0;

const takesAll = (match: StringMatchSpec): boolean => match.regex === '.*' || match.regex === '*';

interface Folding {
  readonly wide?: boolean;
  readonly narrow?: boolean;
}

function stringCovers(
  wide: StringMatchSpec | undefined,
  narrow: StringMatchSpec | undefined,
  { wide: isWideFolded = false, narrow: isNarrowFolded = false }: Folding = {},
): boolean {
  if (wide === undefined || isEmpty(wide) || takesAll(wide)) return true;
  if (narrow === undefined || isEmpty(narrow)) return false;
  if (isNarrowFolded && !isWideFolded) return false;
  const fold = (text: string): string => (isWideFolded ? text.toLowerCase() : text);
  if (wide.exact !== undefined)
    return narrow.exact !== undefined && fold(narrow.exact) === fold(wide.exact);
  const start = narrow.exact ?? narrow.prefix;
  if (wide.prefix !== undefined)
    return start !== undefined && fold(start).startsWith(fold(wide.prefix));
  return wide.regex === narrow.regex && isWideFolded === isNarrowFolded;
}

/** Every path begins with a slash. */
function uriCovers(wide: HttpMatch, narrow: HttpMatch): boolean {
  if (wide.uri?.prefix === '/') return true;
  return stringCovers(wide.uri, narrow.uri, {
    wide: wide.ignoreUriCase === true,
    narrow: narrow.ignoreUriCase === true,
  });
}

type Strings = Readonly<Record<string, StringMatchSpec>> | undefined;

/** Header names ignore case; those of claims don't. */
const headerKey = (name: string): string => (name.startsWith('@') ? name : name.toLowerCase());

function mapCovers(wide: Strings, narrow: Strings, key: (name: string) => string): boolean {
  const given = new Map(Object.entries(narrow ?? {}).map(([name, value]) => [key(name), value]));
  return Object.entries(wide ?? {}).every(([name, value]) => {
    const found = given.get(key(name));
    return found !== undefined && stringCovers(value, found);
  });
}

/** A negated condition is only implied by the same one. */
function withoutCovers(wide: Strings, narrow: Strings): boolean {
  const given = new Map(
    Object.entries(narrow ?? {}).map(([name, value]) => [headerKey(name), canonicalJson(value)]),
  );
  return Object.entries(wide ?? {}).every(
    ([name, value]) => given.get(headerKey(name)) === canonicalJson(value),
  );
}

/** Which proxies are meant. */
function scopeCovers(wide: HttpMatch, narrow: HttpMatch): boolean {
  const scopeOf = ({ gateways = [], sourceLabels = {}, sourceNamespace = '' }: HttpMatch): string =>
    canonicalJson({ gateways, sourceLabels, sourceNamespace });
  const scope = scopeOf(wide);
  const isWidest = scope === scopeOf({});
  const isSamePort = wide.port === undefined || wide.port === 0 || wide.port === narrow.port;
  return isSamePort && (isWidest || scope === scopeOf(narrow));
}

export function matchCovers(wide: HttpMatch, narrow: HttpMatch): boolean {
  return (
    scopeCovers(wide, narrow) &&
    uriCovers(wide, narrow) &&
    stringCovers(wide.scheme, narrow.scheme) &&
    stringCovers(wide.method, narrow.method) &&
    stringCovers(wide.authority, narrow.authority) &&
    mapCovers(wide.headers, narrow.headers, headerKey) &&
    withoutCovers(wide.withoutHeaders, narrow.withoutHeaders) &&
    mapCovers(wide.queryParams, narrow.queryParams, (name) => name)
  );
}
