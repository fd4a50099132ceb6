/** Ports on loopback. */
import { createServer } from 'node:net';

export async function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => {
      resolve(false);
    });
    probe.listen(port, '127.0.0.1', () => {
      probe.close(() => {
        resolve(true);
      });
    });
  });
}

const LOWEST = 20_000;
const COUNT = 10_000;

/** Below the range that the system hands out by itself, so that nobody gets it between now and its use. */
export async function freePort(): Promise<number> {
  const start = Math.floor(Math.random() * COUNT);
  for (let i = 0; i < COUNT; i++) {
    const port = LOWEST + ((start + i) % COUNT);
    if (await isFree(port)) return port;
  }
  throw new Error(`no port between ${LOWEST} and ${LOWEST + COUNT} is free`);
}
