// Processes that stay and carry traffic run from a bundle: Node's type stripping would cost each of them 40 MB.
// A program of its own, so that the memory which bundling takes is gone when they begin. Prints what to import.
// `node cli/bundle.js [folder]`; the folder is dist/node by default.
import { createHash } from 'node:crypto';
import {
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const bundles = resolve(process.argv[2] ?? join(root, 'dist', 'node'));

// Of the name that a content has; others are made before they get theirs, and end with the process that makes them.
const NAME = /^[0-9a-f]{16}(?:\.(\d+))?$/;
// In a bundle: the process of this number runs from it.
const MARK = /^(\d+)\.pid$/;
// What runs touches its bundle each hour, also where its number says nothing: in containers that share the folder.
const UNUSED_MS = 86_400_000;

function exists(path) {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

function runs(pid) {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error.code === 'EPERM';
  }
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
  const folder = join(bundles, hash.digest('hex').slice(0, 16));
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
  return folder;
}

// The process that waits for this one is about to run from it.
function mark(folder) {
  const now = new Date();
  utimesSync(folder, now, now);
  writeFileSync(join(folder, `${process.ppid}.pid`), '');
}

// Some process of this machine runs from it. Marks of those that are gone are taken away.
function isRun(folder) {
  const marks = readdirSync(folder).filter((name) => MARK.test(name));
  const gone = marks.filter((name) => !runs(Number(MARK.exec(name)?.[1])));
  const { atime, mtime } = statSync(folder);
  for (const name of gone) rmSync(join(folder, name), { force: true });
  // Taking a mark away is no use of it.
  if (gone.length > 0) utimesSync(folder, atime, mtime);
  return gone.length < marks.length;
}

// Bundles of other versions that nobody has run from for a day, and what was never finished.
function prune(current) {
  for (const name of readdirSync(bundles)) {
    const folder = join(bundles, name);
    const [, maker] = NAME.exec(name) ?? [undefined, undefined];
    if (!NAME.test(name) || folder === current) continue;
    try {
      const isOld = Date.now() - statSync(folder).mtimeMs > UNUSED_MS;
      const isUsed = maker === undefined ? isRun(folder) : runs(Number(maker));
      if (isOld && !isUsed) rmSync(folder, { recursive: true, force: true });
    } catch {
      // Another process was faster.
    }
  }
}

const folder = bundle();
try {
  mark(folder);
  prune(folder);
} catch {
  // An installation that may not be written to: nothing is pruned, and what is there can be run.
}
process.stdout.write(join(folder, 'main.js'));
