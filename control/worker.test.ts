/** The control worker as it is deployed: in workerd, over HTTP. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hashName, sha256Hex } from '../src/lib/hash.ts';
import type { Manifest } from '../src/model/manifest.ts';
import { partNames } from '../src/proxy/index.ts';
import { ADMIN, serviceEntry } from '../test/fixtures/control.ts';
import { publishedKey } from '../test/fixtures/keys.ts';
import { openStream } from '../test/fixtures/stream.ts';
import { bundleWorker } from '../workers/build.ts';
import type { LocalWorkers } from '../workers/local.ts';
import { startLocalWorkers } from '../workers/local.ts';

const persistPath = mkdtempSync(join(tmpdir(), 'lateen-control-'));
const MAX_RESOURCES = 5000;
/** An issuer that is a worker of the same account. */
const LOGIN = `export default {
  fetch: (request) => request.url === 'http://login.shop:8080/certs'
    ? Response.json({ keys: [${JSON.stringify({ ...publishedKey, kid: 'bound' })}] })
    : new Response(request.url, { status: 404 }),
};`;
let workers: LocalWorkers;
let url: string;

async function start(): Promise<void> {
  workers = await startLocalWorkers({
    persistPath,
    workers: [
      {
        name: 'control',
        script: await bundleWorker('control/worker.ts'),
        vars: { BOOTSTRAP_HASH: sha256Hex(ADMIN), POINTER_MAX_AGE_MS: '0' },
        objects: { CONTROL: 'ControlObject' },
        namespaces: ['BLOBS'],
        services: { LOGIN: 'login' },
        sockets: [{ port: 0 }],
      },
      { name: 'login', script: LOGIN, vars: {}, sockets: [] },
    ],
  });
  url = await workers.url('control');
}
beforeAll(start);
afterAll(async () => {
  await workers.close();
  rmSync(persistPath, { recursive: true });
});

const ask = (path: string, init: RequestInit & { token?: string } = {}): Promise<Response> =>
  fetch(url + path, {
    ...init,
    headers: { authorization: `Bearer ${init.token ?? ADMIN}` },
  });

const virtualService = (index: number): string =>
  `apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: v${index}}\nspec: {hosts: [s${index}.example.com], http: [{match: [{uri: {prefix: /a}}], route: [{destination: {host: shop.example.com}}]}, {route: [{destination: {host: shop.example.com}}]}]}\n`;

const many = (count: number): string =>
  Array.from({ length: count }, (_, index) => virtualService(index)).join('---\n');

