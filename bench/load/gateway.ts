/**
 * The contender's process: a gateway by `createSidecar` and nothing else. Its configuration is a file of JSON, as it
 * would come from a control plane; further ones are pulled from one, and come in force, as their pointers arrive on the
 * standard input. `memory`
 * asks what is in use when everything is collected that can be.
 */
import { openSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { createLineLog } from '../../node-adapter/log.ts';
import { createSidecar } from '../../node-adapter/index.ts';
import { sha256 } from '../../node-adapter/config/source.ts';
import { Slices } from '../../node-adapter/slices.ts';
import type { Configuration } from '../../node-adapter/index.ts';
import type { Bundle } from '../../src/delivery/bundle.ts';
import { createControlClient } from '../../src/delivery/control-client.ts';
import type { Texts } from '../../src/delivery/control-client.ts';
import type { CredentialFiles } from '../../src/lib/file-credential.ts';
import type { PolicyFilter } from '../../src/model/policy.ts';
import type { Pointer, ProxyScope } from '../../src/model/snapshot.ts';
import { filters } from '../../src/presets/node.ts';
import { limitFilter } from '../limit.ts';
import { settle } from '../measure.ts';

interface Settings {
  readonly scope: ProxyScope;
  /** File. */
  readonly configuration: string;
  /** File; absent: no request is logged. */
  readonly log?: string;
  /** Its certificate of the mesh. */
  readonly identity?: CredentialFiles;
}

/** A swap ends some time after it was asked for: collections that it causes count, too. */
const AFTER_MS = 150;

const read = (file: string): Configuration =>
  JSON.parse(readFileSync(file, 'utf8')) as Configuration;
const settings = JSON.parse(process.argv[2] ?? '') as Settings;
// The preset has no local rate limit, and a proxy takes no filters of others.
(filters as PolicyFilter[]).push(limitFilter);

const log = createLineLog(settings.log === undefined ? 2 : openSync(settings.log, 'a'));
const sidecar = await createSidecar({
  scopes: [settings.scope],
  fronts: [{ kind: 'gateway', host: '127.0.0.1' }],
  log: (line) => log.write(line),
  accessLog: { isOn: settings.log !== undefined },
  ...(settings.identity === undefined ? {} : { identity: settings.identity }),
});
await sidecar.apply('gateway', read(settings.configuration));
await sidecar.listen();
await sidecar.settled();
console.log('ready');

const wait = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

export type Measures = 'cpu' | 'pause';

interface Named {
  readonly url: string;
  readonly pointer: Pointer;
  /** Texts: they are there already, so that it isn't the fetching that is measured. */
  readonly brings: 'texts' | 'nothing';
  readonly measures: Measures;
  /** Of all that the pointer leads to. */
  readonly names: readonly string[];
}

async function textsOf({ url, names }: Named): Promise<Texts> {
  const body = JSON.stringify({ names });
  const lines = (await (await fetch(url, { method: 'POST', body })).text()).split('\n');
  return Object.fromEntries(names.map((name, index) => [name, lines[index] ?? '']));
}

const slices = new Slices();
let known: Bundle | undefined;

/** As a proxy does that a control plane tells of it. */
async function take({ url, pointer }: Named, sent: Texts): Promise<void> {
  const control = createControlClient({
    scope: settings.scope,
    token: '',
    instance: 'bench',
    runtime: 'node',
    ask: (path, init) => fetch(new URL(path, url), init),
    digest: sha256,
    run: (steps) => slices.run(steps),
  });
  known = await control.bundle(pointer, known, sent);
  await sidecar.apply('gateway', known);
}

/**
 * CPU time of this thread within one turn of the event loop, the longest: a pause as it is on a machine that does
 * nothing else, while others have this processor, too.
 */
async function longestTurn(work: () => Promise<unknown>): Promise<number> {
  let longestUs = 0;
  let isOver = false;
  let last = process.threadCpuUsage();
  const look = (): void => {
    const { user, system } = process.threadCpuUsage(last);
    last = process.threadCpuUsage();
    longestUs = Math.max(longestUs, user + system);
    if (!isOver) setImmediate(look);
  };
  setImmediate(look);
  await work();
  isOver = true;
  return longestUs / 1000;
}

/** CPU time of all threads, for how long. */
async function cpuOf(work: () => Promise<unknown>): Promise<readonly [ms: number, during: number]> {
  const cpu = process.cpuUsage();
  const begun = performance.now();
  await work();
  await wait(AFTER_MS);
  const { user, system } = process.cpuUsage(cpu);
  return [(user + system) / 1000, performance.now() - begun];
}

async function swap(line: string): Promise<void> {
  const named = JSON.parse(line) as Named;
  const [quietMs, quietDuring] = await cpuOf(() => Promise.resolve());
  const texts = named.brings === 'texts' ? await textsOf(named) : {};
  const work = (): Promise<void> => take(named, texts);
  if (named.measures === 'pause') {
    console.log(JSON.stringify({ ms: await longestTurn(work) }));
    return;
  }
  // What collects the rest of fetching isn't the swap's.
  await wait(AFTER_MS);
  const [ms, during] = await cpuOf(work);
  console.log(JSON.stringify({ ms: ms - (quietMs * during) / quietDuring }));
}

/** Twice: what the first collection has let go of may hold something itself. */
function tellMemory(): void {
  settle();
  settle();
  const { heapUsed, external } = process.memoryUsage();
  console.log(JSON.stringify({ mb: (heapUsed + external) / 1_048_576 }));
}

createInterface({ input: process.stdin })
  .on('line', (line) => {
    if (line === 'memory') tellMemory();
    else void swap(line);
  })
  .on('close', () => process.exit(0));
