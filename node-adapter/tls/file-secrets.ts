/**
 * Secrets in files, by the paths that a resource names. A change comes in force as a whole: certificate and key are
 * replaced one after the other, so what doesn't belong together is looked at again, and what was good stays.
 */
import { readFileSync, statSync, watch } from 'node:fs';
import type { FSWatcher } from 'node:fs';
import { dirname } from 'node:path';
import { readFileCredential } from '../../src/lib/file-credential.ts';
import type { CredentialFiles } from '../../src/lib/file-credential.ts';
import { isSameMaterial } from '../secrets.ts';
import type { SecretMaterial, Secrets } from '../secrets.ts';
import { checkMaterial } from './pem.ts';

export interface FileSecretsOptions {
  readonly log: (line: string) => void;
  /** Files of secrets that go by another name. @default none */
  readonly files?: Readonly<Record<string, CredentialFiles>>;
  /** Has the secrets that aren't files. */
  readonly others?: Secrets;
  /** From the first sign of a change until files are read. @default 200 */
  readonly debounceMs?: number;
  /** Files are read again without any sign: some file systems give none. @default 60,000 */
  readonly pollMs?: number;
}

interface Known {
  readonly files: CredentialFiles;
  material: SecretMaterial | undefined;
  complaint: string;
}

const MAX_FILE_BYTES = 1_048_576;
const FIELDS = ['certificate', 'key', 'authorities', 'revoked'] as const;

export class FileSecrets implements Secrets {
  readonly #options: FileSecretsOptions;
  readonly #known = new Map<string, Known>();
  readonly #watchers = new Map<string, FSWatcher>();
  readonly #listeners = new Set<() => void>();
  readonly #poll: NodeJS.Timeout;
  readonly #unsubscribe: (() => void) | undefined;
  #soon: NodeJS.Timeout | undefined;

  constructor(options: FileSecretsOptions) {
    this.#options = options;
    this.#poll = setInterval(() => this.refresh(), options.pollMs ?? 60_000);
    this.#poll.unref();
    this.#unsubscribe = options.others?.onChange(() => this.#tell());
  }

  get(name: string): SecretMaterial | undefined {
    const known = this.#known.get(name);
    if (known !== undefined) return known.material;
    const files = this.#options.files?.[name] ?? readFileCredential(name);
    if (files === undefined) return this.#options.others?.get(name);
    const fresh: Known = { files, material: undefined, complaint: '' };
    this.#known.set(name, fresh);
    this.#read(fresh, name);
    this.#watch(files);
    return fresh.material;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Reads all files again, at once. */
  refresh(): void {
    clearTimeout(this.#soon);
    this.#soon = undefined;
    let isChanged = false;
    for (const [name, known] of this.#known) {
      isChanged = this.#read(known, name) || isChanged;
      this.#watch(known.files);
    }
    if (isChanged) this.#tell();
  }

  close(): void {
    clearInterval(this.#poll);
    clearTimeout(this.#soon);
    this.#unsubscribe?.();
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }

  /** True = it is another than before. */
  #read(known: Known, name: string): boolean {
    try {
      const material = readCredentialFiles(known.files);
      if (isSameMaterial(material, known.material)) {
        known.complaint = '';
        return false;
      }
      checkMaterial(material);
      known.material = material;
      known.complaint = '';
      return true;
    } catch (error) {
      this.#complain(known, name, error instanceof Error ? error.message : 'unknown');
      return false;
    }
  }

  #complain(known: Known, name: string, reason: string): void {
    if (known.complaint === reason) return;
    known.complaint = reason;
    const message =
      known.material === undefined
        ? 'certificate files can not be used'
        : 'changed certificate files can not be used, the last good ones stay';
    this.#options.log(JSON.stringify({ level: 'error', message, credential: name, reason }));
  }

  /** The folder of a file tells of one that is renamed into its place, and of a link that leads elsewhere. */
  #watch(files: CredentialFiles): void {
    for (const field of FIELDS) {
      const path = files[field];
      if (path === undefined) continue;
      const folder = dirname(path);
      if (this.#watchers.has(folder)) continue;
      try {
        const watcher = watch(folder, { persistent: false }, () => this.#later());
        watcher.on('error', () => this.#unwatch(folder));
        this.#watchers.set(folder, watcher);
      } catch {
        // No such folder yet: polling finds it.
      }
    }
  }

  #unwatch(folder: string): void {
    this.#watchers.get(folder)?.close();
    this.#watchers.delete(folder);
  }

  #later(): void {
    this.#soon ??= setTimeout(() => this.refresh(), this.#options.debounceMs ?? 200).unref();
  }
}

/** @throws Error when one can't be read */
export function readCredentialFiles(files: CredentialFiles): SecretMaterial {
  const material: { -readonly [Field in keyof SecretMaterial]: SecretMaterial[Field] } = {};
  for (const field of FIELDS) {
    const path = files[field];
    if (path === undefined) continue;
    if (statSync(path).size > MAX_FILE_BYTES) throw new Error(`${path} is too large`);
    material[field] = readFileSync(path, 'utf8');
  }
  return material;
}
