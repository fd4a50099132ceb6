/**
 * The contender's process: a gateway by `createSidecar` and nothing else. Its configuration is a file of JSON, as it
 * would come from a control plane; further ones come in force as their names arrive on the standard input. `memory`
 * asks what is in use when everything is collected that can be.
 */
import { openSync, readFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { createInterface } from 'node:readline';
import { createLineLog } from '../../node-adapter/log.ts';
import { createSidecar } from '../../node-adapter/index.ts';
import type { Configuration } from '../../node-adapter/index.ts';
import type { PolicyFilter } from '../../src/model/policy.ts';
import type { ProxyScope } from '../../src/model/snapshot.ts';
import { filters } from '../../src/presets/node.ts';
import { limitFilter } from '../limit.ts';
import { settle } from '../measure.ts';

interface Settings {
  readonly scope: ProxyScope;
  /** File. */
  readonly configuration: string;
  /** File; absent: no request is logged. */
  readonly log?: string;
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
});
sidecar.apply('gateway', read(settings.configuration));
await sidecar.listen();
await sidecar.settled();
console.log('ready');

async function swap(file: string): Promise<void> {
  const delays = monitorEventLoopDelay({ resolution: 1 });
  const cpu = process.cpuUsage();
  delays.enable();
  await new Promise((resolve) => {
    setTimeout(resolve, AFTER_MS);
  });
  const before = process.cpuUsage(cpu);
  const quiet = delays.max;
  delays.reset();
  const again = process.cpuUsage();
  sidecar.apply('gateway', read(file));
  await new Promise((resolve) => {
    setTimeout(resolve, AFTER_MS);
  });
  const { user, system } = process.cpuUsage(again);
  delays.disable();
  console.log(
    JSON.stringify({
      cpuMs: (user + system - before.user - before.system) / 1000,
      longestMs: delays.max / 1e6,
      quietMs: quiet / 1e6,
    }),
  );
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
