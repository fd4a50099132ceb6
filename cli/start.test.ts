import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';

const main = new URL('main.ts', import.meta.url).href;
/** Runs a command and says on standard error what was loaded for it. */
const script = `
import { registerHooks } from 'node:module';
const loaded = new Set();
registerHooks({
  resolve(name, context, next) {
    const found = next(name, context);
    loaded.add(found.url);
    return found;
  },
});
process.stdout.write = () => true;
process.stderr.write = () => true;
const { main } = await import(${JSON.stringify(main)});
await main(['node', 'lateen', ...process.argv.slice(1)]);
(await import('node:fs')).writeSync(1, [...loaded].join('\\n'));
`;

function heavyOf(...words: readonly string[]): readonly string[] {
  const args = ['--input-type=module', '-e', script, '--', ...words];
  const { stdout: loaded } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  expect(loaded).toContain('/cli/all-commands.ts');
  const heavy = ['/zod/', '/@peculiar/x509/', '/miniflare/', '/esbuild/', '/jose/', '/ws/'];
  return heavy.filter((name) => loaded.includes(`/node_modules${name}`));
}

describe('lateen starts without what the command needs not', () => {
  it.each([
    { words: ['--help'], needs: [] },
    { words: ['ca', 'status', '--server', 'http://127.0.0.1:1', '--token', 'x'], needs: [] },
    { words: ['get', 'nothing'], needs: ['/zod/'] },
    { words: ['analyze', '-f', 'examples/recipes/policy.yaml'], needs: ['/zod/'] },
  ])('$words', ({ words, needs }) => {
    expect(heavyOf(...words)).toEqual(needs);
  });
});
