/**
 * Worker processes on one set of sockets. One that dies is started again, later each time it dies young; one that hangs is
 * killed, and then the same. What it had counted goes on counting. All of them run the same configuration.
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
import { Liveness } from './liveness.ts';
import type { FrontPlan, WorkerSetup } from './setup.ts';
import { countersOf, mergeStats } from './stats-merge.ts';
import { Numbering } from './transfer.ts';
import type { WorkerOwner } from './worker.ts';

export interface CrewOptions {
  readonly count: number;
  readonly setup: WorkerSetup;
  readonly owner: WorkerOwner;
  /** A worker that answers nothing for so long is killed; 0 = never. Whole seconds count. */
  readonly workerTimeoutMs: number;
}

export interface WorkerView {
  readonly worker: number;
  readonly pid: number | undefined;
  /** It is up, and answers. */
  readonly ready: boolean;
  readonly restarts: number;
  /** For how long it has owed its supervisor an answer; 0 = it answers. */
  readonly silentMs: number;
}

interface Slot {
  readonly index: number;
  worker: ChildWorker | undefined;
  liveness: Liveness | undefined;
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
const TURN_MS = 1000;
/** Shorter silences are collections of garbage, and a busy machine. */
const NOTED_TURNS = 3;
/** Workers beyond all that are there which may end over one configuration before it is refused. */
const MORE_TRIES = 2;
const ANSWER_MS = 1000;
const LONGEST_TIMER_MS = 2 ** 31 - 1;

const within = <T>(work: Promise<T>, otherwise: T, ms = ANSWER_MS): Promise<T> =>
  Promise.race([
    work.catch(() => otherwise),
    new Promise<T>((resolve) => {
      setTimeout(() => resolve(otherwise), ms).unref();
    }),
  ]);

const isSilent = ({ liveness }: Slot): boolean => (liveness?.silent ?? 0) >= NOTED_TURNS;

export class Crew {
  readonly #options: CrewOptions;
  readonly #numbering = new Numbering();
  readonly #slots: readonly Slot[];
  /** Those that a worker has put in force. */
  readonly #configurations = new Map<ProxyScope['type'], Configuration>();
  /** Somebody waits for a worker to be there. */
  #awaited: ((worker: ChildWorker | undefined) => void)[] = [];
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
  readonly #turns: NodeJS.Timeout;

  constructor(options: CrewOptions) {
    this.#options = options;
    this.#accessLog = options.setup.accessLog;
    this.#slots = Array.from({ length: options.count }, (_, index) => ({
      index,
      worker: undefined,
      liveness: undefined,
      isReady: false,
      restarts: 0,
      failures: 0,
      startedMs: 0,
      stats: '',
      timer: undefined,
    }));
    this.#turns = setInterval(() => this.#turn(), TURN_MS).unref();
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
   * link all can, and what none can reaches one. Resolves when the first has it in force; as superseded, when they end.
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

  /** What it waits for; undefined = every worker is up and answers. */
  get lacks(): string | undefined {
    if (!this.#isUp) return 'a worker is starting';
    return this.#slots.some(isSilent) ? 'a worker does not answer' : undefined;
  }

  views(): readonly WorkerView[] {
    return this.#slots.map((slot) => ({
      worker: slot.index,
      pid: slot.worker?.pid,
      ready: slot.isReady && !isSilent(slot),
      restarts: slot.restarts,
      silentMs: (slot.liveness?.silent ?? 0) * TURN_MS,
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
    // One that hangs would let nobody end.
    const patienceMs = Math.min(deadlineMs + ANSWER_MS, LONGEST_TIMER_MS);
    const cut = await Promise.all(
      this.#slots.map(async ({ worker }) =>
        worker === undefined ? 0 : within(worker.drain(deadlineMs), 0, patienceMs),
      ),
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
      if (worker === undefined) return undefined;
      tried.add(worker);
      try {
        const applied = await worker.configure(type, configuration);
        return applied === 'applied' ? worker : undefined;
      } catch (error) {
        if (isLinkError(error)) throw new LinkError(error.message);
        if (this.#isEnding) return undefined;
        if (!isGone(error)) throw error;
      }
    }
    throw new LinkError(`${most} workers in a row ended when they were given it`);
  }

  /** Undefined = the workers end. */
  #workerBeside(tried: ReadonlySet<ChildWorker>): Promise<ChildWorker | undefined> {
    const others = this.#slots.filter(({ worker }) => worker !== undefined && !tried.has(worker));
    // Who hangs takes it when it is killed, or never.
    const answering = others.filter((slot) => !isSilent(slot));
    const up = answering.find(({ isReady }) => isReady) ?? answering[0] ?? others[0];
    if (up?.worker !== undefined) return Promise.resolve(up.worker);
    return new Promise((resolve) => {
      if (this.#isEnding) resolve(undefined);
      else this.#awaited.push(resolve);
    });
  }

  #end(): void {
    this.#isEnding = true;
    for (const resolve of this.#awaited) resolve(undefined);
    this.#awaited = [];
    clearInterval(this.#turns);
    for (const { timer } of this.#slots) clearTimeout(timer);
  }

  get #isUp(): boolean {
    return this.#slots.every(({ isReady }) => isReady);
  }

  #ready(): readonly ChildWorker[] {
    return this.#slots.flatMap((slot) =>
      slot.worker === undefined || !slot.isReady || isSilent(slot) ? [] : [slot.worker],
    );
  }

  async #launch(slot: Slot): Promise<void> {
    const { owner, setup } = this.#options;
    slot.startedMs = performance.now();
    const worker = new ChildWorker({
      owner,
      numbering: this.#numbering,
      onExit: (cause) => this.#exited(slot, worker, cause),
    });
    slot.worker = worker;
    slot.liveness = new Liveness({
      ask: () => this.#askStats(slot, worker),
      limit: Math.ceil(this.#options.workerTimeoutMs / TURN_MS),
    });
    try {
      // All are sent at once: whatever comes meanwhile comes behind them.
      const told = Promise.all([
        worker.setup({ ...setup, accessLog: this.#accessLog }),
        worker.setSecrets(this.#secrets),
        ...[...this.#configurations].map(([type, configuration]) =>
          worker.configure(type, configuration),
        ),
      ]);
      for (const resolve of this.#awaited) resolve(worker);
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
      slot.liveness.spoke();
      if (this.#isUp) this.#starting?.resolve();
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
    // Silence is no life.
    const livedMs = performance.now() - slot.startedMs - (slot.liveness?.silent ?? 0) * TURN_MS;
    slot.worker = undefined;
    slot.liveness = undefined;
    slot.isReady = false;
    this.#retired = mergeStats([this.#retired, countersOf(slot.stats)]);
    slot.stats = '';
    if (this.#isEnding) return;
    slot.failures = livedMs > GROWN_UP_MS ? 0 : slot.failures + 1;
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

  #turn(): void {
    for (const { index, worker, liveness } of this.#slots) {
      if (liveness?.turn() !== true) continue;
      this.#say('a worker does not answer; it is killed', {
        worker: index,
        pid: worker?.pid,
        silentMs: liveness.silent * TURN_MS,
      });
      worker?.kill();
    }
  }

  async #collect(): Promise<void> {
    await Promise.all(
      this.#slots.map(async (slot) => {
        const { worker, isReady } = slot;
        if (worker === undefined || !isReady || isSilent(slot)) return;
        await within(this.#askStats(slot, worker), undefined);
      }),
    );
  }

  async #askStats(slot: Slot, worker: ChildWorker): Promise<void> {
    const stats = await worker.stats();
    if (slot.worker === worker) slot.stats = stats;
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
