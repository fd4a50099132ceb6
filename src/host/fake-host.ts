import type { Host } from './host.ts';

/** A deterministic Host: manual time, scripted draws, collected log lines. */
export interface FakeHost extends Host {
  readonly lines: string[];
  /** Moves the clock; sleeps that are due then resolve. */
  advance(ms: number): void;
  /** Draws used up in order; afterwards `fallback`. */
  readonly draws: number[];
  pending: Promise<unknown>[];
}

export interface FakeHostOptions {
  /** @default 1_700_000_000_000 */
  readonly nowMs?: number;
  readonly draws?: readonly number[];
  /** Draw when the script is used up. @default 0.5 */
  readonly fallback?: number;
  /** Sleeps resolve at once and move the clock. @default false */
  readonly sleepless?: boolean;
  /** @default nobody can be reached */
  readonly dial?: Host['dial'];
}

export function createFakeHost(options: FakeHostOptions = {}): FakeHost {
  let now = options.nowMs ?? 1_700_000_000_000;
  let counter = 0;
  const sleepers: { due: number; wake: () => void }[] = [];
  const draws = [...(options.draws ?? [])];
  const lines: string[] = [];
  const host: FakeHost = {
    lines,
    draws,
    pending: [],
    clock: {
      nowMs: () => now,
      sleep(ms) {
        if (options.sleepless === true) {
          now += ms;
          return Promise.resolve();
        }
        return new Promise((wake) => {
          sleepers.push({ due: now + ms, wake });
        });
      },
    },
    random: {
      uniform: () => draws.shift() ?? options.fallback ?? 0.5,
      hex(length) {
        counter += 1;
        return counter.toString(16).padStart(length * 2, '0');
      },
    },
    log: (line) => {
      lines.push(line);
    },
    dial: options.dial ?? (() => Promise.reject(new Error('nobody can be reached'))),
    background: (work) => {
      host.pending.push(work);
    },
    advance(ms) {
      now += ms;
      for (let i = sleepers.length - 1; i >= 0; i--) {
        const sleeper = sleepers[i];
        if (sleeper !== undefined && sleeper.due <= now) {
          sleepers.splice(i, 1);
          sleeper.wake();
        }
      }
    },
  };
  return host;
}
