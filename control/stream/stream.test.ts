/** The stream of a control plane in Node, message by message. */
import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { hashName } from '../../src/lib/hash.ts';
import type { ProxyScope } from '../../src/model/snapshot.ts';
import { ADMIN, serviceEntry, startTestControl } from '../../test/fixtures/control.ts';
import type { TestControl } from '../../test/fixtures/control.ts';
import { certificatePem, keyPem } from '../../test/fixtures/certificates.ts';
import { openStream } from '../../test/fixtures/stream.ts';
import type { StreamOptions, TestStream } from '../../test/fixtures/stream.ts';

const scope: ProxyScope = { type: 'sidecar-outbound', namespace: 'default', name: 'a', labels: {} };
const gateway: ProxyScope = {
  type: 'gateway',
  namespace: 'edge',
  name: 'front',
  labels: { app: 'front' },
};

let control: TestControl;
let streams: TestStream[] = [];
/** What the clock is ahead. */
let aheadMs = 0;
const lines: string[] = [];

beforeEach(async () => {
  aheadMs = 0;
  lines.length = 0;
  control = await startTestControl({
    nowMs: () => Date.now() + aheadMs,
    log: (line) => lines.push(line),
  });
});
afterEach(async () => {
  for (const stream of streams) stream.close();
  streams = [];
  await control.close();
});

async function token(scopes: readonly ProxyScope[], ttlSeconds?: number): Promise<string> {
  const body = JSON.stringify({ name: 'proxy', role: 'proxy', scopes, ttlSeconds });
  return String((await control.ask('POST', '/v1/tokens', { body })).body['token']);
}

async function stream(options: StreamOptions): Promise<TestStream> {
  const opened = await openStream(control.url, options);
  streams.push(opened);
  return opened;
}

async function apply(body: string): Promise<void> {
  expect((await control.ask('POST', '/v1/apply', { body })).status).toBe(200);
}

async function status(name = 'a'): Promise<Readonly<Record<string, unknown>> | undefined> {
  const { items } = (await control.ask('GET', '/v1/proxies')).body as {
    items: (Readonly<Record<string, unknown>> & { readonly scope: ProxyScope })[];
  };
  return items.find((item) => item.scope.name === name);
}

/** Many services of which one is at a port of its own. */
const services = (port: number): string =>
  Array.from({ length: 200 }, (_, index) =>
    serviceEntry(`s${index}`, index === 7 ? port : 80),
  ).join('---\n');

