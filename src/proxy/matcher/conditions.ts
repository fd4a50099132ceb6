/** Every condition of a route, as one test; the first that fails is named only when somebody asks. */
import type { Exchange } from '../../model/exchange.ts';
import type { ClaimMatch, HeaderMatch, RouteMatch, StringMatch } from '../../model/snapshot.ts';
import { linkString } from './strings.ts';
import type { TextTest } from './strings.ts';

export interface Condition {
  readonly holds: (x: Exchange) => boolean;
  /** Of a request for which it doesn't hold: what was seen, what is wanted. */
  readonly why: (x: Exchange) => string;
}

const MAX_SHOWN = 80;

/** A request's own text may be long. */
const shown = (values: readonly string[]): string =>
  values.length === 0
    ? 'absent'
    : values
        .map((value) =>
          JSON.stringify(value.length > MAX_SHOWN ? `${value.slice(0, MAX_SHOWN)}...` : value),
        )
        .join(', ');

function pathCondition(match: NonNullable<RouteMatch['path']>): Condition {
  if (match.kind === 'segment-prefix') {
    const bare = match.value.endsWith('/') ? match.value.slice(0, -1) : match.value;
    return {
      holds: ({ path }) =>
        path.startsWith(bare) &&
        (path.length === bare.length || path.charCodeAt(bare.length) === SLASH),
      why: ({ path }) => `path is ${shown([path])}, want one under ${match.value}`,
    };
  }
  const test = linkString(match);
  return {
    holds: ({ path }) => test(path),
    why: ({ path }) => `path is ${shown([path])}, want ${describe(match)}`,
  };
}

const SLASH = 47;

function describe(match: {
  readonly kind: string;
  readonly value?: string;
  readonly source?: string;
  readonly ignoreCase?: boolean;
}): string {
  if (match.kind === 'present') return 'it to be there';
  const inCase = match.ignoreCase === true ? ', in any case' : '';
  return `${match.kind} ${match.value ?? match.source ?? ''}`.trim() + inCase;
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
  const seen = (x: Exchange): string => `header ${name} is ${shown(headerValues(x, name))}`;
  if (match.invert !== true)
    return {
      holds: (x) => headerValues(x, name).some((value) => test(value)),
      why: (x) => `${seen(x)}, want ${describe(match.value)}`,
    };
  const missing = match.missingAsEmpty === true && test('');
  return {
    holds(x) {
      const values = headerValues(x, name);
      return !(values.length === 0 ? missing : values.some((value) => test(value)));
    },
    why: (x) => `${seen(x)}, want anything but ${describe(match.value)}`,
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
  const valuesOf = (x: Exchange): readonly string[] => {
    const splits = new Set(['scope', 'permission', ...(x.identity?.spaceDelimitedClaims ?? [])]);
    return claimValues(x.identity?.claims, match.path, splits);
  };
  const name = match.path.join('.');
  const wanted = `${match.invert === true ? 'anything but ' : ''}${describe(match.value)}`;
  return {
    holds: (x) => valuesOf(x).some((value) => test(value)) === (match.invert !== true),
    why: (x) =>
      x.identity === undefined
        ? `claim ${name} is absent (no verified token), want ${wanted}`
        : `claim ${name} is ${shown(valuesOf(x))}, want ${wanted}`,
  };
}

function queryCondition(name: string, match: StringMatch): Condition {
  const test = linkString(match);
  return {
    holds(x) {
      const found = queryValue(x.query, name);
      return found !== undefined && test(found);
    },
    why(x) {
      const found = queryValue(x.query, name);
      const seen = shown(found === undefined ? [] : [found]);
      return `query parameter ${name} is ${seen}, want ${describe(match)}`;
    },
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
    conditions.push({
      holds: (x) => test(x[field]),
      why: (x) => `${field} is ${shown([x[field]])}, want ${describe(wanted)}`,
    });
  }
  for (const header of match.headers ?? []) conditions.push(headerCondition(header));
  for (const { name, value } of match.query ?? []) conditions.push(queryCondition(name, value));
  for (const claim of match.claims ?? []) conditions.push(claimCondition(claim));
  if (conditions.length < 2) return conditions[0];
  return {
    holds(x) {
      for (const condition of conditions) if (!condition.holds(x)) return false;
      return true;
    },
    why: (x) => conditions.find((condition) => !condition.holds(x))?.why(x) ?? '',
  };
}
