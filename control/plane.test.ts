import { createServer, request as send } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hashName } from '../src/lib/hash.ts';
import type { NodeControl } from './node.ts';
import { startControlPlane } from './node.ts';
import { answerKeys } from '../test/fixtures/keys.ts';

const ADMIN = 'administrator';
const scope = {
  type: 'gateway',
  namespace: 'edge',
  name: 'front',
  labels: { istio: 'ingressgateway' },
};
const service = (name: string, port: number): string =>
  `apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: ${name}}\nspec: {hosts: [${name}.example.com], resolution: DNS, ports: [{number: ${port}, name: http, protocol: HTTP}]}\n`;

const logged: string[] = [];
let control: NodeControl;
beforeAll(async () => {
  control = await startControlPlane({
    database: ':memory:',
    port: 0,
    adminToken: ADMIN,
    allowPrivateKeys: true,
    log: (line) => logged.push(line),
  });
});
afterAll(() => control.close());

async function ask(
  method: string,
  path: string,
  options: { body?: string; token?: string; headers?: Record<string, string> } = {},
) {
  const response = await fetch(control.url + path, {
    method,
    headers: { authorization: `Bearer ${options.token ?? ADMIN}`, ...options.headers },
    ...(options.body === undefined ? {} : { body: options.body }),
  });
  const text = await response.text();
  const body: Record<string, unknown> = /json\b/.test(response.headers.get('content-type') ?? '')
    ? (JSON.parse(text) as Record<string, unknown>)
    : { text };
  return { status: response.status, body, text, headers: response.headers };
}

describe('control plane in Node', () => {
  it('outlives requests that no Web Request can be', async () => {
    const { port } = new URL(control.url);
    const statuses: (number | undefined)[] = [];
    for (const [method, path] of [
      ['TRACE', '/v1/apply'],
      ['GET', '//'],
      ['GET', 'http://[bad/'],
    ])
      await new Promise<void>((resolve, reject) => {
        send({ port, host: '127.0.0.1', method, path }, (response) => {
          statuses.push(response.statusCode);
          response.resume().on('end', resolve);
        })
          .on('error', reject)
          .end();
      });
    expect(statuses.every((status) => status !== undefined && status >= 400)).toBe(true);
    expect((await fetch(`${control.url}/healthz`)).status).toBe(200);
  });
});

