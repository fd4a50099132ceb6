/** Runs a node until it is stopped: starts it in order, says what listens where, and passes signals on. */
import {
  MeshNode,
  createLineLog,
  findPredecessor,
  findRecord,
} from '../../node-adapter/process/index.ts';
import type { AdminAt, FrontPlan, NodeOptions } from '../../node-adapter/process/index.ts';
import { CommandError } from '../errors.ts';
import { note } from '../output.ts';
import type { Address } from './addresses.ts';
import { codeOfSignal, startApp, waitForPort } from './app.ts';
import type { App } from './app.ts';
import { keepBundle } from './bundle-use.ts';
import { startFault, unselected } from './faults.ts';
import { chooseIdentity, joinedAccount } from './joining.ts';
import type { JoinOptions } from './joining.ts';
import { notifyReady } from './notify.ts';
import { chooseSource } from './source.ts';
import type { SourceOptions } from './source.ts';
import { welcome } from './welcome.ts';

export interface NodeRun extends Omit<
  NodeOptions,
  'source' | 'log' | 'predecessor' | 'plans' | 'identity'
> {
  readonly source: SourceOptions;
  /** @default its identity comes from files, or it has none */
  readonly join?: JoinOptions;
  readonly admin?: AdminAt;
  /** Opened as soon as there is configuration. */
  readonly first: readonly FrontPlan[];
  /** Opened when the application is there. Ports are those of `behind`; the rest may depend on the configuration. */
  readonly behind: readonly FrontPlan[];
  readonly resolve?: (plan: FrontPlan, node: MeshNode) => FrontPlan;
  /** The application, started once the first ports are open. */
  readonly command?: readonly string[];
  readonly waitFor?: { readonly at: Address; readonly timeoutMs: number };
}

/** One Ctrl-C comes twice where a wrapper passes on what the whole group got. */
const SAME_SIGNAL_MS = 500;

class Runner {
  readonly #run: NodeRun;
  readonly #begunMs = performance.now();
  readonly #log = createLineLog(1);
  #node!: MeshNode;
  #app: App | undefined;
  #isReady = false;
  #stoppedMs: number | undefined;

  constructor(run: NodeRun) {
    this.#run = run;
  }

  async run(): Promise<never> {
    const { kind, namespace, name, source, setup } = this.#run;
    const log = (line: string): void => this.#log.write(line);
    const predecessor = await findPredecessor();
    const other = findRecord(source.dataDir, { kind, namespace, name });
    if (other !== undefined && predecessor === undefined)
      throw new CommandError(
        `${kind} ${name}.${namespace} runs already (pid ${other.pid}): \`lateen node restart\` replaces it; or give --name or --data-dir another`,
      );
    this.#listenToSignals();
    keepBundle();
    try {
      const { join, dataDir } = this.#run;
      const serviceAccount =
        source.serviceAccount ?? (join === undefined ? undefined : joinedAccount(join, namespace));
      const chosen = await chooseSource(
        { ...source, ...(serviceAccount === undefined ? {} : { serviceAccount }) },
        setup.scopes,
        log,
      );
      const identity =
        join === undefined
          ? undefined
          : chooseIdentity(join, { kind, namespace, name, dataDir }, log);
      this.#node = new MeshNode({
        ...this.#run,
        noWaiting: source.config !== undefined,
        plans: [...this.#run.first, ...this.#run.behind],
        ...(predecessor === undefined ? {} : { predecessor }),
        source: (sink) => chosen.create(sink),
        ...(identity === undefined ? {} : { identity }),
        onDrain: () => this.#drain('SIGTERM'),
        log,
      });
      await this.#start(chosen.text);
    } catch (error) {
      const fault = startFault(error, this.#run);
      await predecessor?.failed(fault instanceof Error ? fault.message : 'unknown');
      this.#app?.kill('SIGTERM');
      await this.#node?.close();
      this.#log.close();
      throw fault;
    }
    await this.#node.ended;
    return this.#exit((await this.#app?.ended) ?? 0);
  }

  async #start(source: string): Promise<void> {
    const { first, behind, command, resolve = (plan) => plan } = this.#run;
    const node = this.#node;
    const slow = setTimeout(() => note(`waiting for configuration from ${source} ...`), 3000);
    await node.start().finally(() => clearTimeout(slow));
    if (node.isEnding) return;
    await node.open(first);
    if (command !== undefined) await this.#startApp(command);
    await this.#waitForApp();
    if (node.isEnding || this.#app?.hasEnded === true) return;
    await node.open(behind.map((plan) => resolve(plan, node)));
    await this.#requirePorts();
    await node.ready();
    this.#isReady = true;
    notifyReady();
    note(await welcome(node, { run: this.#run, source, ms: performance.now() - this.#begunMs }));
  }

  /** A gateway that can have none of its ports has nothing to run for; one that no Gateway selects may be selected yet. */
  async #requirePorts(): Promise<void> {
    const { faults } = this.#node;
    const [fault] = faults.values();
    const isIdle = (await this.#node.listening()).length === 0;
    if (isIdle && fault !== undefined) throw fault;
    for (const one of faults.values()) note(`warning: ${startFault(one, this.#run).message}`);
    const [scope] = this.#run.setup.scopes;
    if (isIdle && scope?.type === 'gateway') note(`warning: ${unselected(scope)}`);
  }

  async #startApp(command: readonly string[]): Promise<void> {
    const app = await startApp(command);
    this.#app = app;
    // What it still calls goes out by its sidecar: that ends behind it.
    void app.ended.then(() => this.#node.drain());
  }

  async #waitForApp(): Promise<void> {
    const { waitFor } = this.#run;
    if (waitFor === undefined) return;
    const { at, timeoutMs } = waitFor;
    const isOver = (): boolean => this.#node.isEnding || this.#app?.hasEnded === true;
    if ((await waitForPort(at, timeoutMs, isOver)) || isOver()) return;
    throw new CommandError(
      `nothing listens on ${at.host}:${at.port} after ${timeoutMs / 1000} s: is --app right? --wait takes a longer time`,
    );
  }

  #listenToSignals(): void {
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const)
      process.on(signal, () => this.#stop(signal));
    if (process.platform === 'win32') return;
    process.on('SIGUSR2', () => {
      // What came of it is in the log.
      this.#node?.restart().catch(() => undefined);
    });
  }

  #stop(signal: NodeJS.Signals): void {
    const nowMs = performance.now();
    if (this.#stoppedMs !== undefined) {
      if (nowMs - this.#stoppedMs < SAME_SIGNAL_MS) return;
      this.#app?.kill('SIGKILL');
      this.#node?.kill();
      this.#exit(codeOfSignal(signal));
    }
    this.#stoppedMs = nowMs;
    this.#drain(signal);
  }

  #drain(signal: NodeJS.Signals): void {
    const app = this.#app;
    if (app !== undefined && !app.hasEnded) {
      // A terminal tells its whole group.
      if (signal !== 'SIGINT' || !process.stdin.isTTY) app.kill(signal);
      return;
    }
    if (this.#isReady) {
      void this.#node.drain();
      return;
    }
    const over = (): never => this.#exit(codeOfSignal(signal));
    void (this.#node?.close() ?? Promise.resolve()).then(over, over);
  }

  #exit(code: number): never {
    this.#log.close();
    process.exit(code);
  }
}

/** @throws CommandError when it can't be started */
export async function runNode(run: NodeRun): Promise<void> {
  await new Runner(run).run();
}
