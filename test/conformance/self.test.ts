/** The runner itself: own cases hold, and every falsified expectation fails. */
import { describe, expect, it } from 'vitest';
import { loadCases } from './cases.ts';
import { createPureTarget } from './pure-target.ts';
import { runCase } from './run.ts';
import { createMinter } from './tokens.ts';

const nowMs = Date.now();
const cases = loadCases([new URL('cases', import.meta.url).pathname]);

async function outcomes(falsify: boolean): Promise<string[]> {
  const options = {
    target: createPureTarget(nowMs),
    minter: await createMinter(nowMs),
    differences: [],
    falsify,
  };
  const results = [];
  for (const entry of cases) results.push(...(await runCase(entry, options)));
  return results.map(({ outcome }) => outcome);
}

describe('conformance runner', () => {
  it('passes the own cases', async () => {
    const found = await outcomes(false);
    expect(found.length).toBeGreaterThan(6);
    expect(new Set(found)).toEqual(new Set(['passed']));
  });

  it('fails every case whose expectation is false', async () => {
    expect(new Set(await outcomes(true))).toEqual(new Set(['failed']));
  });
});
