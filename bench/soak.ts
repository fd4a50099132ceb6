/**
 * A gateway under mixed load for a while, with configurations swapped under it: its memory must stay flat.
 * `npm run soak -- --minutes 60`; ends with 1 where what is alive or what it holds of the system surely grows, where it
 * holds more than it may at any time, or where requests fail.
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
import { surelyGrown, trendOf } from './trend.ts';
import type { Sample } from './trend.ts';

const SCENE: Scene = { work: 'routes', routes: 1000 };
const SLICE_SECONDS = 3;
/** Of the run: code is compiled and pools fill. */
const WARM_UP_SHARE = 0.3;
/**
 * By how much they may surely grow behind the warm-up: caches fill, and code is compiled anew. What is alive is known to a
 * megabyte; what is held of the system depends on when collections and the allocator give back.
 */
const ALIVE_MAY_GROW_MB = 3;
const HELD_MAY_GROW_MB = 25;
/** Of the system, at any time: under a load of new connections on a machine that is busy otherwise, too. */
const MOST_HELD_MB = 500;
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

/** MB, at the end of each turn. */
interface Measured {
  readonly minute: number;
  readonly alive: number;
  /** Of the system, when all is collected that can be. */
  readonly held: number;
  /** Of the system, right behind the load. */
  readonly peak: number;
}

interface Soaked {
  readonly samples: readonly Measured[];
  readonly answered: number;
  readonly failed: number;
}

async function soak({ tools }: Stage, contender: Contender, minutes: number): Promise<Soaked> {
  const { place, running } = contender;
  const control = await startSwaps(SCENE, place);
  const lines = control.lines('nothing', 'pause');
  await nextLine(running);
  const samples: Measured[] = [];
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
    const peak = pssOf(running.pid) / KIB;
    await new Promise((resolve) => {
      setTimeout(resolve, REST_MS);
    });
    running.child.stdin?.write('memory\n');
    const { mb: alive } = JSON.parse(await nextLine(running)) as { mb: number };
    const held = pssOf(running.pid) / KIB;
    samples.push({ minute: (Date.now() - begunMs) / 60_000, alive, held, peak });
  }
  control.close();
  return { samples, answered, failed };
}

/** Says it, and whether it is as it should be. */
function isFlat(name: string, samples: readonly Sample[], mayGrowMb: number): boolean {
  const grown = surelyGrown(samples);
  const all = samples.map(({ value }) => value).sort((a, b) => a - b);
  const middle = all[Math.floor(all.length / 2)];
  console.log(
    `${name}: ${middle?.toFixed(1) ?? '-'} MB (${all[0]?.toFixed(1) ?? '-'} to ${all.at(-1)?.toFixed(1) ?? '-'}), ` +
      `${trendOf(samples).slope.toFixed(2)} MB a minute, surely grown by ${grown.toFixed(1)} MB of ${mayGrowMb}`,
  );
  return grown <= mayGrowMb;
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
  const series = (key: 'alive' | 'held'): readonly Sample[] =>
    settled.map((one) => ({ minute: one.minute, value: one[key] }));
  const most = Math.max(...samples.map(({ peak }) => peak));
  console.log(
    `${minutes} minutes, ${samples.length * LOADS.length} swaps, ${answered} requests, ${failed} failed; ` +
      `at most ${most.toFixed(0)} MB held of the system, of ${MOST_HELD_MB}`,
  );
  const flat = [
    isFlat('alive', series('alive'), ALIVE_MAY_GROW_MB),
    isFlat('held of the system', series('held'), HELD_MAY_GROW_MB),
  ];
  if (samples.length === 0) throw new Error('too short: not every load had a turn');
  const isSound = failed <= answered * MAX_FAILED_SHARE && most <= MOST_HELD_MB;
  if (!isSound || flat.includes(false)) process.exitCode = 1;
} finally {
  endAll();
  pki.remove();
}
