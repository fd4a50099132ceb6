/**
 * Worker processes on one set of sockets. One that dies is started again, later each time it dies young; what it had
 * counted goes on counting. All of them run the same configuration.
 */
import type { SecretMaterial } from '../../src/model/secret.ts';
import type { ProxyScope } from '../../src/model/snapshot.ts';
import { LinkError } from '../../src/proxy/index.ts';
import type { ClusterView } from '../admin/dump.ts';
import { causeOf, logLine } from '../config/source.ts';
import type { Applied, Configuration } from '../plane.ts';
import type { Listening } from '../sidecar.ts';
import { isGone, isLinkError } from './channel.ts';
import { ChildWorker } from './child-worker.ts';
import { mergeClusters } from './clusters-merge.ts';
import type { FrontPlan, WorkerSetup } from './setup.ts';
import { countersOf, mergeStats } from './stats-merge.ts';
import { Numbering } from './transfer.ts';
import type { WorkerOwner } from './worker.ts';

export interface CrewOptions {
  readonly count: number;
  readonly setup: WorkerSetup;
  readonly owner: WorkerOwner;
}

export interface WorkerView {
  readonly worker: number;
  readonly pid: number | undefined;
  readonly ready: boolean;
  readonly restarts: number;
}

interface Slot {
  readonly index: number;
  worker: ChildWorker | undefined;
  isReady: boolean;
  restarts: number;
  /** In a row, each soon after its start. */
  failures: number;
  startedMs: number;
  /** What it said last; whoever kills it doesn't kill what it counted. */
  stats: string;
  timer: NodeJS.Timeout | undefined;
}

const FIRST_WAIT_MS = 50;
const LONGEST_WAIT_MS = 10_000;
const GROWN_UP_MS = 10_000;
/** Of a start: what dies so often will not come up by being tried again. */
const MAX_FAILURES_AT_START = 3;
/** Workers beyond all that are there which may end over one configuration before it is refused. */
const MORE_TRIES = 2;
const STATS_MS = 1000;
const ANSWER_MS = 1000;

const within = <T>(work: Promise<T>, otherwise: T): Promise<T> =>
  Promise.race([
    work.catch(() => otherwise),
    new Promise<T>((resolve) => {
      setTimeout(() => resolve(otherwise), ANSWER_MS).unref();
    }),
  ]);

