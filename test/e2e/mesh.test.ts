/** The mesh as a person gets it: workers in workerd, real servers, real requests. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { call } from '../../cli/client.ts';
import { readSources } from '../../cli/files.ts';
import type { RunningMesh } from '../../cli/up/mesh.ts';
import { startMesh } from '../../cli/up/mesh.ts';
import { freePort } from '../../cli/up/ports.ts';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));
const dataDir = mkdtempSync(join(tmpdir(), 'lateen-'));
let mesh: RunningMesh;

async function start(): Promise<RunningMesh> {
  return startMesh({
    gatewayPort: await freePort(),
    controlPort: await freePort(),
    dataDir,
    progress: () => undefined,
  });
}

beforeAll(async () => {
  mesh = await start();
});
afterAll(async () => {
  await mesh.close();
  rmSync(dataDir, { recursive: true });
});

async function apply(name: string): Promise<void> {
  const sources = await readSources([
    new URL(`../../examples/bookinfo/mesh/${name}.yaml`, import.meta.url).pathname,
  ]);
  await call(mesh.credentials, '/v1/apply', { method: 'POST', body: JSON.stringify({ sources }) });
  await inForce();
}

/** A change is in force within two seconds. */
async function inForce(): Promise<void> {
  await new Promise((wake) => {
    setTimeout(wake, 2000);
  });
}

async function page(headers: Record<string, string> = {}): Promise<string> {
  const response = await fetch(`${mesh.gatewayUrl}/productpage`, { headers });
  return response.text();
}

async function login(user: string): Promise<string> {
  const response = await fetch(`${mesh.gatewayUrl}/login`, {
    method: 'POST',
    redirect: 'manual',
    body: new URLSearchParams({ username: user }),
  });
  expect(response.status).toBe(302);
  return response.headers.get('set-cookie')?.split(';')[0] ?? '';
}

