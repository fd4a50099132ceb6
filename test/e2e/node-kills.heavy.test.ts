/**
 * SIGKILL to what a gateway has around it and in it, at 2,000 requests a second: no wrong answer, and nothing fails but what
 * was under way at the dead one and may not be repeated.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { freePort } from '../../cli/up/ports.ts';
import { createBench, shopMesh, startGateway, waitFor } from '../fixtures/node-process.ts';
import type { Bench, Lateen } from '../fixtures/node-process.ts';
import { startPacedLoad } from '../fixtures/paced-load.ts';
import type { PacedLoad, PacedOptions } from '../fixtures/paced-load.ts';
import { startUpstream } from '../fixtures/upstream-process.ts';
import type { UpstreamProcess } from '../fixtures/upstream-process.ts';

vi.setConfig({ testTimeout: 120_000 });

const RATE = 2000;
const CONNECTIONS = 64;
/** Two seconds' worth. */
const SOME = 2 * RATE;

let bench: Bench;
const upstreams = new Set<UpstreamProcess>();
beforeEach(async () => {
  bench = await createBench();
});
afterEach(async () => {
  await Promise.all([...upstreams].map((one) => one.kill()));
  upstreams.clear();
  await bench.close();
});

async function upstream(name: string, port?: number): Promise<UpstreamProcess> {
  const started = await startUpstream(name, port ?? (await freePort()));
  upstreams.add(started);
  return started;
}

function paced(more: Partial<PacedOptions> = {}): PacedLoad {
  return startPacedLoad({ port: bench.port, rate: RATE, connections: CONNECTIONS, ...more });
}

async function answers(load: PacedLoad, count: number): Promise<void> {
  const before = load.answered;
  await waitFor(`${count} answers`, () => load.answered >= before + count);
}

/** Everything that was due was sent, and nothing was answered with another's answer. */
function expectSound(load: PacedLoad): void {
  console.log(
    `${load.sent} requests, ${load.reached.toFixed(0)} a second, ${load.failures.length} failed`,
  );
  expect(load.wrong).toEqual([]);
  expect(load.answered + load.failures.length).toBe(load.sent);
  expect(load.sent).toBe(load.due);
}

describe('one of two upstreams', () => {
  /** The service on both of them; `retries` of its only route. */
  async function startShop(retries: string): Promise<readonly [UpstreamProcess, UpstreamProcess]> {
    const pair = [await upstream('a'), await upstream('b')] as const;
    const endpoints = pair.map(({ port }) => `{address: 127.0.0.1, ports: {http: ${port}}}`);
    const mesh = shopMesh(pair[0].port)
      .replace(/endpoints: \[.*?\}\}\]/, `endpoints: [${endpoints.join(', ')}]`)
      .replaceAll('{route: [{dest', `{${retries}route: [{dest`);
    expect(mesh).toContain(endpoints[1]);
    writeFileSync(join(bench.folder, 'mesh.yaml'), mesh);
    await startGateway(bench, '--workers', '1', '--access-log', 'off');
    return pair;
  }

  /** Every fifth request may not be repeated. */
  const methodOf = (id: number): 'GET' | 'POST' => (id % 5 === 0 ? 'POST' : 'GET');

  it.each([
    ['by default', '', 5],
    ['by default, also when most connections have one under way', '', 25],
    [
      'by a policy that names resets',
      'retries: {attempts: 2, retryOn: "reset,connect-failure"}, ',
      5,
    ],
  ])('GETs are repeated %s and none fails', async (_, retries, answerMs) => {
    const [a, b] = await startShop(retries);
    const load = paced({ answerMs });
    await answers(load, SOME);
    await a.kill();
    await answers(load, 2 * SOME);
    await load.stop();
    expectSound(load);
    expect(load.failures).toEqual([]);
    expect(a.asked.size + b.asked.size).toBeGreaterThanOrEqual(load.sent);
  });

  it('POSTs fail that were under way, and no other; none is carried out twice', async () => {
    const [a, b] = await startShop('');
    const load = paced({ answerMs: 5, methodOf });
    await answers(load, SOME);
    await a.kill();
    await answers(load, 2 * SOME);
    await load.stop();
    expectSound(load);
    // At most one on each connection that there was.
    expect(load.failures.length).toBeLessThanOrEqual(CONNECTIONS);
    for (const { method, code, text } of load.failures)
      expect([method, code, text]).toEqual(['POST', '503', expect.stringMatching(/^upstream con/)]);
    const failed = new Set(load.failures.map(({ id }) => `POST /${id}?ms=5`));
    const posts = [a, b].flatMap(({ asked }) =>
      [...asked].filter(([line]) => line.startsWith('POST')),
    );
    expect(posts.filter(([, times]) => times > 1)).toEqual([]);
    const lines = posts.map(([line]) => line);
    expect(new Set(lines).size).toBe(lines.length);
    expect([...b.asked.keys()].filter((line) => failed.has(line))).toEqual([]);
  });

  it('without retries what goes to it fails until it is back, and nothing else', async () => {
    const [a] = await startShop('retries: {attempts: 0}, ');
    const load = paced({ answerMs: 5 });
    await answers(load, SOME);
    const killedMs = performance.now();
    await a.kill();
    upstreams.delete(a);
    await upstream('a', a.port);
    await answers(load, CONNECTIONS);
    const failed = load.failures.length;
    await answers(load, SOME);
    await load.stop();
    expectSound(load);
    expect(failed).toBeGreaterThan(0);
    expect(load.failures.length).toBe(failed);
    for (const { code, text } of load.failures)
      expect([code, text]).toEqual(['503', expect.stringMatching(/^upstream con/)]);
    const underWay = load.failures.filter(({ sentMs }) => sentMs < killedMs);
    expect(underWay.length).toBeLessThanOrEqual(CONNECTIONS);
  });
});

