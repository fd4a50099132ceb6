/** Processes that die or are replaced while many clients ask: who is refused, and what is lost. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createBench, startGateway, startLoad, waitFor } from '../fixtures/node-process.ts';
import type { Bench, Lateen, Load } from '../fixtures/node-process.ts';

vi.setConfig({ testTimeout: 120_000 });

let bench: Bench;
beforeEach(async () => {
  bench = await createBench();
});
afterEach(async () => {
  await bench.close();
});

const WORKERS = 3;
const CLIENTS = 16;

interface Status {
  readonly pid: number;
  readonly state: string;
  readonly workers: readonly { readonly pid: number; readonly ready: boolean }[];
}

async function status(): Promise<Status | undefined> {
  const { text } = await bench.ask('/node');
  return text === '' ? undefined : (JSON.parse(text) as Status);
}

const start = (): Promise<Lateen> =>
  startGateway(bench, '--workers', String(WORKERS), '--access-log', 'off');

function loads(): readonly Load[] {
  const common = { port: bench.port, clients: CLIENTS / 2 };
  return [
    startLoad({ ...common, keepAlive: false }),
    startLoad({ ...common, keepAlive: true, path: '/?ms=1' }),
  ];
}

const answered = (all: readonly Load[]): number =>
  all.reduce((sum, load) => sum + load.answered, 0);

async function more(all: readonly Load[], count: number): Promise<void> {
  const before = answered(all);
  await waitFor(`${count} answers`, () => answered(all) > before + count);
}

describe('under load', () => {
  it('a killed worker costs what it had under way, and nobody is refused', async () => {
    await start();
    const all = loads();
    const ROUNDS = 5;
    for (let round = 0; round < ROUNDS; round++) {
      await more(all, 1000);
      const victim = (await status())?.workers[round % WORKERS]?.pid ?? 0;
      process.kill(victim, 'SIGKILL');
      await waitFor('a new worker', async () => {
        const now = await status();
        return now?.state === 'ready' && now.workers.every(({ pid }) => pid !== victim);
      });
    }
    await more(all, 1000);
    await Promise.all(all.map((load) => load.stop()));
    const failures = all.flatMap((load) => load.failures);
    console.log(`${answered(all)} answered, ${failures.length} lost with ${ROUNDS} workers`);
    expect(failures.length).toBeLessThanOrEqual(CLIENTS * ROUNDS);
    for (const { code } of failures) expect(['ECONNRESET', 'cut']).toContain(code);
  });

  it('all workers at once are replaced, and connections wait for them', async () => {
    await start();
    const all = loads();
    await more(all, 500);
    for (const { pid } of (await status())?.workers ?? []) process.kill(pid, 'SIGKILL');
    await more(all, 1000);
    await Promise.all(all.map((load) => load.stop()));
    const failures = all.flatMap((load) => load.failures);
    expect(failures.length).toBeLessThanOrEqual(CLIENTS);
    expect(failures.filter(({ code }) => code === 'ECONNREFUSED')).toEqual([]);
  });

  it('restarts, one behind the other, lose and refuse nothing', async () => {
    await start();
    const all = loads();
    const pids = new Set<number>();
    for (let round = 0; round < 4; round++) {
      await more(all, 1000);
      const { stdout, stderr } = await bench.run(['node', 'restart']);
      expect(stdout + stderr).toContain('took over');
      await waitFor('the new process', async () => {
        const now = await status();
        if (now?.state !== 'ready' || pids.has(now.pid)) return false;
        pids.add(now.pid);
        return true;
      });
    }
    await more(all, 2000);
    await Promise.all(all.map((load) => load.stop()));
    console.log(`${answered(all)} answered over ${pids.size} restarts`);
    expect(pids.size).toBe(4);
    expect(all.flatMap((load) => load.failures)).toEqual([]);
  });

  it('workers end behind a supervisor that was killed, and leave its port', async () => {
    const gateway = await start();
    const pids = (await status())?.workers.map(({ pid }) => pid) ?? [];
    const slow = fetch(`http://127.0.0.1:${bench.port}/?ms=1500`);
    await waitFor('the request', () => bench.app.requests === 1);
    gateway.kill('SIGKILL');
    expect(await (await slow).text()).toBe('app /?ms=1500');
    await waitFor('the end of its workers', () =>
      pids.every((pid) => {
        try {
          return !process.kill(pid, 0);
        } catch {
          return true;
        }
      }),
    );
    await (await start()).until(/is ready in/);
  });

  it('drains without losing what was accepted', async () => {
    const gateway = await start();
    const all = loads();
    await more(all, 1000);
    gateway.kill('SIGTERM');
    expect(await gateway.ended).toEqual({ code: 0, signal: null });
    await Promise.all(all.map((load) => load.stop()));
    // Once nobody listens, clients are refused; a connection that was never accepted may be reset.
    const cut = all.flatMap((load) => load.failures).filter(({ code }) => code !== 'ECONNREFUSED');
    console.log(`${cut.length} of ${answered(all)} were reset`);
    expect(cut.length).toBeLessThanOrEqual(CLIENTS);
  });
});
