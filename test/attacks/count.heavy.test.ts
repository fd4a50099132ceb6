/** Tables that lost their rows would pass: this counts what is left. Heavy since it collects every attack file. */
import { readdirSync } from 'node:fs';
import { expect, it } from 'vitest';
import { countAttacks } from './count.ts';

const LEAST = 400;

it(`has at least ${LEAST} attack cases, and some in every file`, { timeout: 180_000 }, async () => {
  const counts = await countAttacks();
  const files = readdirSync(new URL('.', import.meta.url)).filter(
    (name) => name.endsWith('.test.ts') && !name.endsWith('.heavy.test.ts'),
  );
  expect([...counts.keys()].sort()).toEqual(files.sort());
  for (const [file, count] of counts) expect([file, count > 0]).toEqual([file, true]);
  expect([...counts.values()].reduce((sum, count) => sum + count, 0)).toBeGreaterThanOrEqual(LEAST);
});
