import { expect, test } from 'vitest';
import { Throttle } from './throttle.ts';

const limits = { failures: 2, windowMs: 1000 };

test('a client that fails too often waits until its window is over', () => {
  const throttle = new Throttle(limits);
  throttle.failed('192.0.2.1', 0);
  expect(throttle.waitMs('192.0.2.1', 10)).toBe(0);
  throttle.failed('192.0.2.1', 100);
  expect(throttle.waitMs('192.0.2.1', 400)).toBe(600);
  expect(throttle.waitMs('192.0.2.2', 400)).toBe(0);
  expect(throttle.waitMs('192.0.2.1', 1000)).toBe(0);
  throttle.failed('192.0.2.1', 1001);
  expect(throttle.waitMs('192.0.2.1', 1002)).toBe(0);
});

test.each([
  ['2001:db8:0:1::1', '2001:db8:0:1:ffff::2', true],
  ['2001:db8:0:1::1', '2001:DB8::1:0:0:0:9', true],
  ['2001:db8:0:1::1', '2001:db8:0:2::1', false],
  ['::1', '::2', true],
  ['192.0.2.1', '192.0.2.10', false],
])('%s and %s are one client: %s', (a, b, same) => {
  const throttle = new Throttle(limits);
  throttle.failed(a, 0);
  throttle.failed(a, 0);
  expect(throttle.waitMs(b, 1) > 0).toBe(same);
});

test('a hundred thousand clients take the memory of ten thousand', () => {
  const throttle = new Throttle(limits);
  for (let i = 0; i < 100_000; i++)
    throttle.failed(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`, 0);
  expect(throttle.size).toBe(10_000);
});
