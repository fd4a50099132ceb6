/** What a gateway of the command line takes: idle, under load, and for each of many idle connections. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Recipe, Scene } from './contract.ts';
import { meshText } from './mesh.ts';
import { nodeServerRecipe } from './packages.ts';
import { loadArgs, startBackend } from './rounds.ts';
import type { Stage } from './rounds.ts';
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
const SETTLE_MS = 3000;
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

async function measureOne(
  { tools, credentials }: Stage,
  entry: Entry,
  upstream: number,
): Promise<Memory> {
  const folder = newFolder();
  const place = { folder, port: await freePort(), upstream, credentials };
  const text = meshText(SCENE, place);
  const gateway: Recipe = {
    command: process.execPath,
    args: [
      cli,
      ...['gateway', '--name', 'front', '--label', 'app=front', '--listen', '127.0.0.1'],
      ...['--config', join(folder, 'mesh.yaml'), '--workers', '1', '--admin', 'off'],
      ...['--data-dir', join(folder, 'data')],
    ],
    files: { 'mesh.yaml': text },
  };
  const recipe = entry.peer === 'lateen' ? gateway : nodeServerRecipe(place);
  const running = startRecipe(recipe, folder, PROXY_CPU);
  // Nobody else reads what it logs.
  running.child.stdout?.resume();
  if (!(await opens(place.port, running))) throw new Error(`${entry.name} did not start`);
  await settle();
  const idle = pssOfAll(running.pid);
  const request = join(folder, 'request');
  writeFileSync(request, requestOf(entry, credentials));
  const contender = { entry, place, request, running, runs: [] };
  const clients = outputOf(start(tools.load, loadArgs(LOAD, contender), LOAD_CPU));
  await new Promise((resolve) => {
    setTimeout(resolve, LOAD.seconds * 900);
  });
  const loaded = pssOfAll(running.pid);
  await clients;
  await settle();
  const before = pssOfAll(running.pid);
  const many: Load = { ...LOAD, connections: IDLE_CONNECTIONS, seconds: 1 };
  const args = ['idle', ...loadArgs(many, contender).slice(1)];
  const holders = start(tools.load, args, LOAD_CPU);
  await nextLine(holders);
  await settle();
  const each = (pssOfAll(running.pid) - before) / IDLE_CONNECTIONS;
  holders.end();
  running.end();
  return { name: entry.name, idleMb: idle / KIB, loadedMb: loaded / KIB, connectionKib: each };
}

export async function measureMemory(stage: Stage): Promise<unknown> {
  const backend = await startBackend(stage, 'answer');
  const rows: Memory[] = [];
  const entries: readonly Entry[] = [
    { name: 'lateen gateway', peer: 'lateen', scene: SCENE },
    { name: 'a Node server that answers from memory', peer: 'http-proxy-3', scene: SCENE },
  ];
  for (const entry of entries) rows.push(await measureOne(stage, entry, backend.port));
  backend.end();
  console.log(
    '\nMemory (PSS): MB idle, MB under load with the filters, KiB for each of 10,000 idle connections',
  );
  for (const { name, idleMb, loadedMb, connectionKib } of rows)
    console.log(
      `  ${name.padEnd(40)} ${idleMb.toFixed(0).padStart(4)} ${loadedMb.toFixed(0).padStart(4)} ${connectionKib.toFixed(1).padStart(6)}`,
    );
  return rows;
}
