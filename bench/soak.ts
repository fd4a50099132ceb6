/**
 * A gateway under mixed load for a while, with configurations swapped under it: its memory must stay flat.
 * `npm run soak -- --minutes 60`; ends with 1 where it grows by more than noise, or where requests fail.
 */
import { parseArgs } from 'node:util';
import { createCredentials } from './load/credentials.ts';
import type { Scene } from './load/contract.ts';
import { loadArgs, startBackend, startContender } from './load/rounds.ts';
import type { Contender, Stage } from './load/rounds.ts';
import { LOAD_CPU, endAll, nextLine, outputOf, pssOf, start } from './load/running.ts';
import type { Load } from './load/scenarios.ts';
import { startSwaps } from './load/swap.ts';
import { buildLoad } from './load/tools.ts';

const SCENE: Scene = { work: 'routes', routes: 1000 };
const SLICE_SECONDS = 3;
/** Of the run: code is compiled and pools fill. */
const WARM_UP_SHARE = 0.3;
/** Caches fill, and code is compiled anew. */
const NOISE_MB = 20;
/** Of all requests: a machine that is short of time cuts connections by itself. */
const MAX_FAILED_SHARE = 0.000_01;
/** So that what has ended is over. */
const REST_MS = 3000;
const KIB = 1024;

/** In turns: kept connections at full speed, paced ones, and a new connection for each request. */
const LOADS: readonly Load[] = (['http', 'paced', 'new'] as const).map((mode) => ({
  mode,
  connections: 32,
  seconds: SLICE_SECONDS,
  backend: 'answer',
  rate: 500,
}));

interface Sample {
  readonly minute: number;
  /** Alive. */
  readonly mb: number;
  /** Held of the system. */
  readonly pssMb: number;
}

/** MB a minute by least squares. */
function slopeOf(samples: readonly Sample[]): number {
  const mean = (pick: (sample: Sample) => number): number =>
    samples.reduce((sum, sample) => sum + pick(sample), 0) / samples.length;
  const [minute, mb] = [mean((one) => one.minute), mean((one) => one.mb)];
  const over = samples.reduce((sum, one) => sum + (one.minute - minute) * (one.mb - mb), 0);
  const under = samples.reduce((sum, one) => sum + (one.minute - minute) ** 2, 0);
  return under === 0 ? 0 : over / under;
}

interface Soaked {
  readonly samples: readonly Sample[];
  readonly answered: number;
  readonly failed: number;
}

async function soak({ tools }: Stage, contender: Contender, minutes: number): Promise<Soaked> {
  const { place, running } = contender;
  const control = await startSwaps(SCENE, place);
  const lines = control.lines('nothing', 'pause');
  await nextLine(running);
  const samples: Sample[] = [];
  const begunMs = Date.now();
  let answered = 0;
  let failed = 0;
  for (let i = 0; Date.now() - begunMs < minutes * 60_000; i++) {
    const load = LOADS[i % LOADS.length] as Load;
    const output = outputOf(start(tools.load, loadArgs(load, contender), LOAD_CPU));
    running.child.stdin?.write(`${lines[i % lines.length] ?? ''}\n`);
    await nextLine(running);
    const counted = JSON.parse(await output) as { answered: number; failed: number };
    answered += counted.answered;
    failed += counted.failed;
    if (i % LOADS.length < LOADS.length - 1) continue;
    const pssMb = pssOf(running.pid) / KIB;
    await new Promise((resolve) => {
      setTimeout(resolve, REST_MS);
    });
    running.child.stdin?.write('memory\n');
    const { mb } = JSON.parse(await nextLine(running)) as { mb: number };
    samples.push({ minute: (Date.now() - begunMs) / 60_000, mb, pssMb });
  }
  control.close();
  return { samples, answered, failed };
}

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '10' } } });
const minutes = Number(values.minutes);
const { credentials, pki } = await createCredentials();
try {
  const stage = { tools: buildLoad(), credentials };
  const backend = await startBackend(stage, 'answer');
  const entry = { name: 'lateen', peer: 'lateen', scene: SCENE } as const;
  const contender = await startContender(stage, entry, backend.port);
  if (contender === undefined) throw new Error('the gateway did not start');
  const { samples, answered, failed } = await soak(stage, contender, minutes);
  const settled = samples.filter(({ minute }) => minute >= minutes * WARM_UP_SHARE);
  const slope = slopeOf(settled);
  const grown = slope * minutes * (1 - WARM_UP_SHARE);
  console.log(
    `${minutes} minutes, ${samples.length * LOADS.length} swaps, ${answered} requests, ${failed} failed; ` +
      `alive ${settled[0]?.mb.toFixed(1) ?? '-'} to ${settled.at(-1)?.mb.toFixed(1) ?? '-'} MB, ${slope.toFixed(2)} MB a minute; ` +
      `at most ${Math.max(...samples.map(({ pssMb }) => pssMb)).toFixed(0)} MB held of the system`,
  );
  if (failed > answered * MAX_FAILED_SHARE || grown > NOISE_MB) process.exitCode = 1;
} finally {
  endAll();
  pki.remove();
}
