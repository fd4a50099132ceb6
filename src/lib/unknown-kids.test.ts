import { expect, it } from 'vitest';
import { UnknownKids } from './unknown-kids.ts';

it('knows a name for five minutes, and only of the set that lacked it', () => {
  const kids = new UnknownKids();
  const keys = [{}];
  kids.add('a', keys, 0);
  expect([kids.has('a', keys, 299_999), kids.has('b', keys, 0)]).toEqual([true, false]);
  expect(kids.has('a', keys, 300_000)).toBe(false);
  expect(kids.has('a', [{}], 0)).toBe(false);
});

it('remembers a thousand at most, the latest ones, and none that is no name', () => {
  const kids = new UnknownKids();
  const keys: unknown[] = [];
  for (let index = 0; index < 3000; index++) kids.add(`k${index}`, keys, 0);
  const known = Array.from({ length: 3000 }, (_, index) => kids.has(`k${index}`, keys, 1));
  expect(known.lastIndexOf(false)).toBe(1999);
  expect(kids.has('x'.repeat(257), keys, 0)).toBe(true);
});
