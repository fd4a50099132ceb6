/**
 * Certificates of five seconds and one exchange of the root under mutual TLS traffic at a constant rate: how many requests
 * fail. `node bench/rotation.ts [--seconds 60] [--rate 1000]`; ends with 1 when one did.
 */
import { parseArgs } from 'node:util';
import { startMtlsMesh } from '../test/fixtures/mtls-mesh.ts';
import type { MtlsMesh } from '../test/fixtures/mtls-mesh.ts';
import { startPacedLoad } from '../test/fixtures/paced-load.ts';

const CERTIFICATE_MS = 5000;
const CONNECTIONS = 64;

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    rate: { type: 'string', default: '1000' },
  },
});
const seconds = Number(values.seconds);

const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

interface Rotated {
  readonly switchedAfterMs: number;
  readonly droppedAfterMs: number;
}

/** A third into the time, and step by step as the proxies are ready. */
async function rotate({ control }: MtlsMesh): Promise<Rotated> {
  await pause((seconds * 1000) / 3);
  const begun = performance.now();
  await control.startRotation();
  const advance = async (): Promise<number> => {
    while ((await control.advanceRotation()) !== undefined) await pause(50);
    return Math.round(performance.now() - begun);
  };
  const switchedAfterMs = await advance();
  return { switchedAfterMs, droppedAfterMs: await advance() };
}

const mesh = await startMtlsMesh({ certificateTtlMs: CERTIFICATE_MS });
const load = startPacedLoad({
  port: mesh.port,
  rate: Number(values.rate),
  connections: CONNECTIONS,
});
const rotating = rotate(mesh);
await pause(seconds * 1000);
const rotated = await rotating;
await load.stop();
const { body } = await mesh.control.ask('GET', '/v1/identity/joining');
const failed = load.failures.length + load.wrong.length;
const report = {
  seconds,
  due: load.due,
  answered: load.answered,
  failed,
  reached: Math.round(load.reached),
  issued: body['issued'],
  refused: body['refused'],
  ...rotated,
  firstFailures: load.failures.slice(0, 10),
};
process.stdout.write(`${JSON.stringify(report, undefined, 2)}\n`);
await mesh.close();
process.exit(failed === 0 && load.answered === load.due ? 0 : 1);
