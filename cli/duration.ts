/** Durations as people give them: Go's text, or whole days. */
import { parseDuration } from '../src/lib/duration.ts';

const DAY_MS = 24 * 3_600_000;

/** `90d`, `24h`, `1h30m` in milliseconds; undefined when it is none. */
export function parseLongDuration(text: string): number | undefined {
  const days = /^(\d{1,4})d$/.exec(text)?.[1];
  return days === undefined ? parseDuration(text) : Number(days) * DAY_MS;
}
