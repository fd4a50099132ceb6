/** Who carries the traffic of a node: this process itself, or a crew of others. */
import type { Diagnostic } from '../../src/model/diagnostic.ts';
import type { SecretMaterial } from '../../src/model/secret.ts';
import type { Pointer, ProxyScope } from '../../src/model/snapshot.ts';
import { configDump } from '../admin/dump.ts';
import type { ClusterView, ScopeDump } from '../admin/dump.ts';
import { applyWith } from '../config/source.ts';
import type { Apply } from '../config/source.ts';
import type { Configuration } from '../plane.ts';
import type { Listening } from '../sidecar.ts';
import { Crew } from './crew.ts';
import type { CrewOptions, WorkerView } from './crew.ts';
import type { FrontPlan } from './setup.ts';
import { mergeStats } from './stats-merge.ts';
import { LocalWorker } from './worker.ts';

export interface Force {
  /** What it waits for; undefined = it is ready. */
  readonly lacks: string | undefined;
  readonly hasConfiguration: boolean;
  start(): Promise<void>;
  /** Why it is refused; nothing = it is in force, or on its way to every worker. */
  apply(scope: ProxyScope, configuration: Configuration): Promise<readonly Diagnostic[]>;
  setSecrets(secrets: Readonly<Record<string, SecretMaterial>>): void;
  open(plans: readonly FrontPlan[]): Promise<void>;
  workers(): readonly WorkerView[];
  dump(): { readonly scopes: readonly ScopeDump[] };
  listening(): Promise<readonly Listening[]>;
  clusters(): Promise<readonly ClusterView[]>;
  stats(): Promise<string>;
  setAccessLog(isOn: boolean): void;
  /** @returns connections that were cut at the deadline */
  drain(deadlineMs: number): Promise<number>;
  close(): Promise<void>;
  /** Leaves no process behind; this one ends by itself. */
  kill(): void;
}

class LocalForce implements Force {
  readonly #options: CrewOptions;
  readonly #apply: Apply;
  #worker: LocalWorker | undefined;

  constructor(options: CrewOptions) {
    this.#options = options;
    this.#apply = applyWith(
      ({ type }, configuration) => this.#present.sidecar.apply(type, configuration),
      (error) => options.owner.log(faultLine(error)),
    );
  }

  get #present(): LocalWorker {
    if (this.#worker === undefined) throw new Error('it was not started');
    return this.#worker;
  }

  get lacks(): string | undefined {
    return this.#worker?.sidecar.isReady === true ? undefined : 'a worker is starting';
  }

  get hasConfiguration(): boolean {
    return this.#present.sidecar.planes.every(({ linked }) => linked !== undefined);
  }

  async start(): Promise<void> {
    this.#worker = await LocalWorker.create(this.#options.setup, this.#options.owner);
  }

  apply(scope: ProxyScope, configuration: Configuration): Promise<readonly Diagnostic[]> {
    return this.#apply(scope, configuration);
  }

  setSecrets(secrets: Readonly<Record<string, SecretMaterial>>): void {
    void this.#present.setSecrets(secrets);
  }

  open(plans: readonly FrontPlan[]): Promise<void> {
    return this.#present.open(plans);
  }

  workers(): readonly WorkerView[] {
    return [
      { worker: 0, pid: process.pid, ready: this.lacks === undefined, restarts: 0, silentMs: 0 },
    ];
  }

  dump(): { readonly scopes: readonly ScopeDump[] } {
    return configDump(this.#present.sidecar);
  }

  listening(): Promise<readonly Listening[]> {
    return this.#present.listening();
  }

  clusters(): Promise<readonly ClusterView[]> {
    return this.#present.clusters();
  }

  async stats(): Promise<string> {
    return mergeStats([await this.#present.stats()]);
  }

  setAccessLog(isOn: boolean): void {
    void this.#present.setAccessLog(isOn);
  }

  drain(deadlineMs: number): Promise<number> {
    return this.#present.drain(deadlineMs);
  }

  async close(): Promise<void> {
    await this.#worker?.close();
  }

  kill(): void {
    // There is none but this process.
  }
}

/** Configuration comes to this process once, for all workers, and is linked by them alone. */
class CrewForce implements Force {
  readonly #crew: Crew;
  readonly #scopes: readonly ProxyScope[];
  readonly #apply: Apply;

  constructor(options: CrewOptions) {
    const { owner, setup } = options;
    this.#crew = new Crew(options);
    this.#scopes = setup.scopes;
    this.#apply = applyWith(
      ({ type }, configuration) => this.#crew.configure(type, configuration),
      (error) => owner.log(faultLine(error)),
    );
  }

  get lacks(): string | undefined {
    return this.hasConfiguration ? this.#crew.lacks : 'no configuration yet';
  }

  get hasConfiguration(): boolean {
    return this.#scopes.every(({ type }) => this.#crew.running(type) !== undefined);
  }

  start(): Promise<void> {
    return this.#crew.start();
  }

  apply(scope: ProxyScope, configuration: Configuration): Promise<readonly Diagnostic[]> {
    return this.#apply(scope, configuration);
  }

  setSecrets(secrets: Readonly<Record<string, SecretMaterial>>): void {
    this.#crew.setSecrets(secrets);
  }

  open(plans: readonly FrontPlan[]): Promise<void> {
    return this.#crew.open(plans);
  }

  workers(): readonly WorkerView[] {
    return this.#crew.views();
  }

  dump(): { readonly scopes: readonly ScopeDump[] } {
    return {
      scopes: this.#scopes.map((scope) => {
        const running = this.#crew.running(scope.type);
        return { scope, pointer: running && pointerOf(running), snapshot: running?.named.snapshot };
      }),
    };
  }

  listening(): Promise<readonly Listening[]> {
    return this.#crew.listening();
  }

  clusters(): Promise<readonly ClusterView[]> {
    return this.#crew.clusters();
  }

  stats(): Promise<string> {
    return this.#crew.stats();
  }

  setAccessLog(isOn: boolean): void {
    this.#crew.setAccessLog(isOn);
  }

  drain(deadlineMs: number): Promise<number> {
    return this.#crew.drain(deadlineMs);
  }

  close(): Promise<void> {
    return this.#crew.close();
  }

  kill(): void {
    this.#crew.kill();
  }
}

function pointerOf({ named, endpoints, keys }: Configuration): Pointer {
  return { snapshot: named.version, endpoints: endpoints.version, keys: keys.version };
}

function faultLine(error: unknown): string {
  const cause = error instanceof Error ? (error.stack ?? error.message) : 'unknown';
  return JSON.stringify({ level: 'error', message: 'a configuration broke the proxy', cause });
}

export function createForce(options: CrewOptions): Force {
  return options.count === 1 ? new LocalForce(options) : new CrewForce(options);
}
