/** A worker in a process of its own, as its supervisor sees it. */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { SecretMaterial } from '../../src/model/secret.ts';
import type { PublicKey } from '../config/source.ts';
import type { ProxyScope } from '../../src/model/snapshot.ts';
import type { ClusterView } from '../admin/dump.ts';
import type { Applied, Configuration } from '../plane.ts';
import type { Listening } from '../sidecar.ts';
import { Channel } from './channel.ts';
import type { FrontPlan, WorkerSetup } from './setup.ts';
import { ConfigurationSender } from './transfer.ts';
import type { Numbering } from './transfer.ts';
import type { Worker, WorkerOwner } from './worker.ts';

export interface ChildOptions {
  readonly owner: WorkerOwner;
  readonly numbering: Numbering;
  /** Its process has ended. */
  readonly onExit: (cause: string) => void;
}

/** Beside this file, whether it is a source or stands in a bundle. */
const isSource = import.meta.url.endsWith('.ts');
const program = new URL(isSource ? './worker-main.ts' : './worker-main.js', import.meta.url);

const LINE_FEED = 10;
/** A line that never ends is passed on in pieces. */
const MAX_LINE = 1_048_576;

/** Whole lines, many at once: those of several processes would be torn apart in one pipe. */
function passLines(from: Readable, log: (line: string) => void): void {
  let rest: Buffer[] = [];
  let length = 0;
  from.on('data', (chunk: Buffer) => {
    const end = chunk.lastIndexOf(LINE_FEED);
    if (end === -1 && length < MAX_LINE) {
      rest.push(chunk);
      length += chunk.length;
      return;
    }
    log(Buffer.concat([...rest, chunk.subarray(0, end === -1 ? chunk.length : end)]).toString());
    rest = end === -1 || end + 1 === chunk.length ? [] : [chunk.subarray(end + 1)];
    length = rest[0]?.length ?? 0;
  });
  from.on('error', () => undefined);
  from.on('end', () => {
    if (length > 0) log(Buffer.concat(rest).toString());
  });
}

export class ChildWorker implements Worker {
  readonly pid: number | undefined;
  readonly #child: ChildProcess;
  readonly #channel: Channel;
  readonly #sender: ConfigurationSender;
  #turn: Promise<unknown> = Promise.resolve();

  constructor({ owner, numbering, onExit }: ChildOptions) {
    this.#child = fork(fileURLToPath(program), {
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    });
    this.pid = this.#child.pid;
    this.#sender = new ConfigurationSender(numbering);
    this.#channel = new Channel(this.#child);
    this.#channel.answer('handle', async (given) => {
      const { host, port } = given as { readonly host: string; readonly port: number };
      const at = await owner.handleFor(host, port);
      return 'handle' in at ? { value: null, handle: at.handle } : { value: at };
    });
    this.#channel.answer('refreshKeys', async (given) => {
      const { scope, uri, kid } = given as {
        readonly scope: ProxyScope;
        readonly uri: string;
        readonly kid: string;
      };
      await owner.refreshKeys(scope, uri, kid);
      return { value: null };
    });
    this.#channel.answer('issueToken', async (given) => {
      const { key } = given as { readonly key: PublicKey };
      return { value: await owner.issueToken(key) };
    });
    if (this.#child.stdout !== null) passLines(this.#child.stdout, (lines) => owner.log(lines));
    this.#child.on('error', () => undefined);
    this.#child.once('exit', (code, signal) => onExit(signal ?? `exit code ${code}`));
  }

  async setup(setup: WorkerSetup): Promise<void> {
    await this.#channel.call('setup', setup);
  }

  configure(type: ProxyScope['type'], configuration: Configuration): Promise<Applied> {
    const done = this.#turn.then(() => this.#configure(type, configuration));
    this.#turn = done.catch(() => undefined);
    return done;
  }

  /** A piece goes when the one before was taken: the worker carries traffic between. */
  async #configure(type: ProxyScope['type'], configuration: Configuration): Promise<Applied> {
    const { sent, fresh } = this.#sender.pack(type, configuration);
    for (const parts of fresh) await this.#channel.call('parts', { type, parts });
    return (await this.#channel.call('configure', { type, sent })).value as Applied;
  }

  async setSecrets(secrets: Readonly<Record<string, SecretMaterial>>): Promise<void> {
    await this.#channel.call('secrets', secrets);
  }

  async open(plans: readonly FrontPlan[]): Promise<void> {
    await this.#channel.call('open', plans);
  }

  async listening(): Promise<readonly Listening[]> {
    return (await this.#channel.call('listening')).value as readonly Listening[];
  }

  async clusters(): Promise<readonly ClusterView[]> {
    return (await this.#channel.call('clusters')).value as readonly ClusterView[];
  }

  async stats(): Promise<string> {
    return (await this.#channel.call('stats')).value as string;
  }

  async setAccessLog(isOn: boolean): Promise<void> {
    await this.#channel.call('accessLog', isOn);
  }

  async drain(deadlineMs: number): Promise<number> {
    return (await this.#channel.call('drain', deadlineMs)).value as number;
  }

  /** Now, with all that it has under way. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }

  /** Its log is whole when this resolves, if it ends by itself. */
  async close(): Promise<void> {
    const child = this.#child;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => {
      child.once('close', () => resolve());
    });
    this.#channel.call('end').catch(() => undefined);
    const timer = setTimeout(() => child.kill('SIGKILL'), 2000);
    await ended;
    clearTimeout(timer);
  }
}
