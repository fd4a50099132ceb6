/**
 * A proxy as a program of its own: owns the listening sockets, has them served, keeps it configured, and ends or is
 * replaced without refusing anybody.
 */
import type { Diagnostic } from '../../src/model/diagnostic.ts';
import type { ProxyScope } from '../../src/model/snapshot.ts';
import { certificateViews } from '../admin/certificates.ts';
import { startAdmin } from '../admin/server.ts';
import type { AdminAt, AdminServer, Restarted } from '../admin/server.ts';
import type { ScopeDump } from '../admin/dump.ts';
import type { ProxyView } from '../admin/view.ts';
import { logLine } from '../config/source.ts';
import type { Apply, ConfigSource } from '../config/source.ts';
import { portFault } from '../gateway-ports.ts';
import type { WorkloadIdentity } from '../identity/workload.ts';
import type { ListenAt } from '../listening.ts';
import type { Configuration } from '../plane.ts';
import type { GivenSecrets, SecretMaterial } from '../secrets.ts';
import type { Listening } from '../sidecar.ts';
import { WORKLOAD_SECRET } from '../tls/contexts.ts';
import { readCredentialFiles } from '../tls/file-secrets.ts';
import { Credentials } from './credentials.ts';
import { createForce } from './force.ts';
import type { Force } from './force.ts';
import { Handles } from './handles.ts';
import { removeRecord, writeRecord } from './record.ts';
import { gatewayPort } from './setup.ts';
import type { FrontPlan, WorkerSetup } from './setup.ts';
import { AccessLogSwitch, SharedSecrets } from './shared.ts';
import { startSuccessor } from './successor.ts';
import type { Predecessor } from './successor.ts';

/** What a source of configuration gives to. */
export interface SourceSink {
  readonly apply: Apply;
  readonly secrets: GivenSecrets;
}

export interface NodeOptions {
  readonly kind: 'sidecar' | 'gateway';
  readonly namespace: string;
  readonly name: string;
  readonly workers: number;
  /** One of several that answers nothing for so long is killed and started again; 0 = never. */
  readonly workerTimeoutMs: number;
  readonly setup: WorkerSetup;
  /** All that will be opened, whenever. */
  readonly plans: readonly FrontPlan[];
  /** @default none */
  readonly admin?: AdminAt;
  readonly dataDir: string;
  readonly drainMs: number;
  /** It doesn't start without configuration. @default it waits for it, if it replaces nobody */
  readonly noWaiting?: boolean;
  /** It can't be replaced by another process, and why. */
  readonly cannotRestart?: string;
  readonly predecessor?: Predecessor;
  /** Somebody asked for a drain over the admin endpoint. @default it drains */
  readonly onDrain?: () => void;
  readonly source: (sink: SourceSink) => ConfigSource;
  /** Joins and renews. @default the files of `setup`, or none */
  readonly identity?: WorkloadIdentity;
  readonly log: (line: string) => void;
}

/** As the workers read it, for whom it may have been replaced meanwhile. */
function identityOf({ identity }: WorkerSetup): Readonly<Record<string, SecretMaterial>> {
  if (identity === undefined) return {};
  try {
    return { [WORKLOAD_SECRET]: readCredentialFiles(identity) };
  } catch (error) {
    return { [WORKLOAD_SECRET]: { certificate: String(error) } };
  }
}

export class MeshNode {
  /** It serves nothing any more. */
  readonly ended: Promise<void>;
  readonly #options: NodeOptions;
  readonly #handles: Handles;
  readonly #force: Force;
  readonly #source: ConfigSource;
  readonly #credentials: Credentials;
  readonly #secrets: SharedSecrets;
  readonly #startedMs = Date.now();
  #admin: AdminServer | undefined;
  readonly #faults = new Map<number, Error>();
  #isOpen = false;
  #ending: Promise<void> | undefined;
  #restarting: Promise<Restarted> | undefined;
  #onConfigured: () => void = () => undefined;
  #end: () => void = () => undefined;

