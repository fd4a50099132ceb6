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

/** Is each wish of the wide one met by a wish of the narrow one for the same name? */
function mapCovers(
  wide: Strings,
  narrow: Strings,
  meets: (a: readonly [string, StringMatchSpec], b: readonly [string, StringMatchSpec]) => boolean,
): boolean {
  const given = Object.entries(narrow ?? {});
  return Object.entries(wide ?? {}).every((wish) => given.some((other) => meets(wish, other)));
}

const headersCover = (wide: Strings, narrow: Strings): boolean =>
  mapCovers(
    wide,
    narrow,
    ([a, wish], [b, other]) => headerKey(a) === headerKey(b) && stringCovers(wish, other),
  );

/** A negated condition is only implied by the same one. */
const withoutCovers = (wide: Strings, narrow: Strings): boolean =>
  mapCovers(
    wide,
    narrow,
    ([a, wish], [b, other]) =>
      headerKey(a) === headerKey(b) && canonicalJson(wish) === canonicalJson(other),
  );

const queryCovers = (wide: Strings, narrow: Strings): boolean =>
  mapCovers(wide, narrow, ([a, wish], [b, other]) => a === b && stringCovers(wish, other));

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
    headersCover(wide.headers, narrow.headers) &&
    withoutCovers(wide.withoutHeaders, narrow.withoutHeaders) &&
    queryCovers(wide.queryParams, narrow.queryParams)
  );
}
