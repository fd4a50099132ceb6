import { expect, it } from 'vitest';
import type { PushMessage } from '../../src/delivery/messages.ts';
import { readPush } from '../../src/delivery/messages.ts';
import type { Pointer, ProxyScope } from '../../src/model/snapshot.ts';
import type { SessionServices } from './session.ts';
import { ANSWER_MS, SILENT_MS, Session } from './session.ts';
import type { SavedSession } from './socket.ts';

const scope: ProxyScope = { type: 'gateway', namespace: 'edge', name: 'front', labels: {} };
const pointer: Pointer = {
  snapshot: 'a'.repeat(32),
  endpoints: 'b'.repeat(32),
  keys: 'c'.repeat(32),
};

function setUp(blob = 'text', count = 1) {
  let nowMs = 1000;
  let buffered = 0;
  const texts: string[] = [];
  const saved: SavedSession[] = [];
  const closed: [number, string][] = [];
  const rooms: number[] = [];
  const services: SessionServices = {
    nowMs: () => nowMs,
    log: () => undefined,
    scopesOf: () => Promise.resolve([scope]),
    compiledFor: () =>
      Promise.resolve({
        scope,
        revision: 1,
        pointer,
        jwksUris: [],
        secrets: [],
        generation: 0,
        blobs: new Set<string>(),
        resources: new Set<string>(),
        inputs: { resources: [], trust: undefined },
      }),
    secretsVersion: () => Promise.resolve('v1'),
    difference(_compiled, _held, room) {
      rooms.push(room);
      const names = Array.from({ length: count }, (_, index) => [`n${index}`, blob]);
      return Promise.resolve({ blobs: Object.fromEntries(names), more: room === 0 });
    },
    onSubscribed: () => undefined,
    onDue: () => undefined,
  };
  const socket = {
    send: (text: string) => void texts.push(text),
    close: (code: number, reason: string) => void closed.push([code, reason]),
    buffered: () => buffered,
    pingedMs: () => 0,
    save: (session: SavedSession) => void saved.push(session),
  };
  const start = {
    tokenId: 't',
    heardMs: nowMs,
    nonces: 0,
    usesKeys: false,
    subscriptions: [],
  };
  const session = new Session(socket, services, start);
  const subscribe = { type: 'subscribe', scope, instance: 'one' };
  return {
    session,
    texts,
    saved,
    closed,
    rooms,
    async subscribe(): Promise<PushMessage> {
      session.receive(JSON.stringify(subscribe));
      await session.offer();
      const push = readPush(texts.at(-1) ?? '');
      if (typeof push === 'string') throw new Error(push);
      return push;
    },
    answer: (text: object) => session.receive(JSON.stringify(text)),
    at: (ms: number) => (nowMs = ms),
    hold: (bytes: number) => (buffered = bytes),
  };
}

it('tells a slow reader that there is something, and no more', async () => {
  const { subscribe, hold, rooms, session, closed } = setUp();
  hold(300_000);
  expect((await subscribe()).more).toBe(true);
  expect(rooms).toEqual([0]);
  hold(3_000_000);
  session.receive('ping');
  expect(closed).toEqual([[4408, 'it does not read what it is sent']]);
});

it('keeps a message within its bound, whatever the text is made of', async () => {
  const { subscribe, texts } = setUp('\u0000'.repeat(100_000), 2);
  const push = await subscribe();
  expect(push).toMatchObject({ blobs: {}, more: true });
  expect(texts.at(-1)?.length).toBeLessThan(1000);
});

it('ends a socket that does not answer, and one that is not heard', async () => {
  const { subscribe, session, at, closed } = setUp();
  await subscribe();
  expect(session.due(1000)).toBe(1000 + ANSWER_MS);
  at(1000 + ANSWER_MS);
  session.due(1000 + ANSWER_MS);
  expect(closed).toEqual([[4408, 'a push was not answered for 60 s']]);
  const silent = setUp();
  silent.at(2000 + SILENT_MS);
  silent.session.due(2000 + SILENT_MS);
  expect(silent.closed[0]?.[1]).toContain('nothing was heard');
});

it('keeps beside the socket no more than fits there', async () => {
  const { subscribe, answer, session, saved } = setUp();
  const { nonce } = await subscribe();
  const long = { code: 'LAT0201', level: 'error', message: 'x'.repeat(4000) };
  answer({
    type: 'nack',
    scope,
    nonce,
    pointer,
    diagnostics: Array.from({ length: 15 }, () => long),
  });
  await session.offer();
  expect(session.instance('gateway/edge/front')?.refused?.diagnostics).toHaveLength(3);
  expect(JSON.stringify(saved.at(-1)).length * 8).toBeLessThan(16_384);
});

it('takes no answer to a push of another socket', async () => {
  const { subscribe, answer, session, texts, closed } = setUp();
  await subscribe();
  answer({ type: 'ack', scope, nonce: '1', pointer });
  await session.offer();
  expect([texts.length, closed]).toEqual([1, []]);
  expect(session.instance('gateway/edge/front')?.runs).toBeUndefined();
});
