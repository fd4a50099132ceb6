import { describe, expect, it } from 'vitest';
import { ProtoFault, ProtoReader, ProtoWriter } from './protobuf.ts';

const written = (write: (to: ProtoWriter) => void): number[] => {
  const writer = new ProtoWriter();
  write(writer);
  return [...writer.finish()];
};

describe('writing', () => {
  it.each<[string, (to: ProtoWriter) => void, number[]]>([
    ['a number', (to) => to.integer(1, 150), [0x08, 0x96, 0x01]],
    ['a large field number', (to) => to.integer(16, 1), [0x80, 0x01, 0x01]],
    ['beyond 32 bits', (to) => to.integer(1, 2 ** 40), [0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20]],
    ['a negative number', (to) => to.integer(9, -1), [0x48, ...Array(9).fill(0xff), 0x01]],
    ['a text', (to) => to.text(2, 'é'), [0x12, 2, 0xc3, 0xa9]],
    [
      'nothing for defaults',
      (to) => (to.integer(1, 0), to.text(2, ''), to.bytes(3, new Uint8Array(0))),
      [],
    ],
    ['an empty message', (to) => to.message(3, () => undefined), [0x1a, 0]],
    ['an entry', (to) => to.entry(3, 'a', 'b'), [0x1a, 6, 0x0a, 1, 97, 0x12, 1, 98]],
  ])('%s', (_, write, bytes) => {
    expect(written(write)).toEqual(bytes);
  });

  it('grows', () => {
    const bytes = new Uint8Array(100_000).fill(7);
    const reader = new ProtoReader(Uint8Array.from(written((to) => to.bytes(1, bytes))));
    expect(reader.next()).toBe(true);
    expect(reader.bytes()).toEqual(bytes);
  });
});

describe('reading', () => {
  it('gives what was written, in order, and passes over the rest', () => {
    const bytes = written((to) => {
      to.integer(1, -1);
      to.text(2, 'passed over');
      to.message(3, (inner) => inner.text(1, 'inside'));
    });
    const reader = new ProtoReader(
      Uint8Array.from([...bytes, 0x21, 1, 2, 3, 4, 5, 6, 7, 8, 0x2d, 1, 2, 3, 4, 0x30, 1]),
    );
    expect([reader.next(), reader.field, reader.integer()]).toEqual([true, 1, -1]);
    expect([reader.next(), reader.field]).toEqual([true, 2]);
    expect([reader.next(), reader.field]).toEqual([true, 3]);
    const inner = reader.message();
    expect([inner.next(), inner.text(), inner.next()]).toEqual([true, 'inside', false]);
    expect([reader.next(), reader.field, reader.next(), reader.field]).toEqual([true, 4, true, 5]);
    expect([reader.next(), reader.bool(), reader.next()]).toEqual([true, true, false]);
  });

  const readAll = (bytes: readonly number[]): void => {
    const reader = new ProtoReader(Uint8Array.from(bytes));
    while (reader.next()) if (reader.field === 15) reader.text();
  };
  it.each<[string, number[]]>([
    ['a key that is cut off', [0x88]],
    ['a number that is cut off', [0x08, 0x80]],
    ['a number of more than 64 bits', [0x08, ...Array(9).fill(0xff), 0x02]],
    ['a number of eleven bytes', [0x08, ...Array(10).fill(0x80), 0x00]],
    ['a text that is cut off', [0x12, 3, 97]],
    ['a length beyond all', [0x12, ...Array(9).fill(0xff), 0x01]],
    ['eight bytes that are cut off', [0x09, 1, 2]],
    ['four bytes that are cut off', [0x0d, 1]],
    ['field nought', [0x00, 0x00]],
    ['a group', [0x0b, 0x0c]],
    ['an unknown wire type', [0x0e]],
    ['a text that is no UTF-8', [0x7a, 1, 0xff]],
    ['a text of surrogates', [0x7a, 3, 0xed, 0xa0, 0x80]],
    ['a number for a text', [0x78, 1]],
  ])('refuses %s', (_, bytes) => {
    expect(() => readAll(bytes)).toThrow(ProtoFault);
  });
});
