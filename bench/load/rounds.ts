/**
 * The method: contenders take turns in many short runs, so that whatever else the machine does hits them alike. What
 * counts is CPU time of all threads of a proxy for each request; rates and times depend on the other processor, too.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { spread } from '../measure.ts';
import type { Spread } from '../measure.ts';
import { recipeOf } from './contenders.ts';
import type { Credentials, Place } from './contract.ts';
import { nginxBackend } from './nginx.ts';
import {
  LOAD_CPU,
  PROXY_CPU,
  busySeconds,
  cpuNsOf,
  freePort,
  newFolder,
  opens,
  outputOf,
  start,
  startRecipe,
} from './running.ts';
import type { Running } from './running.ts';
import { requestOf } from './scenarios.ts';
import type { Entry, Load, Scenario } from './scenarios.ts';
import type { Tools } from './tools.ts';

export const ROUNDS: number = Number(process.env['BENCH_ROUNDS'] ?? 10);
/** Rounds in which compilers still work and connections are made. */
const WARM_UP = 2;
/** More of the proxies' processor than this was others': the run is done again. */
const MOST_OTHERS = 0.05;
const MOST_STOLEN = 0.01;
/** Of one run; the quietest counts when none was quiet. */
const TRIES = 3;
const MIB = 1_048_576;

export interface Run {
  /** CPU in the scenario's unit. */
  readonly cost: number;
  readonly perSecond: number;
  /** Microseconds. */
  readonly p50: number;
  readonly p99: number;
  readonly failed: number;
  /** Share of the proxies' processor that others had. */
  readonly others: number;
  readonly stolen: number;
}

export interface Result {
  readonly name: string;
  readonly cost: Spread;
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly failed: number;
  /** Runs with at most 5 % of others. */
  readonly quiet: number;
  readonly runs: readonly Run[];
}

export interface Contender {
  readonly entry: Entry;
  readonly place: Place;
  readonly request: string;
  readonly running: Running;
  readonly runs: Run[];
}

export interface Stage {
  readonly tools: Tools;
  readonly credentials: Credentials;
}

export async function startBackend(
  { tools }: Stage,
  kind: Load['backend'],
): Promise<{ readonly port: number; end(): void }> {
  const port = await freePort();
  if (kind !== 'http2') {
    const running = start(tools.load, [kind, String(port)], LOAD_CPU);
    await opens(port, running);
    return { port, end: running.end };
  }
  if (tools.nginx === undefined) throw new Error('nginx answers HTTP/2 behind the proxies');
  const folder = newFolder();
  const running = startRecipe(nginxBackend(tools.nginx, port, folder), folder, LOAD_CPU);
  await opens(port, running);
  return { port, end: running.end };
}

export async function startContender(
  stage: Stage,
  entry: Entry,
  upstream: number,
): Promise<Contender | undefined> {
  const { tools, credentials } = stage;
  const place = { folder: newFolder(), port: await freePort(), upstream, credentials };
  const recipe = recipeOf(entry.peer, tools, entry.scene, place);
  if (recipe === undefined) return undefined;
  const running = startRecipe(recipe, place.folder, PROXY_CPU);
  if (!(await opens(place.port, running))) {
    running.end();
    return undefined;
  }
  const request = join(place.folder, 'request');
  writeFileSync(request, requestOf(entry, credentials));
  return { entry, place, request, running, runs: [] };
}

interface Counted {
  readonly answered: number;
  readonly failed: number;
  readonly bytes: number;
  readonly seconds: number;
  readonly cpuNs: number;
  readonly busySeconds: number;
  readonly stolenSeconds: number;
  readonly p50: number;
  readonly p99: number;
}

export function loadArgs(load: Load, { place, request, entry, running }: Contender): string[] {
  const { credentials } = place;
  const { certificate, key } = credentials.client;
  const isPlain = entry.scene.work === 'tcp';
  return [
    load.mode,
    String(place.port),
    '-c',
    String(load.connections),
    '-s',
    String(load.seconds),
    '-p',
    String(running.pid),
    ...(isPlain ? [] : ['-f', request]),
    ...(load.rate === undefined ? [] : ['-r', String(load.rate)]),
    ...(load.message === undefined ? [] : ['-m', String(load.message)]),
    ...(entry.scene.work === 'tls' ? ['-C', certificate, '-K', key] : []),
  ];
}

