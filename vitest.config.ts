import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['{src,control,workers,cli,examples,test,bench}/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
    silent: 'passed-only',
  },
});
