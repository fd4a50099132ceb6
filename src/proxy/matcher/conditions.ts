/** Every condition of a route, as one test; the first that fails can be named. */
import type { Exchange } from '../../model/exchange.ts';
import type { ClaimMatch, HeaderMatch, RouteMatch } from '../../model/snapshot.ts';
import { linkString } from './strings.ts';
import type { TextTest } from './strings.ts';

/** Undefined = holds; else what didn't, in words. */
export type Condition = (x: Exchange) => string | undefined;

function pathCondition(match: NonNullable<RouteMatch['path']>): Condition {
  if (match.kind === 'segment-prefix') {
    const bare = match.value.endsWith('/') ? match.value.slice(0, -1) : match.value;
    return ({ path }) =>
      path.startsWith(bare) && (path.length === bare.length || path.charCodeAt(bare.length) === 47)
        ? undefined
        : `path is not under ${match.value}`;
  }
  const test = linkString(match);
  return ({ path }) => (test(path) ? undefined : `path is not ${describe(match)}`);
}

function describe(match: {
  readonly kind: string;
  readonly value?: string;
  readonly source?: string;
}): string {
  return `${match.kind} ${match.value ?? match.source ?? ''}`.trim();
}

/** Pseudo-headers by their HTTP/2 names. */
function headerValues(x: Exchange, name: string): readonly string[] {
  switch (name) {
    case ':method':
      return [x.method];
    case ':path':
      return [x.path + x.query];
    case ':authority':
    case 'host':
      return [x.authority];
    case ':scheme':
      return [x.scheme];
    default:
      return x.request.getAll(name);
  }
}

/** Any one value is enough; under invert none may match. */
function headerCondition(match: HeaderMatch): Condition {
  const test = linkString(match.value);
  const { name } = match;
  if (match.invert !== true)
    return (x) =>
      headerValues(x, name).some((value) => test(value))
        ? undefined
        : `header ${name} is not ${describe(match.value)}`;
  const missing = match.missingAsEmpty === true && test('');
  return (x) => {
    const values = headerValues(x, name);
    const found = values.length === 0 ? missing : values.some((value) => test(value));
    return found ? `header ${name} is ${describe(match.value)}` : undefined;
  };
}

function queryValue(query: string, name: string): string | undefined {
  if (query.length < 2) return undefined;
  for (const pair of query.slice(1).split('&')) {
    const equals = pair.indexOf('=');
    if ((equals < 0 ? pair : pair.slice(0, equals)) === name)
      return equals < 0 ? '' : pair.slice(equals + 1);
  }
  return undefined;
}

function claimValues(
  claims: Readonly<Record<string, unknown>> | undefined,
  path: readonly string[],
  splits: ReadonlySet<string>,
): readonly string[] {
  let value: unknown = claims;
  for (const step of path) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return [];
    value = Object.hasOwn(value, step) ? (value as Record<string, unknown>)[step] : undefined;
  }
  if (typeof value === 'string')
    return path.length === 1 && splits.has(path[0] ?? '') ? value.split(' ') : [value];
  return Array.isArray(value)
    ? value.filter((entry): entry is string => typeof entry === 'string')
    : [];
}

function claimCondition(match: ClaimMatch): Condition {
  const test: TextTest = linkString(match.value);
  return (x) => {
    const splits = new Set(['scope', 'permission', ...(x.identity?.spaceDelimitedClaims ?? [])]);
    const found = claimValues(x.identity?.claims, match.path, splits).some((value) => test(value));
    return found === (match.invert !== true)
      ? undefined
      : `claim ${match.path.join('.')} is not as wanted`;
  };
}

/** Path left out: the trie has looked at it where it could. */
export function linkConditions(match: RouteMatch, withPath: boolean): Condition | undefined {
  const conditions: Condition[] = [];
  if (withPath && match.path !== undefined) conditions.push(pathCondition(match.path));
  for (const field of ['method', 'scheme', 'authority'] as const) {
    const wanted = match[field];
    if (wanted === undefined) continue;
    const test = linkString(wanted);
    conditions.push((x) => (test(x[field]) ? undefined : `${field} is not ${describe(wanted)}`));
  }
  for (const header of match.headers ?? []) conditions.push(headerCondition(header));
  for (const { name, value } of match.query ?? []) {
    const test = linkString(value);
    conditions.push((x) => {
      const found = queryValue(x.query, name);
      return found !== undefined && test(found)
        ? undefined
        : `query parameter ${name} is not ${describe(value)}`;
    });
  }
  for (const claim of match.claims ?? []) conditions.push(claimCondition(claim));
  if (conditions.length === 0) return undefined;
  return (x) => {
    for (const condition of conditions) {
      const fault = condition(x);
      if (fault !== undefined) return fault;
    }
    return undefined;
  };
}
