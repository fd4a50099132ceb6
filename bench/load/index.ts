/**
 * Lateen's gateway under load with its peers beside it in the same run: `npm run bench -- load [scenario...]`.
 * Linux with two processors, a C compiler and OpenSSL's headers; docs/performance.md says how figures are to be read.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { execFileSync } from 'node:child_process';
import { createCredentials } from './credentials.ts';
import { measureMemory } from './memory.ts';
import { judge, print } from './report.ts';
import { measureScenario } from './rounds.ts';
import type { Stage } from './rounds.ts';
import { LOAD_CPU, endAll } from './running.ts';
import { scenarios } from './scenarios.ts';
import { measureSwap } from './swap.ts';
import { findTools } from './tools.ts';

const OUT = 'dist/bench-load.json';

const others: Readonly<Record<string, (stage: Stage) => Promise<unknown>>> = {
  swap: measureSwap,
  memory: measureMemory,
};

const load = (): string =>
  loadavg()
    .map((one) => one.toFixed(1))
    .join(' ');

async function measure(stage: Stage, name: string): Promise<unknown> {
  const other = others[name];
  if (other !== undefined) return other(stage);
  const scenario = scenarios[name];
  if (scenario === undefined) throw new Error(`no scenario ${name}`);
  const measured = await measureScenario(stage, scenario);
  print(scenario, measured);
  return { ...measured, goals: judge(scenario.goals, measured.results) };
}

export async function benchLoad(asked: readonly string[] = []): Promise<void> {
  const known = [...Object.keys(scenarios), ...Object.keys(others)];
  const unknown = asked.filter((name) => !known.includes(name));
  if (unknown.length > 0)
    throw new Error(`no scenario ${unknown.join(', ')}; there are ${known.join(', ')}`);
  const tools = findTools();
  for (const what of tools.missing) console.log(`left out, as it isn't here: ${what}`);
  // What looks on must not run where the proxies do.
  execFileSync('taskset', ['-a', '-p', '-c', String(LOAD_CPU), String(process.pid)]);
  const { credentials, pki } = await createCredentials();
  const results: Record<string, unknown> = {};
  try {
    for (const name of asked.length === 0 ? known : asked) {
      const loadBefore = load();
      const measured = await measure({ tools, credentials }, name);
      console.log(`  load of the machine: ${loadBefore} before, ${load()} behind it`);
      results[name] = { loadBefore, loadAfter: load(), measured };
    }
  } finally {
    endAll();
    pki.remove();
  }
  mkdirSync('dist', { recursive: true });
  writeFileSync(
    OUT,
    JSON.stringify(
      { node: process.version, at: new Date().toISOString(), tools, results },
      null,
      1,
    ),
  );
  console.log(`\nwritten to ${OUT}`);
}

if (import.meta.main) await benchLoad(process.argv.slice(2));
