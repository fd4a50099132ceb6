/**
 * npm run fuzz -- [--runs N] [--seed N] [--minutes N] [--only valid|broken|routes|http1|http1-parse|http1-proxy]
 *
 * Run `i` of seed `s` is run 0 of seed `s + i`: a failure is named by one number, and `--runs 1 --seed THAT` is it again.
 * Exit 1 on the first failure of each property, with a smaller case of it.
 */
import { parseArgs } from 'node:util';
import { http1Parsers } from './http1-parse.ts';
import { http1Proxy } from './http1-proxy.ts';
import { brokenMeshes, validMeshes } from './meshes.ts';
import { Counts, failureOf } from './property.ts';
import type { Property } from './property.ts';
import { Random } from './random.ts';
import { routeTables } from './routes.ts';
import { shrink } from './shrink.ts';

const PROPERTIES: Readonly<Record<string, Property>> = {
  valid: validMeshes,
  broken: brokenMeshes,
  routes: routeTables,
  [http1Parsers.name]: http1Parsers,
  [http1Proxy.name]: http1Proxy,
};

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
    minutes: { type: 'string', default: '600' },
    only: { type: 'string' },
  },
});

function numberOf(name: 'runs' | 'seed' | 'minutes'): number {
  const value = Number(values[name]);
  if (!Number.isFinite(value) || value < 0)
    throw new Error(`--${name} ${values[name]}: want a number`);
  return value;
}

const runs = numberOf('runs');
const seed = numberOf('seed');

/** The case again, and a smaller one. */
function report(property: Property, from: number): void {
  const value = property.make(new Random(from));
  const failure = failureOf(property, value);
  if (failure === undefined) return;
  const small = shrink(property, value, failure);
  console.error(
    `\nFAILED ${property.name}: npm run fuzz -- --only ${property.name} --runs 1 --seed ${from}`,
  );
  console.error(small.failure.message);
  console.error(`\n${property.show(small.value)}`);
}

/** The seed that failed. */
function run(property: Property, counts: Counts, endMs: number): number | undefined {
  for (let i = 0; i < runs && performance.now() < endMs; i++) {
    const from = seed + i;
    if (failureOf(property, property.make(new Random(from)), counts) !== undefined) return from;
    counts.add('runs');
  }
  return undefined;
}

const asked = Object.entries(PROPERTIES).filter(
  ([name]) =>
    values.only === undefined || values.only === name || name.startsWith(`${values.only}-`),
);
if (asked.length === 0)
  throw new Error(`--only ${values.only}: want one of ${Object.keys(PROPERTIES).join(', ')}`);

for (const [, property] of asked) {
  const counts = new Counts();
  const startMs = performance.now();
  const failed = run(property, counts, startMs + (numberOf('minutes') * 60_000) / asked.length);
  const seconds = (performance.now() - startMs) / 1000;
  console.log(
    `${property.name}: ${counts.of('runs')} runs, ${(counts.of('runs') / seconds).toFixed(0)} a second`,
  );
  for (const [name, count] of counts.list())
    if (name !== 'runs') console.log(`  ${name}: ${count}`);
  if (failed === undefined) continue;
  process.exitCode = 1;
  report(property, failed);
}
