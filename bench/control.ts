/**
 * The control plane in Node with 10,000 VirtualServices and 10,000 Services on disk, two proxies asking: from an
 * applied change to the pointer that leads to it, and its resident size. In a process of its own, whose heap is held
 * to what it needs: V8 lets garbage grow as long as nobody says so.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startControlPlane } from '../control/node.ts';
import { LARGE_SCOPES, largeMesh, withChange } from './large-mesh.ts';
import { ADMIN, applyAll, firstPull, pull } from './large-control.ts';
import type { Ask } from './large-control.ts';
import { median, settle } from './measure.ts';

const COUNT = 10_000;
const CHANGES = 11;
const HEAP_LIMIT_MB = 320;
/** Says that this is the process to be measured. */
const MEASURE = '--measure';

async function measure(folder: string): Promise<void> {
  const control = await startControlPlane({
    database: join(folder, 'control.db'),
    port: 0,
    adminToken: ADMIN,
    maxResources: 100_000,
    log: () => undefined,
  });
  const ask: Ask = (path, body, token = ADMIN) =>
    fetch(control.url + path, {
      headers: { authorization: `Bearer ${token}` },
      ...(body === undefined ? {} : { method: 'POST', body }),
    });
  let resources = largeMesh(COUNT);
  await applyAll(ask, resources);
  const proxies = [];
  for (const scope of LARGE_SCOPES) proxies.push(await firstPull(ask, scope));
  const pulls: number[] = [];
  for (let change = 0; change < CHANGES; change++) {
    const after = withChange(resources, change);
    await applyAll(
      ask,
      after.filter((one, index) => one !== resources[index]),
    );
    resources = after;
    for (const { scope, token } of proxies) pulls.push(await pull(ask, scope, token));
  }
  settle();
  const { heapUsed, rss } = process.memoryUsage();
  const first = proxies.map(({ ms }) => ms.toFixed(0)).join(' and ');
  console.log(
    `control plane in Node with ${COUNT} VirtualServices and Services, two proxies, heap held to ${HEAP_LIMIT_MB} MB: first pointers in ${first} ms, ` +
      `after a change in ${median(pulls).toFixed(0)} ms; heap ${(heapUsed / 1e6).toFixed(0)} MB, resident ${(rss / 1e6).toFixed(0)} MB`,
  );
  await control.close();
}

export function benchControl(): void {
  const { status } = spawnSync(
    process.execPath,
    [`--max-old-space-size=${HEAP_LIMIT_MB}`, fileURLToPath(import.meta.url), MEASURE],
    { stdio: 'inherit' },
  );
  if (status !== 0) throw new Error(`the control plane ended with ${String(status)}`);
}

if (import.meta.main && !process.argv.includes(MEASURE)) benchControl();
else if (import.meta.main) {
  const folder = mkdtempSync(join(tmpdir(), 'lateen-bench-'));
  try {
    await measure(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
