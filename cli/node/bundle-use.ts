/** The bundle that this process runs from, if it does: who prunes bundles must see that it is in use. */
import { utimes } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Bundles are pruned when nobody has touched them for a day. */
const TOUCH_MS = 3_600_000;

/** From now on, as long as this process lives. Marks by process number (cli/bundle.js) say nothing in another container. */
export function keepBundle(): void {
  if (import.meta.url.endsWith('.ts')) return;
  const folder = dirname(fileURLToPath(import.meta.url));
  const touch = (): void => {
    const now = new Date();
    // A folder that may not be written to isn't pruned either.
    utimes(folder, now, now, () => undefined);
  };
  setInterval(touch, TOUCH_MS).unref();
}
