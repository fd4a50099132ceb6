/**
 * npm run conformance -- DIR... [--live gateway|node] [--kinds A,B] [--min-percent N] [--json FILE] [--falsify]
 *   [--only ID] [--quiet]
 *
 * Exit 1 on a failure unless --min-percent is met; the last line counts checks.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { parse } from 'yaml';
import { loadCases, usesOnly } from './cases.ts';
import type { ConformanceCase } from './cases.ts';
import { createGatewayTarget } from './live/gateway-target.ts';
import { createNodeTarget } from './live/node-target.ts';
import { createPureTarget } from './pure-target.ts';
import type { Target } from './pure-target.ts';
import { runCase } from './run.ts';
import type { CheckResult, KnownDifference, RunOptions } from './run.ts';
import { createMinter } from './tokens.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    kinds: { type: 'string' },
    'min-percent': { type: 'string' },
    json: { type: 'string' },
    only: { type: 'string' },
    falsify: { type: 'boolean' },
    quiet: { type: 'boolean' },
    live: { type: 'string' },
  },
});

const here = new URL('.', import.meta.url).pathname;

function readDifferences(): KnownDifference[] {
  const file = `${here}differences.yaml`;
  return existsSync(file)
    ? ((parse(readFileSync(file, 'utf8')) as KnownDifference[] | null) ?? [])
    : [];
}

/** Live runs ask several cases at a time: each waits for sockets. */
const LIVE_CONCURRENCY = 8;

const LIVE = { gateway: createGatewayTarget, node: createNodeTarget } as const;

async function createTarget(nowMs: number): Promise<Target> {
  const { live } = values;
  if (live === undefined) return createPureTarget(nowMs);
  if (live !== 'gateway' && live !== 'node')
    throw new Error(`--live ${live}: want ${Object.keys(LIVE).join(' or ')}`);
  return LIVE[live]({ nowMs, capabilitiesFile: `${here}capabilities.yaml` });
}

async function runAll(
  cases: readonly ConformanceCase[],
  options: RunOptions,
): Promise<CheckResult[]> {
  const waiting = cases.map((entry, index) => ({ entry, index }));
  const results: CheckResult[][] = [];
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift())
      results[next.index] = await runCase(next.entry, options);
  };
  const width = values.live === undefined ? 1 : LIVE_CONCURRENCY;
  await Promise.all(Array.from({ length: width }, () => work()));
  return results.flat();
}

/** Nothing is skipped in silence: each reason with its count. */
function printSkipped(results: readonly CheckResult[]): void {
  const skipped = results.filter(({ outcome }) => outcome === 'skipped');
  const reasons = Map.groupBy(skipped, ({ note }) => note ?? '');
  for (const [reason, { length }] of reasons) console.log(`skipped ${length}: ${reason}`);
  const omitted = Map.groupBy(
    results.flatMap((result) => result.omitted ?? []),
    (reason) => reason,
  );
  for (const [reason, { length }] of omitted)
    console.log(`left out of ${length} comparisons: ${reason}`);
}

function print(failed: CheckResult): void {
  console.log(`FAILED ${failed.id}[${failed.check}]${failed.checked ? ' (checked)' : ''}`);
  for (const difference of failed.differences)
    console.log(
      `  ${difference.field}: expected ${JSON.stringify(difference.expected)}, got ${JSON.stringify(difference.got)}`,
    );
  if (failed.note !== undefined)
    console.log(`  ${failed.note.split('\n').slice(0, 4).join('\n  ')}`);
}

function summarise(results: readonly CheckResult[]): number {
  const count = (outcome: string): number =>
    results.filter((result) => result.outcome === outcome).length;
  const [passed, failed, skipped] = [count('passed'), count('failed'), count('skipped')];
  if (values.json !== undefined)
    writeFileSync(values.json, JSON.stringify({ passed, failed, skipped, results }, undefined, 2));
  const percent = passed + failed === 0 ? 0 : (100 * passed) / (passed + failed);
  console.log(`${percent.toFixed(1)} % of ${passed + failed} checks`);
  const isLive = values.live !== undefined;
  console.log(
    `${passed} passed, ${failed} failed${isLive || skipped > 0 ? `, ${skipped} skipped` : ''}`,
  );
  if (passed + failed === 0) return 1;
  const wanted = values['min-percent'];
  return (wanted === undefined ? failed > 0 : percent < Number(wanted)) ? 1 : 0;
}

function selectCases(): ConformanceCase[] {
  const folders = positionals.length > 0 ? positionals : [`${here}cases`];
  const wanted = values.kinds === undefined ? undefined : new Set(values.kinds.split(','));
  return loadCases(folders).filter(
    (entry) =>
      (wanted === undefined || usesOnly(entry, wanted)) &&
      (values.only === undefined || entry.id === values.only),
  );
}

async function main(): Promise<number> {
  const nowMs = Date.now();
  const target = await createTarget(nowMs);
  const options: RunOptions = {
    target,
    minter: await createMinter(nowMs),
    differences: readDifferences(),
    ...(values.falsify === true ? { falsify: true } : {}),
  };
  let results: CheckResult[];
  try {
    results = await runAll(selectCases(), options);
  } finally {
    await target.close();
  }
  printSkipped(results);
  if (values.quiet !== true)
    for (const result of results) if (result.outcome === 'failed') print(result);
  return summarise(results);
}

process.exitCode = await main();
