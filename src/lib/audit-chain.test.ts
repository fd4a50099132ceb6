import { describe, expect, it } from 'vitest';
import type { Chained, ChainPoint } from './audit-chain.ts';
import { CHAIN_START, pointOf, pointText, readChain, readPoint } from './audit-chain.ts';

interface Entry extends Chained {
  readonly actor: string;
}

function chainOf(count: number): Entry[] {
  const entries: Entry[] = [];
  let head = CHAIN_START;
  for (let seq = 1; seq <= count; seq++) {
    const entry = { seq, actor: `a${seq}`, previous: head.hash };
    entries.push(entry);
    head = pointOf(entry);
  }
  return entries;
}

function verify(
  entries: readonly Entry[],
  options: { anchor?: ChainPoint; saved?: ChainPoint } = {},
): string | undefined {
  const chain = readChain(options.anchor ?? CHAIN_START, options.saved);
  for (const entry of entries) {
    const fault = chain.add(entry);
    if (fault !== undefined) return fault;
  }
  return chain.end();
}

const whole = chainOf(5);
const at = (index: number): Entry => whole[index] as Entry;
const savedLast = pointOf(at(4));

describe('audit chain', () => {
  it('takes what was written, from the start or from an anchor', () => {
    expect(verify(whole)).toBeUndefined();
    expect(verify(whole.slice(2), { anchor: pointOf(at(1)) })).toBeUndefined();
    expect(verify(whole, { saved: savedLast })).toBeUndefined();
    expect(verify([...whole, ...chainOf(6).slice(5)], { saved: savedLast })).toBeUndefined();
  });

  it.each([
    ['a changed entry', [at(0), { ...at(1), actor: 'x' }, ...whole.slice(2)]],
    ['a removed entry', [at(0), ...whole.slice(2)]],
    ['a removed beginning', whole.slice(1)],
    ['an inserted entry', [at(0), { ...at(0), seq: 2, actor: 'x' }, ...whole.slice(1)]],
    ['a repeated entry', [at(0), at(0), ...whole.slice(1)]],
    ['two that changed places', [at(0), at(2), at(1), at(3), at(4)]],
    ['an added field', [at(0), { ...at(1), extra: 1 } as Entry, ...whole.slice(2)]],
  ])('finds %s', (_what, entries) => {
    expect(verify(entries)).toMatch(/entry \d/);
  });

  it.each([
    ['an end that was cut off', whole.slice(0, 3)],
    ['a last entry that was changed', [...whole.slice(0, 4), { ...at(4), actor: 'x' }]],
    ['nothing left', []],
  ])('finds by a saved head %s', (_what, entries) => {
    expect(verify(entries)).toBeUndefined();
    expect(verify(entries, { saved: savedLast })).toMatch(/saved/);
  });

  it('finds a log that was written anew by a head that it begins with', () => {
    const other = { seq: 2, hash: 'f'.repeat(64) };
    expect(verify(whole.slice(2), { anchor: pointOf(at(1)), saved: other })).toMatch(/saved/);
  });

  it('reads points as it writes them', () => {
    expect(readPoint(pointText(savedLast))).toEqual(savedLast);
    for (const text of ['', '5', '5:abc', `5:${'g'.repeat(64)}`, `-1:${'a'.repeat(64)}`])
      expect(readPoint(text)).toBeUndefined();
  });
});
