import { cloudflareTest } from '@cloudflare/vitest-plugin';
import { defineConfig } from 'vitest/config';

/** Tests named so run inside workerd, the others in Node. */
const inWorkerd = '{src,control,workers}/**/*.workerd.test.ts';

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
          include: ['{src,control,workers,cli,examples,test,bench}/**/*.test.ts'],
          exclude: [inWorkerd],
        },
      },
      {
        extends: true,
        plugins: [cloudflareTest({ wrangler: { configPath: './control/wrangler.toml' } })],
        test: { name: 'workerd', include: [inWorkerd] },
      },
    ],
  },
});
