/**
 * What a client may repeat, repeated for seconds against a gateway's process: its memory stays bounded, others get their
 * answers, and nothing is left when the attacker has gone.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createBench, shopMesh, startGateway, waitFor } from '../fixtures/node-process.ts';
import type { Bench } from '../fixtures/node-process.ts';
import { FLOODS } from './floods.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const SECONDS = 3;
const MB = 1024 * 1024;
/** Beyond what the process had at rest. Node keeps some of its heap for later. */
const MOST = 250 * MB;
const PATIENCE_MS = 10_000;

/** A token is looked at, a limit of the body holds, and everything is logged. */
const POLICIES = `
---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: users}
spec:
  selector: {matchLabels: {istio: ingressgateway}}
  jwtRules:
  - issuer: https://issuer.test
    jwks: '{"keys":[{"kty":"EC","crv":"P-256","kid":"a","alg":"ES256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}'
`;

let bench: Bench;
let worker: number;
let rest: number;

/** Resident, of the process that carries the traffic. */
function memoryOf(pid: number): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
}

async function workerOf(): Promise<number> {
  const { text } = await bench.ask('/node');
  const { workers } = JSON.parse(text) as { readonly workers: readonly { readonly pid: number }[] };
  return workers[0]?.pid ?? 0;
}

const honest = async (path: string): Promise<number> => {
  const response = await fetch(`http://127.0.0.1:${bench.port}${path}`, {
    headers: { connection: 'close' },
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  await response.arrayBuffer();
  return response.status;
};

beforeAll(async () => {
  bench = await createBench();
  writeFileSync(join(bench.folder, 'mesh.yaml'), shopMesh(bench.app.port) + POLICIES);
  await startGateway(bench, '--workers', '1', '--access-log', 'off');
  worker = await workerOf();
  for (let i = 0; i < 2000; i++) await honest(`/warm${i % 50}`);
  rest = memoryOf(worker);
});
afterAll(async () => {
  await bench.close();
});

describe('a gateway stays within bounds', () => {
  it.each(FLOODS.map(([name], index) => [name, index] as const))('under %s', async (_, index) => {
    const flood = new Worker(new URL('./floods.ts', import.meta.url), {
      workerData: { port: bench.port, index },
    });
    let most = 0;
    const answers: number[] = [];
    try {
      for (const untilMs = Date.now() + SECONDS * 1000; Date.now() < untilMs;) {
        answers.push(await honest('/cart'));
        most = Math.max(most, memoryOf(worker));
        await new Promise((resolve) => {
          setTimeout(resolve, 100);
        });
      }
    } finally {
      await flood.terminate();
    }
    expect(new Set(answers)).toEqual(new Set([200]));
    expect(most - rest).toBeLessThan(MOST);
    await waitFor('an end of what the attacker left', async () => {
      const { text } = await bench.ask('/stats');
      return Number(/^lateen_connections_active\S* (\d+)/m.exec(text)?.[1]) <= 1;
    });
  });
});
