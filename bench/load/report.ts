/** Figures as people read them. */
import type { Measured, Result } from './rounds.ts';
import type { Goal, Scenario } from './scenarios.ts';

const WIDTH = 38;

function ratio({ cost }: Result, results: readonly Result[], peer: string): string {
  const other =
    results.find(({ name }) => name === peer) ?? results.find(({ name }) => name.startsWith(peer));
  return other === undefined ? '-' : (cost.quartile / other.cost.quartile).toFixed(2);
}

function line(result: Result, results: readonly Result[]): string {
  const { name, cost, perSecond, p50, p99, quiet, failed, runs } = result;
  const cells = [
    `${cost.quartile.toFixed(2)} / ${cost.median.toFixed(2)}`.padEnd(18),
    ratio(result, results, 'nginx').padEnd(7),
    ratio(result, results, 'envoy').padEnd(7),
    Math.round(perSecond).toLocaleString('en').padStart(8),
    `${p50} / ${p99}`.padStart(14),
    `${quiet} of ${runs.length}`.padStart(9),
  ];
  return `  ${name.padEnd(WIDTH)}${cells.join(' ')}${failed === 0 ? '' : `  ${failed} FAILED`}`;
}

export interface Judged extends Goal {
  /** Of lower quartiles; the cheapest of several peers counts. Undefined: one of them didn't run. */
  readonly is: number | undefined;
}

export function judge(goals: readonly Goal[], results: readonly Result[]): readonly Judged[] {
  const costOf = (wanted: string): number | undefined =>
    results.find(({ name }) => name === wanted)?.cost.quartile;
  return goals.map((goal) => {
    const own = costOf(goal.what);
    const others = [goal.against].flat().map(costOf);
    const known = others.filter((cost) => cost !== undefined);
    const is = own === undefined || known.length === 0 ? undefined : own / Math.min(...known);
    return { ...goal, is };
  });
}

export function print(scenario: Scenario, { results, leftOut }: Measured): void {
  console.log(`\n${scenario.title}: ${scenario.unit}`);
  console.log(
    `  ${''.padEnd(WIDTH)}${'quartile / median'.padEnd(18)} x nginx x envoy  a second  p50 / p99 us  quiet runs`,
  );
  for (const result of results) console.log(line(result, results));
  if (leftOut.length > 0) console.log(`  left out: ${leftOut.join(', ')}`);
  for (const { what, against, atMost, is } of judge(scenario.goals, results)) {
    const verdict = is === undefined ? 'not measured' : is <= atMost ? 'reached' : 'MISSED';
    console.log(
      `  ${what} at most ${atMost} x ${[against].flat().join(' or ')}: ${is?.toFixed(2) ?? '-'}, ${verdict}`,
    );
  }
}