describe('stream', () => {
  it('answers a subscription with everything, each blob what its name says', async () => {
    await apply(services(80));
    const proxy = await stream({ token: await token([scope]) });
    proxy.subscribe(scope);
    const push = await proxy.push();
    expect(Object.keys(push.blobs)).toEqual(expect.arrayContaining(Object.values(push.pointer)));
    for (const [name, text] of Object.entries(push.blobs)) expect(hashName(text)).toBe(name);
    expect(push.more).toBeUndefined();
    expect(await status()).toMatchObject({ state: 'STALE', instances: 1, programmed: 0 });
    proxy.ack(push);
    await expect.poll(() => status()).toMatchObject({ state: 'SYNCED', programmed: 1 });
  });

  it('takes the token as a subprotocol too', async () => {
    const proxy = await stream({ token: await token([scope]), asProtocol: true });
    proxy.subscribe(scope);
    expect((await proxy.push()).scope.name).toBe('a');
  });

  it('pushes the difference, and nothing where nothing changes', async () => {
    await apply(services(80));
    const proxy = await stream({ token: await token([scope]) });
    proxy.subscribe(scope);
    const whole = await proxy.push();
    proxy.ack(whole);
    await apply(services(90));
    const next = await proxy.push();
    expect(next.bytes).toBeLessThan(whole.bytes / 2);
    expect(Object.keys(next.blobs)).not.toContain(whole.pointer.keys);
    proxy.ack(next);
    await token([gateway]);
    expect(await proxy.silence(300)).toBe(true);
  });

  it('sends an endpoint alone', async () => {
    const at = (address: string): string =>
      `apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: moved}\nspec: {hosts: [moved.test], location: MESH_INTERNAL, resolution: STATIC, ports: [{number: 80, name: http, protocol: HTTP}], endpoints: [{address: ${address}}]}\n`;
    await apply(`${services(80)}---\n${at('192.0.2.1')}`);
    const proxy = await stream({ token: await token([scope]) });
    proxy.subscribe(scope);
    const first = await proxy.push();
    proxy.ack(first);
    await apply(at('192.0.2.2'));
    const second = await proxy.push();
    expect(second.pointer).toMatchObject({
      snapshot: first.pointer.snapshot,
      keys: first.pointer.keys,
    });
    expect(Object.values(second.blobs).join('')).toContain('192.0.2.2');
    expect(Object.keys(second.blobs)).toHaveLength(2);
    expect(second.bytes).toBeLessThan(first.bytes / 4);
  });

  it('has one push under way, then sends the newest', async () => {
    const proxy = await stream({ token: await token([scope]) });
    proxy.subscribe(scope);
    const first = await proxy.push();
    await apply(services(81));
    expect(await proxy.silence(700)).toBe(true);
    await apply(services(82));
    proxy.ack(first);
    const newest = await proxy.push();
    expect(newest.nonce).not.toBe(first.nonce);
    proxy.ack(newest);
    await expect.poll(() => status()).toMatchObject({ state: 'SYNCED' });
    expect(await proxy.silence(300)).toBe(true);
  });

  it('keeps what a proxy ran before it refused, with why', async () => {
    const proxy = await stream({ token: await token([scope]) });
    proxy.subscribe(scope);
    const good = await proxy.push();
    proxy.ack(good);
    await apply(services(80));
    proxy.nack(await proxy.push(), 'no such filter');
    await expect
      .poll(() => status())
      .toMatchObject({
        state: 'ERROR',
        runs: good.pointer.snapshot,
        diagnostics: [{ message: 'no such filter' }],
      });
    expect(await proxy.silence(300)).toBe(true);
    await apply(services(81));
    proxy.ack(await proxy.push());
    await expect.poll(() => status()).toMatchObject({ state: 'SYNCED', diagnostics: [] });
  });

  it('resumes with what is held, over a restart of what it knows', async () => {
    await apply(services(80));
    const secret = await token([scope]);
    const before = await stream({ token: secret });
    before.subscribe(scope);
    const whole = await before.push();
    before.ack(whole);
    before.close();
    const same = await stream({ token: secret });
    same.subscribe(scope, whole.pointer, whole.secrets);
    const nothing = await same.push();
    expect(nothing).toMatchObject({ pointer: whole.pointer, blobs: {} });
    expect(nothing.bytes).toBeLessThan(400);
    same.close();
    for (const port of [81, 82, 83]) {
      await apply(services(port));
      await control.ask('GET', '/v1/proxies');
    }
    const later = await stream({ token: secret });
    later.subscribe(scope, whole.pointer, whole.secrets);
    const difference = await later.push();
    expect(difference.pointer).not.toEqual(whole.pointer);
    expect(difference.bytes).toBeLessThan(whole.bytes / 2);
  });

  it('names what is too large for a message', async () => {
    const many = Array.from({ length: 1500 }, (_, index) => serviceEntry(`large${index}`));
    await apply(many.join('---\n'));
    const proxy = await stream({ token: await token([scope]) });
    proxy.subscribe(scope);
    const push = await proxy.push();
    expect(push.more).toBe(true);
    expect(push.bytes).toBeLessThan(1_048_576);
    expect(Object.keys(push.blobs)).toContain(push.pointer.snapshot);
  });

  it('carries several scopes, and none that the token has not', async () => {
    const proxy = await stream({ token: await token([scope, gateway]) });
    proxy.subscribe(scope);
    proxy.subscribe(gateway);
    const names = [(await proxy.push()).scope.name, (await proxy.push()).scope.name];
    expect(names).toEqual(['a', 'front']);
    proxy.subscribe({ ...scope, name: 'other' });
    expect(await proxy.closed).toMatchObject({ code: 1008 });
  });

  it.each([
    ['no json', 'a message is JSON'],
    ['[]', 'a message is a JSON object'],
    ['{"type":"shout"}', 'type: want subscribe, ack or nack'],
    ['{"type":"subscribe","scope":{"type":"gateway"},"instance":"x"}', 'scope'],
    [
      '{"type":"ack","scope":{"type":"gateway","namespace":"edge","name":"front"},"nonce":"1","pointer":{"snapshot":"00000000","endpoints":"00000000","keys":"00000000"}}',
      'no subscription',
    ],
  ])('closes on %s', async (text, reason) => {
    const proxy = await stream({ token: await token([scope]) });
    proxy.send(text);
    const closed = await proxy.closed;
    expect(closed.code).toBe(1008);
    expect(closed.reason).toContain(reason);
  });

  it('closes on a message without end, and on a flood', async () => {
    const large = await stream({ token: await token([scope]) });
    large.send('x'.repeat(70_000));
    expect(await large.closed).toMatchObject({ code: 1009 });
    const flood = await stream({ token: await token([scope]) });
    for (let count = 0; count < 200; count++) flood.subscribe(scope);
    expect(await flood.closed).toMatchObject({ code: 1008 });
  });

  it('opens for proxies alone', async () => {
    const viewer = await control.ask('POST', '/v1/tokens', {
      body: JSON.stringify({ name: 'v', role: 'viewer' }),
    });
    await expect(stream({ token: 'wrong' })).rejects.toThrow('401');
    await expect(stream({ token: ADMIN })).rejects.toThrow('403');
    await expect(stream({ token: String(viewer.body['token']) })).rejects.toThrow('403');
    const asked = await control.ask('GET', '/v1/proxies/stream', { token: await token([scope]) });
    expect(asked.status).toBe(426);
  });

  it('is the one thing that a connection may become', async () => {
    const { port } = new URL(control.url);
    const answer = await new Promise<number | undefined>((resolve, reject) => {
      const headers = { connection: 'Upgrade', upgrade: 'h2c', authorization: `Bearer ${ADMIN}` };
      const asked = request({ port, path: '/v1/apply', method: 'POST', headers });
      asked.on('response', (response) => resolve(response.statusCode));
      asked.on('error', reject);
      asked.end(serviceEntry('asked'));
    });
    expect(answer).toBe(200);
  });

  it('says that the control plane goes away', async () => {
    const proxy = await stream({ token: await token([scope]) });
    await control.close();
    expect(await proxy.closed).toMatchObject({ code: 1012 });
    control = await startTestControl();
  });

  it('ends with its token', async () => {
    const secret = await token([scope]);
    const proxy = await stream({ token: secret });
    proxy.subscribe(scope);
    await proxy.push();
    const id = secret.split('_')[1] ?? '';
    expect((await control.ask('DELETE', `/v1/tokens/${id}`)).status).toBe(204);
    expect(await proxy.closed).toMatchObject({ code: 4401 });
    const brief = await stream({ token: await token([scope], 1) });
    expect(await brief.closed).toMatchObject({ code: 4401, reason: 'the token has expired' });
  });

  it('a lease lives as long as its socket is heard', async () => {
    const proxy = await stream({ token: await token([scope]) });
    proxy.subscribe(scope);
    proxy.ack(await proxy.push());
    await expect.poll(() => status()).toMatchObject({ state: 'SYNCED', instances: 1 });
    aheadMs = 80_000;
    proxy.send('ping');
    await sleep(50);
    aheadMs = 160_000;
    expect(await status()).toMatchObject({ instances: 1 });
    aheadMs = 300_000;
    expect(await status()).toMatchObject({ state: 'NOT SENT', instances: 0 });
  });
});

