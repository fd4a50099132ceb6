/** Workers that are stopped by a signal: alive to the system, and deaf to everybody. */
import { get } from 'node:http';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createBench, startGateway, waitFor } from '../fixtures/node-process.ts';
import type { Bench, Lateen } from '../fixtures/node-process.ts';

vi.setConfig({ testTimeout: 120_000 });

let bench: Bench;
let stopped: number[] = [];
beforeEach(async () => {
  bench = await createBench();
});
afterEach(async () => {
  // What is stopped can't end behind its supervisor.
  for (const pid of stopped.splice(0))
    try {
      process.kill(pid, 'SIGCONT');
    } catch {
      // It was killed.
    }
  await bench.close();
});

interface Worker {
  readonly pid: number;
  readonly ready: boolean;
  readonly restarts: number;
  readonly silentMs: number;
}

async function status(): Promise<{ readonly state: string; readonly workers: readonly Worker[] }> {
  return JSON.parse((await bench.ask('/node')).text) as never;
}

const pids = async (): Promise<readonly number[]> => (await status()).workers.map(({ pid }) => pid);

const start = (timeout: string, ...more: readonly string[]): Promise<Lateen> =>
  startGateway(bench, '--workers', '2', '--worker-timeout', timeout, ...more);

function stop(pid: number): void {
  stopped.push(pid);
  process.kill(pid, 'SIGSTOP');
}

/** On a connection of its own. */
function ask(): Promise<number> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port: bench.port, agent: false }, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode ?? 0));
    }).on('error', reject);
  });
}

const KILLED = /a worker does not answer; it is killed/;

describe('a worker that hangs', () => {
  it('is shown, killed and replaced, and the others serve meanwhile', async () => {
    const gateway = await start('6s');
    const [hung = 0, other = 0] = await pids();
    stop(hung);
    await waitFor('its silence', async () => (await status()).state !== 'ready');
    expect(await bench.ask('/readyz')).toEqual({ status: 503, text: 'a worker does not answer\n' });
    const { workers } = await status();
    expect(workers).toMatchObject([
      { pid: hung, ready: false },
      { pid: other, ready: true },
    ]);
    expect(workers[0]?.silentMs).toBeGreaterThanOrEqual(3000);
    expect(workers[1]?.silentMs).toBe(0);
    const { stdout } = await bench.run(['node', 'status']);
    expect(stdout).toMatch(/ a worker does not answer +1\/2 +0 /);
    expect(await ask()).toBe(200);
    expect((await bench.ask('/stats')).text).toContain('lateen_');

    await gateway.until(KILLED);
    await waitFor('a new worker', async () => (await status()).state === 'ready');
    const after = await status();
    expect(after.workers).toMatchObject([{ restarts: 1 }, { pid: other, restarts: 0 }]);
    expect(after.workers[0]?.pid).not.toBe(hung);
    expect(gateway.stdout).toContain(`"pid":${hung},"silentMs":6000`);
    for (let i = 0; i < 8; i++) expect(await ask()).toBe(200);
  });

  it('for a shorter time is left alone', async () => {
    const gateway = await start('20s');
    const before = await pids();
    stop(before[0] ?? 0);
    await waitFor('its silence', async () => (await status()).state !== 'ready');
    process.kill(before[0] ?? 0, 'SIGCONT');
    await waitFor('its answer', async () => (await status()).state === 'ready');
    expect(await pids()).toEqual(before);
    expect(gateway.stdout).not.toMatch(KILLED);
  });

  it('together with its supervisor is left alone, however long', async () => {
    const gateway = await start('2s');
    const workers = await pids();
    const all = [...workers, gateway.pid];
    for (const pid of all) stop(pid);
    await new Promise((resolve) => {
      setTimeout(resolve, 5000);
    });
    // The supervisor first: it finds them silent still.
    for (const pid of all.toReversed()) process.kill(pid, 'SIGCONT');
    await new Promise((resolve) => {
      setTimeout(resolve, 3000);
    });
    expect(gateway.stdout).not.toMatch(KILLED);
    expect(await pids()).toEqual(workers);
    expect((await status()).state).toBe('ready');
  });

  it('does not keep a node from ending', async () => {
    const gateway = await start('0', '--drain-timeout', '1s');
    stop((await pids())[0] ?? 0);
    gateway.kill('SIGTERM');
    expect(await gateway.ended).toEqual({ code: 0, signal: null });
  });
});
