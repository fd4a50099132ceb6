import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { bundleWorker } from './build.ts';

describe('gateway bundle', () => {
  it('stays small and free of control code', async () => {
    const text = await bundleWorker('workers/gateway.ts');
    expect(gzipSync(text).length).toBeLessThan(66 * 1024);
    for (const word of [
      'ZodError',
      'YAMLParseError',
      'unrecognized_keys',
      'metadata.annotations',
      '/v1/apply',
      'lookaround',
      // The front for conformance runs.
      'x-lateen-test',
      'TEST_TOKEN',
    ])
      expect(text).not.toContain(word);
  });
});
