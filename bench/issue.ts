/**
 * Certificates a second, one after the other, each written down on disk before it is handed out: by an authority in Node
 * over node:sqlite, and in workerd over a Durable Object's SQLite, timed from outside.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSqlStore } from '../control/store/sql.ts';
import { openSqlite } from '../control/store/sqlite.ts';
import { bundleWorker } from '../workers/build.ts';
import { startLocalWorkers } from '../workers/local.ts';
import { startIssuing } from './issue-certificates.ts';
import { spread } from './measure.ts';

const AT_ONCE = 100;
const ROUNDS = 12;
/** Rounds in which the compiler still works. */
const WARM_UP = 2;

async function measure(name: string, issue: (count: number) => Promise<void>): Promise<void> {
  const rates: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const begun = performance.now();
    await issue(AT_ONCE);
    rates.push((performance.now() - begun) / AT_ONCE);
  }
  const { median, quartile } = spread(rates.slice(WARM_UP));
  console.log(
    `issue a certificate in ${name}: ${median.toFixed(2)} ms (quartile ${quartile.toFixed(2)}), ${(1000 / median).toFixed(0)} a second`,
  );
}

async function inNode(folder: string): Promise<void> {
  const database = openSqlite(join(folder, 'control.db'));
  const issuing = await startIssuing(createSqlStore(database));
  await measure('Node', (count) => issuing.issue(count));
  database.close();
}

async function inWorkerd(folder: string): Promise<void> {
  const workers = await startLocalWorkers({
    persistPath: folder,
    workers: [
      {
        name: 'issuer',
        script: await bundleWorker('bench/issue-object.ts'),
        vars: {},
        objects: { ISSUER: 'IssuerObject' },
        sockets: [{ port: 0 }],
      },
    ],
  });
  const url = await workers.url('issuer');
  await measure('workerd', async (count) => {
    const response = await fetch(`${url}/?count=${count}`);
    const text = await response.text();
    if (text !== String(count)) throw new Error(text);
  });
  await workers.close();
}

export async function benchIssue(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'lateen-issue-'));
  await inNode(folder);
  await inWorkerd(join(folder, 'state'));
  rmSync(folder, { recursive: true, force: true });
}

if (import.meta.main) await benchIssue();
