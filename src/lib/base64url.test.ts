import { expect, it } from 'vitest';
import { decodeBase64url } from './base64url.ts';

it('reads what Node writes, of every length', () => {
  for (let length = 0; length < 70; length++) {
    const bytes = Uint8Array.from({ length }, (_, index) => (index * 89 + length) & 0xff);
    const text = Buffer.from(bytes).toString('base64url');
    expect(decodeBase64url(text)).toEqual(bytes);
  }
});

it('takes each value in one spelling alone', () => {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const taken = (prefix: string): number =>
    alphabet.split('').filter((char) => decodeBase64url(prefix + char) !== undefined).length;
  expect([taken(''), taken('A'), taken('AA'), taken('AAA')]).toEqual([0, 4, 16, 64]);
});

it.each(['A', 'AAAAA', 'AA==', 'AA=', 'A A', 'AA\n', 'A+', 'A/', 'Ä', 'A.', 'AA\0A', '=', ' '])(
  'refuses %j',
  (text) => {
    expect(decodeBase64url(text)).toBeUndefined();
  },
);