describe('control worker', () => {
  it('has keys from a service binding, where a ServiceEntry says so', async () => {
    const body = `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: login, namespace: keyed}
spec: {hosts: [login.shop], location: MESH_INTERNAL, resolution: STATIC, ports: [{number: 8080, name: http, protocol: HTTP}], endpoints: [{address: "binding:LOGIN"}]}
---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: jwt, namespace: keyed}
spec: {jwtRules: [{issuer: "https://a.test", jwksUri: "http://login.shop:8080/certs"}, {issuer: "https://b.test", jwksUri: "http://169.254.169.254/keys"}]}
`;
    expect((await ask('/v1/apply', { method: 'POST', body })).status).toBe(200);
    const scopes = [{ type: 'gateway', namespace: 'keyed', name: 'front', labels: {} }];
    const made = await ask('/v1/tokens', {
      method: 'POST',
      body: JSON.stringify({ name: 'front', role: 'proxy', scopes }),
    });
    const { token } = (await made.json()) as { token: string };
    const proxy = '/v1/proxies/gateway/keyed/front';
    const pointer = (await (await ask(`${proxy}/pointer`, { token })).json()) as { keys: string };
    const keys = await (await ask(`${proxy}/blobs/${pointer.keys}`, { token })).text();
    expect(keys).toContain('"kid":"bound"');
    expect(keys).not.toContain('169.254');
    const resource = await ask('/v1/resources/security.istio.io/RequestAuthentication/keyed/jwt');
    expect(await resource.text()).toMatch(
      /"JwksStale","status":"True","reason":"NoKeys".*not https/,
    );
    expect((await ask('/v1/apply', { method: 'DELETE', body })).status).toBe(200);
  });

  it('keeps what is applied over a restart', async () => {
    expect((await ask('/v1/apply', { method: 'POST', body: serviceEntry('kept') })).status).toBe(
      200,
    );
    await workers.close();
    await start();
    const path = '/v1/resources/networking.istio.io/ServiceEntry/default/kept';
    expect((await ask(path)).status).toBe(200);
  });

  it('holds as many resources as its documentation says, and refuses more whole', async () => {
    const refused = await ask('/v1/apply', { method: 'POST', body: many(10_000) });
    expect(refused.status).toBe(413);
    expect(JSON.stringify(await refused.json())).toContain(`at most ${MAX_RESOURCES}`);
    const first = '/v1/resources/networking.istio.io/VirtualService/default/v0';
    expect((await ask(first)).status).toBe(404);
    const taken = await ask('/v1/apply', { method: 'POST', body: many(MAX_RESOURCES - 1) });
    expect(taken.status).toBe(200);
  });

  it('compiles them all, and delivers a snapshot of more than 2 MB', async () => {
    const scope = { type: 'sidecar-outbound', namespace: 'default', name: 'c', labels: {} };
    const made = await ask('/v1/tokens', {
      method: 'POST',
      body: JSON.stringify({ name: 'c', role: 'proxy', scopes: [scope] }),
    });
    const { token } = (await made.json()) as { token: string };
    const base = '/v1/proxies/sidecar-outbound/default/c';
    const pointer = (await (await ask(`${base}/pointer`, { token })).json()) as {
      snapshot: string;
    };
    const blob = await ask(`${base}/blobs/${pointer.snapshot}`, { token });
    const manifest = await blob.text();
    expect(hashName(manifest)).toBe(pointer.snapshot);
    const names = [...partNames(JSON.parse(manifest) as Manifest)];
    let length = 0;
    for (let at = 0; at < names.length; at += 128) {
      const asked = names.slice(at, at + 128);
      const body = JSON.stringify({ names: asked });
      const answer = await ask(`${base}/blobs`, { method: 'POST', body, token });
      const lines = (await answer.text()).split('\n');
      expect(lines.map((line) => hashName(line))).toEqual(asked);
      length += lines.join('').length;
    }
    expect(length).toBeGreaterThan(2_000_000);
  });

  it('pushes to a proxy over a WebSocket, through the worker', async () => {
    const scope = { type: 'gateway', namespace: 'edge', name: 'pushed', labels: {} } as const;
    const made = await ask('/v1/tokens', {
      method: 'POST',
      body: JSON.stringify({ name: 'pushed', role: 'proxy', scopes: [scope] }),
    });
    const { token } = (await made.json()) as { token: string };
    await expect(openStream(url, { token: ADMIN })).rejects.toThrow('403');
    const proxy = await openStream(url, { token });
    proxy.subscribe(scope);
    const first = await proxy.push();
    proxy.ack(first);
    const gateway = `apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: pushed, namespace: edge}\nspec: {servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]}\n`;
    expect(
      (await ask('/v1/apply?message=more', { method: 'DELETE', body: virtualService(0) })).status,
    ).toBe(200);
    expect((await ask('/v1/apply', { method: 'POST', body: gateway })).status).toBe(200);
    const second = await proxy.push();
    expect(second.pointer).not.toEqual(first.pointer);
    proxy.close();
  });

  it('streams changes out of the object', async () => {
    const ended = new AbortController();
    const response = await ask('/v1/watch?kind=ServiceEntry', { signal: ended.signal });
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    const decoder = new TextDecoder();
    expect(decoder.decode((await reader.read()).value)).toContain('event: BOOKMARK');
    await ask('/v1/apply', { method: 'POST', body: serviceEntry('kept', 81) });
    expect(decoder.decode((await reader.read()).value)).toContain('event: MODIFIED');
    ended.abort();
  });
});