describe('mesh with Bookinfo', () => {
  it('says which port is in use', async () => {
    const { port } = new URL(mesh.gatewayUrl);
    const options = {
      gatewayPort: Number(port),
      controlPort: await freePort(),
      dataDir,
      progress: () => undefined,
    };
    await expect(startMesh(options)).rejects.toThrow(`port ${port} is in use`);
  });

  it('serves the page through ingress, and unknown paths not at all', async () => {
    expect(await page()).toContain('Reviews served by: reviews-v');
    expect((await fetch(`${mesh.gatewayUrl}/nothing`)).status).toBe(404);
  });

  it('sends everybody to v1, then to v3, within two seconds each', async () => {
    await apply('virtual-service-all-v1');
    const first = await Promise.all(Array.from({ length: 8 }, () => page()));
    expect(first.every((text) => text.includes('Reviews served by: reviews-v1'))).toBe(true);
    await apply('virtual-service-reviews-v3');
    const second = await Promise.all(Array.from({ length: 8 }, () => page()));
    expect(
      second.every(
        (text) => text.includes('Reviews served by: reviews-v3') && text.includes('class="red"'),
      ),
    ).toBe(true);
  });

  it('sends jason alone to v2, and breaks ratings for him alone', async () => {
    await apply('virtual-service-reviews-test-v2');
    const cookie = await login('jason');
    expect(await page({ cookie })).toContain('reviews-v2');
    expect(await page()).toContain('reviews-v1');
    await apply('virtual-service-ratings-test-abort');
    expect(await page({ cookie })).toContain('Ratings service is currently unavailable');
  });

  it('splits by weight', async () => {
    await apply('virtual-service-reviews-50-v3');
    const texts = await Promise.all(Array.from({ length: 60 }, () => page()));
    const share = texts.filter((text) => text.includes('reviews-v3')).length / 60;
    expect(share).toBeGreaterThan(0.2);
    expect(share).toBeLessThan(0.8);
  });

  it('knows who calls at every hop: STRICT refuses others, policies name callers', async () => {
    const text = `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: default}
spec: {mtls: {mode: STRICT}}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: details, namespace: default}
spec:
  selector: {matchLabels: {app: details}}
  rules: [{from: [{source: {principals: [cluster.local/ns/default/sa/bookinfo-productpage]}}]}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: productpage, namespace: default}
spec:
  selector: {matchLabels: {app: productpage}}
  rules: [{from: [{source: {namespaces: [istio-system]}}]}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: reviews, namespace: default}
spec:
  selector: {matchLabels: {app: reviews}}
  rules: [{from: [{source: {principals: [cluster.local/ns/default/sa/bookinfo-ratings]}}]}]
`;
    const sources = [{ file: 'strict', text }];
    const body = JSON.stringify({ sources });
    await call(mesh.credentials, '/v1/apply', { method: 'POST', body });
    await inForce();
    const closed = await page();
    const { body: entry } = await call<{ spec: { ports: { http: number } } }>(
      mesh.credentials,
      '/v1/resources/networking.istio.io/WorkloadEntry/default/details-v1',
    );
    const stranger = await fetch(`http://127.0.0.1:${entry.spec.ports.http}/details/0`);
    await call(mesh.credentials, '/v1/apply', { method: 'DELETE', body });
    await inForce();
    expect(closed).toContain('William Shakespeare');
    expect(closed).toContain('product reviews are currently unavailable');
    expect(stranger.status).toBe(421);
  });

  it('keeps its own endpoints to itself', async () => {
    expect((await fetch(`${mesh.gatewayUrl}/_lateen/ready`)).status).toBe(200);
    expect((await fetch(`${mesh.gatewayUrl}/_lateen/config_dump`)).status).toBe(401);
    const headers = { authorization: `Bearer ${mesh.credentials.token}` };
    expect((await fetch(`${mesh.gatewayUrl}/_lateen/config_dump`, { headers })).status).toBe(200);
  });

  it('does what the commands of the README say', async () => {
    const readme = readFileSync(`${root}README.md`, 'utf8');
    const commands = [...readme.matchAll(/^npx lateen (.*?)(?:\s+#.*)?$/gm)].map(
      ([, text]) => text ?? '',
    );
    expect(commands.length).toBeGreaterThan(8);
    for (const command of commands) {
      const { stdout, stderr } = await run(
        process.execPath,
        ['cli/bin.js', ...command.split(' ')],
        {
          cwd: root,
          env: {
            ...process.env,
            LATEEN_SERVER: mesh.controlUrl,
            LATEEN_TOKEN: mesh.credentials.token,
          },
        },
      );
      expect(stdout + stderr, command).not.toBe('');
    }
    // Each command starts a process, beside whatever else this machine has to do.
  }, 120_000);

  it('enforces policies on a workload before it is reached', async () => {
    const deny = {
      apiVersion: 'security.istio.io/v1',
      kind: 'AuthorizationPolicy',
      metadata: { name: 'no-details', namespace: 'default' },
      spec: {
        selector: { matchLabels: { app: 'details' } },
        action: 'DENY',
        rules: [{ to: [{ operation: { methods: ['GET'] } }] }],
      },
    };
    const body = JSON.stringify({ sources: [{ file: 'deny', text: JSON.stringify(deny) }] });
    await call(mesh.credentials, '/v1/apply', { method: 'POST', body });
    await inForce();
    expect(await page()).toContain('details are currently unavailable');
    await call(mesh.credentials, '/v1/apply', { method: 'DELETE', body });
    await inForce();
    expect(await page()).not.toContain('details are currently unavailable');
  });

  it('loses no request while its configuration changes under load', async () => {
    const wrong: string[] = [];
    const over = new AbortController();
    const ask = async (): Promise<void> => {
      while (!over.signal.aborted) {
        const response = await fetch(`${mesh.gatewayUrl}/productpage`);
        const text = await response.text();
        if (response.status !== 200 || !text.includes('Reviews served by')) wrong.push(text);
      }
    };
    const asking = Promise.all([ask(), ask(), ask()]);
    for (const name of ['virtual-service-all-v1', 'virtual-service-reviews-v3']) await apply(name);
    over.abort();
    await asking;
    expect(wrong).toEqual([]);
  });

  it('shows every gateway in step, without traffic', async () => {
    interface Item {
      readonly state: string;
      readonly instances: number;
      readonly runtimes: { readonly edge: number };
    }
    const { body } = await call<{ items: Item[] }>(mesh.credentials, '/v1/proxies');
    expect(body.items.length).toBe(13);
    expect(new Set(body.items.map(({ state }) => state))).toEqual(new Set(['SYNCED']));
    for (const { instances, runtimes } of body.items) expect(runtimes.edge).toBe(instances);
  });

  it('keeps what was applied over a restart', async () => {
    await apply('virtual-service-reviews-v3');
    await mesh.close();
    mesh = await start();
    const texts = await Promise.all(Array.from({ length: 8 }, () => page()));
    expect(texts.every((text) => text.includes('Reviews served by: reviews-v3'))).toBe(true);
  });
});
