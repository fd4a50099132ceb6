/** Where a request carries its tokens, for one rule. */
import type { Exchange } from '../../model/exchange.ts';
import type { JwtRuleConfig } from './config.ts';

export interface FoundToken {
  readonly text: string;
  readonly place: 'header' | 'param' | 'cookie';
  /** Of the header, parameter or cookie. */
  readonly name: string;
}

const NONE: readonly FoundToken[] = [];
const NO_VALUES: readonly string[] = [];

/** The prefix is looked for anywhere in the value, as Envoy does, and all behind it is the token. */
function afterPrefix(value: string, prefix: string): string | undefined {
  if (prefix === '') return value;
  const at = value.indexOf(prefix);
  return at < 0 ? undefined : value.slice(at + prefix.length).trim();
}

function queryValues(query: string, name: string): readonly string[] {
  // Nearly always there is nothing to take apart; a name may also be written with escapes.
  if (!query.includes(name) && !query.includes('%')) return NO_VALUES;
  return query
    .slice(1)
    .split('&')
    .filter((pair) => decodeName(pair.split('=')[0] ?? '') === name)
    .map((pair) => pair.slice(pair.indexOf('=') + 1 || pair.length));
}

function decodeName(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

function cookieValue(header: string | undefined, name: string): string | undefined {
  for (const part of (header ?? '').split(';')) {
    const equals = part.indexOf('=');
    if (equals > 0 && part.slice(0, equals).trim() === name)
      return part
        .slice(equals + 1)
        .trim()
        .replace(/^"(.*)"$/, '$1');
  }
  return undefined;
}

function withoutParam(query: string, name: string): string {
  const left = query
    .slice(1)
    .split('&')
    .filter((pair) => decodeName(pair.split('=')[0] ?? '') !== name);
  return left.length === 0 ? '' : `?${left.join('&')}`;
}

/** Repeats of Authorization are one value, as the proxies that people know join it. */
function headerValues(x: Exchange, name: string): readonly string[] {
  if (name !== 'authorization') return x.request.getAll(name);
  const joined = x.request.get(name);
  return joined === undefined ? NO_VALUES : [joined];
}

/** Headers, then query, then cookies. Of a repeated parameter or cookie the first counts, of a header every value. */
export function locateTokens(x: Exchange, rule: JwtRuleConfig): readonly FoundToken[] {
  let found: FoundToken[] | undefined;
  for (const { name, prefix } of rule.fromHeaders)
    for (const value of headerValues(x, name)) {
      const text = afterPrefix(value, prefix);
      if (text !== undefined) (found ??= []).push({ text, place: 'header', name });
    }
  for (const name of rule.fromParams) {
    const [text] = queryValues(x.query, name);
    if (text !== undefined) (found ??= []).push({ text, place: 'param', name });
  }
  for (const name of rule.fromCookies) {
    const text = cookieValue(x.request.get('cookie'), name);
    if (text !== undefined) (found ??= []).push({ text, place: 'cookie', name });
  }
  return found ?? NONE;
}

/** Takes it out of what is forwarded; cookies stay, they carry more than one thing. */
export function stripToken(x: Exchange, { place, name }: FoundToken): void {
  if (place === 'header') x.request.remove(name);
  else if (place === 'param') x.query = withoutParam(x.query, name);
}
