/** Long work on a thread that carries traffic: a slice of it in each turn of the event loop, connections between. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Steps } from '../src/lib/steps.ts';

const SLICE_MS = 1;
/**
 * What a configuration is made of stays, and a collection copies what stays: one that comes when all of the young
 * generation (16 MB) is full of it takes 10 ms. After so many slices it is a megabyte or two.
 */
const SLICES_TO_COLLECT = 2;

type Collect = (options: { readonly type: 'minor' }) => void;

let collector: Collect | undefined;

/** Node has no other way to it without a flag at its start. */
function collectYoung(): void {
  if (collector === undefined) {
    setFlagsFromString('--expose-gc');
    collector = runInNewContext('gc') as Collect;
    setFlagsFromString('--no-expose-gc');
  }
  collector({ type: 'minor' });
}

const nextTurn = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });

async function inSlices<T>(steps: Steps<T>): Promise<T> {
  for (let slices = 1; ; slices++) {
    const untilMs = performance.now() + SLICE_MS;
    do {
      const { done, value } = steps.next();
      if (done === true) return value;
    } while (performance.now() < untilMs);
    await nextTurn();
    if (slices % SLICES_TO_COLLECT !== 0) continue;
    collectYoung();
    await nextTurn();
  }
}

/** One work after the other, so that two don't make one turn twice as long. */
export class Slices {
  /** Undefined = nothing is under way. */
  #last: Promise<unknown> | undefined;

  /** Resolves or rejects as the steps end. The first slice is taken at once, if nothing else is under way. */
  run<T>(steps: Steps<T>): Promise<T> {
    const done =
      this.#last === undefined ? inSlices(steps) : this.#last.then(() => inSlices(steps));
    const last = done
      .catch(() => undefined)
      .then(() => {
        if (this.#last === last) this.#last = undefined;
      });
    this.#last = last;
    return done;
  }
}
