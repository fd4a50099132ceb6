/** Reads what -f names: files, folders (recursively), `-` for standard input, http(s) URLs. */
import { readFileSync, readdirSync, statSync } from 'node:fs';
import type { Dirent } from 'node:fs';
import { join } from 'node:path';
import type { SourceText } from '../src/model/config.ts';
import { CommandError } from './errors.ts';

const RESOURCE_FILE = /\.(?:ya?ml|json)$/i;
/** Of one URL. */
const MAX_DOWNLOAD_BYTES = 8 * 1024 * 1024;

async function standardInput(): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(Buffer.from(chunk as Uint8Array));
  return Buffer.concat(chunks).toString('utf8');
}

async function download(url: string): Promise<string> {
  const response = await fetch(url, { signal: AbortSignal.timeout(30_000) });
  if (!response.ok) throw new CommandError(`${url} answers HTTP ${response.status}`);
  const text = await response.text();
  if (text.length > MAX_DOWNLOAD_BYTES) throw new CommandError(`${url} is larger than 8 MiB`);
  return text;
}

/**
 * Files of resources at or below a path. Links are followed to files alone, so that nothing is walked twice; names that
 * begin with a dot are left out: a volume of Kubernetes has its files there, and a link beside them for each.
 * @throws Error of the system
 */
export function walk(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path, { withFileTypes: true })
    .filter(({ name }) => !name.startsWith('.'))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const child = join(path, entry.name);
      if (entry.isDirectory()) return walk(child);
      return RESOURCE_FILE.test(entry.name) && !isLinkToFolder(entry, child) ? [child] : [];
    });
}

function isLinkToFolder(entry: Dirent, path: string): boolean {
  // One that leads nowhere is a file that can't be read, and said to be one.
  return (
    entry.isSymbolicLink() && statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
  );
}

async function readOne(name: string): Promise<SourceText[]> {
  if (name === '-') return [{ file: 'stdin', text: await standardInput() }];
  if (/^https?:\/\//.test(name)) return [{ file: name, text: await download(name) }];
  try {
    return walk(name).map((file) => ({ file, text: readFileSync(file, 'utf8') }));
  } catch (error) {
    throw new CommandError(`can't read ${name}: ${error instanceof Error ? error.message : ''}`);
  }
}

/** @throws CommandError when a name can't be read or nothing was found. */
export async function readSources(names: readonly string[]): Promise<SourceText[]> {
  const sources: SourceText[] = [];
  for (const name of names) sources.push(...(await readOne(name)));
  if (sources.length === 0)
    throw new CommandError(`no .yaml, .yml or .json file in ${names.join(', ')}`);
  return sources;
}

/** Commander's collector for options that may be repeated. */
export function collect(value: string, before: readonly string[] = []): string[] {
  return [...before, value];
}
