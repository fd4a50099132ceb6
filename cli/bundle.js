// Processes that stay and carry traffic run from a bundle: Node's type stripping would cost each of them 40 MB.
// A program of its own, so that the memory which bundling takes is gone when they begin. Prints what to import.
import { createHash } from 'node:crypto';
import { mkdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));

function exists(path) {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

// Of what is there now, under a name made of its content: who runs an older one keeps it.
function bundle() {
  const { outputFiles } = buildSync({
    absWorkingDir: root,
    entryPoints: ['cli/main.ts', 'cli/node/compile-main.ts', 'node-adapter/process/worker-main.ts'],
    entryNames: '[name]',
    outdir: 'dist/node',
    bundle: true,
    splitting: true,
    write: false,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    external: ['miniflare', 'esbuild', '*/all-commands.ts'],
    banner: {
      js: "import { createRequire as madeRequire } from 'node:module'; const require = madeRequire(import.meta.url);",
    },
    logLevel: 'silent',
  });
  const hash = createHash('sha256');
  for (const { path, contents } of outputFiles) hash.update(path).update(contents);
  const folder = join(root, 'dist', 'node', hash.digest('hex').slice(0, 16));
  if (!exists(folder)) {
    const draft = `${folder}.${process.pid}`;
    mkdirSync(draft, { recursive: true });
    for (const { path, contents } of outputFiles)
      writeFileSync(join(draft, basename(path)), contents);
    try {
      renameSync(draft, folder);
    } catch {
      // Another process was faster, with the same.
      rmSync(draft, { recursive: true, force: true });
    }
  }
  return join(folder, 'main.js');
}

process.stdout.write(bundle());
