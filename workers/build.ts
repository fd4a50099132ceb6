/** Bundles the workers; as a script it writes them to dist/, and what sidecars and gateways run from beside them. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));

/** One ES module as text. */
export async function bundleWorker(entry: string): Promise<string> {
  const result = await build({
    entryPoints: [`${root}${entry}`],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    target: 'es2024',
    minify: true,
    external: ['cloudflare:*', 'node:*'],
    conditions: ['workerd', 'worker', 'browser'],
    logLevel: 'silent',
  });
  return result.outputFiles[0]?.text ?? '';
}

async function main(): Promise<void> {
  mkdirSync(`${root}dist`, { recursive: true });
  for (const [name, entry] of [
    ['gateway', 'workers/gateway.ts'],
    ['control', 'control/worker.ts'],
  ] as const) {
    const text = await bundleWorker(entry);
    writeFileSync(`${root}dist/${name}.js`, text);
    console.log(`dist/${name}.js ${text.length} bytes, ${gzipSync(text).length} gzip`);
  }
  const program = `${root}cli/bundle.js`;
  const main = execFileSync(process.execPath, [program], { encoding: 'utf8' });
  console.log(`${relative(root, dirname(main))}/ for sidecars and gateways`);
}

if (import.meta.main) await main();
