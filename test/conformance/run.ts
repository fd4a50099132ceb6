/** Runs cases against a target and counts checks. */
import { compare, falsify } from './compare.ts';
import type { Difference } from './compare.ts';
import type { ConformanceCase } from './cases.ts';
import { admitCase, findingsOf } from './pure-target.ts';
import type { Answer, Target } from './pure-target.ts';
import type { Minter } from './tokens.ts';

type Fields = Readonly<Record<string, unknown>>;

export type Outcome = 'passed' | 'failed' | 'skipped';

export interface CheckResult {
  readonly id: string;
  readonly file: string;
  /** Which check of the case, from 0. */
  readonly check: number;
  readonly outcome: Outcome;
  readonly differences: readonly Difference[];
  readonly note?: string;
  /** Fields that were left out of the comparison, each with the reason. */
  readonly omitted?: readonly string[];
  readonly checked: boolean;
}

export interface KnownDifference {
  readonly id: string;
  readonly reason: string;
  /** The safer expectation of each check, in order. */
  readonly expect: readonly Fields[];
  /** For a validation case. */
  readonly valid?: boolean;
  /** For a case of analysis. */
  readonly findings?: readonly string[];
}

export interface RunOptions {
  readonly target: Target;
  readonly minter: Minter;
  readonly differences: readonly KnownDifference[];
  /** Every expectation made wrong: then every check must fail. */
  readonly falsify?: boolean;
}

type Partial = Omit<CheckResult, 'id' | 'file' | 'checked'>;

function result(check: number, differences: readonly Difference[]): Partial {
  return { check, outcome: differences.length === 0 ? 'passed' : 'failed', differences };
}

/** Is it admitted, and if not, does a message name the place and the word? */
function runValidation(entry: ConformanceCase, options: RunOptions): Partial {
  const known = options.differences.find((difference) => difference.id === entry.id);
  const valid = known?.valid ?? entry.valid;
  const wanted = options.falsify === true ? valid !== true : valid;
  const errors = admitCase(entry, options.minter).diagnostics.filter(
    (diagnostic) => diagnostic.level === 'error',
  );
  const differences: Difference[] = [];
  if ((errors.length === 0) !== wanted)
    differences.push({ field: 'valid', expected: wanted, got: errors });
  if (errors.length > 0 && wanted === false) {
    const paths = errors.map((error) => error.path);
    if (entry.at !== undefined && !paths.includes(entry.at))
      differences.push({ field: 'at', expected: entry.at, got: paths });
    const about =
      entry.about === undefined ? undefined : `${entry.about as string | number}`.toLowerCase();
    const texts = errors.map((error) => `${error.message} ${error.path ?? ''}`);
    if (about !== undefined && !texts.some((text) => text.toLowerCase().includes(about)))
      differences.push({ field: 'about', expected: entry.about, got: texts });
  }
  return result(0, differences);
}

function runFindings(entry: ConformanceCase, options: RunOptions): Partial {
  const known = options.differences.find((difference) => difference.id === entry.id);
  const wanted = [
    ...(known?.findings ?? entry.findings ?? []),
    ...(options.falsify === true ? ['IST9999'] : []),
  ].sort();
  // Own codes tell users more than Istio's analysis does; the case speaks of Istio's alone.
  const got = findingsOf(entry, options.minter)
    .filter((code) => code.startsWith('IST'))
    .sort();
  const same = JSON.stringify(wanted) === JSON.stringify(got);
  return result(0, same ? [] : [{ field: 'findings', expected: wanted, got }]);
}

/** The case with the expectations that it is held to. */
function inForce(entry: ConformanceCase, known: KnownDifference | undefined): ConformanceCase {
  if (known === undefined || entry.checks === undefined) return entry;
  const checks = entry.checks.map((check, index) => ({
    ...check,
    expect: known.expect[index] ?? check.expect,
  }));
  return { ...entry, checks };
}

/** Each field must be found wrong by itself: one that no comparison looks at lets the check pass. */
function compareFalsified(expected: Fields, got: Fields): Difference[] {
  const found = Object.entries(falsify(expected)).map(([field, value]) =>
    compare({ [field]: value }, got),
  );
  return found.every((differences) => differences.length > 0) ? found.flat() : [];
}

function judge(check: number, expect: Fields, answer: Answer, options: RunOptions): Partial {
  const bare = { check, differences: [] };
  if ('skip' in answer) return { ...bare, outcome: 'skipped', note: answer.skip };
  if ('fault' in answer) return { ...bare, outcome: 'failed', note: answer.fault };
  const { omit = {} } = answer;
  const named = Object.entries(answer.expect ?? expect);
  const omitted = named.flatMap(([field]) =>
    omit[field] === undefined ? [] : [`${field}: ${omit[field]}`],
  );
  const left = named.filter(([field]) => omit[field] === undefined);
  if (left.length === 0) return { ...bare, outcome: 'skipped', note: omitted.join('; ') };
  const expected = Object.fromEntries(left);
  const differences =
    options.falsify === true
      ? compareFalsified(expected, answer.fields)
      : compare(expected, answer.fields);
  const judged = result(check, differences);
  return omitted.length === 0 ? judged : { ...judged, omitted };
}

async function runChecks(entry: ConformanceCase, options: RunOptions): Promise<Partial[]> {
  const known = options.differences.find((difference) => difference.id === entry.id);
  const held = inForce(entry, known);
  const answers = await options.target.decide(held, options.minter);
  return (held.checks ?? []).map((check, index) =>
    judge(index, check.expect, answers[index] ?? { fault: 'no answer' }, options),
  );
}

async function partsOf(entry: ConformanceCase, options: RunOptions): Promise<Partial[]> {
  if (entry.unreadable !== undefined)
    return [{ check: 0, outcome: 'failed', differences: [], note: entry.unreadable }];
  const parts: Partial[] = [];
  if (entry.valid !== undefined) parts.push(runValidation(entry, options));
  if (entry.findings !== undefined) parts.push(runFindings(entry, options));
  if (entry.checks !== undefined) parts.push(...(await runChecks(entry, options)));
  return parts;
}

export async function runCase(entry: ConformanceCase, options: RunOptions): Promise<CheckResult[]> {
  const place = { id: entry.id, file: entry.file, checked: entry.checked !== undefined };
  try {
    return (await partsOf(entry, options)).map((part) => ({ ...part, ...place }));
  } catch (error) {
    const note = error instanceof Error ? (error.stack ?? error.message) : String(error);
    const count = Math.max(1, entry.checks?.length ?? 1);
    return Array.from({ length: count }, (_, check) => ({
      ...place,
      check,
      outcome: 'failed' as const,
      differences: [],
      note,
    }));
  }
}
