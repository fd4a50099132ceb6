/** What every implementation of the header port must do; run on each. */
import { describe, expect, test } from 'vitest';
import type { HeaderBlock } from '../../src/model/head.ts';

type Fields = readonly (readonly [name: string, value: string])[];

function fieldsOf(head: HeaderBlock): [string, string][] {
  const fields: [string, string][] = [];
  head.forEach((name, value) => fields.push([name, value]));
  return fields;
}

/** Sorted by name, values of one name in their order: what doesn't depend on where a runtime puts an edit. */
function byName(head: HeaderBlock): [string, string][] {
  return fieldsOf(head).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
}

export interface HeadSuite {
  readonly name: string;
  /** A head as if these fields had been received. */
  make(fields: Fields): HeaderBlock;
  /** The order of different names is known. */
  readonly keepsOrder: boolean;
}

function reads({ make, keepsOrder }: HeadSuite): void {
  test('finds names in any case, by their lower-case form', () => {
    const head = make([
      ['Content-Type', 'text/plain'],
      ['X-ID', '7'],
      ['x_id', '8'],
    ]);
    expect(head.get('content-type')).toBe('text/plain');
    expect([head.get('x-id'), head.get('x_id')]).toEqual(['7', '8']);
    expect(head.has('x-id')).toBe(true);
    expect(head.getAll('x-id')).toEqual(['7']);
  });

  test('absent is undefined, empty is empty', () => {
    const head = make([['x-empty', '']]);
    expect(head.get('x-empty')).toBe('');
    expect([head.has('x-empty'), head.getAll('x-empty')]).toEqual([true, ['']]);
    expect(head.get('x-none')).toBeUndefined();
    expect([head.has('x-none'), head.getAll('x-none')]).toEqual([false, []]);
    expect(head.has('x-emptx')).toBe(false);
  });

  test('repeats are joined by get and told apart by getAll, where the runtime knows them', () => {
    const head = make([
      ['x-a', '1'],
      ['X-A', '2'],
    ]);
    expect(head.get('x-a')?.replaceAll(' ', '')).toBe('1,2');
    expect(head.getAll('x-a')).toEqual(head.joinsRepeated ? ['1, 2'] : ['1', '2']);
  });

  test('visits every field with its name in lower case', () => {
    const head = make([
      ['B-Second', '2'],
      ['A-First', '1'],
    ]);
    const wanted = [
      ['b-second', '2'],
      ['a-first', '1'],
    ];
    if (keepsOrder) expect(fieldsOf(head)).toEqual(wanted);
    else expect(byName(head)).toEqual(wanted.reverse());
  });
}

function edits({ make }: HeadSuite): void {
  test('removes what a backend may read as a name, and not the name', () => {
    const head = make([
      ['X-Id-Of', '1'],
      ['x_id-of', '2'],
      ['X-ID_Of', '3'],
      ['x_id_of', '4'],
      ['x.id.of', '5'],
      ['xaidaof', '6'],
    ]);
    head.removeUnderscored('x-id-of');
    expect(byName(head).map(([, value]) => value)).toEqual(['1', '5', '6']);
    const edits = head.editCount;
    expect(edits).toBeGreaterThan(0);
    head.removeUnderscored('x-id-of');
    expect(head.editCount).toBe(edits);
    head.set('y_id', '7');
    head.removeUnderscored('y-id');
    expect(head.has('y_id')).toBe(false);
  });

  test('untouched means no edits', () => {
    const head = make([['x-a', '1']]);
    head.get('x-a');
    expect(head.editCount).toBe(0);
    head.set('x-a', '2');
    expect(head.editCount).toBeGreaterThan(0);
  });

  test('set replaces every value', () => {
    const head = make([
      ['X-A', '1'],
      ['x-b', 'b'],
      ['x-a', '2'],
    ]);
    head.set('x-a', '3');
    expect(head.getAll('x-a')).toEqual(['3']);
    head.set('x-a', '4');
    head.set('x-new', '5');
    expect(byName(head)).toEqual([
      ['x-a', '4'],
      ['x-b', 'b'],
      ['x-new', '5'],
    ]);
  });

  test('add comes behind what there is, received or not', () => {
    const head = make([['X-A', '1']]);
    head.add('x-a', '2');
    head.add('x-n', '1');
    head.add('x-n', '2');
    expect(head.getAll('x-a')).toEqual(['1', '2']);
    expect([head.get('x-a'), head.get('x-n')]).toEqual(['1,2', '1,2']);
    head.set('x-n', '3');
    expect(head.getAll('x-n')).toEqual(['3']);
  });

  test('remove takes all values, and what comes later stays', () => {
    const head = make([
      ['X-A', '1'],
      ['x-a', '2'],
      ['x-b', 'b'],
    ]);
    head.add('x-a', '3');
    head.remove('x-a');
    head.remove('x-none');
    expect([head.has('x-a'), head.get('x-a'), head.getAll('x-a')]).toEqual([false, undefined, []]);
    head.add('x-a', '4');
    expect(byName(head)).toEqual([
      ['x-a', '4'],
      ['x-b', 'b'],
    ]);
  });

  test('removes by prefix, received and added, also what a backend may read as one that begins so', () => {
    const head = make([
      ['X-Envoy-A', '1'],
      ['x-envoy', '2'],
      ['x-other', '3'],
      ['X_Envoy-C', '5'],
      ['x-envoy_d', '6'],
      ['x.envoy-e', '7'],
    ]);
    head.add('x-envoy-b', '4');
    head.add('x_envoy_f', '8');
    head.removePrefix('x-envoy-');
    expect(byName(head)).toEqual([
      ['x-envoy', '2'],
      ['x-other', '3'],
      ['x.envoy-e', '7'],
    ]);
  });
}

export function headSuite(suite: HeadSuite): void {
  describe(`header port: ${suite.name}`, () => {
    reads(suite);
    edits(suite);
  });
}
