/** Files as a proxy's configuration: read, compiled and handed over, and again whenever they change. A faulty change changes nothing. */
import { createKeys, keysBlob, knownSets } from '../../control/keys.ts';
import type { Keys } from '../../control/keys.ts';
import { isGone } from '../../node-adapter/process/channel.ts';
import type { Configuration } from '../../node-adapter/plane.ts';
import { assembleBundle, partsOf } from '../../src/delivery/bundle.ts';
import type { Bundle } from '../../src/delivery/bundle.ts';
import { canonicalJson } from '../../src/lib/canonical-json.ts';
import type { Diagnostic } from '../../src/model/diagnostic.ts';
import type { PartItem } from '../../src/model/manifest.ts';
import type { SecretMaterial } from '../../src/model/secret.ts';
import type { KeyOverlay, ProxyScope } from '../../src/model/snapshot.ts';
import { CommandError } from '../errors.ts';
import type { CompiledScope, Compiling } from './compiling.ts';
import { watchFiles } from './watch-files.ts';

/** Puts it in force; says why not. */
export type OnConfiguration = (
  scope: ProxyScope,
  configuration: Configuration,
  secrets: Readonly<Record<string, SecretMaterial>>,
) => Promise<readonly Diagnostic[]>;

export interface FolderWatch {
  stop(): void;
  /** A token named a kid that no key has. */
  refreshKeys(uri: string, kid: string): Promise<void>;
}

/** How often key sets are looked at whose issuers may have others by now. */
const KEYS_MS = 60_000;
/** Keys are added when it is given: they change by themselves. */
const NO_KEYS: KeyOverlay = { version: '', sets: {} };

interface Compiled {
  readonly scope: ProxyScope;
  readonly result: CompiledScope;
  readonly bundle: Bundle;
}

function createKeyStore(onFault: (message: string) => void): Keys {
  const texts = new Map<string, string>();
  return createKeys({
    fetch: (url, init) => fetch(url, init),
    nowMs: () => Date.now(),
    log: onFault,
    cache: {
      get: (name) => Promise.resolve(texts.get(name)),
      set: (name, text) => Promise.resolve(void texts.set(name, text)),
    },
    // Who writes these files may fetch from here by hand, too.
    allowPrivate: true,
  });
}

export interface FolderSinks {
  readonly onConfiguration: OnConfiguration;
  readonly onDiagnostics: (diagnostics: readonly Diagnostic[]) => void;
  /** Errors were told, and there is none any more. */
  readonly onMended: () => void;
}

export interface FolderOptions {
  /** Files, folders, URLs. */
  readonly paths: readonly string[];
  readonly scopes: readonly ProxyScope[];
  readonly sinks: FolderSinks;
  /** Ends with the watch. */
  readonly compiling: Compiling;
}

