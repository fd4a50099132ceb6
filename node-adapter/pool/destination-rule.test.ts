/** What a DestinationRule's connectionPool says of HTTP/2, through the whole proxy. */
import { once } from 'node:events';
import { connect, createServer as createHttp2Server } from 'node:http2';
import type { ClientHttp2Session } from 'node:http2';
import { createServer as createHttp1Server } from 'node:http';
import { connect as connectSocket, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import * as h2 from '../../test/fixtures/http2-frames.ts';
import { gatewayBefore, rawExchange, startTestProxy } from '../../test/fixtures/node-proxy.ts';
import type { TestProxy } from '../../test/fixtures/node-proxy.ts';
import { PREFACE } from '../../src/http2/index.ts';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

async function listening(server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  open.push({
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  });
  return (server.address() as AddressInfo).port;
}

/** Says by which protocol each request came. */
async function bilingual(): Promise<number> {
  const http1 = await listening(createHttp1Server((_, response) => response.end('1')));
  const http2 = await listening(createHttp2Server((_, response) => response.end('2')));
  const server = createServer((socket) => {
    socket.once('data', (first: Buffer) => {
      const isHttp2 = first.toString('latin1').startsWith('PRI ');
      const inner = connectSocket(isHttp2 ? http2 : http1, '127.0.0.1');
      inner.on('error', () => undefined);
      inner.write(first);
      socket.pipe(inner).pipe(socket);
    });
  });
  return listening(server);
}

async function proxyBefore(
  port: number,
  { pool, protocol = 'HTTP', rules }: { pool: string; protocol?: string; rules?: string },
): Promise<TestProxy> {
  const yaml = `${gatewayBefore(port, rules).replaceAll('name: http, protocol: HTTP}], endpoints', `name: http, protocol: ${protocol}}], endpoints`)}---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: back}
spec: {host: back.test, trafficPolicy: {connectionPool: {http: ${pool}}}}
`;
  const proxy = await startTestProxy({ yaml });
  open.push(proxy);
  return proxy;
}

const GET = 'GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n';

function session(proxy: TestProxy): ClientHttp2Session {
  const client = connect(`http://127.0.0.1:${proxy.port}`);
  client.on('error', () => undefined);
  open.push({ close: () => client.destroy() });
  return client;
}

async function askHttp2(client: ClientHttp2Session): Promise<string> {
  const stream = client.request({ ':authority': 'shop.test', ':path': '/' });
  let body = '';
  stream.on('data', (piece: Buffer) => {
    body += piece.toString();
  });
  await once(stream, 'close');
  return body;
}

describe('useClientProtocol', () => {
  it.each(['HTTP', 'HTTP2'])('before what a port of %s says', async (protocol) => {
    const port = await bilingual();
    const proxy = await proxyBefore(port, { pool: '{useClientProtocol: true}', protocol });
    const client = session(proxy);
    for (let i = 0; i < 2; i++) {
      expect(await rawExchange(proxy.port, GET)).toMatch(/\r\n1$/);
      expect(await askHttp2(client)).toBe('2');
    }
    expect(proxy.upstreams.stats().map(({ pool }) => pool)).toEqual([
      { connections: 2, idle: 2, waiting: 0 },
    ]);
    expect(proxy.faults).toEqual([]);
  });

  it('is what mirrors go by too', async () => {
    const port = await bilingual();
    const rules = '[{route: [{destination: {host: back.test}}], mirror: {host: back.test}}]';
    const proxy = await proxyBefore(port, { pool: '{useClientProtocol: true}', rules });
    expect(await askHttp2(session(proxy))).toBe('2');
    await expect
      .poll(() => proxy.upstreams.stats().map(({ pool }) => pool))
      .toEqual([{ connections: 1, idle: 1, waiting: 0 }]);
  });
});

interface Heard {
  readonly port: number;
  /** PINGs of each connection. */
  readonly pings: number[];
}

/** Answers the requests of each connection that `answers` allows, by its number, and no PING. */
async function deaf(answers: (connection: number, id: number) => boolean): Promise<Heard> {
  const pings: number[] = [];
  const server = createServer((socket) => {
    const at = pings.push(0) - 1;
    let seen = Buffer.alloc(0);
    let answered = 0;
    socket.write(Uint8Array.from(h2.frame(h2.SETTINGS, 0, 0)));
    socket.on('data', (piece: Buffer) => {
      seen = Buffer.concat([seen, piece]);
      const frames = h2.framesIn(new Uint8Array(seen.subarray(PREFACE.length)));
      pings[at] = frames.filter(({ type }) => type === h2.PING).length;
      for (const { id } of frames.filter(({ type }) => type === h2.HEADERS).slice(answered)) {
        answered++;
        if (answers(at, id)) socket.write(Uint8Array.from(h2.headers(id, [[':status', '204']])));
      }
    });
  });
  return { port: await listening(server), pings };
}

describe('http2KeepAlive', () => {
  const pool = '{http2KeepAlive: {interval: 200ms, timeout: 300ms}}';
  const protocol = 'HTTP2';
  const rules = '[{route: [{destination: {host: back.test}}], retries: {attempts: 0}}]';

  it('ends a connection that gives no answer, and what it carries', async () => {
    const { port, pings } = await deaf(() => false);
    const proxy = await proxyBefore(port, { pool, protocol, rules });
    const before = Date.now();
    expect(await rawExchange(proxy.port, GET.replace('GET', 'POST'))).toMatch(
      /^HTTP\/1\.1 503 [^]*reset reason: connection termination$/,
    );
    expect(Date.now() - before).toBeGreaterThan(350);
    expect(pings).toEqual([1]);
    await expect.poll(() => proxy.lines.length).toBe(1);
    expect(JSON.parse(proxy.lines[0] ?? '')).toMatchObject({ status: 503, flags: 'UC' });
  });

  it('asks again on another connection for what may be repeated, and for nothing else', async () => {
    const { port, pings } = await deaf((_, id) => id === 1);
    const proxy = await proxyBefore(port, { pool, protocol, rules });
    for (const [method, status, connections] of [
      ['GET', 204, 1],
      ['POST', 503, 1],
      ['GET', 204, 2],
      ['GET', 204, 3],
    ] as const) {
      const answer = await rawExchange(proxy.port, GET.replace('GET', method));
      expect([answer.split(' ')[1], pings.length]).toEqual([String(status), connections]);
    }
  });
});
