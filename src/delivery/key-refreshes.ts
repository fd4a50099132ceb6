/** After an unknown kid: fresher keys are asked for once for all who wait, and not again for a while. */
import type { Clock } from '../host/host.ts';

export interface KeyRefreshesOptions {
  readonly clock: Clock;
  /** The control plane fetches the set again, then what it has is pulled. */
  readonly refresh: (uri: string) => Promise<void>;
  /** Keeps work alive whose caller may be gone. @default nothing has to */
  readonly background?: (work: Promise<unknown>) => void;
}

/** An unknown kid asks the control plane at most so often, for each key set. */
const KEY_REFRESH_MS = 30_000;
/** How long who met it waits. */
const WAIT_MS = 2000;
const MAX_KEY_SETS = 1000;

export class KeyRefreshes {
  readonly #running = new Map<string, { readonly work: Promise<void>; readonly atMs: number }>();

  /** Resolves when keys may be fresher; never rejects, and never waits without a bound. */
  async ask(uri: string, { clock, refresh, background }: KeyRefreshesOptions): Promise<void> {
    const nowMs = clock.nowMs();
    const last = this.#running.get(uri);
    if (last === undefined || nowMs - last.atMs >= KEY_REFRESH_MS) {
      if (this.#running.size >= MAX_KEY_SETS) this.#running.clear();
      const work = refresh(uri).catch(() => undefined);
      this.#running.set(uri, { work, atMs: nowMs });
      background?.(work);
    }
    // Another request's work may be ended with it.
    await Promise.race([this.#running.get(uri)?.work, clock.sleep(WAIT_MS)]);
  }
}