class Folder implements FolderWatch {
  readonly #paths: readonly string[];
  readonly #scopes: readonly ProxyScope[];
  readonly #sinks: FolderSinks;
  readonly #compiling: Compiling;
  readonly #keys: Keys;
  #compiled: readonly Compiled[] = [];
  /** What reading them found. */
  #found: readonly Diagnostic[] = [];
  readonly #given = new Map<ProxyScope, string>();
  #said = '';
  #hasFault = false;
  /** What is in force isn't what the files say. */
  #isUnread = false;
  /** Who compiles ended before it was done. */
  #isLost = false;
  #isStopped = false;
  #turn: Promise<void> = Promise.resolve();
  #unwatch: () => void = () => undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor({ paths, scopes, sinks, compiling }: FolderOptions) {
    this.#paths = paths;
    this.#scopes = scopes;
    this.#sinks = sinks;
    this.#compiling = compiling;
    this.#keys = createKeyStore((message) =>
      sinks.onDiagnostics([{ code: 'LAT0202', level: 'warning', message }]),
    );
    this.#keys.onChange(() => void this.#inTurn(() => this.#giveAll()));
  }

  async start(): Promise<void> {
    // From before the first reading on, or a change during it would be missed.
    this.#unwatch = watchFiles(this.#paths, () => void this.#inTurn(() => this.#read()));
    this.#timer = setInterval(() => {
      void this.#inTurn(() => (this.#isLost ? this.#read() : this.#giveAll()));
    }, KEYS_MS);
    let unreadable: unknown;
    await this.#inTurn(() =>
      this.#read().catch((error: unknown) => {
        if (!(error instanceof CommandError)) throw error;
        unreadable = error;
      }),
    );
    if (unreadable === undefined) return;
    this.stop();
    throw unreadable;
  }

  stop(): void {
    this.#isStopped = true;
    this.#compiling.stop();
    this.#unwatch();
    clearInterval(this.#timer);
  }

  async refreshKeys(uri: string, kid: string): Promise<void> {
    await this.#keys.refresh(uri, kid);
    await this.#turn;
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    this.#turn = this.#turn
      .then(() => (this.#isStopped ? undefined : work()))
      .catch((error: unknown) => this.#fault(error));
    return this.#turn;
  }

  #fault(error: unknown): void {
    this.#isLost = isGone(error);
    const message = this.#isLost
      ? 'the process that compiles ended before it was done; it is tried again with the next change, or in a minute'
      : error instanceof Error
        ? error.message
        : 'unknown fault';
    this.#say([{ code: 'LAT0001', level: 'error', message }]);
  }

  /** The same again is said once. */
  #say(diagnostics: readonly Diagnostic[]): void {
    if (this.#isStopped) return;
    const text = canonicalJson(diagnostics);
    if (text === this.#said) return;
    this.#said = text;
    if (diagnostics.length > 0) this.#sinks.onDiagnostics(diagnostics);
    const hasFault = diagnostics.some(({ level }) => level === 'error');
    if (this.#hasFault && !hasFault) this.#sinks.onMended();
    this.#hasFault = hasFault;
  }

  async #read(): Promise<void> {
    this.#isUnread = true;
    try {
      const { unreadable, found, scopes } = await this.#compiling.compile(
        this.#paths,
        this.#scopes,
      );
      // Its parts would have to be asked for, and nobody compiles any more.
      if (this.#isStopped) return;
      this.#isLost = false;
      if (unreadable !== undefined) throw new CommandError(unreadable);
      if (found.some(({ level }) => level === 'error')) return this.#say(found);
      const compiled: Compiled[] = [];
      for (const [index, scope] of this.#scopes.entries()) {
        const result = scopes[index];
        if (result === undefined) continue;
        const known = this.#compiled.find((one) => one.scope === scope)?.bundle;
        compiled.push({ scope, result, bundle: await this.#bundle(result, known) });
      }
      this.#compiled = compiled;
      this.#found = found;
      this.#isUnread = false;
    } finally {
      this.#compiling.rest();
    }
    await this.#giveAll();
  }

  /** One part after the other, so that each is parsed in a turn of its own. */
  async #bundle(result: CompiledScope, known: Bundle | undefined): Promise<Bundle> {
    const { snapshot, manifest, endpoints, endpointManifest } = result;
    const pointer = { snapshot, endpoints, keys: NO_KEYS.version };
    const head = { pointer, manifest, endpointManifest, keys: NO_KEYS };
    const fetched = new Map<string, readonly PartItem[]>();
    for (const name of partsOf(head))
      if (known?.parts.has(name) !== true && !fetched.has(name))
        fetched.set(name, await this.#compiling.part(name));
    return assembleBundle(head, fetched, known);
  }

  async #giveAll(): Promise<void> {
    if (this.#compiled.length === 0) return;
    const all = [...this.#found];
    for (const { scope, result, bundle } of this.#compiled) {
      await this.#keys.ensure(result.jwksUris);
      // A proxy that drains opens no port any more.
      if (this.#isStopped) return;
      all.push(...result.diagnostics, ...(await this.#give(scope, result, bundle)));
    }
    // Fresh keys mend no file.
    if (!this.#isUnread) this.#say(all);
  }

  async #give(
    scope: ProxyScope,
    { jwksUris, secrets }: CompiledScope,
    { named, endpoints }: Bundle,
  ): Promise<readonly Diagnostic[]> {
    const { name: version } = keysBlob(this.#keys, jwksUris);
    const given = canonicalJson([named.version, endpoints.version, version, secrets]);
    if (this.#given.get(scope) === given) return [];
    const keys = { version, sets: knownSets(this.#keys, jwksUris) };
    const refused = await this.#sinks.onConfiguration(scope, { named, endpoints, keys }, secrets);
    // What is refused is given again, or it would seem to be in force.
    if (refused.length === 0) this.#given.set(scope, given);
    return refused;
  }
}

/**
 * Resolves when all scopes were given once. What is wrong with the files is said with its place, and what was given before
 * stays.
 * @throws CommandError when there is nothing to begin with
 */
export async function watchFolder(options: FolderOptions): Promise<FolderWatch> {
  if (options.paths.includes('-')) throw new CommandError('standard input can not be watched', 2);
  const folder = new Folder(options);
  await folder.start();
  return folder;
}
