/** A token's life: its end, its rotation, its last use, and what goes with it. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { TestControl } from '../../test/fixtures/control.ts';
import { startTestControl } from '../../test/fixtures/control.ts';
import { openStream } from '../../test/fixtures/stream.ts';

const DAY_MS = 24 * 3600 * 1000;
let nowMs = Date.now();
let control: TestControl;
beforeAll(async () => {
  control = await startTestControl({ nowMs: () => nowMs });
});
beforeEach(() => {
  nowMs += 10 * 60_000;
});
afterAll(() => control.close());

interface Made {
  readonly id: string;
  readonly token: string;
  readonly expiresMs?: number;
}

async function make(body: Record<string, unknown>, token?: string): Promise<Made> {
  const options = token === undefined ? {} : { token };
  const asked = await control.ask('POST', '/v1/tokens', {
    ...options,
    body: JSON.stringify({ name: 'x', ...body }),
  });
  expect(asked.status).toBe(201);
  return asked.body as unknown as Made;
}

const status = async (token: string): Promise<number> =>
  (await control.ask('GET', '/v1/access/whoami', { token })).status;

async function listed(id: string): Promise<Record<string, unknown> | undefined> {
  const { body } = await control.ask('GET', '/v1/tokens');
  return (body['items'] as Record<string, unknown>[]).find((one) => one['id'] === id);
}

describe('tokens', () => {
  it.each([
    ['viewer', 90],
    ['editor', 90],
    ['security-admin', 30],
    ['admin', 30],
  ])('of role %s end after %d days if nothing is said', async (role, days) => {
    const { token, expiresMs } = await make({ role });
    expect(expiresMs).toBe(nowMs + days * DAY_MS);
    expect(await status(token)).toBe(200);
    nowMs += days * DAY_MS;
    expect(await status(token)).toBe(401);
  });

  it('of a proxy hold until they are revoked', async () => {
    const scopes = [{ type: 'gateway', namespace: 'a', name: 'x', labels: {} }];
    const { expiresMs } = await make({ role: 'proxy', scopes });
    expect(expiresMs).toBeUndefined();
  });

  it('that one with an end makes end no later', async () => {
    const maker = await make({ role: 'admin', ttlSeconds: 3600 });
    expect((await make({ role: 'viewer' }, maker.token)).expiresMs).toBe(maker.expiresMs);
    const longer = await control.ask('POST', '/v1/tokens', {
      token: maker.token,
      body: JSON.stringify({ name: 'x', role: 'viewer', ttlSeconds: 7200 }),
    });
    expect(longer.status).toBe(403);
  });

  it('are rotated: the old one holds beside the new for as long as was said', async () => {
    const old = await make({ role: 'editor', namespaces: ['a'], ttlSeconds: 86_400 });
    nowMs += 3600_000;
    const path = `/v1/tokens/${old.id}/rotate`;
    const rotated = await control.ask('POST', path, { body: '{"overlapSeconds":60}' });
    expect(rotated.status).toBe(201);
    expect(rotated.body).toMatchObject({
      role: 'editor',
      namespaces: ['a'],
      rotatedFrom: old.id,
      expiresMs: nowMs + 86_400_000,
      oldExpiresMs: nowMs + 60_000,
    });
    const token = String(rotated.body['token']);
    expect([await status(old.token), await status(token)]).toEqual([200, 200]);
    nowMs += 60_000;
    expect([await status(old.token), await status(token)]).toEqual([401, 200]);
    expect((await control.ask('POST', path, { body: '{}' })).status).toBe(409);
  });

  it('take the socket of the old one along when its time is over', async () => {
    const scopes = [{ type: 'gateway', namespace: 'a', name: 'x', labels: {} }];
    const old = await make({ role: 'proxy', scopes });
    const proxy = await openStream(control.url, { token: old.token });
    await control.ask('POST', `/v1/tokens/${old.id}/rotate`, { body: '{"overlapSeconds":0}' });
    expect((await proxy.closed).code).toBe(4401);
  });

  it('say when and from where they were used last, at most once a minute, and make no revision of it', async () => {
    const { id, token } = await make({ role: 'viewer' });
    expect((await listed(id))?.['lastUsedMs']).toBeUndefined();
    const firstMs = nowMs;
    const revision = async (): Promise<unknown> =>
      (await control.ask('GET', '/v1/resources/core/Service')).body['revision'];
    const before = await revision();
    await status(token);
    nowMs += 30_000;
    await status(token);
    expect(await listed(id)).toMatchObject({ lastUsedMs: firstMs, lastSource: '127.0.0.1' });
    nowMs += 30_000;
    await status(token);
    expect(await listed(id)).toMatchObject({ lastUsedMs: firstMs + 60_000 });
    expect(await revision()).toBe(before);
  });

  it('are written down with who made, rotated and revoked them, without a secret', async () => {
    const { id, token } = await make({ role: 'viewer' });
    await control.ask('DELETE', `/v1/tokens/${id}`);
    const { body } = await control.ask('GET', '/v1/audit?path=/v1/tokens&method=DELETE');
    const [entry] = body['items'] as Record<string, unknown>[];
    expect(entry).toMatchObject({
      actor: 'bootstrap',
      role: 'admin',
      path: `/v1/tokens/${id}`,
      status: 204,
      source: '127.0.0.1',
    });
    expect(entry?.['requestId']).toMatch(/^[-\w]{16,}$/);
    expect(JSON.stringify(body)).not.toContain(token.slice(21));
  });
});
