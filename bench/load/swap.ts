/** What it costs to put 10,000 routes in force in a gateway that runs, and for how long its data thread pauses. */
import { spread } from '../measure.ts';
import { writeOther } from './contenders.ts';
import { loadArgs, startBackend, startContender } from './rounds.ts';
import type { Stage } from './rounds.ts';
import { LOAD_CPU, nextLine, start } from './running.ts';
import type { Entry, Load } from './scenarios.ts';

const ROUTES = 10_000;
const SWAPS = 12;
/** So that code and inline caches are those of a gateway at work. */
const WARM_UP = 2;
const LOAD: Load = {
  mode: 'paced',
  connections: 8,
  seconds: 600,
  backend: 'answer',
  rate: 500,
};

interface Swapped {
  readonly cpuMs: number;
  readonly longestMs: number;
  readonly quietMs: number;
}

export async function measureSwap(stage: Stage): Promise<unknown> {
  const entry: Entry = {
    name: 'lateen',
    peer: 'lateen',
    scene: { work: 'routes', routes: ROUTES },
  };
  const backend = await startBackend(stage, 'answer');
  const contender = await startContender(stage, entry, backend.port);
  if (contender === undefined) throw new Error('the gateway did not start');
  const { place, running } = contender;
  const files = ['a', 'b'].map((mark) => writeOther(entry.scene, place, mark));
  // It has said that it listens.
  await nextLine(running);
  const clients = start(stage.tools.load, loadArgs(LOAD, contender), LOAD_CPU);
  const swaps: Swapped[] = [];
  for (let i = -WARM_UP; i < SWAPS; i++) {
    running.child.stdin?.write(`${files[Math.abs(i % 2)] ?? ''}\n`);
    const swapped = JSON.parse(await nextLine(running)) as Swapped;
    if (i >= 0) swaps.push(swapped);
  }
  clients.end();
  running.end();
  backend.end();
  const cpu = spread(swaps.map(({ cpuMs }) => cpuMs));
  const longest = spread(swaps.map(({ longestMs }) => longestMs));
  console.log(`\nA snapshot of ${ROUTES} routes, all new, comes in force under load`);
  console.log(
    `  CPU ${cpu.quartile.toFixed(1)} / ${cpu.median.toFixed(1)} ms (want at most 35), longest pause ${longest.quartile.toFixed(1)} / ${longest.median.toFixed(1)} ms (want at most 5)`,
  );
  return { cpu, longest, swaps };
}
