/**
 * What it costs to put 10,000 routes in force in a gateway that runs, and for how long its data thread pauses: from the
 * pointer that a control plane would name, over the parts that are fetched, until all is linked and collected.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { spread } from '../measure.ts';
import type { Spread } from '../measure.ts';
import { answerBlobs } from '../../test/fixtures/delivery.ts';
import type { Place, Scene } from './contract.ts';
import type { Measures } from './gateway.ts';
import { deliveredBy } from './mesh.ts';
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

export interface Swaps {
  /** What a gateway of the benchmark is told, by turns. With texts, it isn't the fetching that is measured. */
  lines(brings: 'texts' | 'nothing', measures: Measures): readonly string[];
  close(): void;
}

/** Two configurations of the same size that differ in every route, and a control plane that has their parts. */
export async function startSwaps(scene: Scene, place: Place): Promise<Swaps> {
  const deliveries = ['a', 'b'].map((mark) => deliveredBy(scene, place, mark));
  const blobs = new Map(deliveries.flatMap((one) => [...one.blobs]));
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      const answer = answerBlobs(blobs, body);
      response.writeHead(answer === undefined ? 404 : 200).end(answer);
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    lines: (brings, measures) =>
      deliveries.map(({ pointer, blobs: own }) =>
        JSON.stringify({ url, pointer, brings, measures, names: [...own.keys()] }),
      ),
    close: () => server.close(),
  };
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
  const control = await startSwaps(entry.scene, place);
  // It has said that it listens.
  await nextLine(running);
  const clients = start(stage.tools.load, loadArgs(LOAD, contender), LOAD_CPU);
  const rounds = async (brings: 'texts' | 'nothing', measures: Measures): Promise<Spread> => {
    const lines = control.lines(brings, measures);
    const swaps: number[] = [];
    for (let i = -WARM_UP; i < SWAPS; i++) {
      running.child.stdin?.write(`${lines[Math.abs(i % 2)] ?? ''}\n`);
      const { ms } = JSON.parse(await nextLine(running)) as { readonly ms: number };
      if (i >= 0) swaps.push(ms);
    }
    return spread(swaps);
  };
  const cpu = await rounds('texts', 'cpu');
  const fetched = await rounds('nothing', 'cpu');
  const pause = await rounds('nothing', 'pause');
  clients.end();
  running.end();
  backend.end();
  control.close();
  const text = ({ quartile, median }: Spread): string =>
    `${quartile.toFixed(1)} / ${median.toFixed(1)} ms`;
  console.log(
    `\nA snapshot of ${ROUTES} routes, all new, comes in force under load\n` +
      `  CPU from its parts ${text(cpu)} (want at most 35), with fetching them ${text(fetched)}\n` +
      `  longest turn of the thread ${text(pause)} (want at most 5)`,
  );
  return { cpu, fetched, pause };
}