describe('the control plane', () => {
  let token: string;
  let url: string;
  async function startControl(port: number): Promise<Lateen> {
    const control = bench.start(['control', '--port', String(port), '--data-dir', 'control']);
    await control.until(/control plane at/);
    const file = join(bench.folder, 'control', 'credentials.json');
    ({ token, server: url } = JSON.parse(readFileSync(file, 'utf8')) as {
      token: string;
      server: string;
    });
    return control;
  }

  async function ask(path: string, body?: string): Promise<Record<string, unknown>> {
    const response = await fetch(url + path, {
      headers: { authorization: `Bearer ${token}` },
      ...(body === undefined ? {} : { method: 'POST', body }),
    });
    const answer = (await response.json()) as Record<string, unknown>;
    if (!response.ok) throw new Error(JSON.stringify(answer));
    return answer;
  }

  const changed = (): string =>
    shopMesh(bench.app.port).replace(
      '{match: [{uri: {prefix: /cart}}], route: [{destination: {host: shop.default.svc.cluster.local}}]}',
      '{match: [{uri: {prefix: /cart}}], directResponse: {status: 418, body: {string: changed}}}',
    );

  it('may be gone: what is in force stays, and what is new comes when it is back', async () => {
    const port = await freePort();
    const control = await startControl(port);
    await ask('/v1/apply', shopMesh(bench.app.port));
    const places = ['--map', `80=${bench.port}`, '--listen', '127.0.0.1', '--admin', bench.admin];
    const gateway = bench.start(
      ['gateway', '--server', url, ...places, '--workers', '1', '--access-log', 'off'],
      { env: { LATEEN_TOKEN: token } },
    );
    await gateway.until(/is ready in/);
    const load = paced();
    await answers(load, SOME);
    control.kill('SIGKILL');
    await control.ended;
    await gateway.until(/no WebSocket to the control plane/);
    await answers(load, 2 * SOME);
    expect((await bench.ask('/readyz')).status).toBe(200);

    await startControl(port);
    await gateway.until(/control plane is back/);
    await ask('/v1/apply', changed());
    await waitFor('the change', async () => {
      const response = await fetch(`http://127.0.0.1:${bench.port}/cart`);
      return (await response.text()) === 'changed';
    });
    expect((await ask('/v1/proxies'))['items']).toMatchObject([{ instances: 1, state: 'SYNCED' }]);
    await answers(load, SOME);
    await load.stop();
    expectSound(load);
    expect(load.failures).toEqual([]);
  });
});

describe('a worker', () => {
  interface Status {
    readonly state: string;
    readonly workers: readonly { readonly pid: number; readonly ready: boolean }[];
  }
  const status = async (): Promise<Status> => JSON.parse((await bench.ask('/node')).text) as Status;

  it('costs the connections that it had, each at most the one request on it', async () => {
    await startGateway(bench, '--workers', '2', '--access-log', 'off');
    const load = paced();
    const ROUNDS = 2;
    for (let round = 0; round < ROUNDS; round++) {
      await answers(load, SOME);
      const victim = (await status()).workers[round]?.pid ?? 0;
      process.kill(victim, 'SIGKILL');
      await waitFor('a new worker', async () => {
        const now = await status();
        return now.state === 'ready' && now.workers.every(({ pid }) => pid !== victim);
      });
    }
    await answers(load, SOME);
    await load.stop();
    expectSound(load);
    expect(load.failures.length).toBeLessThanOrEqual(CONNECTIONS * ROUNDS);
    for (const { code } of load.failures) expect(['ECONNRESET', 'EPIPE', 'cut']).toContain(code);
  });
});
