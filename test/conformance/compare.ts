/** Compares exactly what `expect` names with what a target answered. */
import { parseDuration } from '../../src/lib/duration.ts';

export interface Difference {
  readonly field: string;
  readonly expected: unknown;
  readonly got: unknown;
}

type Fields = Readonly<Record<string, unknown>>;

const unordered =
  /^access-control-(?:allow|expose)-(?:methods|headers)$|^access-control-expose-headers$/;

function headerText(value: unknown): string | undefined {
  if (value === null || value === undefined) return undefined;
  return Array.isArray(value) ? value.join(',') : `${value as string | number}`;
}

/** Without regard to spaces after commas; CORS lists also without regard to order. */
function headerKey(name: string, value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  const parts = value.split(',').map((part) => part.trim());
  if (unordered.test(name)) return parts.sort().join(',');
  if (name === 'location')
    return value.replace(/^(http:\/\/[^/]*):80(?=\/|$)|^(https:\/\/[^/]*):443(?=\/|$)/, '$1$2');
  return parts.join(',');
}

/** The minted token differs from run to run. */
function tokenPattern(text: string): RegExp {
  const escaped = text.replaceAll(/[.*+?^$()|[\]\\]/g, String.raw`\$&`);
  return new RegExp(`^${escaped.replaceAll('{{TOKEN}}', String.raw`[-A-Za-z0-9_.]+`)}$`);
}

function compareHeaders(field: string, expected: Fields, got: Fields): Difference[] {
  return Object.entries(expected).flatMap(([name, value]) => {
    const lower = name.toLowerCase();
    const seen = headerText(got[lower]);
    const wanted = headerText(value);
    if (
      wanted?.includes('{{TOKEN}}') === true
        ? tokenPattern(wanted).test(seen ?? '')
        : headerKey(lower, wanted) === headerKey(lower, seen)
    )
      return [];
    // A default port in `location` may stand or be missing only where the case leaves it open.
    return [{ field: `${field}.${lower}`, expected: value, got: seen ?? null }];
  });
}

function milliseconds(value: unknown): unknown {
  return typeof value === 'string' ? (parseDuration(value) ?? value) : value;
}

function compareRetries(expected: Fields, got: Fields): Difference[] {
  return Object.entries(expected).flatMap(([name, value]) => {
    const seen = got[name];
    if (name === 'retryOn') {
      const has = new Set((seen as unknown[] | undefined)?.map(String));
      const missing = (value as unknown[]).filter((word) => !has.has(String(word)));
      return missing.length === 0 ? [] : [{ field: 'retries.retryOn', expected: value, got: seen }];
    }
    if (milliseconds(value) === milliseconds(seen)) return [];
    return [{ field: `retries.${name}`, expected: value, got: seen }];
  });
}

function compareMirrors(expected: readonly Fields[], got: readonly Fields[]): Difference[] {
  const covers = (want: Fields, have: Fields): boolean =>
    Object.entries(want).every(([name, value]) => have[name] === value);
  const same =
    expected.length === got.length &&
    expected.every((want) => got.some((have) => covers(want, have)));
  return same ? [] : [{ field: 'mirrors', expected, got }];
}

/** Each entry names one condition of one object; without a parent it holds for all of them, `status: null` = it isn't set. */
function compareConditions(expected: readonly Fields[], got: readonly Fields[]): Difference[] {
  return expected.flatMap((wanted): Difference[] => {
    const { status, reason, ...place } = wanted;
    const found = got.filter(
      (one) =>
        Object.entries(place).every(([name, value]) => one[name] === value) &&
        (place['listener'] !== undefined) === (one['listener'] !== undefined),
    );
    const holds =
      status === null
        ? found.length === 0
        : found.length > 0 &&
          found.every(
            (one) => one['status'] === status && (reason === undefined || one['reason'] === reason),
          );
    return holds ? [] : [{ field: 'conditions', expected: wanted, got: found }];
  });
}

function compareSplit(expected: Fields, got: Fields): Difference[] {
  const names = new Set([...Object.keys(expected), ...Object.keys(got)]);
  const near = [...names].every(
    (name) => Math.abs(Number(expected[name] ?? 0) - Number(got[name] ?? 0)) < 0.51,
  );
  return near ? [] : [{ field: 'split', expected, got }];
}

function compareFault(expected: Fields, got: Fields): Difference[] {
  const same = Object.entries(expected).every(
    ([name, value]) => milliseconds(value) === milliseconds(got[name]),
  );
  return same ? [] : [{ field: 'fault', expected, got }];
}

/** Both sides use the words of a case's `expect`. */
export function compare(expected: Fields, got: Fields): Difference[] {
  return Object.entries(expected).flatMap(([field, value]): Difference[] => {
    const seen = got[field];
    const fields = (seen ?? {}) as Fields;
    switch (field) {
      case 'requestHeaders':
      case 'responseHeaders':
        return compareHeaders(field, value as Fields, fields);
      case 'retries':
        return compareRetries(value as Fields, fields);
      case 'conditions':
        return compareConditions(value as Fields[], (seen ?? []) as Fields[]);
      case 'mirrors':
        return compareMirrors(value as Fields[], (seen ?? []) as Fields[]);
      case 'split':
        return compareSplit(value as Fields, fields);
      case 'fault':
        return compareFault(value as Fields, fields);
      case 'timeout':
        return milliseconds(value) === milliseconds(seen ?? '0s')
          ? []
          : [{ field, expected: value, got: seen }];
      case 'service':
        // Passthrough is a forward without service; a null asks for just that.
        return (value ?? undefined) === (seen ?? undefined)
          ? []
          : [{ field, expected: value, got: seen }];
      default:
        return value === seen ? [] : [{ field, expected: value, got: seen ?? null }];
    }
  });
}

const isNumber = (value: unknown): value is number => typeof value === 'number';

/** An expectation that must fail where `expected` holds: every named field is made wrong. */
export function falsify(expected: Fields): Fields {
  return Object.fromEntries(
    Object.entries(expected).map(([field, value]): [string, unknown] => {
      if (field === 'requestHeaders' || field === 'responseHeaders')
        return [
          field,
          Object.fromEntries(Object.keys(value as Fields).map((name) => [name, 'falsified'])),
        ];
      if (field === 'retries') return [field, { ...(value as Fields), attempts: 987 }];
      if (field === 'mirrors') return [field, [...(value as Fields[]), { service: 'falsified' }]];
      if (field === 'split') return [field, { falsified: 100 }];
      if (field === 'conditions')
        return [field, [...(value as Fields[]), { type: 'Falsified', status: 'True' }]];
      if (field === 'fault') return [field, { delay: '987s', percent: 1 }];
      if (field === 'timeout') return [field, '987s'];
      return [field, isNumber(value) ? value + 1 : `falsified ${String(value)}`];
    }),
  );
}