describe('secrets', () => {
  const indented = (text: string): string => text.replaceAll(/^/gm, '    ');
  const secret = (name: string, namespace = 'edge', note = 'x'): string =>
    `apiVersion: v1\nkind: Secret\nmetadata: {name: ${name}, namespace: ${namespace}}\nstringData:\n  note: ${note}\n  tls.crt: |\n${indented(certificatePem)}\n  tls.key: |\n${indented(keyPem)}\n`;
  const servers = (credential: string): string =>
    `apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: g, namespace: edge}\nspec: {selector: {app: front}, servers: [{port: {number: 443, name: https, protocol: HTTPS}, hosts: ['*'], tls: {mode: SIMPLE, credentialName: ${credential}}}]}\n`;
  const path = '/v1/proxies/gateway/edge/front/secrets';

  it('gives a proxy what its snapshot names, and nothing else', async () => {
    await apply([secret('cert'), secret('unused'), servers('cert')].join('---\n'));
    const own = await token([gateway]);
    const given = await control.ask('GET', path, { token: own });
    expect(given.headers.get('cache-control')).toBe('no-store');
    expect(Object.keys(given.body['secrets'] as object)).toEqual(['edge/cert']);
    expect(given.body).toMatchObject({
      secrets: { 'edge/cert': { key: keyPem } },
    });
    const headers = { 'if-none-match': given.headers.get('etag') ?? '' };
    expect((await control.ask('GET', path, { token: own, headers })).status).toBe(304);
    expect((await control.ask('GET', path)).status).toBe(403);
    expect((await control.ask('GET', path, { token: await token([scope]) })).status).toBe(403);
    expect(lines.join('')).not.toContain('PRIVATE');
    expect(await status('front')).toMatchObject({ secretReads: 1 });
    await control.ask('GET', path, { token: own });
    const { body } = await control.ask('GET', '/v1/audit');
    const read = (body['items'] as { path: string; role: string; status: number }[]).filter(
      (entry) => entry.path === path && entry.role === 'proxy',
    );
    // What was refused to the other proxy, and what was given: once, however often it is asked for.
    expect(new Set(read.map((entry) => entry.status))).toEqual(new Set([200, 403]));
    expect(read).toHaveLength(2);
  });

  it('takes none of another namespace because a server says so', async () => {
    await apply([secret('cert', 'other'), servers('other/cert')].join('---\n'));
    const given = await control.ask('GET', path, { token: await token([gateway]) });
    expect(given.body['secrets']).toEqual({});
  });

  it('pushes a new version when one changes, and no blob with it', async () => {
    await apply([secret('cert'), servers('cert')].join('---\n'));
    const own = await token([gateway]);
    const proxy = await stream({ token: own });
    proxy.subscribe(gateway);
    const first = await proxy.push();
    proxy.ack(first);
    await apply(secret('cert', 'edge', 'renewed'));
    const second = await proxy.push();
    expect(second).toMatchObject({ pointer: first.pointer, blobs: {} });
    expect(second.secrets).not.toBe(first.secrets);
    expect((await control.ask('GET', path, { token: own })).body['version']).toBe(second.secrets);
    proxy.ack(second);
    await apply(secret('unused'));
    expect(await proxy.silence(300)).toBe(true);
  });
});
