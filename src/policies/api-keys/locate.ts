/** Keys that a request brings, wherever they may stand. */
import { cookieValues, withoutCookies } from '../../lib/cookies.ts';
import type { Exchange } from '../../model/exchange.ts';
import type { KeyPlace } from './config.ts';

function decoded(text: string): string | undefined {
  if (!text.includes('%')) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

const isNamed = (pair: string, name: string): boolean => {
  const own = pair.split('=', 1)[0] ?? '';
  return (decoded(own) ?? own) === name;
};

/** A value that can't be decoded is none that anybody was given; it is there all the same. */
function queryValues(query: string, name: string): readonly string[] {
  if (query.length < 2 || (!query.includes(name) && !query.includes('%'))) return [];
  return query
    .slice(1)
    .split('&')
    .filter((pair) => isNamed(pair, name))
    .map((pair) => decoded(pair.includes('=') ? pair.slice(pair.indexOf('=') + 1) : '') ?? '');
}

/** The scheme of a header ignores case (RFC 9110, 11.1). */
function headerValues(values: readonly string[], prefix: string): readonly string[] {
  if (prefix === '') return values;
  const wanted = prefix.toLowerCase();
  return values
    .filter((value) => value.toLowerCase().startsWith(wanted))
    .map((value) => value.slice(prefix.length).trim());
}

export function keysAt(x: Exchange, place: KeyPlace): readonly string[] {
  switch (place.in) {
    case 'header':
      return headerValues(x.request.getAll(place.name), place.prefix);
    case 'query':
      return queryValues(x.query, place.name);
    case 'cookie':
      return cookieValues(x.request.getAll('cookie'), place.name);
    default:
      return place satisfies never;
  }
}

/** Takes it out of what is forwarded. */
export function stripKey(x: Exchange, place: KeyPlace): void {
  if (place.in === 'header') x.request.remove(place.name);
  else if (place.in === 'query') {
    const left = x.query
      .slice(1)
      .split('&')
      .filter((pair) => !isNamed(pair, place.name));
    x.query = left.length === 0 ? '' : `?${left.join('&')}`;
  } else {
    const kept = withoutCookies(x.request.getAll('cookie'), (name) => name === place.name);
    if (kept === undefined) x.request.remove('cookie');
    else x.request.set('cookie', kept);
  }
}
