/** WebSockets through the whole proxy: HTTP/1.1 and HTTP/2 on either side, and what they make of each other's ends. */
import { once } from 'node:events';
import { connect, constants, createServer as createHttp2Server } from 'node:http2';
import type { ClientHttp2Stream, ServerHttp2Stream, Settings } from 'node:http2';
import { createServer as createHttp1Server } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';
import { connect as connectSocket } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { gatewayBefore, rawClient, startTestProxy } from '../test/fixtures/node-proxy.ts';
import type { TestProxy, TestProxyOptions } from '../test/fixtures/node-proxy.ts';
import { answerToKey } from './websocket.ts';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

type Protocol = 'HTTP' | 'HTTP2';
type Accept = (wire: Duplex, headers: Record<string, unknown>) => void;

const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
const echo: Accept = (wire) => wire.pipe(wire);

async function listening(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  open.push(server);
  return (server.address() as AddressInfo).port;
}

/** A server of WebSockets: `accept` has the bytes of each. */
function upstream(protocol: Protocol, accept: Accept, settings?: Settings): Promise<number> {
  if (protocol === 'HTTP') {
    const server = createHttp1Server((_, response) => response.end('no WebSocket'));
    server.on('upgrade', (request, socket: Socket) => {
      socket.on('error', () => undefined);
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-Chat: 1\r\nContent-Length: 5\r\nSec-WebSocket-Accept: ${answerToKey(String(request.headers['sec-websocket-key']))}\r\n\r\n`,
      );
      accept(socket, request.headers);
    });
    return listening(server);
  }
  const server = createHttp2Server({ settings: settings ?? { enableConnectProtocol: true } });
  server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    stream.on('error', () => undefined);
    stream.respond({ ':status': 200, 'x-chat': '1' });
    accept(stream, { ...headers });
  });
  return listening(server);
}

async function proxyTo(
  protocol: Protocol,
  port: number,
  options: Partial<TestProxyOptions> = {},
): Promise<TestProxy> {
  const yaml = gatewayBefore(port).replaceAll(
    'name: http, protocol: HTTP}], endpoints',
    `name: http, protocol: ${protocol}}], endpoints`,
  );
  const proxy = await startTestProxy({ yaml, ...options });
  open.push(proxy);
  return proxy;
}

interface Answered {
  readonly status: number;
  readonly headers: Record<string, unknown>;
  /** Bytes as they come and go, once it is granted. */
  readonly wire: Duplex;
}

function answered(socket: Socket, text: string): Answered {
  const [head = ''] = text.split('\r\n\r\n');
  const [line = '', ...fields] = head.split('\r\n');
  socket.unshift(Buffer.from(text.slice(head.length + 4), 'latin1'));
  const headers = Object.fromEntries(
    fields.map((field) => {
      const [name = '', value = ''] = field.split(': ');
      return [name.toLowerCase(), value];
    }),
  );
  return { status: Number(line.split(' ')[1]), headers, wire: socket };
}

async function askHttp1({ port }: TestProxy): Promise<Answered> {
  const socket = connectSocket({ host: '127.0.0.1', port, allowHalfOpen: true });
  open.push({ close: () => socket.destroy() });
  socket.on('error', () => undefined);
  socket.write(
    `GET /chat?a HTTP/1.1\r\nHost: shop.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${KEY}\r\nSec-WebSocket-Protocol: v1\r\n\r\n`,
  );
  let text = '';
  while (!text.includes('\r\n\r\n')) {
    await once(socket, 'readable');
    text += (socket.read() as Buffer | null)?.toString('latin1') ?? '';
  }
  return answered(socket, text);
}

async function askHttp2({ port }: TestProxy): Promise<Answered & { wire: ClientHttp2Stream }> {
  const client = connect(`http://127.0.0.1:${port}`);
  client.on('error', () => undefined);
  open.push({ close: () => client.destroy() });
  await once(client, 'remoteSettings');
  const wire = client.request({
    ':method': 'CONNECT',
    ':protocol': 'websocket',
    ':scheme': 'http',
    ':authority': 'shop.test',
    ':path': '/chat?a',
    'sec-websocket-version': '13',
    'sec-websocket-protocol': 'v1',
  });
  wire.on('error', () => undefined);
  const [headers] = (await once(wire, 'response')) as [Record<string, unknown>];
  return { status: Number(headers[':status']), headers: { ...headers }, wire };
}

const asks = { HTTP: askHttp1, HTTP2: askHttp2 };
const granted = { HTTP: 101, HTTP2: 200 };

/** More than the sockets of two hops hold back by themselves. */
const PLENTY = 64 * 1_048_576;

/** What it has come to when it stands still. */
async function settled(count: () => number): Promise<number> {
  for (let before = -1; ; before = count()) {
    await sleep(200);
    if (count() === before) return before;
  }
}

async function textOf(wire: Duplex): Promise<string> {
  const pieces: Buffer[] = [];
  wire.on('data', (piece: Buffer) => pieces.push(piece));
  await once(wire, 'close');
  return Buffer.concat(pieces).toString('latin1');
}

describe.each([
  ['HTTP', 'HTTP'],
  ['HTTP', 'HTTP2'],
  ['HTTP2', 'HTTP'],
  ['HTTP2', 'HTTP2'],
] as const)('a client of %s, a server of %s', (from, to) => {
  const ask = asks[from];

  it('carries bytes both ways until both have ended', async () => {
    let seen: Record<string, unknown> = {};
    const port = await upstream(to, (wire, headers) => {
      seen = headers;
      echo(wire, headers);
    });
    const proxy = await proxyTo(to, port);
    const { status, headers, wire } = await ask(proxy);
    expect([status, headers['x-chat'], headers['content-length']]).toEqual([
      granted[from],
      '1',
      undefined,
    ]);
    expect(headers['sec-websocket-accept']).toBe(from === 'HTTP' ? answerToKey(KEY) : undefined);
    expect(headers['upgrade']).toBe(from === 'HTTP' ? 'websocket' : undefined);
    expect(seen).toMatchObject({ 'sec-websocket-version': '13', 'sec-websocket-protocol': 'v1' });
    const line = { ':method': 'CONNECT', ':protocol': 'websocket', ':path': '/chat?a' };
    if (to === 'HTTP2') {
      expect(seen).toMatchObject({ ...line, ':scheme': 'http', ':authority': 'shop.test' });
      expect(Object.keys(seen).filter((name) => /key|upgrade|connection|host$/.test(name))).toEqual(
        [],
      );
    } else expect(seen).toMatchObject({ host: 'shop.test', upgrade: 'websocket' });
    wire.write('ping');
    expect(String((await once(wire, 'data'))[0])).toBe('ping');
    wire.end('bye');
    expect(await textOf(wire)).toBe('bye');
    await expect.poll(() => proxy.lines.length).toBe(1);
    expect(JSON.parse(proxy.lines[0] ?? '')).toMatchObject({ status: 101 });
    expect(proxy.faults).toEqual([]);
    await expect
      .poll(() => proxy.upstreams.stats().map(({ pool }) => pool.connections - pool.idle))
      .toEqual([0]);
  });

  it('ends in order when the server does', async () => {
    let atServer: Duplex | undefined;
    const port = await upstream(to, (wire) => {
      atServer = wire;
      wire.once('data', () => wire.end('bye too'));
    });
    const proxy = await proxyTo(to, port);
    const { wire } = await ask(proxy);
    wire.write('bye');
    let text = '';
    wire.on('data', (piece: Buffer) => {
      text += piece.toString();
    });
    await once(wire, 'end');
    expect(text).toBe('bye too');
    await expect.poll(() => atServer?.closed).toBe(true);
    if (to === 'HTTP2') expect((atServer as ServerHttp2Stream).rstCode).toBe(0);
    if (from === 'HTTP2') expect((wire as ClientHttp2Stream).rstCode).toBe(0);
    await expect
      .poll(() => proxy.upstreams.stats().map(({ pool }) => pool.connections - pool.idle))
      .toEqual([0]);
  });

  it('carries as much as there is, and no faster than it is read', async () => {
    const piece = Buffer.alloc(65_536, 'x');
    const total = PLENTY;
    let sent = 0;
    const port = await upstream(to, (wire) => {
      const fill = (): void => {
        while (sent < total) {
          sent += piece.length;
          if (!wire.write(piece)) {
            wire.once('drain', fill);
            return;
          }
        }
        wire.end();
      };
      fill();
    });
    const { wire } = await ask(await proxyTo(to, port));
    wire.pause();
    const held = await settled(() => sent);
    expect(held).toBeLessThan(total);
    let received = 0;
    wire.on('data', (bytes: Buffer) => {
      received += bytes.length;
    });
    wire.resume();
    await once(wire, 'end');
    wire.end();
    expect(received).toBe(total);
  }, 20_000);

  it('holds a client back that sends more than is read', async () => {
    let reading: Duplex | undefined;
    const port = await upstream(to, (wire) => {
      wire.pause();
      reading = wire;
    });
    const { wire } = await ask(await proxyTo(to, port));
    const body = Buffer.alloc(PLENTY, 'x');
    let isWritten = false;
    wire.write(body, () => {
      isWritten = true;
    });
    await sleep(400);
    expect(isWritten).toBe(false);
    let received = 0;
    reading?.on('data', (bytes: Buffer) => {
      received += bytes.length;
    });
    reading?.resume();
    await expect.poll(() => received, { timeout: 10_000 }).toBe(body.length);
    wire.destroy();
  }, 20_000);

  it('ends at the server when the client goes away', async () => {
    let atServer: Duplex | undefined;
    const port = await upstream(to, (wire) => {
      atServer = wire;
      wire.resume();
    });
    const { wire } = await ask(await proxyTo(to, port));
    await expect.poll(() => atServer).toBeDefined();
    if (from === 'HTTP') (wire as Socket).resetAndDestroy();
    else (wire as ClientHttp2Stream).close(constants.NGHTTP2_CANCEL);
    // A server of node:http is left half open.
    await expect.poll(() => atServer?.readableEnded === true || atServer?.closed).toBe(true);
    if (to === 'HTTP2')
      expect((atServer as ServerHttp2Stream).rstCode).toBe(constants.NGHTTP2_CANCEL);
  });

  it('ends at the client when the server breaks off', async () => {
    let atServer: Duplex | undefined;
    const port = await upstream(to, (wire) => {
      atServer = wire;
    });
    const proxy = await proxyTo(to, port);
    const { wire } = await ask(proxy);
    await expect.poll(() => atServer).toBeDefined();
    if (to === 'HTTP') (atServer as Socket).resetAndDestroy();
    else atServer?.destroy(new Error('broken'));
    wire.resume();
    await once(wire, from === 'HTTP' ? 'end' : 'close');
    if (from === 'HTTP2')
      expect((wire as ClientHttp2Stream).rstCode).toBe(constants.NGHTTP2_CANCEL);
  });

  it('ends when nothing has moved for too long', async () => {
    const port = await upstream(to, echo);
    const proxy = await proxyTo(to, port, { limits: { streamIdleTimeoutMs: 1000 } });
    const { wire } = await ask(proxy);
    for (let i = 0; i < 4; i++) {
      wire.write('x');
      await once(wire, 'data');
      await sleep(300);
    }
    expect(wire.closed).toBe(false);
    const since = Date.now();
    await once(wire, from === 'HTTP' ? 'end' : 'close');
    expect(Date.now() - since).toBeLessThan(3000);
  });
});

describe('a WebSocket is refused', () => {
  it('where the server speaks HTTP/2 and takes none', async () => {
    const port = await upstream('HTTP2', echo, {});
    const proxy = await proxyTo('HTTP2', port);
    for (const ask of [askHttp1, askHttp2]) expect((await ask(proxy)).status).toBe(502);
    const client = rawClient(proxy.port);
    client.write(
      'GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
    );
    expect(await client.until(/upstream$/)).toMatch(
      /upstream connect error or disconnect\/reset before headers\. reset reason: upgrade not supported by upstream$/,
    );
    client.socket.destroy();
    await expect.poll(() => proxy.lines.length).toBe(3);
    for (const line of proxy.lines)
      expect(JSON.parse(line)).toMatchObject({ status: 502, flags: 'UPE' });
    expect(proxy.faults).toEqual([]);
  });

  it('by the server, whose answer is passed on', async () => {
    const server = createHttp2Server({ settings: { enableConnectProtocol: true } });
    server.on('stream', (stream: ServerHttp2Stream) => {
      stream.respond({ ':status': 403 });
      stream.end('no');
    });
    const proxy = await proxyTo('HTTP2', await listening(server));
    for (const ask of [askHttp1, askHttp2]) expect((await ask(proxy)).status).toBe(403);
  });

  it('where a server of HTTP/1.1 answers a client of HTTP/2 with anything but a switch', async () => {
    const port = await listening(createHttp1Server((_, response) => response.end('a page')));
    const proxy = await proxyTo('HTTP', port);
    expect((await askHttp2(proxy)).status).toBe(502);
    await expect.poll(() => proxy.lines.length).toBe(1);
    expect(JSON.parse(proxy.lines[0] ?? '')).toMatchObject({ status: 502, flags: 'UPE' });
    expect((await askHttp1(proxy)).status).toBe(200);
  });

  it.each([
    'Upgrade: websocket\r\nSec-WebSocket-Accept: x',
    'Upgrade: other\r\nSec-WebSocket-Accept: $accept',
    'Upgrade: websocket',
  ])('where a server of HTTP/1.1 grants %j', async (fields) => {
    const server = createHttp1Server();
    server.on('upgrade', (request, socket) => {
      const accept = answerToKey(String(request.headers['sec-websocket-key']));
      socket.end(
        `HTTP/1.1 101 Sure\r\nConnection: Upgrade\r\n${fields.replace('$accept', accept)}\r\n\r\n`,
      );
    });
    expect((await askHttp2(await proxyTo('HTTP', await listening(server)))).status).toBe(502);
  });

  it('where the proxy itself has a success to say', async () => {
    const yaml = gatewayBefore(1, '[{directResponse: {status: 200, body: {string: ok}}}]');
    const proxy = await startTestProxy({ yaml });
    open.push(proxy);
    const { status, wire } = await askHttp2(proxy);
    expect([status, await textOf(wire)]).toEqual([501, 'ok']);
    expect((await askHttp1(proxy)).status).toBe(200);
  });

  it('where upgrades to it are not configured', async () => {
    const port = await upstream('HTTP2', echo);
    const proxy = await proxyTo('HTTP2', port, { upgrades: [] });
    const client = connect(`http://127.0.0.1:${proxy.port}`);
    open.push({ close: () => client.destroy() });
    const [settings] = (await once(client, 'remoteSettings')) as [Settings];
    expect(settings.enableConnectProtocol).toBe(false);
    expect((await askHttp1(proxy)).status).toBe(200);
  });
});
