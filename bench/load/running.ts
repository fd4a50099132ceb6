/** Processes of the benchmark: each on its processor, ended with it, and what the system says of them. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer, connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import { setPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Recipe } from './contract.ts';

/** Proxies run on one processor, all that they deal with on the other. */
export const PROXY_CPU = 0;
export const LOAD_CPU = 1;

const READY_MS = 20_000;
/** Where others work on the machine as well: BENCH_NICE=-15 and the rights to it keep them off for the moment. */
const NICE = Number(process.env['BENCH_NICE'] ?? 0);

export interface Running {
  readonly pid: number;
  readonly child: ChildProcess;
  end(): void;
}

const all = new Set<ChildProcess>();

export function endAll(): void {
  for (const child of all) child.kill('SIGKILL');
  all.clear();
}

export function newFolder(): string {
  return mkdtempSync(join(tmpdir(), 'lateen-load-'));
}

export function start(command: string, args: readonly string[], cpu: number): Running {
  const child = spawn('taskset', ['-c', String(cpu), command, ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  all.add(child);
  const { pid = 0 } = child;
  if (NICE !== 0) setPriority(pid, NICE);
  const end = (): void => {
    all.delete(child);
    child.kill('SIGKILL');
  };
  return { pid, child, end };
}

export function startRecipe(recipe: Recipe, folder: string, cpu: number): Running {
  mkdirSync(folder, { recursive: true });
  for (const [name, text] of Object.entries(recipe.files)) writeFileSync(join(folder, name), text);
  return start(recipe.command, recipe.args, cpu);
}

const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    const tell = (isOpen: boolean): void => {
      socket.destroy();
      resolve(isOpen);
    };
    socket.once('connect', () => tell(true));
    socket.once('error', () => tell(false));
  });
}

/** False: it has ended, or took too long. */
export async function opens(port: number, { child }: Running): Promise<boolean> {
  for (const untilMs = Date.now() + READY_MS; Date.now() < untilMs; await pause(50)) {
    if (child.exitCode !== null) return false;
    if (await accepts(port)) return true;
  }
  return false;
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => {
    server.close(resolve);
  });
  return port;
}

/** What a program that ends by itself has printed. */
export async function outputOf(running: Running): Promise<string> {
  let text = '';
  running.child.stdout?.on('data', (chunk: Buffer) => (text += chunk.toString()));
  await new Promise((resolve) => {
    running.child.once('close', resolve);
  });
  running.end();
  return text;
}

/** What a program prints, line by line, in its order: kept until somebody asks for it. */
class Lines {
  readonly #ready: string[] = [];
  readonly #waiting: ((line: string | undefined) => void)[] = [];
  #hasEnded = false;

  constructor(child: ChildProcess) {
    if (child.stdout === null) throw new Error('its output goes elsewhere');
    createInterface(child.stdout)
      .on('line', (line) => {
        const waiting = this.#waiting.shift();
        if (waiting === undefined) this.#ready.push(line);
        else waiting(line);
      })
      .on('close', () => {
        this.#hasEnded = true;
        for (const waiting of this.#waiting.splice(0)) waiting(undefined);
      });
  }

  /** Undefined = there is none any more. */
  next(): Promise<string | undefined> {
    const line = this.#ready.shift();
    if (line !== undefined || this.#hasEnded) return Promise.resolve(line);
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  }
}

const linesOf = new WeakMap<ChildProcess, Lines>();

/** @throws Error when it has ended, and all of its lines were had */
export async function nextLine({ child }: Pick<Running, 'child'>): Promise<string> {
  const lines = linesOf.get(child) ?? new Lines(child);
  linesOf.set(child, lines);
  const line = await lines.next();
  if (line === undefined) throw new Error('the program prints no more: it has ended');
  return line;
}

/** Nanoseconds on a processor so far, of all threads. */
export function cpuNsOf(pid: number): number {
  let sum = 0;
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    const [ns = '0'] = readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ');
    sum += Number(ns);
  }
  return sum;
}

/** Seconds for which the proxies' processor was busy, whoever kept it so. */
export function busySeconds(): { readonly busy: number; readonly stolen: number } {
  const line = readFileSync('/proc/stat', 'utf8').split('\n')[PROXY_CPU + 1] ?? '';
  const ticks = line.split(/\s+/).slice(1).map(Number);
  const [user = 0, nice = 0, system = 0, , , irq = 0, soft = 0, steal = 0] = ticks;
  return { busy: (user + nice + system + irq + soft) / 100, stolen: steal / 100 };
}

/** Proportional share of memory in KiB. */
export function pssOf(pid: number): number {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  return Number(/^Pss:\s+(\d+)/m.exec(text)?.[1] ?? 0);
}

/** The process and those that it started, whatever they are. */
export function familyOf(pid: number): readonly number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return [
    pid,
    ...(children === '' ? [] : children.split(' ').flatMap((id) => familyOf(Number(id)))),
  ];
}
