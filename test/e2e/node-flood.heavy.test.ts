/** A flood of connections against a gateway that may have few files open. */
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createBench, waitFor } from '../fixtures/node-process.ts';
import type { Bench, Lateen } from '../fixtures/node-process.ts';

vi.setConfig({ testTimeout: 60_000 });

let bench: Bench;
const flood: Socket[] = [];
beforeEach(async () => {
  bench = await createBench();
});
afterEach(async () => {
  for (const socket of flood.splice(0)) socket.destroy();
  await bench.close();
});

const DESCRIPTORS = 300;
const CLIENTS = 500;

async function start(...more: readonly string[]): Promise<Lateen> {
  const places = ['--map', `80=${bench.port}`, '--listen', '127.0.0.1', '--admin', bench.admin];
  const gateway = bench.start(
    ['gateway', '--config', 'mesh.yaml', '--workers', '1', ...places, ...more],
    { descriptors: DESCRIPTORS },
  );
  await gateway.until(/is ready in/);
  return gateway;
}

/** Connections that say nothing, each of them tried until it is open or closed. */
async function pour(): Promise<void> {
  let told = 0;
  for (let i = 0; i < CLIENTS; i++) {
    const socket = connect(bench.port, '127.0.0.1');
    flood.push(socket);
    socket.on('error', () => undefined);
    socket.once('connect', () => told++).resume();
  }
  await waitFor('the flood', () => told === CLIENTS);
}

/** 0 = no answer. */
function ask(agent: Agent): Promise<number> {
  return new Promise((resolve) => {
    const asked = request({ port: bench.port, host: '127.0.0.1', agent }, (response) => {
      response.resume().once('end', () => resolve(response.statusCode ?? 0));
    });
    asked.once('error', () => resolve(0)).end();
  });
}

const TICK_MS = 10;
/** Of the process, user and system. */
function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

const valueOf = (text: string, name: string): number =>
  Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1]);

describe.runIf(process.platform === 'linux')('a flood of connections', () => {
  it('leaves descriptors to upstreams and the admin endpoint', async () => {
    await start();
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    expect(await ask(agent)).toBe(200);
    await pour();
    // Its upstream connection is gone by then: another one is made.
    await new Promise((resolve) => {
      setTimeout(resolve, 4500);
    });
    expect(await ask(agent)).toBe(200);
    const { status, text } = await bench.ask('/stats');
    expect(status).toBe(200);
    const most = valueOf(text, 'lateen_connections_max');
    expect(most).toBe((DESCRIPTORS - 128) / 2);
    expect(valueOf(text, 'lateen_connections_active')).toBe(most);
    expect(valueOf(text, 'lateen_connections_refused_total')).toBe(CLIENTS + 1 - most);
    agent.destroy();
  });

  it('that takes all of them costs no time, and what comes behind it is served', async () => {
    const gateway = await start('--max-connections', '0');
    await pour();
    const before = cpuMs(gateway.pid);
    await new Promise((resolve) => {
      setTimeout(resolve, 2000);
    });
    expect(cpuMs(gateway.pid) - before).toBeLessThan(500);
    expect(gateway.hasEnded).toBe(false);
    for (const socket of flood.splice(0)) socket.destroy();
    await waitFor('an answer', async () => (await ask(new Agent())) === 200);
  });
});
