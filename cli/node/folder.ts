/** Files as a proxy's configuration: read, compiled and handed over, and again whenever they change. A faulty change changes nothing. */
import { readConfig } from '../../src/config/pipeline.ts';
import { createCompiler } from '../../src/config/compile/index.ts';
import { placesOf } from '../../src/config/source-map.ts';
import { misplacedSecrets, secretNames, secretsOf } from '../../src/config/secrets.ts';
import { createKeys, keysBlob, knownSets } from '../../control/keys.ts';
import type { Keys } from '../../control/keys.ts';
import type { Configuration } from '../../node-adapter/plane.ts';
import { canonicalJson } from '../../src/lib/canonical-json.ts';
import type { Resource } from '../../src/model/api.ts';
import type { AdmittedResource, CompileResult, SourceText } from '../../src/model/config.ts';
import type { Diagnostic } from '../../src/model/diagnostic.ts';
import type { SecretMaterial } from '../../src/model/secret.ts';
import type { ProxyScope } from '../../src/model/snapshot.ts';
import { kinds, policyCompilers } from '../../src/presets/control.ts';
import { CommandError } from '../errors.ts';
import { readSources } from '../files.ts';
import { watchFiles } from './watch-files.ts';

/** Puts it in force; says why not. */
export type OnConfiguration = (
  scope: ProxyScope,
  configuration: Configuration,
  secrets: Readonly<Record<string, SecretMaterial>>,
) => readonly Diagnostic[];

export interface FolderWatch {
  stop(): void;
  /** A token named a kid that no key has. */
  refreshKeys(uri: string): Promise<void>;
}

/** How often key sets are looked at whose issuers may have others by now. */
const KEYS_MS = 60_000;

const nameOf = ({ kind, metadata }: Resource): string =>
  `${kind} ${metadata.namespace}/${metadata.name}`;

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

class Folder implements FolderWatch {
  readonly #paths: readonly string[];
  readonly #scopes: readonly ProxyScope[];
  readonly #sinks: FolderSinks;
  readonly #compiler = createCompiler(policyCompilers);
  readonly #keys: Keys;
  #admitted: readonly AdmittedResource[] = [];
  /** What reading them found. */
  #found: readonly Diagnostic[] = [];
  /** What compile was given last, so that unchanged resources stay the same objects. */
  #kept: ReadonlyMap<string, { readonly text: string; readonly resource: Resource }> = new Map();
  readonly #given = new Map<ProxyScope, string>();
  #said = '';
  #hasFault = false;
  /** What is in force isn't what the files say. */
  #isUnread = false;
  #turn: Promise<void> = Promise.resolve();
  #unwatch: () => void = () => undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(paths: readonly string[], scopes: readonly ProxyScope[], sinks: FolderSinks) {
    this.#paths = paths;
    this.#scopes = scopes;
    this.#sinks = sinks;
    this.#keys = createKeyStore((message) =>
      sinks.onDiagnostics([{ code: 'LAT0202', level: 'warning', message }]),
    );
    this.#keys.onChange(() => void this.#inTurn(() => this.#giveAll()));
  }

  async start(): Promise<void> {
    // From before the first reading on, or a change during it would be missed.
    this.#unwatch = watchFiles(this.#paths, () => void this.#inTurn(() => this.#read()));
    this.#timer = setInterval(() => void this.#inTurn(() => this.#giveAll()), KEYS_MS);
    await this.#inTurn(() => this.#read());
  }

  stop(): void {
    this.#unwatch();
    clearInterval(this.#timer);
  }

  async refreshKeys(uri: string): Promise<void> {
    await this.#keys.refresh(uri);
    await this.#turn;
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    this.#turn = this.#turn.then(work).catch((error: unknown) => this.#fault(error));
    return this.#turn;
  }

  #fault(error: unknown): void {
    if (error instanceof CommandError && error.findings.length > 0)
      return this.#say(error.findings);
    const message = error instanceof Error ? error.message : 'unknown fault';
    this.#say([{ code: 'LAT0001', level: 'error', message }]);
  }

  /** The same again is said once. */
  #say(diagnostics: readonly Diagnostic[]): void {
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
    const sources: readonly SourceText[] = await readSources(this.#paths);
    const { resources, diagnostics } = readConfig(sources, { kinds });
    if (diagnostics.some(({ level }) => level === 'error')) return this.#say(diagnostics);
    this.#isUnread = false;
    this.#admitted = resources;
    this.#found = diagnostics;
    this.#keep(resources);
    await this.#giveAll();
  }

  #keep(admitted: readonly AdmittedResource[]): void {
    this.#kept = new Map(
      admitted.map(({ resource }) => {
        const key = `${resource.group} ${nameOf(resource)}`;
        const text = canonicalJson(resource);
        const known = this.#kept.get(key);
        return [key, known?.text === text ? known : { text, resource }];
      }),
    );
  }

  async #giveAll(): Promise<void> {
    const resources = [...this.#kept.values()].map(({ resource }) => resource);
    if (resources.length === 0) return;
    const all = [...this.#found];
    for (const scope of this.#scopes) {
      const result = this.#compiler.compile({ resources, scope });
      await this.#keys.ensure(result.jwksUris);
      const names = secretNames(result.named.snapshot);
      all.push(
        ...result.diagnostics,
        ...misplacedSecrets(names, resources),
        ...this.#give(scope, result, resources),
      );
    }
    // Fresh keys mend no file.
    if (this.#isUnread) return;
    const placeOf = placesOf(this.#admitted);
    this.#say(
      all.map((one) => {
        const { resource, path = '' } = one;
        const place =
          one.place ?? (resource === undefined ? undefined : placeOf({ resource, path }));
        return place === undefined ? one : { ...one, place };
      }),
    );
  }

  #give(
    scope: ProxyScope,
    { named, endpoints, jwksUris }: CompileResult,
    resources: readonly Resource[],
  ): readonly Diagnostic[] {
    const { name: version } = keysBlob(this.#keys, jwksUris);
    const { secrets } = secretsOf(secretNames(named.snapshot), resources);
    const given = canonicalJson([named.version, endpoints.version, version, secrets]);
    if (this.#given.get(scope) === given) return [];
    const keys = { version, sets: knownSets(this.#keys, jwksUris) };
    const refused = this.#sinks.onConfiguration(scope, { named, endpoints, keys }, secrets);
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
export async function watchFolder(
  paths: readonly string[],
  scopes: readonly ProxyScope[],
  sinks: FolderSinks,
): Promise<FolderWatch> {
  if (paths.includes('-')) throw new CommandError('standard input can not be watched', 2);
  await readSources(paths);
  const folder = new Folder(paths, scopes, sinks);
  await folder.start();
  return folder;
}
