/** The same step for every row of a long table: rows that are as they were cost a comparison, and no look at what they read. */
import type { Diagnostic } from '../../model/diagnostic.ts';
import type { CompileContext } from './context.ts';
import type { Kept, Key } from './memo.ts';
import { compact, sameItems } from './memo.ts';
import { Recorder, facetNow, facetOf } from './recorder.ts';

interface Row<T> {
  readonly value: T;
  readonly diagnostics: readonly Diagnostic[];
  readonly origins: readonly string[];
  readonly called: readonly string[];
}

/** All of one length; the first says whose row it is. */
export type Columns = readonly [readonly unknown[], ...(readonly unknown[])[]];

interface KeptTable<T> extends Kept {
  readonly columns: Columns;
  /** Whatever any row has read stands in one of these. */
  readonly facets: ReadonlyMap<string, unknown>;
  readonly rows: readonly Row<T>[];
  readonly value: readonly T[];
  readonly diagnostics: readonly Diagnostic[];
  readonly origins: ReadonlySet<string>;
  readonly called: readonly string[];
}

/** `before` is what the row gave last, perhaps of other inputs. */
type Make<T> = (row: number, context: CompileContext, before: T | undefined) => T;

/**
 * A value for each row. `make` may read what stands in the key, its row of the columns, and the context that it is
 * given. The list is the same while no row has changed.
 */
export function table<T>(
  key: Key,
  context: CompileContext,
  columns: Columns,
  make: Make<T>,
): readonly T[] {
  const { owner, slot, inputs } = key;
  const before = context.memo.find(owner, slot) as KeptTable<T> | undefined;
  const isValid =
    before !== undefined &&
    sameItems(before.inputs, inputs) &&
    [...before.facets].every(([facet, seen]) => facetNow(context, facet) === seen);
  const isSame =
    isValid && columns.every((column, index) => sameItems(column, before.columns[index] ?? []));
  const kept = isSame
    ? before
    : { inputs, columns, ...fill({ context, columns, make, before, isValid }) };
  if (!isSame) context.memo.set(owner, slot, kept);
  for (const one of kept.diagnostics) context.diagnostics.push(one);
  context.origins.include(kept.origins);
  for (const host of kept.called) context.called.add(host);
  return kept.value;
}

interface Filling<T> {
  readonly context: CompileContext;
  readonly columns: Columns;
  readonly make: Make<T>;
  readonly before: KeptTable<T> | undefined;
  /** Rows of the same inputs are as they were. */
  readonly isValid: boolean;
}

function fill<T>(filling: Filling<T>): Omit<KeptTable<T>, 'inputs' | 'columns'> {
  const { context, columns, make, before, isValid } = filling;
  const facets = new Map(isValid ? before?.facets : []);
  const placeOf = alignment(columns[0], before?.columns[0] ?? []);
  const rows = columns[0].map((_owner, index): Row<T> => {
    const place = placeOf(index);
    const old = before?.rows[place];
    const isSame = columns.every((column, at) => column[index] === before?.columns[at]?.[place]);
    if (isValid && isSame && old !== undefined) return old;
    const recorder = new Recorder(context);
    const value = make(index, recorder, old?.value);
    for (const reading of recorder.readings) {
      const facet = facetOf(reading, context);
      if (!facets.has(facet)) facets.set(facet, facetNow(context, facet));
    }
    const origins = compact([...recorder.origins.resources]);
    return {
      value,
      diagnostics: compact(recorder.diagnostics),
      called: compact([...recorder.called]),
      origins: old !== undefined && sameItems(old.origins, origins) ? old.origins : origins,
    };
  });
  return { facets, rows, ...together(rows, before) };
}

/** Where a row stood before, or the row in whose place it stands; rows that were put in or taken out shift the others. */
function alignment(
  owners: readonly unknown[],
  before: readonly unknown[],
): (index: number) => number {
  let places: Map<unknown, number> | undefined;
  let next = 0;
  return (index) => {
    const owner = owners[index];
    if (before[next] !== owner) {
      places ??= new Map(before.map((each, place) => [each, place]));
      next = places.get(owner) ?? next;
    }
    return next++;
  };
}

function together<T>(
  rows: readonly Row<T>[],
  before: KeptTable<T> | undefined,
): Pick<KeptTable<T>, 'value' | 'diagnostics' | 'origins' | 'called'> {
  const old = before?.rows ?? [];
  let isSameValue = rows.length === old.length;
  let areSameOrigins = isSameValue;
  const diagnostics: Diagnostic[] = [];
  const called: string[] = [];
  // One pass: tables are long, and most of their rows are the same objects.
  for (let index = 0; index < rows.length; index++) {
    const row = rows[index] as Row<T>;
    for (const one of row.diagnostics) diagnostics.push(one);
    for (const host of row.called) called.push(host);
    if (row === old[index]) continue;
    isSameValue &&= row.value === old[index]?.value;
    areSameOrigins &&= row.origins === old[index]?.origins;
  }
  return {
    value: before !== undefined && isSameValue ? before.value : rows.map(({ value }) => value),
    diagnostics,
    called,
    origins:
      before !== undefined && areSameOrigins
        ? before.origins
        : new Set(rows.flatMap(({ origins }) => origins)),
  };
}
