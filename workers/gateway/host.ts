/** What the Workers runtime supplies to the core. */
import type { Host } from '../../src/host/host.ts';

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));
const POOL = new Uint8Array(2048);
let used = POOL.length;

/** Random bytes are drawn in blocks: one call each would cost more than the filters. */
function hex(length: number): string {
  if (used + length > POOL.length) {
    crypto.getRandomValues(POOL);
    used = 0;
  }
  let text = '';
  for (let i = 0; i < length; i++) text += HEX[POOL[used++] as number] as string;
  return text;
}

export function createWorkerHost(
  waitUntil: (work: Promise<unknown>) => void,
  dial: Host['dial'],
): Host {
  return {
    clock: {
      nowMs: () => Date.now(),
      sleep: (ms) =>
        new Promise((wake) => {
          setTimeout(wake, ms);
        }),
    },
    random: { uniform: () => Math.random(), hex },
    log: (line) => {
      console.log(line);
    },
    background: waitUntil,
    dial,
  };
}