/** The request that is sent as HTTP/1.1 elsewhere. */
function h2loadArgs(load: Load, { place, request }: Contender): string[] {
  const [line = '', ...fields] = readFileSync(request, 'latin1').trimEnd().split('\r\n');
  const [, path = '/'] = line.split(' ');
  const headers = fields.map((field) => field.replace(/^Host:/, ':authority:'));
  return [
    '-c',
    String(load.connections),
    '-m',
    '16',
    '-D',
    String(load.seconds),
    ...headers.flatMap((header) => ['-H', header]),
    `http://127.0.0.1:${place.port}${path}`,
  ];
}

/** Of h2load only what it has done is known, so it is watched from outside, from its start to its end. */
async function countHttp2(program: string, load: Load, contender: Contender): Promise<Counted> {
  const { running } = contender;
  const before = { cpu: cpuNsOf(running.pid), ...busySeconds() };
  const begun = performance.now();
  const text = await outputOf(start(program, h2loadArgs(load, contender), LOAD_CPU));
  const after = { cpu: cpuNsOf(running.pid), ...busySeconds() };
  const [, answered = '0', failed = '0'] =
    /(\d+) succeeded, (\d+) failed/.exec(text) ?? ([] as string[]);
  return {
    answered: Number(answered),
    failed: Number(failed),
    bytes: 0,
    seconds: (performance.now() - begun) / 1000,
    cpuNs: after.cpu - before.cpu,
    busySeconds: after.busy - before.busy,
    stolenSeconds: after.stolen - before.stolen,
    p50: 0,
    p99: 0,
  };
}

async function runOnce({ tools }: Stage, load: Load, contender: Contender): Promise<Run> {
  const counted =
    load.mode === 'h2load'
      ? await countHttp2(tools.h2load ?? '', load, contender)
      : (JSON.parse(
          await outputOf(
            start(
              tools.load,
              [
                ...loadArgs(load, contender),
                '-b',
                load.backend,
                '-B',
                String(contender.place.upstream),
              ],
              LOAD_CPU,
            ),
          ),
        ) as Counted);
  const count = load.mode === 'bulk' ? counted.bytes / MIB : counted.answered;
  return {
    cost: counted.cpuNs / 1000 / Math.max(1, count),
    perSecond: count / counted.seconds,
    p50: counted.p50,
    p99: counted.p99,
    failed: counted.failed,
    others: Math.max(0, (counted.busySeconds - counted.cpuNs / 1e9) / counted.seconds),
    stolen: counted.stolenSeconds / counted.seconds,
  };
}

const isQuiet = ({ others, stolen }: Run): boolean =>
  others <= MOST_OTHERS && stolen <= MOST_STOLEN;

async function runQuietly(stage: Stage, load: Load, contender: Contender): Promise<Run> {
  const tries: Run[] = [];
  for (let i = 0; i < TRIES; i++) {
    const run = await runOnce(stage, load, contender);
    if (isQuiet(run)) return run;
    tries.push(run);
  }
  return tries.reduce((best, run) =>
    run.others + run.stolen < best.others + best.stolen ? run : best,
  );
}

function summed({ entry, runs }: Contender): Result {
  const of = (pick: (run: Run) => number): number => spread(runs.map(pick)).median;
  return {
    name: entry.name,
    cost: spread(runs.map(({ cost }) => cost)),
    perSecond: of(({ perSecond }) => perSecond),
    p50: of(({ p50 }) => p50),
    p99: of(({ p99 }) => p99),
    failed: runs.reduce((sum, { failed }) => sum + failed, 0),
    quiet: runs.filter(isQuiet).length,
    runs,
  };
}

export interface Measured {
  readonly results: readonly Result[];
  /** Entries that didn't run. */
  readonly leftOut: readonly string[];
}

export async function measureScenario(stage: Stage, scenario: Scenario): Promise<Measured> {
  const { load, entries } = scenario;
  if (load.mode === 'h2load' && stage.tools.h2load === undefined)
    return { results: [], leftOut: entries.map(({ name }) => name) };
  // The load is its own backend where it can be: a run begins with new connections behind the proxies.
  const backend =
    load.backend === 'http2'
      ? await startBackend(stage, load.backend)
      : { port: await freePort(), end: () => undefined };
  const contenders: Contender[] = [];
  for (const entry of entries) {
    const contender = await startContender(stage, entry, backend.port);
    if (contender !== undefined) contenders.push(contender);
  }
  for (let round = -WARM_UP; round < ROUNDS; round++)
    for (const contender of contenders)
      if (round < 0) await runOnce(stage, load, contender);
      else contender.runs.push(await runQuietly(stage, load, contender));
  for (const { running } of contenders) running.end();
  backend.end();
  const names = contenders.map(({ entry }) => entry.name);
  return {
    results: contenders.map(summed),
    leftOut: entries.map(({ name }) => name).filter((name) => !names.includes(name)),
  };
}
