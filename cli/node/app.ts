/** The application behind a sidecar: started by it, or waited for. */
import { spawn } from 'node:child_process';
import { connect } from 'node:net';
import { constants } from 'node:os';
import { CommandError } from '../errors.ts';
import type { Address } from './addresses.ts';

export interface App {
  /** Exit code; of one that a signal ended, 128 and the signal's number. */
  readonly ended: Promise<number>;
  readonly hasEnded: boolean;
  kill(signal: NodeJS.Signals): void;
}

const SIGNAL_BASE = 128;

export function codeOfSignal(signal: NodeJS.Signals): number {
  return SIGNAL_BASE + (constants.signals[signal] ?? 0);
}

/** @throws CommandError when there is no such program */
export async function startApp([command = '', ...args]: readonly string[]): Promise<App> {
  const child = spawn(command, args, { stdio: 'inherit' });
  let hasEnded = false;
  const ended = new Promise<number>((resolve) => {
    child.once('exit', (code, signal) => {
      hasEnded = true;
      resolve(code ?? codeOfSignal(signal ?? 'SIGKILL'));
    });
  });
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', ({ message }) =>
      reject(new CommandError(`${command} can't be started: ${message}`, 127)),
    );
  });
  // Whatever ends this process, the application isn't left behind without its sidecar.
  process.once('exit', () => {
    if (!hasEnded) child.kill('SIGTERM');
  });
  return {
    ended,
    get hasEnded() {
      return hasEnded;
    },
    kill: (signal) => {
      child.kill(signal);
    },
  };
}

const RETRY_MS = 100;

function answers({ host, port }: Address): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 1000 });
    const done = (isThere: boolean): void => {
      socket.destroy();
      resolve(isThere);
    };
    socket.once('connect', () => done(true));
    socket.once('error', () => done(false));
    socket.once('timeout', () => done(false));
  });
}

/** Resolves true when somebody listens there, false when it is given up. */
export async function waitForPort(
  at: Address,
  timeoutMs: number,
  isOver: () => boolean,
): Promise<boolean> {
  const untilMs = Date.now() + timeoutMs;
  while (!isOver()) {
    if (await answers(at)) return true;
    if (Date.now() >= untilMs) return false;
    await new Promise((resolve) => {
      setTimeout(resolve, RETRY_MS);
    });
  }
  return false;
}
