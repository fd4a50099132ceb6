/** The runner itself: own cases hold, and every falsified expectation fails; pure, and live in workerd and over sockets. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadCases } from './cases.ts';
import { createGatewayTarget } from './live/gateway-target.ts';
import { createNodeTarget } from './live/node-target.ts';
import { createPureTarget } from './pure-target.ts';
import type { Target } from './pure-target.ts';
import type { CheckResult } from './run.ts';
import { runCase } from './run.ts';
import { createMinter } from './tokens.ts';

const nowMs = Date.now();
const cases = loadCases([new URL('cases', import.meta.url).pathname]);

async function results(target: Target, falsify: boolean): Promise<CheckResult[]> {
  const options = { target, minter: await createMinter(nowMs), differences: [], falsify };
  const all = [];
  for (const entry of cases) all.push(...(await runCase(entry, options)));
  return all;
}

const outcomes = async (target: Target, falsify: boolean): Promise<Set<string>> =>
  new Set((await results(target, falsify)).map(({ outcome }) => outcome));

describe('conformance runner', () => {
  it('passes the own cases', async () => {
    const found = await results(createPureTarget(nowMs), false);
    expect(found.length).toBeGreaterThan(6);
    expect(new Set(found.map(({ outcome }) => outcome))).toEqual(new Set(['passed']));
  });

  it('fails every case whose expectation is false', async () => {
    expect(await outcomes(createPureTarget(nowMs), true)).toEqual(new Set(['failed']));
  });
});

const live = [
  { where: 'a gateway worker', create: createGatewayTarget, hasSkipped: true },
  { where: 'proxies of the Node adapter', create: createNodeTarget, hasSkipped: false },
];

describe.each(live)('live against $where', ({ create, hasSkipped }) => {
  let target: Target;
  beforeAll(async () => {
    const capabilitiesFile = new URL('capabilities.yaml', import.meta.url).pathname;
    target = await create({ nowMs, capabilitiesFile });
  });
  afterAll(() => target.close());

  it('passes what it can be asked, and says why of the rest', async () => {
    const found = await results(target, false);
    const skipped = found.filter(({ outcome }) => outcome === 'skipped');
    expect(found.length - skipped.length).toBeGreaterThan(15);
    expect(found.filter(({ outcome }) => outcome === 'failed')).toEqual([]);
    for (const { note } of skipped) expect(note).toMatch(/^[-a-z]+: .{10,}/);
  });

  it('fails every compared case whose expectation is false', async () => {
    const wanted = hasSkipped ? ['failed', 'skipped'] : ['failed'];
    expect(await outcomes(target, true)).toEqual(new Set(wanted));
  });
});
