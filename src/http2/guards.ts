/** The counts of one connection. */
import { Guard } from './guard.ts';
import type { Http2Limits } from './limits.ts';

const WINDOW_UPDATES_PER_DATA = 10;

export class Guards {
  readonly resets: Guard;
  readonly pings: Guard;
  readonly settings: Guard;
  readonly emptyData: Guard;
  readonly ignored: Guard;
  readonly #windowUpdates: Guard;
  #dataFrames = 0;

  constructor(limits: Http2Limits, nowMs: () => number) {
    const guard = (reason: string, limit: number): Guard =>
      new Guard(reason, limit, limits.floodIntervalMs, nowMs);
    this.resets = guard('reset_flood', limits.resets);
    this.pings = guard('ping_flood', limits.pings);
    this.settings = guard('settings_flood', limits.settings);
    this.emptyData = guard('empty_data_flood', limits.emptyData);
    this.ignored = guard('ignored_frame_flood', limits.ignored);
    this.#windowUpdates = guard('window_update_flood', limits.windowUpdates);
  }

  /** @param dataFrames that have been sent so far: each makes a few updates plausible */
  countWindowUpdate(dataFrames: number): void {
    this.#windowUpdates.credit((dataFrames - this.#dataFrames) * WINDOW_UPDATES_PER_DATA);
    this.#dataFrames = dataFrames;
    this.#windowUpdates.count();
  }
}
