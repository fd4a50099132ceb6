/** Tells when files of resources change: at once where the system says so, else soon. */
import { statSync, watch } from 'node:fs';
import type { FSWatcher } from 'node:fs';
import { dirname } from 'node:path';
import { walk } from '../files.ts';

/** An editor writes in several steps. */
const QUIET_MS = 100;
/** Files on other machines, and files behind links, change without a word of the system. */
const LOOK_MS = 2000;

const isUrl = (path: string): boolean => /^https?:\/\//.test(path);

/** Everything by which a changed file is told from one that isn't. */
function signature(paths: readonly string[]): string {
  return paths
    .flatMap((path) => {
      try {
        return walk(path).map((file) => {
          const { mtimeMs, size, ino } = statSync(file);
          return `${file} ${mtimeMs} ${size} ${ino}`;
        });
      } catch {
        return [`${path} is away`];
      }
    })
    .join('\n');
}

function watcherOf(path: string, onEvent: () => void): FSWatcher | undefined {
  try {
    const isFolder = statSync(path).isDirectory();
    // A file that is replaced is another one: its folder knows.
    const watcher = watch(isFolder ? path : dirname(path), { recursive: isFolder }, onEvent);
    watcher.on('error', () => watcher.close());
    return watcher;
  } catch {
    return undefined;
  }
}

/** Returns what ends it. */
export function watchFiles(paths: readonly string[], onChange: () => void): () => void {
  const files = paths.filter((path) => !isUrl(path));
  let known = signature(files);
  let timer: NodeJS.Timeout | undefined;
  const look = (): void => {
    const now = signature(files);
    if (now === known) return;
    known = now;
    onChange();
  };
  const soon = (): void => {
    clearTimeout(timer);
    timer = setTimeout(look, QUIET_MS);
  };
  const watchers = files.map((path) => watcherOf(path, soon));
  const interval = setInterval(look, LOOK_MS);
  return () => {
    clearTimeout(timer);
    clearInterval(interval);
    for (const watcher of watchers) watcher?.close();
  };
}
