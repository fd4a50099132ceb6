/**
 * Compiles in another process, which ends when nothing changes for a while: what compiling takes (its code, the YAML, what
 * the compiler remembers) is given back to the system, and a large change takes no time from the traffic.
 */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Channel, goneError, isGone } from '../../node-adapter/process/channel.ts';
import type { PartItem } from '../../src/model/manifest.ts';
import type { ProxyScope } from '../../src/model/snapshot.ts';
import type { CompiledFiles, Compiling } from './compiling.ts';

/** Who edits files saves them again soon, and one that remembers compiles faster. */
const IDLE_MS = 5000;

/** Large meshes compile in a few seconds; files of other machines may never come. */
const SLOW_MS = 30_000;

/** Beside this file, whether it is a source or stands in a bundle. */
const isSource = import.meta.url.endsWith('.ts');
const program = new URL(isSource ? './compile-main.ts' : './compile-main.js', import.meta.url);

export class CompilerProcess implements Compiling {
  #running: { readonly child: ChildProcess; readonly channel: Channel } | undefined;
  #idle: NodeJS.Timeout | undefined;
  #isStopped = false;
  readonly #onSlow: (message: string) => void;
  readonly #slowMs: number;

  /** @param onSlow told when it takes long, with what helps: nothing that is changed comes in force meanwhile */
  constructor(onSlow: (message: string) => void, slowMs: number = SLOW_MS) {
    this.#onSlow = onSlow;
    this.#slowMs = slowMs;
  }

  /** So that it is up when something is asked of it. */
  prepare(): void {
    this.#channel();
    this.#letGo();
  }

  async compile(paths: readonly string[], scopes: readonly ProxyScope[]): Promise<CompiledFiles> {
    const ask = async (): Promise<CompiledFiles> => {
      const channel = this.#channel();
      const slow = setTimeout(() => this.#saySlow(), this.#slowMs).unref();
      try {
        return (await channel.call('compile', { paths, scopes })).value as CompiledFiles;
      } finally {
        clearTimeout(slow);
      }
    };
    try {
      return await ask();
    } catch (error) {
      // It may have been gone before it was asked, by somebody's hand or for want of memory.
      if (!isGone(error) || this.#isStopped) throw error;
      this.#end();
      return ask();
    }
  }

  async part(name: string): Promise<readonly PartItem[]> {
    // Another one knows nothing of what this one compiled.
    if (this.#running === undefined) throw goneError();
    return (await this.#channel().call('part', name)).value as readonly PartItem[];
  }

  rest(): void {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => this.#end(), IDLE_MS).unref();
    this.#letGo();
  }

  stop(): void {
    this.#isStopped = true;
    this.#end();
  }

  #saySlow(): void {
    const pid = this.#running?.child.pid;
    this.#onSlow(
      `the process that compiles (pid ${pid}) has not answered for ${this.#slowMs / 1000} s; what is in force stays. Where it hangs, end it: another one takes its place`,
    );
  }

  #end(): void {
    clearTimeout(this.#idle);
    // It has nothing to lose.
    this.#running?.child.kill('SIGKILL');
    this.#running = undefined;
  }

  /** A proxy that could not be started, or has ended, isn't kept by it. */
  #letGo(): void {
    this.#running?.child.unref();
    this.#running?.child.channel?.unref();
  }

  #channel(): Channel {
    clearTimeout(this.#idle);
    if (this.#running !== undefined) {
      this.#running.child.ref();
      this.#running.child.channel?.ref();
      return this.#running.channel;
    }
    // The standard output is the access log's.
    const child = fork(fileURLToPath(program), { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    const running = { child, channel: new Channel(child) };
    const isOver = (): void => {
      if (this.#running === running) this.#running = undefined;
    };
    child.on('error', isOver);
    child.on('exit', isOver);
    this.#running = running;
    return running.channel;
  }
}
