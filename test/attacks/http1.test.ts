/** What attackers send over HTTP/1.1, from a socket to a socket, before a backend that records every byte. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gatewayBefore, rawClient, startTestProxy } from '../fixtures/node-proxy.ts';
import type { RawClient, TestProxy } from '../fixtures/node-proxy.ts';
import { startRecorder } from './backend.ts';
import type { Recorder } from './backend.ts';
import { REQUESTS } from './http1-requests.ts';
import { RESPONSES } from './http1-responses.ts';

let proxy: TestProxy;
let recorder: Recorder;
let innocents = 0;

const misbehaving = Object.entries(RESPONSES).flatMap(([kind, attacks]) =>
  attacks.map((attack) => ({ kind, attack })),
);
const targetOf = (index: number): string => `/r${String(index)}`;

beforeAll(async () => {
  recorder = await startRecorder(
    new Map(misbehaving.map(({ attack }, index) => [targetOf(index), attack])),
  );
  proxy = await startTestProxy({
    yaml: gatewayBefore(recorder.port),
    limits: { headTimeoutMs: 200, bodyTimeoutMs: 200, lingerTimeoutMs: 100 },
  });
});

afterAll(async () => {
  recorder.close();
  await proxy.close();
});

const innocent = (client: RawClient): Promise<string> => {
  const target = `/innocent${String(++innocents)}`;
  client.write(`GET ${target} HTTP/1.1\r\nHost: shop.test\r\n\r\n`);
  return client.until(new RegExp(`\r\n\r\n${target}$`));
};

/** Others go on over the connections to the backend that the attack used, and get their own answers. */
async function expectUnharmed(): Promise<void> {
  const client = rawClient(proxy.port);
  const first = innocents + 1;
  await innocent(client);
  const text = await innocent(client);
  expect(text.match(/\/innocent\d+$|\/innocent\d+(?=HTTP)/g)).toEqual([
    `/innocent${String(first)}`,
    `/innocent${String(first + 1)}`,
  ]);
  expect(text.match(/HTTP\/1\.1 200/g)).toHaveLength(2);
  client.socket.destroy();
  expect(recorder.targets()).toEqual([
    `/innocent${String(first)}`,
    `/innocent${String(first + 1)}`,
  ]);
  expect(recorder.taken().join('')).toBe(
    [first, first + 1]
      .map((number) => `GET /innocent${String(number)} HTTP/1.1\r\nHost: shop.test\r\n\r\n`)
      .join(''),
  );
}

const statuses = (text: string): number[] =>
  [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)]
    .map(([, status]) => Number(status))
    .filter((status) => status >= 200);

const settle = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

/** One that is answered less than it should be must not keep the others waiting. */
const TIMEOUT_MS = 4000;

describe.each(Object.entries(REQUESTS))('requests: %s', (_class, attacks) => {
  it.each(attacks.map((attack) => [attack.name, attack] as const))(
    '%s',
    async (_name, attack) => {
      const { bytes, later, answers, closes, forwards } = attack;
      recorder.taken();
      recorder.targets();
      const client = rawClient(proxy.port);
      client.write(bytes);
      if (later !== undefined) {
        while (!recorder.seen().endsWith('\r\n\r\n')) await settle(1);
        client.write(later);
      }
      if (closes) await client.closed;
      else {
        await client.until(new RegExp(`(?:HTTP/1\\.1 [2-5][^]*?){${answers.length}}\r\n\r\n`));
        await settle(10);
      }
      expect(statuses(client.text)).toEqual(answers);
      expect(client.socket.closed).toBe(closes);
      client.socket.destroy();
      expect(recorder.taken().join('')).toBe(forwards);
      recorder.targets();
      await expectUnharmed();
      expect(proxy.faults).toEqual([]);
    },
    TIMEOUT_MS,
  );
});

const withoutDates = (text: string): string => text.replaceAll(/^date: .*\r\n/gim, '');

/** Sockets of the backend that the proxy hasn't ended. */
const kept = (): number =>
  recorder.backend.sockets.filter(({ readableEnded, closed }) => !readableEnded && !closed).length;

describe('responses', () => {
  it.each(
    misbehaving.map(({ kind, attack }, index) => [kind, attack.name, attack, index] as const),
  )(
    '%s: %s',
    async (_kind, _name, attack, index) => {
      const { request, later, sees, closes = false, keeps = false } = attack;
      const target = targetOf(index);
      const before = recorder.backend.sockets.length;
      const client = rawClient(proxy.port);
      client.write(request?.(target) ?? `GET ${target} HTTP/1.1\r\nHost: shop.test\r\n\r\n`);
      if (later !== undefined) {
        await client.until(/\r\n\r\n/);
        client.write(later);
      }
      if (closes) await client.closed;
      else if (typeof sees === 'string')
        while (client.text.length < sees.length && !client.socket.closed) await settle(2);
      else await client.until(sees);
      await settle(25);
      expect(withoutDates(client.text)).toEqual(
        typeof sees === 'string' ? sees : expect.stringMatching(sees),
      );
      expect(client.socket.closed).toBe(closes);
      client.socket.destroy();
      for (let i = 0; i < 50 && kept() !== Number(keeps); i++) await settle(10);
      expect(kept()).toBe(Number(keeps));
      expect(recorder.backend.sockets.length - before).toBeLessThanOrEqual(3);
      recorder.taken();
      recorder.targets();
      await expectUnharmed();
      expect(proxy.faults).toEqual([]);
    },
    TIMEOUT_MS,
  );
});
