/**
 * Hot restart: a process that runs takes its sockets along to one that replaces it. The new one starts with them, says
 * that it is ready, and only then the old one lets go: at no moment does nobody listen.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { Channel } from './channel.ts';
import type { BoundHandle, Handles } from './handles.ts';

const MARK = 'LATEEN_SUCCESSOR';
const READY_MS = 60_000;

export interface Successor {
  readonly pid: number;
  /** It is alone from now on. @throws ChannelError when it is gone already */
  leave(): Promise<void>;
}

function ended(child: ChildProcess): Promise<never> {
  return new Promise((_, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) =>
      reject(new Error(`the new process ended before it was ready (${signal ?? `code ${code}`})`)),
    );
  });
}

/** Starts this program again, with the same arguments. @throws Error when it doesn't become ready */
export async function startSuccessor(handles: Handles): Promise<Successor> {
  const child = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, [MARK]: '1' },
  });
  const channel = new Channel(child);
  const open = new Map(handles.all());
  channel.answer('keys', () => ({ value: [...open.keys()] }));
  channel.answer('handle', (key) => {
    const handle = open.get(key as string);
    return { value: null, ...(handle === undefined ? {} : { handle }) };
  });
  let timer: NodeJS.Timeout | undefined;
  const ready = new Promise<void>((resolve, reject) => {
    timer = setTimeout(
      () => reject(new Error(`the new process wasn't ready within ${READY_MS / 1000} s`)),
      READY_MS,
    );
    channel.answer('ready', () => {
      resolve();
      return { value: null };
    });
    channel.answer('failed', (reason) => {
      reject(new Error(String(reason)));
      return { value: null };
    });
  });
  try {
    await Promise.race([ready, ended(child)]);
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  } finally {
    clearTimeout(timer);
  }
  return {
    pid: child.pid ?? 0,
    async leave() {
      await channel.call('yours');
      if (child.connected) child.disconnect();
      child.unref();
    },
  };
}

/** Who ran before, and has the sockets. */
export interface Predecessor {
  readonly handles: ReadonlyMap<string, BoundHandle>;
  /** Resolves when the sockets, the admin endpoint and the record are ours alone. */
  ready(): Promise<void>;
  failed(reason: string): Promise<void>;
}

/** Undefined = this process replaces nobody. */
export async function findPredecessor(): Promise<Predecessor | undefined> {
  if (process.env[MARK] === undefined) return undefined;
  // Not for workers, nor for an application.
  Reflect.deleteProperty(process.env, MARK);
  if (process.send === undefined) return undefined;
  const channel = new Channel(process);
  const isOurs = new Promise<void>((resolve) => {
    channel.answer('yours', () => {
      resolve();
      return { value: null };
    });
    process.once('disconnect', resolve);
  });
  const handles = new Map<string, BoundHandle>();
  for (const key of (await channel.call('keys')).value as readonly string[]) {
    const { handle } = await channel.call('handle', key);
    if (handle !== undefined) handles.set(key, handle as BoundHandle);
  }
  return {
    handles,
    async ready() {
      await channel.call('ready').catch(() => undefined);
      await isOurs;
    },
    async failed(reason) {
      await channel.call('failed', reason).catch(() => undefined);
    },
  };
}