describe('control plane', () => {
  it('answers nobody without a token it knows', async () => {
    for (const path of ['/v1/history', '/v1/resources/core/Secret', '/v1/proxies']) {
      expect((await fetch(control.url + path)).status).toBe(401);
      expect((await ask('GET', path, { token: 'wrong' })).status).toBe(401);
    }
    expect((await fetch(`${control.url}/healthz`)).status).toBe(200);
  });

  it('applies documents as one transaction, or nothing of them', async () => {
    const bad = await ask('POST', '/v1/apply', {
      body: `${service('good', 80)}---\n${service('bad', 99_999)}`,
    });
    expect(bad.status).toBe(422);
    expect(bad.headers.get('content-type')).toBe('application/problem+json');
    expect(JSON.stringify(bad.body['errors'])).toContain('spec.ports[0].number');
    expect(
      (await ask('GET', '/v1/resources/networking.istio.io/ServiceEntry/default/good')).status,
    ).toBe(404);
    const dry = await ask('POST', '/v1/apply?dryRun=true', { body: service('good', 80) });
    expect(dry.body['results']).toEqual([
      { resource: 'ServiceEntry default/good', result: 'created' },
    ]);
    expect(
      (await ask('GET', '/v1/resources/networking.istio.io/ServiceEntry/default/good')).status,
    ).toBe(404);
    expect((await ask('POST', '/v1/apply', { body: service('good', 80) })).status).toBe(200);
    const again = await ask('POST', '/v1/apply', { body: service('good', 80) });
    expect(again.body['results']).toEqual([
      { resource: 'ServiceEntry default/good', result: 'unchanged' },
    ]);
  });

  it('refuses a stale If-Match and takes the current one', async () => {
    await ask('POST', '/v1/apply', { body: service('matched', 80) });
    const path = '/v1/resources/networking.istio.io/ServiceEntry/default/matched';
    const { headers } = await ask('GET', path);
    expect((await ask('DELETE', path, { headers: { 'if-match': '"1000"' } })).status).toBe(412);
    expect(
      (await ask('DELETE', path, { headers: { 'if-match': headers.get('etag') ?? '' } })).status,
    ).toBe(200);
  });

  it('rolls back to a revision with a new one', async () => {
    const first = await ask('POST', '/v1/apply', { body: service('rolled', 80) });
    await ask('POST', '/v1/apply', { body: service('rolled', 81) });
    expect(
      (
        await ask('POST', '/v1/rollback', {
          body: JSON.stringify({ revision: first.body['revision'] }),
        })
      ).status,
    ).toBe(200);
    const { body } = await ask(
      'GET',
      '/v1/resources/networking.istio.io/ServiceEntry/default/rolled',
    );
    expect(JSON.stringify(body['spec'])).toContain('"number":80');
  });

  it('gives a proxy its own pointer and blobs, and nothing else', async () => {
    const made = await ask('POST', '/v1/tokens', {
      body: JSON.stringify({ name: 'front', role: 'proxy', scopes: [scope] }),
    });
    const token = String(made.body['token']);
    const base = '/v1/proxies/gateway/edge';
    const pointer = await ask('GET', `${base}/front/pointer`, { token });
    expect(pointer.status).toBe(200);
    const snapshot = String(pointer.body['snapshot']);
    // Empty overlays are still two things: one name for both would deliver one as the other.
    expect(pointer.body['endpoints']).not.toBe(pointer.body['keys']);
    expect((await ask('GET', `${base}/front/blobs/${snapshot}`, { token })).status).toBe(200);
    expect((await ask('GET', `${base}/front/blobs/0000`, { token })).status).toBe(404);
    const all = { token, body: JSON.stringify({ names: Object.values(pointer.body) }) };
    const blobs = await ask('POST', `${base}/front/blobs`, all);
    const lines = blobs.text.split('\n');
    expect(lines.map((line) => hashName(line))).toEqual(Object.values(pointer.body));
    const more = { token, body: JSON.stringify({ names: [snapshot, '0000'] }) };
    expect((await ask('POST', `${base}/front/blobs`, more)).status).toBe(404);
    expect((await ask('POST', `${base}/other/blobs`, all)).status).toBe(403);
    const neighbour = await ask('POST', '/v1/tokens', {
      body: JSON.stringify({ name: 'next', role: 'proxy', scopes: [{ ...scope, name: 'next' }] }),
    });
    const its = { token: String(neighbour.body['token']) };
    expect((await ask('GET', `${base}/next/blobs/${snapshot}`, its)).status).toBe(404);
    expect((await ask('GET', `${base}/other/pointer`, { token })).status).toBe(403);
    expect((await ask('GET', '/v1/history', { token })).status).toBe(403);
    const etag = pointer.headers.get('etag') ?? '';
    expect(
      (await ask('GET', `${base}/front/pointer`, { token, headers: { 'if-none-match': etag } }))
        .status,
    ).toBe(304);
    const ack = {
      pointer: pointer.body,
      ok: false,
      diagnostics: [{ code: 'LAT0201', level: 'error', message: 'no' }],
      instance: 'x',
    };
    // Who polls says it each time.
    for (let count = 0; count < 3; count++)
      expect(
        (await ask('POST', `${base}/front/ack`, { token, body: JSON.stringify(ack) })).status,
      ).toBe(204);
    expect(JSON.stringify((await ask('GET', '/v1/proxies')).body)).toContain('"state":"ERROR"');
    expect(logged.filter((line) => line.startsWith('nack from gateway/edge/front'))).toHaveLength(
      1,
    );
  });

  it('fetches the keys that policies refer to, and delivers them as an overlay', async () => {
    const issuer = createServer((_request, response) => {
      answerKeys(response, 'from-issuer');
    });
    await new Promise<void>((resolve) => {
      issuer.listen(0, '127.0.0.1', () => {
        resolve();
      });
    });
    const uri = `http://127.0.0.1:${(issuer.address() as AddressInfo).port}/jwks.json`;
    const body = `apiVersion: security.istio.io/v1\nkind: RequestAuthentication\nmetadata: {name: jwt, namespace: edge}\nspec: {jwtRules: [{issuer: "https://issuer.test", jwksUri: "${uri}"}]}\n`;
    expect((await ask('POST', '/v1/apply', { body })).status).toBe(200);
    const made = await ask('POST', '/v1/tokens', {
      body: JSON.stringify({ name: 'keyed', role: 'proxy', scopes: [{ ...scope, name: 'keyed' }] }),
    });
    const token = String(made.body['token']);
    const pointer = await ask('GET', '/v1/proxies/gateway/edge/keyed/pointer', { token });
    const keys = await ask(
      'GET',
      `/v1/proxies/gateway/edge/keyed/blobs/${String(pointer.body['keys'])}`,
      { token },
    );
    expect(JSON.stringify(keys.body)).toContain('from-issuer');
    issuer.close();
  });

  it('hides what Secrets hold', async () => {
    await ask('POST', '/v1/apply', {
      body: 'apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {key: hunter2}\n',
    });
    expect(
      JSON.stringify((await ask('GET', '/v1/resources/core/Secret/default/s')).body),
    ).not.toContain('hunter2');
  });
});