  constructor(options: NodeOptions) {
    this.#options = options;
    this.#handles = new Handles(options.predecessor?.handles);
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    this.#force = createForce({
      count: options.workers,
      workerTimeoutMs: options.workerTimeoutMs,
      setup: options.setup,
      owner: {
        handleFor: (host, port) => this.#handleFor(host, port),
        refreshKeys: (scope, uri, kid) => this.#source.refreshKeys(scope, uri, kid),
        issueToken: (key) => this.#source.issueToken(key),
        log: (line) => options.log(line),
      },
    });
    this.#credentials = new Credentials(options.log, () =>
      this.dump().scopes.flatMap(({ snapshot }) => snapshot?.listeners ?? []),
    );
    this.#secrets = new SharedSecrets(this.#credentials, (all) => this.#force.setSecrets(all));
    this.#source = options.source({
      apply: (scope, configuration) => this.#apply(scope, configuration),
      secrets: this.#secrets,
    });
    const { identity } = options;
    identity?.onChange(() => {
      const { material } = identity;
      if (material !== undefined) this.#secrets.setOwn({ [WORKLOAD_SECRET]: material });
    });
  }

  /** Resolves when every scope runs something. @throws Error of the system when a port can't be had */
  async start(): Promise<void> {
    const { predecessor, plans } = this.#options;
    try {
      // A port in use is said before anything else is done.
      for (const plan of plans)
        if (plan.kind !== 'gateway') await this.#handles.get(plan.host, plan.port);
      if (predecessor === undefined) await this.#openAdmin();
      const started = this.#force.start();
      // Processes take their time; what is compiled meanwhile waits for them.
      if (this.#options.workers === 1) await started;
      const isConfigured = new Promise<void>((resolve) => {
        this.#onConfigured = resolve;
      });
      await Promise.all([started, this.#source.start(), this.#options.identity?.start()]);
      if (this.#force.hasConfiguration) return;
      // Who runs before this one has what this one lacks.
      if (predecessor !== undefined || this.#options.noWaiting === true)
        throw new Error('there is no configuration that can be put in force');
      await Promise.race([isConfigured, this.ended]);
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  get hasConfiguration(): boolean {
    return this.#force.hasConfiguration;
  }

  /** Serves them, now and in workers to come. @throws Error of the system when one can't be had */
  async open(plans: readonly FrontPlan[]): Promise<void> {
    await this.#force.open(plans);
  }

  /** All that was to be opened is: readiness is said, and who ran before ends. */
  async ready(): Promise<void> {
    const { predecessor } = this.#options;
    this.#isOpen = true;
    if (predecessor === undefined) return;
    await predecessor.ready();
    await this.#openAdmin();
  }

  listening(): Promise<readonly Listening[]> {
    return this.#force.listening();
  }

  /** Why ports of a gateway can't be had. */
  get faults(): ReadonlyMap<number, Error> {
    return this.#faults;
  }

  /** What is in force, by scope. */
  dump(): { readonly scopes: readonly ScopeDump[] } {
    return this.#force.dump();
  }

  get admin(): string | undefined {
    return this.#admin?.address;
  }

  get isEnding(): boolean {
    return this.#ending !== undefined;
  }

  /** Takes nothing new; what is under way ends, at most so long as the options say. */
  drain(): Promise<void> {
    this.#ending ??= this.#drain();
    return this.#ending;
  }

  /** Ends everything now. */
  async close(): Promise<void> {
    this.#options.identity?.stop();
    await this.#source.stop();
    await this.#force.close();
    await this.#letGo();
  }

  /** At once, before this process ends. */
  kill(): void {
    this.#force.kill();
    removeRecord(this.#options.dataDir, this.#options);
  }

  /** This program is started anew, and takes over. @throws Error that says why it didn't */
  restart(): Promise<Restarted> {
    this.#restarting ??= this.#restart().finally(() => {
      this.#restarting = undefined;
    });
    return this.#restarting;
  }

  async #restart(): Promise<Restarted> {
    const { cannotRestart, log } = this.#options;
    try {
      if (cannotRestart !== undefined) throw new Error(cannotRestart);
      if (this.#ending !== undefined) throw new Error('it is draining');
      if (!this.#isOpen) throw new Error('it is not ready itself');
      const successor = await startSuccessor(this.#handles);
      await successor.leave();
      this.#admin?.stop();
      log(logLine('info', 'another process took over; this one drains', { pid: successor.pid }));
      // After the answer to who asked for it.
      setImmediate(() => void this.drain());
      return { pid: successor.pid };
    } catch (error) {
      const cause = error instanceof Error ? error.message : 'unknown';
      log(logLine('warning', 'it was not restarted and goes on', { cause }));
      throw error;
    }
  }

  async #handleFor(host: string, port: number): Promise<ListenAt> {
    try {
      const at = await this.#handles.get(host, port);
      this.#faults.delete(port);
      return at;
    } catch (error) {
      // Every worker asks, again with each configuration.
      if (!this.#faults.has(port)) this.#options.log(portFault(port, error));
      this.#faults.set(port, error as Error);
      throw error;
    }
  }

  async #apply(scope: ProxyScope, configuration: Configuration): Promise<readonly Diagnostic[]> {
    const refused = await this.#force.apply(scope, configuration);
    if (refused.length > 0) return refused;
    this.#credentials.review();
    this.#options.identity?.trust(configuration.named.snapshot.mesh.trust);
    if (scope.type === 'gateway' && this.#options.workers > 1) this.#retainPorts(configuration);
    if (this.#force.hasConfiguration) this.#onConfigured();
    return refused;
  }

  /** Workers close theirs by themselves; a port is free when this process has let go, too. */
  #retainPorts({ named }: Configuration): void {
    const wanted = this.#options.plans.flatMap((plan) =>
      plan.kind === 'gateway'
        ? named.snapshot.listeners.map(({ port }) => ({
            host: plan.host,
            port: gatewayPort(plan, port),
          }))
        : [plan],
    );
    const { admin } = this.#options;
    this.#handles.retain(admin !== undefined && 'host' in admin ? [...wanted, admin] : wanted);
  }

  async #drain(): Promise<void> {
    const { drainMs, log } = this.#options;
    await this.#source.stop();
    if (this.#options.workers > 1) this.#handles.close();
    const cut = await this.#force.drain(drainMs);
    if (cut > 0) log(logLine('warning', 'connections were cut at the deadline', { cut, drainMs }));
    await this.#letGo();
  }

  async #letGo(): Promise<void> {
    this.#options.identity?.stop();
    this.#credentials.stop();
    await this.#admin?.close();
    this.#handles.close();
    removeRecord(this.#options.dataDir, this.#options);
    this.#end();
  }

  async #openAdmin(): Promise<void> {
    const { admin: at, onDrain, setup } = this.#options;
    if (at !== undefined) {
      const given = 'host' in at ? await this.#handles.get(at.host, at.port) : undefined;
      this.#admin = await startAdmin({
        at,
        ...(given !== undefined && 'handle' in given ? { handle: given } : {}),
        proxy: this.#view(),
        accessLog: new AccessLogSwitch(setup.accessLog, (isOn) => this.#force.setAccessLog(isOn)),
        certificates: () => certificateViews({ ...this.#secrets.all, ...identityOf(setup) }),
        onDrain: () => {
          if (onDrain === undefined) void this.drain();
          else onDrain();
        },
        onRestart: () => this.restart(),
      });
    }
    this.#writeRecord();
  }

  #writeRecord(): void {
    const { dataDir, kind, namespace, name, workers } = this.#options;
    const admin = this.#admin?.address;
    writeRecord(dataDir, {
      pid: process.pid,
      kind,
      namespace,
      name,
      ...(admin === undefined ? {} : { admin }),
      workers,
      startedMs: this.#startedMs,
    });
  }

  #view(): ProxyView {
    const { kind, namespace, name, workers } = this.#options;
    const force = this.#force;
    return {
      lacks: () => this.#lacks(),
      about: () => ({
        pid: process.pid,
        kind,
        namespace,
        name,
        startedMs: this.#startedMs,
        state: this.#lacks() ?? 'ready',
        workers:
          workers === 1
            ? [{ ...force.workers()[0], ready: this.#lacks() === undefined }]
            : force.workers(),
      }),
      dump: () => force.dump(),
      clusters: () => force.clusters(),
      listening: async () => (this.isEnding ? [] : force.listening()),
      stats: async () => (await force.stats()) + (this.#options.identity?.stats() ?? ''),
    };
  }

  #lacks(): string | undefined {
    if (this.isEnding) return 'draining';
    if (!this.#force.hasConfiguration) return 'no configuration yet';
    if (!this.#isOpen) return 'not every port is open yet';
    return this.#force.lacks ?? this.#options.identity?.lacks;
  }
}
