/** Work that may take long, in small steps: between them, whoever drives it can do something else. */

/** Each step takes a fraction of a millisecond; the last gives what was worked for. */
export type Steps<T> = Generator<void, T, void>;

/** Things that one step takes, where each takes a few microseconds. */
export const PER_STEP = 64;

/** All steps, now. */
export function finish<T>(steps: Steps<T>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}
