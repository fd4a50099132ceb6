import { describe, expect, it } from 'vitest';
import { DerFault, TAG, element, elements, isTrue, timeOf } from './der.ts';

const of = (hex: string): Uint8Array => Uint8Array.fromHex(hex);

describe('DER', () => {
  it('reads elements side by side', () => {
    expect(elements(of('0201050400')).map(({ tag, whole }) => [tag, whole.toHex()])).toEqual([
      [TAG.integer, '020105'],
      [TAG.octets, '0400'],
    ]);
    expect(element(of(`048180${'00'.repeat(128)}`), TAG.octets).content.length).toBe(128);
  });

  it.each([
    ['02', 'no length'],
    ['020205', 'cut off'],
    ['0281', 'a length cut off'],
    ['02810105', 'a long length for a short content'],
    [`04820080${'00'.repeat(128)}`, 'a length with a zero before it'],
    ['0280050000', 'no end that is known'],
    ['0284000000010000', 'a length of four bytes'],
    ['1f0100', 'a tag of several bytes'],
  ])('refuses %s: %s', (hex) => {
    expect(() => elements(of(hex))).toThrow(DerFault);
  });

  it('refuses what stands behind, and another tag', () => {
    expect(() => element(of('020105020105'), TAG.integer)).toThrow(DerFault);
    expect(() => element(of('020105'), TAG.octets)).toThrow(DerFault);
  });

  it('has one true', () => {
    expect(isTrue(element(of('0101ff'), TAG.boolean))).toBe(true);
    expect(() => isTrue(element(of('010101'), TAG.boolean))).toThrow(DerFault);
  });

  it.each([
    [TAG.utcTime, '491231235959Z', '2049-12-31T23:59:59.000Z'],
    [TAG.utcTime, '500101000000Z', '1950-01-01T00:00:00.000Z'],
    [TAG.generalTime, '99991231235959Z', '9999-12-31T23:59:59.000Z'],
    [TAG.utcTime, '2602300000Z', undefined],
    [TAG.utcTime, '260230000000Z', undefined],
    [TAG.utcTime, '260101000000+0000', undefined],
    [TAG.generalTime, '20260101000000.5Z', undefined],
  ])('tag %d, time %s: %s', (tag, text, iso) => {
    const content = new TextEncoder().encode(text);
    const read = (): number => timeOf({ tag, content, whole: content });
    if (iso === undefined) expect(read).toThrow(DerFault);
    else expect(new Date(read()).toISOString()).toBe(iso);
  });
});
