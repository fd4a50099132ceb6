/** What a gateway of the command line takes: idle, under load, and for each of many idle connections. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { lateenRecipe } from './contenders.ts';
import type { Place, Recipe, Scene } from './contract.ts';
import { meshText } from './mesh.ts';
import { nodeServerRecipe } from './packages.ts';
import { loadArgs, startBackend } from './rounds.ts';
import type { Contender, Stage } from './rounds.ts';
import {
  LOAD_CPU,
  PROXY_CPU,
  familyOf,
  freePort,
  newFolder,
  nextLine,
  opens,
  outputOf,
  pssOf,
  start,
  startRecipe,
} from './running.ts';
import { requestOf } from './scenarios.ts';
import type { Entry, Load } from './scenarios.ts';

const SCENE: Scene = { work: 'filters', routes: 1000 };
const IDLE_CONNECTIONS = 10_000;
const LOAD: Load = { mode: 'http', connections: 32, seconds: 10, backend: 'answer' };
/** Who compiles for the command ends when nothing has changed for 5 s. */
const SETTLE_MS = 8000;
const KIB = 1024;
const cli = fileURLToPath(new URL('../../cli/bin.js', import.meta.url));

interface Memory {
  readonly name: string;
  readonly idleMb: number;
  readonly loadedMb: number;
  readonly connectionKib: number;
}

const settle = (): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, SETTLE_MS);
  });

const pssOfAll = (pid: number): number => familyOf(pid).reduce((sum, one) => sum + pssOf(one), 0);

/** By the command that people start, which compiles its files itself. */
function commandRecipe(place: Place): Recipe {
  const { folder } = place;
  return {
    command: process.execPath,
    args: `${cli} gateway --name front --label app=front --listen 127.0.0.1 --workers 1 --admin off`
      .split(' ')
      .concat('--config', join(folder, 'mesh.yaml'), '--data-dir', join(folder, 'data')),
    files: { 'mesh.yaml': meshText(SCENE, place) },
  };
}

type Rows = Readonly<Record<string, (place: Place) => Recipe>>;

const rows: Rows = {
  'lateen gateway --config': commandRecipe,
  'lateen, createSidecar alone': (place) => lateenRecipe(SCENE, place),
  'a Node server that answers from memory': nodeServerRecipe,
};

/** A fresh process, so that nothing measured before counts; `work` says what it takes now. */
async function withFresh(
  { credentials }: Stage,
  upstream: number,
  recipeOf: (place: Place) => Recipe,
  work: (contender: Contender) => Promise<number>,
): Promise<{ readonly idle: number; readonly busy: number }> {
  const folder = newFolder();
  const place = { folder, port: await freePort(), upstream, credentials };
  const entry: Entry = { name: '', peer: 'lateen', scene: SCENE };
  const running = startRecipe(recipeOf(place), folder, PROXY_CPU);
  // Nobody else reads what it logs.
  running.child.stdout?.resume();
  if (!(await opens(place.port, running))) throw new Error(`${folder} did not start`);
  await settle();
  const idle = pssOfAll(running.pid);
  const request = join(folder, 'request');
  writeFileSync(request, requestOf(entry, credentials));
  const busy = await work({ entry, place, request, running, runs: [] });
  running.end();
  return { idle, busy };
}

async function underLoad({ tools }: Stage, contender: Contender): Promise<number> {
  const clients = outputOf(start(tools.load, loadArgs(LOAD, contender), LOAD_CPU));
  await new Promise((resolve) => {
    setTimeout(resolve, LOAD.seconds * 900);
  });
  const loaded = pssOfAll(contender.running.pid);
  await clients;
  return loaded;
}

async function withConnections({ tools }: Stage, contender: Contender): Promise<number> {
  const many: Load = { ...LOAD, connections: IDLE_CONNECTIONS, seconds: 1 };
  const holders = start(tools.load, ['idle', ...loadArgs(many, contender).slice(1)], LOAD_CPU);
  await nextLine(holders);
  await settle();
  const taken = pssOfAll(contender.running.pid);
  holders.end();
  return taken;
}

export async function measureMemory(stage: Stage): Promise<unknown> {
  const backend = await startBackend(stage, 'answer');
  const measured: Memory[] = [];
  for (const [name, recipeOf] of Object.entries(rows)) {
    const { idle, busy } = await withFresh(stage, backend.port, recipeOf, (contender) =>
      underLoad(stage, contender),
    );
    const held = await withFresh(stage, backend.port, recipeOf, (contender) =>
      withConnections(stage, contender),
    );
    measured.push({
      name,
      idleMb: idle / KIB,
      loadedMb: busy / KIB,
      connectionKib: (held.busy - held.idle) / IDLE_CONNECTIONS,
    });
  }
  backend.end();
  console.log(
    '\nMemory (PSS): MB idle, MB under load with the filters, KiB for each of 10,000 idle connections',
  );
  for (const { name, idleMb, loadedMb, connectionKib } of measured)
    console.log(
      `  ${name.padEnd(40)} ${idleMb.toFixed(0).padStart(4)} ${loadedMb.toFixed(0).padStart(4)} ${connectionKib.toFixed(1).padStart(6)}`,
    );
  return measured;
}
