import { createServer } from 'node:http';
import type { Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { bundleWorker } from './build.ts';
import type { LocalWorkers } from './local.ts';
import { startLocalWorkers } from './local.ts';
import type { ExchangeReport } from './test-report.ts';

const encode = (value: unknown): string => btoa(encodeURIComponent(JSON.stringify(value)));
const scope = { type: 'gateway', namespace: 'shop', name: 'edge', labels: {} };
const question = {
  token: 'secret',
  scope,
  scheme: 'http',
  port: 80,
  random: 0.5,
  peer: { ip: '::1' },
};

let control: Server;
/** Requests that the control plane hasn't answered. */
let open: ServerResponse[] = [];
let asked = 0;
let workers: LocalWorkers;

beforeAll(async () => {
  control = createServer((_request, response) => {
    asked++;
    open.push(response);
  });
  await new Promise<void>((resolve) => {
    control.listen(0, '127.0.0.1', resolve);
  });
  const script = await bundleWorker('workers/test-front.ts');
  const { port } = control.address() as AddressInfo;
  const vars = { PROXY_TOKEN: 'none', CONTROL_URL: `http://127.0.0.1:${port}` };
  workers = await startLocalWorkers({
    workers: [
      { name: 'front', script, vars: { ...vars, TEST_TOKEN: 'secret' }, sockets: [{ port: 0 }] },
      { name: 'shut', script, vars: { ...vars, TEST_TOKEN: '' }, sockets: [{ port: 0 }] },
    ],
  });
});

beforeEach(() => {
  open = [];
  asked = 0;
});

afterAll(async () => {
  await workers.close();
  control.closeAllConnections();
  control.close();
});

async function ask(name: string, value: unknown): Promise<Response> {
  return fetch(await workers.url(name), { headers: { 'x-lateen-test': encode(value) } });
}

describe('test front', () => {
  it('does nothing for who lacks the token', async () => {
    const url = await workers.url('front');
    for (const token of ['guess', '', undefined])
      expect((await ask('front', { ...question, token })).status).toBe(404);
    expect((await fetch(url)).status).toBe(404);
    expect((await fetch(url, { headers: { 'x-lateen-test': 'garbage' } })).status).toBe(404);
    expect(asked).toBe(0);
  });

  it('does nothing where no token was set', async () => {
    for (const token of ['', 'secret'])
      expect((await ask('shut', { ...question, token })).status).toBe(404);
    expect(asked).toBe(0);
  });

  it('asks the gateway one request of a case at a time, and reports', async () => {
    const first = ask('front', question);
    await expect.poll(() => open.length).toBe(1);
    expect((await ask('front', question)).status).toBe(409);
    for (const response of open) response.writeHead(500).end();
    const answer = await first;
    expect(answer.status).toBe(503);
    const report = decodeURIComponent(atob(answer.headers.get('x-lateen-test-report') ?? ''));
    const { policy, close } = JSON.parse(report) as ExchangeReport;
    expect([policy, close]).toEqual(['', false]);
  });
});
