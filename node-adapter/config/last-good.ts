/**
 * The configuration that was in force last, on disk: a proxy that starts while control is away runs it. One file a scope,
 * for its owner alone, replaced whole. Anything that isn't exactly what was written counts as nothing. No secrets.
 */
import { createHash, randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { mkdir, open, readdir, rename, stat, unlink } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import type { Bundle, BundleHead } from '../../src/delivery/bundle.ts';
import {
  assembleBundle,
  checkedEndpoints,
  checkedManifest,
  partsOf,
} from '../../src/delivery/bundle.ts';
import { isPointer, isRecord } from '../../src/delivery/pointer.ts';
import type { PartItem, PartName } from '../../src/model/manifest.ts';
import type { KeyOverlay, ProxyScope } from '../../src/model/snapshot.ts';
import type { ScopeKey } from './source.ts';
import { causeOf, keyOfScope, logLine } from './source.ts';

export interface LastGood {
  /** Undefined = there is none that could be trusted. */
  read(scope: ProxyScope): Promise<Bundle | undefined>;
  /** Later, and only the latest of what comes meanwhile. */
  write(scope: ProxyScope, bundle: Bundle): void;
  /** What is to be written is on disk. */
  settled(): Promise<void>;
}

export interface LastGoodOptions {
  readonly directory: string;
  readonly log: (line: string) => void;
  /** A larger configuration isn't kept. @default 256 MiB */
  readonly maxBytes?: number;
}

const MAGIC = 'lateen last good 1';
const MAX_BYTES = 256 * 1024 * 1024;
const OWNER_ONLY = 0o600;
const OTHERS_WRITE = 0o022;
const DRAFT = /\.json\.[0-9a-f]{12}\.tmp$/;
/** A younger one may be another process's. */
const DRAFT_AGE_MS = 600_000;
const NAME_LENGTH = 120;
/** Written at once; the thread is free between. */
const PIECE_LENGTH = 262_144;

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function fileName(scope: ScopeKey): string {
  const key = keyOfScope(scope);
  const readable = key.replaceAll(/[^\w.-]/g, '_').slice(0, NAME_LENGTH);
  return `${readable}.${hashOf(key).slice(0, 16)}.json`;
}

/** One line for the head, one for each part; the last is the checksum of all before. */
function* linesOf(scope: ProxyScope, bundle: Bundle): Generator<string> {
  const { pointer, manifest, endpointManifest, keys } = bundle;
  yield MAGIC;
  yield JSON.stringify({ scope: keyOfScope(scope), pointer, manifest, endpointManifest, keys });
  for (const [name, items] of bundle.parts) yield JSON.stringify([name, items]);
}

function checkedHead(text: string, scope: ProxyScope): BundleHead {
  const value: unknown = JSON.parse(text);
  if (!isRecord(value) || value['scope'] !== keyOfScope(scope))
    throw new Error('it is of another proxy');
  const { pointer, keys } = value;
  if (!isPointer(pointer) || !isRecord(keys) || !isRecord(keys['sets']))
    throw new Error('it has no pointer or keys');
  return {
    pointer,
    manifest: checkedManifest(pointer.snapshot, value['manifest']),
    endpointManifest: checkedEndpoints(pointer.endpoints, value['endpointManifest']),
    keys: keys as unknown as KeyOverlay,
  };
}

function parse(text: string, scope: ProxyScope): Bundle {
  const end = text.lastIndexOf('\n', text.length - 2) + 1;
  if (!text.startsWith(`${MAGIC}\n`)) throw new Error('it was not written by this proxy');
  if (text.slice(end).trimEnd() !== hashOf(text.slice(0, end)))
    throw new Error('its checksum is wrong');
  const [, head = '', ...lines] = text.slice(0, end).trimEnd().split('\n');
  const checked = checkedHead(head, scope);
  const parts = new Map(lines.map((line) => JSON.parse(line) as [PartName, readonly PartItem[]]));
  if (partsOf(checked).some((name) => !parts.has(name))) throw new Error('a part is missing');
  return assembleBundle(checked, parts, undefined);
}

class LastGoodFolder implements LastGood {
  readonly #options: LastGoodOptions;
  readonly #waiting = new Map<string, { readonly scope: ProxyScope; readonly bundle: Bundle }>();
  #working: Promise<void> | undefined;
  #isTidy = false;

  constructor(options: LastGoodOptions) {
    this.#options = options;
  }

  async read(scope: ProxyScope): Promise<Bundle | undefined> {
    const path = join(this.#options.directory, fileName(scope));
    try {
      return parse(await this.#text(path), scope);
    } catch (error) {
      if ((error as { readonly code?: unknown }).code === 'ENOENT') return undefined;
      this.#options.log(
        logLine('warning', 'last good configuration is ignored', { path, cause: causeOf(error) }),
      );
      return undefined;
    }
  }

  write(scope: ProxyScope, bundle: Bundle): void {
    this.#waiting.set(keyOfScope(scope), { scope, bundle });
    this.#working ??= this.#work().finally(() => {
      this.#working = undefined;
    });
  }

  async settled(): Promise<void> {
    await this.#working;
  }

  async #work(): Promise<void> {
    for (let next = this.#next(); next !== undefined; next = this.#next())
      try {
        await this.#replace(next.scope, next.bundle);
      } catch (error) {
        this.#options.log(
          logLine('warning', 'last good configuration could not be written', {
            scope: keyOfScope(next.scope),
            cause: causeOf(error),
          }),
        );
      }
  }

  #next(): { readonly scope: ProxyScope; readonly bundle: Bundle } | undefined {
    const [first] = this.#waiting;
    if (first === undefined) return undefined;
    this.#waiting.delete(first[0]);
    return first[1];
  }

  /** Somebody else's file, or one that others may write, could be anything. */
  async #text(path: string): Promise<string> {
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      const { size, mode, uid } = await file.stat();
      const isOwn = process.getuid === undefined || uid === process.getuid();
      if (!isOwn || (mode & OTHERS_WRITE) !== 0) throw new Error('others may have written it');
      if (size > this.#limit) throw new Error(`it has more than ${this.#limit} bytes`);
      return await file.readFile('utf8');
    } finally {
      await file.close();
    }
  }

  get #limit(): number {
    return this.#options.maxBytes ?? MAX_BYTES;
  }

  async #replace(scope: ProxyScope, bundle: Bundle): Promise<void> {
    const { directory } = this.#options;
    await mkdir(directory, { recursive: true, mode: 0o700 });
    if (!this.#isTidy) await removeDrafts(directory).catch(() => undefined);
    this.#isTidy = true;
    const path = join(directory, fileName(scope));
    const draft = `${path}.${randomBytes(6).toString('hex')}.tmp`;
    const file = await open(draft, 'wx', OWNER_ONLY);
    try {
      try {
        await this.#fill(file, linesOf(scope, bundle));
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(draft, path);
    } catch (error) {
      await unlink(draft).catch(() => undefined);
      throw error;
    }
    await syncFolder(directory);
  }

  async #fill(file: FileHandle, lines: Iterable<string>): Promise<void> {
    const hash = createHash('sha256');
    let piece = '';
    let size = 0;
    const flush = async (): Promise<void> => {
      size += Buffer.byteLength(piece);
      if (size > this.#limit) throw new Error(`it has more than ${this.#limit} bytes`);
      hash.update(piece);
      await file.appendFile(piece);
      piece = '';
    };
    for (const line of lines) {
      piece += `${line}\n`;
      if (piece.length >= PIECE_LENGTH) await flush();
    }
    await flush();
    await file.appendFile(`${hash.digest('hex')}\n`);
  }
}

/** What a process left behind that ended while it wrote. */
async function removeDrafts(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (!DRAFT.test(name)) continue;
    const path = join(directory, name);
    if (Date.now() - (await stat(path)).mtimeMs > DRAFT_AGE_MS) await unlink(path);
  }
}

/** The new name lasts when its folder is on disk; not every system can say so. */
async function syncFolder(path: string): Promise<void> {
  try {
    const folder = await open(path, 'r');
    await folder.sync();
    await folder.close();
  } catch {
    // The file itself is on disk.
  }
}

export function createLastGood(options: LastGoodOptions): LastGood {
  return new LastGoodFolder(options);
}

/** For proxies that were given no folder. */
export const noLastGood: LastGood = {
  read: () => Promise.resolve(undefined),
  write: () => undefined,
  settled: () => Promise.resolve(),
};
