import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Deadlines } from './deadlines.ts';
import { Moment } from './moment.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const DAY_MS = 86_400_000;

it('is due by the clock, though timers are behind it or ahead', () => {
  const due = vi.fn<() => void>();
  const start = Date.now();
  const moment = new Moment(new Deadlines(), start + DAY_MS, due);
  vi.advanceTimersByTime(60_000);
  // Set back: the timers have run for an hour that the clock doesn't know of.
  vi.advanceTimersByTime(3_600_000);
  vi.setSystemTime(start + 60_000);
  vi.advanceTimersByTime(60_000);
  expect(due).not.toHaveBeenCalled();
  vi.setSystemTime(start + DAY_MS - 1000);
  vi.advanceTimersByTime(900);
  expect(due).not.toHaveBeenCalled();
  vi.advanceTimersByTime(31_000);
  expect(due).toHaveBeenCalledOnce();
  moment.cancel();
});

it('is due at once where it is past, and never where it was cancelled', () => {
  const due = vi.fn<() => void>();
  const deadlines = new Deadlines();
  const past = new Moment(deadlines, Date.now() - DAY_MS, due);
  vi.advanceTimersByTime(300);
  expect(due).toHaveBeenCalledOnce();
  past.cancel();
  new Moment(deadlines, Date.now() + 1000, due).cancel();
  vi.advanceTimersByTime(DAY_MS);
  expect(due).toHaveBeenCalledOnce();
  expect(vi.getTimerCount()).toBe(0);
});
