import { describe, expect, it } from 'vitest';
import { Liveness } from './liveness.ts';

/** A process that answers when it is told to. */
function watched(limit: number): {
  readonly liveness: Liveness;
  readonly asked: () => number;
  answer(error?: Error): Promise<void>;
  turns(count: number): readonly boolean[];
} {
  let asked = 0;
  let settle: (error?: Error) => void = () => undefined;
  const liveness = new Liveness({
    limit,
    ask: () =>
      new Promise<void>((resolve, reject) => {
        asked++;
        settle = (error) => (error === undefined ? resolve() : reject(error));
      }),
  });
  return {
    liveness,
    asked: () => asked,
    async answer(error) {
      settle(error);
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    },
    turns: (count) => Array.from({ length: count }, () => liveness.turn()),
  };
}

describe('a process', () => {
  it('is hung when it lets so many turns pass, and that is said once', async () => {
    const { answer, turns, asked, liveness } = watched(3);
    turns(1);
    await answer();
    expect(turns(6)).toEqual([false, false, false, true, false, false]);
    expect(liveness.silent).toBe(5);
    expect(asked()).toBe(2);
  });

  it('begins anew with each answer, also with one that refuses', async () => {
    const { answer, turns, liveness } = watched(3);
    for (let i = 0; i < 5; i++) {
      expect(turns(3)).toEqual([false, false, false]);
      expect(liveness.silent).toBe(2);
      await answer(i % 2 === 0 ? new Error('told nothing yet') : undefined);
      expect(liveness.silent).toBe(0);
    }
  });

  it('has longer for its first word', async () => {
    const { answer, turns } = watched(3);
    expect(turns(60)).not.toContain(true);
    expect(turns(1)).toEqual([true]);
    await answer();
    expect(turns(4)).toEqual([false, false, false, true]);
  });

  it('has had it when it did what it was told', () => {
    const { liveness, turns } = watched(3);
    liveness.spoke();
    expect(turns(4)).toEqual([false, false, false, true]);
  });

  it('may be silent for good where there is no limit', async () => {
    const { answer, turns, liveness } = watched(0);
    turns(1);
    await answer();
    expect(turns(1000)).not.toContain(true);
    expect(liveness.silent).toBe(999);
  });
});
