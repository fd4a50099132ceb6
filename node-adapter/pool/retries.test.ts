/** What is sent again to an upstream that failed: by a policy, as often as a cluster takes (maxRetries), and without one. */
import { afterEach, describe, expect, it } from 'vitest';
import {
  gatewayBefore,
  rawClient,
  startBackend,
  startTestProxy,
} from '../../test/fixtures/node-proxy.ts';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
});

const FAILED = 'HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy';
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const RULES = `[{retries: {attempts: 2, retryOn: 5xx, backoff: 1ms}, route: [{destination: {host: back.test}}]}]`;
const RULE = `---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: back}
spec: {host: back.test, trafficPolicy: {connectionPool: {http: {maxRetries: 1}}}}
`;

it('leaves the answer of the upstream where one more would be too many', async () => {
  const answers: (() => void)[] = [];
  let isFirst = true;
  const backend = await startBackend((socket, received) => {
    if (!received.endsWith('\r\n\r\n')) return;
    const isRetry = received.includes('/held') && !isFirst;
    if (received.includes('/held')) isFirst = false;
    if (isRetry) answers.push(() => socket.write(OK));
    else socket.write(FAILED);
  });
  open.push(backend);
  const proxy = await startTestProxy({ yaml: gatewayBefore(backend.port, RULES) + RULE });
  open.push(proxy);
  const held = rawClient(proxy.port);
  held.write('GET /held HTTP/1.1\r\nHost: shop.test\r\n\r\n');
  await expect.poll(() => answers.length).toBe(1);

  const other = rawClient(proxy.port);
  other.write('GET /other HTTP/1.1\r\nHost: shop.test\r\n\r\n');
  expect(await other.until(/busy$/)).toMatch(/^HTTP\/1\.1 503 Busy\r\n/);
  expect(backend.received.join('').match(/GET \/other/g)).toHaveLength(1);
  expect(JSON.parse(proxy.lines[0] ?? '{}')).toMatchObject({ path: '/other', flags: 'UO' });

  answers[0]?.();
  expect(await held.until(/ok$/)).toMatch(/^HTTP\/1\.1 200 /);
  expect(proxy.plane.engine.stats().clusters['outbound|80||back.test']).toMatchObject({
    retryOverflows: 1,
  });
  for (const client of [held, other]) client.socket.destroy();
});

describe('a new connection that dies under its first request', () => {
  const DEFAULT_RULES = '[{route: [{destination: {host: back.test}}]}]';
  /** It hangs up on so many requests for /new, and keeps /held without an answer. */
  async function startHangingUp(times = 1): Promise<{
    readonly ask: (line: string) => Promise<string>;
    readonly asked: () => number;
  }> {
    let asked = 0;
    const backend = await startBackend((socket, received) => {
      if (!received.endsWith('\r\n\r\n') || received.includes('/held')) return;
      if (!received.includes('/new')) socket.write(OK);
      else if (++asked <= times) socket.resetAndDestroy();
      else socket.write(OK);
    });
    open.push(backend);
    const proxy = await startTestProxy({ yaml: gatewayBefore(backend.port, DEFAULT_RULES) });
    open.push(proxy);
    const ask = async (line: string): Promise<string> => {
      const client = rawClient(proxy.port);
      client.write(`${line} HTTP/1.1\r\nHost: shop.test\r\n\r\n`);
      const text = await client.until(/(?:ok|termination)$/);
      client.socket.destroy();
      return text;
    };
    // Its connection is kept, and busy with what comes next.
    const occupied = rawClient(proxy.port);
    open.push({ close: () => occupied.socket.destroy() });
    const occupy = async (): Promise<void> => {
      occupied.write('GET /held HTTP/1.1\r\nHost: shop.test\r\n\r\n');
      await expect.poll(() => backend.received.join('')).toContain('/held');
    };
    return {
      ask: async (line) => {
        if (line.startsWith('GET /warm')) {
          const text = await ask(line);
          await occupy();
          return text;
        }
        return ask(line);
      },
      asked: () => asked,
    };
  }

  it('is repeated where the server has answered before, as on a kept one', async () => {
    const { ask, asked } = await startHangingUp();
    expect(await ask('GET /warm')).toMatch(/ok$/);
    expect(await ask('GET /new')).toMatch(/^HTTP\/1\.1 200 /);
    expect(asked()).toBe(2);
  });

  it.each([
    [2, /^HTTP\/1\.1 200 /],
    [3, /^HTTP\/1\.1 503 /],
  ])('is twice, where the next one dies as well (%i die)', async (times, answer) => {
    const { ask, asked } = await startHangingUp(times);
    expect(await ask('GET /warm')).toMatch(/ok$/);
    expect(await ask('GET /new')).toMatch(answer);
    expect(asked()).toBe(3);
  });

  it('is not where the method may have done something', async () => {
    const { ask, asked } = await startHangingUp();
    expect(await ask('GET /warm')).toMatch(/ok$/);
    expect(await ask('POST /new')).toMatch(/^HTTP\/1\.1 503 /);
    expect(asked()).toBe(1);
  });

  it('is not where the server never answered: that is for the policy to say', async () => {
    const { ask, asked } = await startHangingUp();
    expect(await ask('GET /new')).toMatch(/^HTTP\/1\.1 503 /);
    expect(asked()).toBe(1);
  });
});
