import { describe, expect, it } from 'vitest';
import { toSarif } from './sarif.ts';

describe('SARIF', () => {
  it('names rules once, and places and resources of each finding', () => {
    const place = { file: 'mesh/a b.yaml', line: 3, column: 5 };
    const common = { code: 'IST0101', message: 'not found', remedy: 'apply it' } as const;
    const log = toSarif(
      [
        { ...common, level: 'error', place, resource: 'VirtualService a/b', path: 'spec.hosts[0]' },
        { ...common, level: 'info' },
        { code: 'IST0001', level: 'warning', message: 'odd' },
      ],
      '0.1.0',
    ) as { runs: { tool: { driver: { rules: unknown } }; results: Record<string, unknown>[] }[] };
    const [run] = log.runs;
    expect(run?.tool.driver.rules).toEqual([{ id: 'IST0001' }, { id: 'IST0101' }]);
    expect(run?.results.map(({ level, ruleIndex }) => [level, ruleIndex])).toEqual([
      ['error', 1],
      ['note', 1],
      ['warning', 0],
    ]);
    expect(run?.results[0]).toMatchObject({
      message: { text: 'not found. Remedy: apply it' },
      locations: [
        {
          physicalLocation: {
            artifactLocation: { uri: 'mesh/a%20b.yaml' },
            region: { startLine: 3, startColumn: 5 },
          },
          logicalLocations: [{ fullyQualifiedName: 'VirtualService a/b spec.hosts[0]' }],
        },
      ],
    });
  });
});
