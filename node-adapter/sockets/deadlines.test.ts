import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Deadline, Deadlines } from './deadlines.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it('is due at its time, however far that is', () => {
  const due = vi.fn<() => void>();
  const deadlines = new Deadlines();
  deadlines.set(new Deadline(due), 300_000);
  vi.advanceTimersByTime(299_900);
  expect(due).not.toHaveBeenCalled();
  vi.advanceTimersByTime(200);
  expect(due).toHaveBeenCalledOnce();
});

it('is moved and taken back', () => {
  const due = vi.fn<() => void>();
  const deadlines = new Deadlines();
  const moved = new Deadline(due);
  deadlines.set(moved, 10_000);
  deadlines.set(moved, 500);
  vi.advanceTimersByTime(700);
  expect(due).toHaveBeenCalledOnce();
  deadlines.set(moved, 1000);
  deadlines.set(moved, 0);
  vi.advanceTimersByTime(20_000);
  expect(due).toHaveBeenCalledOnce();
});

it('lets go of what has ended long before it would have been due', () => {
  const deadlines = new Deadlines();
  const ended = new Deadline(() => undefined);
  deadlines.set(ended, 75_000);
  deadlines.set(ended, 0);
  vi.advanceTimersByTime(2000);
  expect(ended.queuedTick).toBe(0);
  expect(vi.getTimerCount()).toBe(0);
});
