/** Sockets at the Durable Object: they outlive what the object knows. */
import { env } from 'cloudflare:workers';
import { evictDurableObject } from 'cloudflare:test';
import { expect, it } from 'vitest';
import type { PushMessage } from '../../src/delivery/messages.ts';
import { PING, PONG, STREAM_PROTOCOL, readPush } from '../../src/delivery/messages.ts';

/** Its hash is what the tests' configuration gives the worker. */
const ADMIN = 'administrator';
const scope = { type: 'sidecar-outbound', namespace: 'default', name: 'a', labels: {} } as const;

interface Stub {
  fetch(url: string, init?: RequestInit): Promise<Response>;
}

interface PlatformSocket {
  accept(): void;
  send(text: string): void;
  close(): void;
  addEventListener(type: 'message', listener: (event: { readonly data: string }) => void): void;
  addEventListener(type: 'close', listener: (event: { readonly code: number }) => void): void;
}

function stubOf(name: string): Stub {
  const { CONTROL: namespace } = env as {
    readonly CONTROL: { idFromName(name: string): unknown; get(id: unknown): Stub };
  };
  return namespace.get(namespace.idFromName(name));
}

async function ask(stub: Stub, path: string, body?: string): Promise<Record<string, unknown>> {
  const response = await stub.fetch(`http://control${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { authorization: `Bearer ${ADMIN}` },
    ...(body === undefined ? {} : { body }),
  });
  expect(response.status).toBeLessThan(300);
  return response.json();
}

const entry = (port: number): string =>
  `apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: s}\nspec: {hosts: [s.test], location: MESH_INTERNAL, resolution: STATIC, ports: [{number: ${port}, name: http, protocol: HTTP}], endpoints: [{address: 192.0.2.1}]}\n`;

/** A proxy's end, which gathers what it is told. */
async function openSocket(
  stub: Stub,
  token: string,
): Promise<{
  socket: PlatformSocket;
  texts: string[];
  next(): Promise<string>;
  closed: Promise<number>;
}> {
  const response = await stub.fetch('http://control/v1/proxies/stream', {
    headers: {
      upgrade: 'websocket',
      'sec-websocket-protocol': `${STREAM_PROTOCOL}, bearer.${token}`,
    },
  });
  expect(response.status).toBe(101);
  expect(response.headers.get('sec-websocket-protocol')).toBe(STREAM_PROTOCOL);
  const socket = (response as unknown as { readonly webSocket: PlatformSocket }).webSocket;
  const texts: string[] = [];
  let wake = (): void => undefined;
  socket.addEventListener('message', ({ data }) => {
    texts.push(data);
    wake();
  });
  const closed = new Promise<number>((resolve) => {
    socket.addEventListener('close', ({ code }) => resolve(code));
  });
  socket.accept();
  const next = async (): Promise<string> => {
    while (texts.length === 0)
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    return texts.shift() ?? '';
  };
  return { socket, texts, next, closed };
}

const pushIn = (text: string): PushMessage => {
  const push = readPush(text);
  if (typeof push === 'string') throw new Error(push);
  return push;
};

it('pushes over a socket that slept, sends only the difference, and ends it with its token', async () => {
  const stub = stubOf('hibernation');
  await ask(stub, '/v1/apply', entry(80));
  const made = await ask(
    stub,
    '/v1/tokens',
    JSON.stringify({ name: 'a', role: 'proxy', scopes: [scope] }),
  );
  const { socket, next, closed } = await openSocket(stub, String(made['token']));
  const { type, namespace, name } = scope;
  socket.send(
    JSON.stringify({
      type: 'subscribe',
      scope: { type, namespace, name },
      instance: 'one',
      runtime: 'node',
    }),
  );
  const first = pushIn(await next());
  expect(Object.keys(first.blobs)).toContain(first.pointer.keys);
  const answer = { type: 'ack', scope: first.scope, nonce: first.nonce, pointer: first.pointer };
  socket.send(JSON.stringify(answer));
  await expect
    .poll(() => ask(stub, '/v1/proxies'))
    .toMatchObject({ items: [{ state: 'SYNCED', instances: 1 }] });

  await evictDurableObject(stub);
  expect(await ask(stub, '/v1/proxies')).toMatchObject({
    items: [{ state: 'SYNCED', instances: 1, programmed: 1, runtimes: { edge: 0, node: 1 } }],
  });
  socket.send(PING);
  expect(await next()).toBe(PONG);

  await evictDurableObject(stub);
  await ask(stub, '/v1/apply', entry(81));
  const second = pushIn(await next());
  expect(second.pointer.keys).toBe(first.pointer.keys);
  expect(Object.keys(second.blobs)).not.toContain(first.pointer.keys);
  // The answer comes to an object that doesn't remember the push.
  await evictDurableObject(stub);
  const refusal = { code: 'LAT0201', level: 'error', message: 'no such filter' };
  socket.send(
    JSON.stringify({
      type: 'nack',
      scope: second.scope,
      nonce: second.nonce,
      pointer: second.pointer,
      diagnostics: [refusal],
    }),
  );
  await expect
    .poll(() => ask(stub, '/v1/proxies'))
    .toMatchObject({
      items: [{ state: 'ERROR', runs: first.pointer.snapshot, diagnostics: [refusal] }],
    });

  await evictDurableObject(stub);
  const response = await stub.fetch(`http://control/v1/tokens/${String(made['id'])}`, {
    method: 'DELETE',
    headers: { authorization: `Bearer ${ADMIN}` },
  });
  expect(response.status).toBe(204);
  expect(await closed).toBe(4401);
});

it('closes on what it can not read', async () => {
  const stub = stubOf('unreadable');
  const made = await ask(
    stub,
    '/v1/tokens',
    JSON.stringify({ name: 'a', role: 'proxy', scopes: [scope] }),
  );
  const { socket, closed } = await openSocket(stub, String(made['token']));
  socket.send('{}');
  expect(await closed).toBe(1008);
});

it('wakes to end a socket whose token expires', async () => {
  const stub = stubOf('expiry');
  const made = await ask(
    stub,
    '/v1/tokens',
    JSON.stringify({ name: 'a', role: 'proxy', scopes: [scope], ttlSeconds: 1 }),
  );
  const { closed } = await openSocket(stub, String(made['token']));
  await evictDurableObject(stub);
  expect(await closed).toBe(4401);
});
