import { expect, test } from 'vitest';
import { HeldBudget, HeldMessage } from './held.ts';
import { MongoPins } from './pins.ts';

test('a message is held as it comes, and given back as one', () => {
  const held = new HeldMessage(new HeldBudget(0));
  const bytes = Buffer.from('abcdefgh');
  for (let at = 0; at < bytes.length; at++) expect(held.add(bytes, at, at + 1)).toBe(true);
  expect(held.release().toString()).toBe('abcdefgh');
  expect(held.length).toBe(0);
});

test('what is large takes of what all have together, and gives it back', () => {
  const budget = new HeldBudget(200_000);
  const large = Buffer.alloc(150_000);
  const one = new HeldMessage(budget);
  const two = new HeldMessage(budget);
  expect(one.add(large, 0, large.length)).toBe(true);
  expect(two.add(large, 0, 60_000)).toBe(true);
  expect(two.add(large, 60_000, large.length)).toBe(true);
  const three = new HeldMessage(budget);
  expect(three.add(large, 0, 60_000)).toBe(true);
  expect(three.add(large, 60_000, large.length)).toBe(false);
  one.clear();
  two.clear();
  three.clear();
  expect(budget.take(200_000)).toBe(true);
  expect(budget.take(1)).toBe(false);
});

test('as many cursors and transactions are known as there is room for, the latest', () => {
  const pins = new MongoPins();
  const key = (cursor: string) => ({ listener: 'l', database: 'd', cursor });
  pins.openCursor(key('first'), 'a');
  pins.openCursor(key('second'), 'a');
  for (let i = 0; i < 9999; i++) {
    pins.openCursor(key(String(i)), 'b');
    // Whoever goes on keeps it known.
    pins.openCursor(key('first'), 'a');
    pins.beginTransaction(String(i), { number: '1', cluster: 'b', isRouted: true });
  }
  pins.beginTransaction('x', { number: '1', cluster: 'b', isRouted: true });
  pins.beginTransaction('y', { number: '1', cluster: 'b', isRouted: true });
  expect(pins.sizes).toEqual({ cursors: 10_000, transactions: 10_000 });
  expect(pins.cursor(key('first'))).toBe('a');
  expect(pins.cursor(key('second'))).toBeUndefined();
  expect(pins.cursor({ ...key('first'), listener: 'other' })).toBeUndefined();
  expect(pins.transaction('0', '1')).toBeUndefined();
  pins.beginTransaction('y', { number: '2', cluster: 'c', isRouted: true });
  expect(pins.transaction('y', '1')).toBeUndefined();
  expect(pins.transaction('y', '2')).toMatchObject({ cluster: 'c' });
});