export class Crew {
  readonly #options: CrewOptions;
  readonly #numbering = new Numbering();
  readonly #slots: readonly Slot[];
  /** Those that a worker has put in force. */
  readonly #configurations = new Map<ProxyScope['type'], Configuration>();
  /** Somebody waits for a worker to be there. */
  #awaited: {
    readonly resolve: (worker: ChildWorker) => void;
    readonly reject: (error: Error) => void;
  }[] = [];
  readonly #plans: FrontPlan[] = [];
  #secrets: Readonly<Record<string, SecretMaterial>> = {};
  #accessLog: boolean;
  /** Counters of those that are gone. */
  #retired = '';
  #isEnding = false;
  /** While it starts. */
  #starting:
    | { readonly resolve: () => void; readonly reject: (error: unknown) => void }
    | undefined;
  readonly #collecting: NodeJS.Timeout;

  constructor(options: CrewOptions) {
    this.#options = options;
    this.#accessLog = options.setup.accessLog;
    this.#slots = Array.from({ length: options.count }, (_, index) => ({
      index,
      worker: undefined,
      isReady: false,
      restarts: 0,
      failures: 0,
      startedMs: 0,
      stats: '',
      timer: undefined,
    }));
    this.#collecting = setInterval(() => void this.#collect(), STATS_MS).unref();
  }

  /** Resolves when all are up. @throws Error when one can't be started, or dies again and again */
  async start(): Promise<void> {
    const started = new Promise<void>((resolve, reject) => {
      this.#starting = { resolve, reject };
    });
    for (const slot of this.#slots) void this.#launch(slot);
    await started;
    this.#starting = undefined;
  }

  /**
   * One worker puts it in force, then the others are told: linking asks nothing but what it is given, so what one can
   * link all can, and what none can reaches one. Resolves when the first has it in force.
   * @throws LinkError: what was in force stays, everywhere
   */
  async configure(type: ProxyScope['type'], configuration: Configuration): Promise<Applied> {
    const first = await this.#tryOut(type, configuration);
    if (first === undefined) return 'superseded';
    this.#configurations.set(type, configuration);
    for (const { worker } of this.#slots)
      if (worker !== first)
        worker?.configure(type, configuration).catch((error: unknown) => this.#refused(error));
    return 'applied';
  }

  /** What a worker has put in force last. */
  running(type: ProxyScope['type']): Configuration | undefined {
    return this.#configurations.get(type);
  }

  setSecrets(secrets: Readonly<Record<string, SecretMaterial>>): void {
    this.#secrets = secrets;
    for (const { worker } of this.#slots) worker?.setSecrets(secrets).catch(() => undefined);
  }

  /** @throws ChannelError when a port can't be had */
  async open(plans: readonly FrontPlan[]): Promise<void> {
    this.#plans.push(...plans);
    // Who starts now opens them as well.
    const up = this.#slots.filter(({ isReady }) => isReady);
    await Promise.all(
      up.map(async ({ worker }) =>
        worker?.open(plans).catch((error: unknown) => {
          if (!isGone(error)) throw error;
        }),
      ),
    );
  }

  get isReady(): boolean {
    return this.#slots.every(({ isReady }) => isReady);
  }

  views(): readonly WorkerView[] {
    return this.#slots.map(({ index, worker, isReady, restarts }) => ({
      worker: index,
      pid: worker?.pid,
      ready: isReady,
      restarts,
    }));
  }

  async listening(): Promise<readonly Listening[]> {
    const [first] = this.#ready();
    return first === undefined ? [] : within(first.listening(), []);
  }

  async clusters(): Promise<readonly ClusterView[]> {
    return mergeClusters(
      await Promise.all(this.#ready().map((worker) => within(worker.clusters(), []))),
    );
  }

  async stats(): Promise<string> {
    await this.#collect();
    return mergeStats([this.#retired, ...this.#slots.map(({ stats }) => stats)]);
  }

  setAccessLog(isOn: boolean): void {
    this.#accessLog = isOn;
    for (const { worker } of this.#slots) worker?.setAccessLog(isOn).catch(() => undefined);
  }

  /** @returns connections that were cut at the deadline */
  async drain(deadlineMs: number): Promise<number> {
    this.#end();
    const cut = await Promise.all(
      this.#slots.map(async ({ worker }) => worker?.drain(deadlineMs).catch(() => 0) ?? 0),
    );
    await this.close();
    return cut.reduce((sum, one) => sum + one, 0);
  }

  kill(): void {
    this.#end();
    for (const { worker } of this.#slots) worker?.kill();
  }

  async close(): Promise<void> {
    this.#end();
    await Promise.all(this.#slots.map(async ({ worker }) => worker?.close()));
  }

  /** Undefined = the workers end. */
  async #tryOut(
    type: ProxyScope['type'],
    configuration: Configuration,
  ): Promise<ChildWorker | undefined> {
    const tried = new Set<ChildWorker>();
    // Each of them may have been gone before, and was to be started again.
    const most = this.#slots.length + MORE_TRIES;
    while (tried.size < most) {
      const worker = await this.#workerBeside(tried);
      tried.add(worker);
      try {
        const applied = await worker.configure(type, configuration);
        return applied === 'applied' ? worker : undefined;
      } catch (error) {
        if (isLinkError(error)) throw new LinkError(error.message);
        if (!isGone(error) || this.#isEnding) throw error;
      }
    }
    throw new LinkError(`${most} workers in a row ended when they were given it`);
  }

  #workerBeside(tried: ReadonlySet<ChildWorker>): Promise<ChildWorker> {
    const others = this.#slots.filter(({ worker }) => worker !== undefined && !tried.has(worker));
    const up = others.find(({ isReady }) => isReady) ?? others[0];
    if (up?.worker !== undefined) return Promise.resolve(up.worker);
    return new Promise((resolve, reject) => {
      if (this.#isEnding) reject(new Error('the workers have ended'));
      else this.#awaited.push({ resolve, reject });
    });
  }

  #end(): void {
    this.#isEnding = true;
    for (const { reject } of this.#awaited) reject(new Error('the workers have ended'));
    this.#awaited = [];
    clearInterval(this.#collecting);
    for (const { timer } of this.#slots) clearTimeout(timer);
  }

  #ready(): readonly ChildWorker[] {
    return this.#slots.flatMap(({ worker, isReady }) =>
      worker === undefined || !isReady ? [] : [worker],
    );
  }

  async #launch(slot: Slot): Promise<void> {
    const { owner, setup } = this.#options;
    slot.startedMs = Date.now();
    const worker = new ChildWorker({
      owner,
      numbering: this.#numbering,
      onExit: (cause) => this.#exited(slot, worker, cause),
    });
    slot.worker = worker;
    try {
      // All are sent at once: whatever comes meanwhile comes behind them.
      const told = Promise.all([
        worker.setup({ ...setup, accessLog: this.#accessLog }),
        worker.setSecrets(this.#secrets),
        ...[...this.#configurations].map(([type, configuration]) =>
          worker.configure(type, configuration),
        ),
      ]);
      for (const { resolve } of this.#awaited) resolve(worker);
      this.#awaited = [];
      await told;
      // It serves nobody before it has what the others run.
      let opened = 0;
      while (opened < this.#plans.length) {
        const since = this.#plans.slice(opened);
        opened = this.#plans.length;
        await worker.open(since);
      }
      slot.isReady = true;
      if (this.isReady) this.#starting?.resolve();
    } catch (error) {
      // One that is gone is started again when its exit is told.
      if (isGone(error)) return;
      this.#starting?.reject(error);
      this.#say('a worker could not be started', { worker: slot.index, cause: causeOf(error) });
      await worker.close();
    }
  }

  #exited(slot: Slot, worker: ChildWorker, cause: string): void {
    if (slot.worker !== worker) return;
    slot.worker = undefined;
    slot.isReady = false;
    this.#retired = mergeStats([this.#retired, countersOf(slot.stats)]);
    slot.stats = '';
    if (this.#isEnding) return;
    slot.failures = Date.now() - slot.startedMs > GROWN_UP_MS ? 0 : slot.failures + 1;
    slot.restarts++;
    if (slot.failures >= MAX_FAILURES_AT_START)
      this.#starting?.reject(new Error(`worker ${slot.index} ended again and again (${cause})`));
    const waitMs =
      slot.failures <= 1
        ? 0
        : Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(slot.failures, 10));
    this.#say('a worker ended; it is started again', {
      worker: slot.index,
      pid: worker.pid,
      cause,
      inMs: waitMs,
    });
    slot.timer = setTimeout(() => void this.#launch(slot), waitMs);
  }

  async #collect(): Promise<void> {
    await Promise.all(
      this.#slots.map(async (slot) => {
        const { worker } = slot;
        if (worker === undefined || !slot.isReady) return;
        const stats = await within(worker.stats(), slot.stats);
        if (slot.worker === worker) slot.stats = stats;
      }),
    );
  }

  #refused(error: unknown): void {
    if (!isGone(error))
      this.#say('a worker refused a configuration that its supervisor took', {
        cause: causeOf(error),
      });
  }

  #say(message: string, fields: object): void {
    this.#options.owner.log(logLine('warning', message, fields));
  }
}
