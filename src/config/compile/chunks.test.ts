import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chunksByName, chunksInOrder } from './chunks.ts';

interface Item {
  readonly name: string;
  readonly weight: number;
}

const rule = {
  nameOf: ({ name }: Item) => name,
  weightOf: ({ weight }: Item) => weight,
  limit: 8,
};
const item = fc.record({ name: fc.string({ maxLength: 6 }), weight: fc.nat({ max: 9 }) });
const items = fc.uniqueArray(item, { selector: ({ name }) => name, maxLength: 200 });

const namesOf = (list: readonly Item[]): string[] =>
  chunksByName(list, rule).chunks.map(({ name }) => name);

describe('chunks by name', () => {
  it('hold every item once, and no more than the limit unless it is one alone', () => {
    fc.assert(
      fc.property(items, (list) => {
        const { chunks } = chunksByName(list, rule);
        const all = chunks.flatMap((chunk) => chunk.items);
        expect(new Set(all)).toEqual(new Set(list));
        expect(all).toHaveLength(list.length);
        for (const chunk of chunks) {
          const weight = chunk.items.reduce((sum, one) => sum + one.weight, 0);
          expect(weight <= rule.limit || chunk.items.length === 1).toBe(true);
        }
      }),
    );
  });

  it('are those of the list, whatever list was there before', () => {
    fc.assert(
      fc.property(items, items, (one, other) => {
        const shared = [...one.slice(0, 50), ...other].filter(
          ({ name }, index, list) => list.findIndex((each) => each.name === name) === index,
        );
        const before = chunksByName(one, rule);
        const { chunks } = chunksByName(shared, rule, before);
        expect(chunks.map(({ name }) => name)).toEqual(namesOf(shared));
      }),
    );
  });

  it('change in one place when one item changes', () => {
    const list = Array.from({ length: 5000 }, (_, index) => ({ name: `s${index}`, weight: 1 }));
    const changed = list.map((one, index) => (index === 1234 ? { ...one, text: 'new' } : one));
    const known = new Set(namesOf(list));
    expect(namesOf(changed).filter((name) => !known.has(name))).toHaveLength(1);
    const grown = namesOf([...list, { name: 'another', weight: 1 }]);
    expect(grown.filter((name) => !known.has(name)).length).toBeLessThanOrEqual(2);
  });

  it('are the same objects where the items are', () => {
    const list = Array.from({ length: 100 }, (_, index) => ({ name: `s${index}`, weight: 1 }));
    const before = chunksByName(list, rule);
    const changed = list.map((one, index) => (index === 50 ? { ...one } : one));
    const { chunks } = chunksByName(changed, rule, before);
    expect(chunks.filter((chunk) => !before.chunks.includes(chunk))).toHaveLength(1);
  });
});

describe('chunks in order', () => {
  const groups = fc.array(fc.record({ group: fc.string({ maxLength: 3 }), value: fc.nat() }), {
    maxLength: 300,
  });
  const inRuns = { limit: 8, groupOf: ({ group }: { readonly group: string }) => group };

  it('keep the order, and never exceed the limit', () => {
    fc.assert(
      fc.property(groups, (list) => {
        const { chunks } = chunksInOrder(list, inRuns);
        expect(chunks.flatMap((chunk) => chunk.items)).toEqual(list);
        for (const chunk of chunks) expect(chunk.items.length).toBeLessThanOrEqual(8);
      }),
    );
  });

  it('are the same behind and before a group that was put in', () => {
    const list = Array.from({ length: 5000 }, (_, index) => ({ group: `g${index}`, value: index }));
    const put = [...list.slice(0, 2500), { group: 'new', value: 1 }, ...list.slice(2500)];
    const known = new Set(chunksInOrder(list, inRuns).chunks.map(({ name }) => name));
    const fresh = chunksInOrder(put, inRuns).chunks.filter(({ name }) => !known.has(name));
    expect(fresh.length).toBeLessThan(10);
  });
});
