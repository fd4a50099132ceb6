import { createHash } from 'node:crypto';
import { cloudflareTest } from '@cloudflare/vitest-plugin';
import { defineConfig } from 'vitest/config';

/** Tests named so run inside workerd, the others in Node. */
const inWorkerd = '{src,control,workers}/**/*.workerd.test.ts';

/** Tests named so want peers that are fetched first; `.ci/run` asks for them. */
const heavy = '{node-adapter,control,cli,test}/**/*.heavy.test.ts';
const runsHeavy = process.env['LATEEN_HEAVY'] === '1';

/** Of `administrator`, whom tests in workerd ask as. */
const bootstrapHash = createHash('sha256').update('administrator').digest('hex');

export default defineConfig({
  test: {
    testTimeout: 30_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
    silent: 'passed-only',
    projects: [
      {
        extends: true,
        test: {
          name: 'node',
          include: ['{src,control,workers,node-adapter,cli,examples,test,bench}/**/*.test.ts'],
          exclude: [inWorkerd, heavy],
          setupFiles: ['./test/setup/no-secrets.ts'],
        },
      },
      {
        extends: true,
        plugins: [
          cloudflareTest({
            wrangler: { configPath: './control/wrangler.toml' },
            miniflare: { bindings: { BOOTSTRAP_HASH: bootstrapHash } },
          }),
        ],
        test: { name: 'workerd', include: [inWorkerd] },
      },
      ...(runsHeavy ? [{ extends: true as const, test: { name: 'heavy', include: [heavy] } }] : []),
    ],
  },
});
