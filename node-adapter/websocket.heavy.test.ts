/** WebSockets between proxies that speak HTTP/2: HAProxy as the client of this one, and as its upstream. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { gatewayBefore, startTestProxy } from '../test/fixtures/node-proxy.ts';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

function listens(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  return new Promise((resolve) => {
    socket.on('error', () => resolve(false));
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}

/** From a port of its own to another, with what HAProxy wants to hear of each side. */
async function haproxy(bind: string, to: number, server: string): Promise<number> {
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), 'haproxy-'));
  const file = join(folder, 'haproxy.cfg');
  writeFileSync(
    file,
    `defaults
 mode http
 timeout connect 5s
 timeout client 20s
 timeout server 20s
 timeout tunnel 20s
frontend front
 bind 127.0.0.1:${port} ${bind}
 default_backend back
backend back
 server s 127.0.0.1:${to} ${server}
`,
  );
  const child = spawn('haproxy', ['-db', '-q', '-f', file], { stdio: 'inherit' });
  open.push({
    async close() {
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
      rmSync(folder, { recursive: true });
    },
  });
  await expect.poll(() => listens(port), { timeout: 5000 }).toBe(true);
  return port;
}

it('carry messages and their end both ways', async () => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  open.push(server);
  const closes: number[] = [];
  server.on('connection', (socket) => {
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
    socket.on('close', (code) => closes.push(code));
  });
  const behind = await haproxy('proto h2', (server.address() as AddressInfo).port, '');
  const yaml = gatewayBefore(behind).replaceAll(
    'name: http, protocol: HTTP}], endpoints',
    'name: http, protocol: HTTP2}], endpoints',
  );
  const proxy = await startTestProxy({ yaml });
  open.push(proxy);
  const front = await haproxy('', proxy.port, 'proto h2');

  const socket = new WebSocket(`ws://127.0.0.1:${front}/chat`, { headers: { host: 'shop.test' } });
  open.push({ close: () => socket.terminate() });
  await once(socket, 'open');
  const large = Buffer.alloc(3_000_000, 'x');
  for (const message of [Buffer.from('hello'), large]) {
    socket.send(message);
    const [answer] = (await once(socket, 'message')) as [Buffer];
    expect(answer.equals(message)).toBe(true);
  }
  socket.close(4001, 'done');
  const [code] = (await once(socket, 'close')) as [number];
  expect(code).toBe(4001);
  await expect.poll(() => closes).toEqual([4001]);
  await expect.poll(() => proxy.lines.length).toBe(1);
  expect(JSON.parse(proxy.lines[0] ?? '')).toMatchObject({ status: 101, path: '/chat' });
  expect(proxy.faults).toEqual([]);
});
