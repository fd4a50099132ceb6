/** What Node supplies to the engine. */
import { randomFillSync } from 'node:crypto';
import type { Call, CallAnswer, Host } from '../src/host/host.ts';
import { checkFor } from './signatures.ts';
import { turnNowMs } from './sockets/turn.ts';

const POOL_BYTES = 4096;

/** Random bytes in hex, drawn from the system many at a time. What is cut out of the text is used up. */
function createHexSource(): (length: number) => string {
  const pool = Buffer.allocUnsafeSlow(POOL_BYTES);
  let text = '';
  let at = 0;
  return (length) => {
    const end = at + length * 2;
    if (end > text.length) {
      text = randomFillSync(pool).toString('hex');
      at = 0;
      return text.slice(0, (at = length * 2));
    }
    const cut = text.slice(at, end);
    at = end;
    return cut;
  };
}

export interface NodeHostOptions {
  /** Takes one line of the access log or a diagnostic, without line feed. */
  readonly log: (line: string) => void;
  readonly dial: (call: Call) => Promise<CallAnswer>;
  readonly accessLog?: { readonly isOn: boolean };
  /** In [0, 1). @default a uniform draw */
  readonly uniform?: () => number;
}

export function createNodeHost(options: NodeHostOptions): Host {
  const { log, dial, accessLog, uniform = Math.random } = options;
  return {
    clock: {
      nowMs: turnNowMs,
      sleep: (ms) =>
        new Promise((resolve) => {
          setTimeout(resolve, ms);
        }),
    },
    random: { uniform, hex: createHexSource() },
    log,
    ...(accessLog === undefined ? {} : { accessLog }),
    background(work) {
      work.catch((error: unknown) =>
        log(
          JSON.stringify({
            level: 'warning',
            message: 'work in the background failed',
            cause: error instanceof Error ? error.message : 'unknown',
          }),
        ),
      );
    },
    dial,
    checkFor,
  };
}
