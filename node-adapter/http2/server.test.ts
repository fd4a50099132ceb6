/** A client's connection over a socket: times, ends, tunnels, and what comes from other protocols. */
import { once } from 'node:events';
import { connect } from 'node:http2';
import type { ClientHttp2Session, ClientHttp2Stream, ClientSessionOptions } from 'node:http2';
import { connect as connectSocket } from 'node:net';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import * as h2 from '../../test/fixtures/http2-frames.ts';
import { Answering, startHttp2Server } from '../../test/fixtures/http2-proxy.ts';
import type { TestHttp2Server, TestServerOptions } from '../../test/fixtures/http2-proxy.ts';
import { NO_TRAILERS, parseResponse } from '../../src/http1/index.ts';
import type { RawResponseHead } from '../../src/http1/index.ts';
import { ResponseHeaderList } from '../../src/lib/header-list.ts';

const open: { close(): unknown }[] = [];
afterEach(() => {
  for (const one of open.splice(0).reverse()) one.close();
});

interface Rig {
  readonly server: TestHttp2Server;
  readonly exchanges: Answering[];
}

const ok = (exchange: Answering): void =>
  exchange.stream.respond(new ResponseHeaderList(200, []), true);

async function serve(
  answer: (exchange: Answering) => void = ok,
  options: TestServerOptions = {},
): Promise<Rig> {
  const exchanges: Answering[] = [];
  const server = await startHttp2Server((stream) => {
    const exchange = new Answering(stream, answer);
    exchanges.push(exchange);
    return exchange;
  }, options);
  open.push(server);
  return { server, exchanges };
}

function session({ server }: Rig, options: ClientSessionOptions = {}): ClientHttp2Session {
  const client = connect(`http://127.0.0.1:${server.port}`, options);
  client.on('error', () => undefined);
  open.push({ close: () => client.destroy() });
  return client;
}

/** Without the symbols that Node puts beside them. */
const plain = (headers: object): Record<string, unknown> =>
  Object.fromEntries(Object.entries(headers));

/** Headers and body. */
async function answerOf(stream: ClientHttp2Stream): Promise<[Record<string, unknown>, string]> {
  let body = '';
  let headers = {};
  stream.setEncoding('latin1');
  stream.on('error', () => undefined);
  stream.on('response', (received) => {
    headers = plain(received);
  });
  stream.on('data', (piece: string) => {
    body += piece;
  });
  await new Promise((resolve) => stream.on('close', resolve));
  return [headers, body];
}

interface RawClient {
  readonly socket: Socket;
  frames(): h2.Frame[];
}

function raw({ server }: Rig): RawClient {
  const socket = connectSocket(server.port, '127.0.0.1');
  const pieces: Buffer[] = [];
  socket.on('data', (piece: Buffer) => pieces.push(piece));
  socket.on('error', () => undefined);
  open.push({ close: () => socket.destroy() });
  return { socket, frames: () => h2.framesIn(new Uint8Array(Buffer.concat(pieces))) };
}

const rawHead = (text: string): RawResponseHead => parseResponse(text) as RawResponseHead;

describe('heads of other protocols', () => {
  it('a received head of HTTP/1.1 goes out in lower case and without what is of its hop', async () => {
    const rig = await serve((exchange) => {
      const head = rawHead(
        'HTTP/1.1 201 Made\r\nX-One: 1\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nTransfer-Encoding: chunked\r\nProxy-Connection: x\r\nUpgrade: h2c\r\nTE: x\r\nX-one: 2\r\n\r\n',
      );
      head.set('x-edit', 'line\nfeed');
      exchange.stream.respond(head, true);
    });
    const [headers] = await answerOf(session(rig).request({ ':path': '/' }));
    expect(headers).toEqual({ ':status': 201, 'x-one': '1, 2', 'x-edit': 'linefeed' });
  });

  it('a reply of the proxy is whole', async () => {
    const rig = await serve(({ stream }) =>
      stream.reply({ status: 403, body: 'no', headers: [['x-a', '1']], flag: '', details: '' }),
    );
    const [headers, body] = await answerOf(session(rig).request({ ':path': '/' }));
    expect([headers, body]).toEqual([{ ':status': 403, 'x-a': '1', 'content-length': '2' }, 'no']);
  });

  it('a reply that closes says nothing', async () => {
    const rig = await serve(({ stream }) =>
      stream.reply({ status: 403, body: 'no', headers: [], flag: '', details: '', close: true }),
    );
    const client = session(rig);
    client.request({ ':path': '/' }).on('error', () => undefined);
    await once(client, 'close');
  });

  it('trailers lose what may not stand in them, and upper case', async () => {
    const rig = await serve(({ stream }) => {
      stream.respond(new ResponseHeaderList(200, []), false);
      stream.end([
        ['X-Sum', '1'],
        ['Content-Length', '5'],
        ['Connection', 'x'],
      ]);
    });
    const stream = session(rig).request({ ':path': '/' });
    const trailers = once(stream, 'trailers');
    stream.resume();
    expect(plain((await trailers)[0])).toEqual({ 'x-sum': '1' });
  });
});

describe('ends', () => {
  it('an aborted response is a reset, and the connection goes on', async () => {
    const rig = await serve((exchange) => {
      if (exchange.stream.request.target === '/') ok(exchange);
      else exchange.stream.abort();
    });
    const client = session(rig);
    const stream = client.request({ ':path': '/abort' });
    await answerOf(stream);
    expect(stream.rstCode).toBe(2);
    expect((await answerOf(client.request({ ':path': '/' })))[0]).toEqual({ ':status': 200 });
  });

  it('a client that goes away is told of once for each request', async () => {
    const rig = await serve(() => undefined);
    const client = session(rig);
    for (let i = 0; i < 3; i++) client.request({ ':path': '/' }).on('error', () => undefined);
    await expect.poll(() => rig.exchanges.length).toBe(3);
    client.destroy();
    await expect.poll(() => rig.exchanges.map(({ isGone }) => isGone)).toEqual([true, true, true]);
    expect(rig.server.faults).toEqual([]);
  });

  it('drained without a request, it closes', async () => {
    const rig = await serve();
    const client = session(rig);
    await answerOf(client.request({ ':path': '/' }));
    rig.server.servers[0]?.drain();
    await once(client, 'close');
  });

  it('drained, it takes what was on its way and refuses nothing that it took', async () => {
    const rig = await serve(() => undefined);
    const { socket, frames } = raw(rig);
    socket.write(Uint8Array.from([...h2.HELLO, ...h2.headers(1)]));
    await expect.poll(() => rig.exchanges.length).toBe(1);
    rig.server.servers[0]?.drain();
    await expect.poll(() => frames().some(({ type }) => type === h2.GOAWAY)).toBe(true);
    // Sent before it read the announcement.
    socket.write(Uint8Array.from(h2.headers(3)));
    await expect.poll(() => rig.exchanges.length).toBe(2);
    socket.write(Uint8Array.from(h2.frame(h2.PING, h2.ACK, 0, new Uint8Array(8))));
    await expect.poll(() => frames().filter(({ type }) => type === h2.GOAWAY).length).toBe(2);
    const lastIds = frames()
      .filter(({ type }) => type === h2.GOAWAY)
      .map(({ payload }) => new DataView(payload.buffer).getUint32(0));
    expect(lastIds).toEqual([0x7fff_ffff, 3]);
    socket.write(Uint8Array.from(h2.headers(5)));
    for (const exchange of rig.exchanges) ok(exchange);
    await once(socket, 'end');
    expect(rig.exchanges).toHaveLength(2);
  });

  it('after so many requests the client is sent away', async () => {
    const rig = await serve(ok, { connectionLimits: { keepAliveRequests: 2 } });
    const client = session(rig);
    await answerOf(client.request({ ':path': '/' }));
    await answerOf(client.request({ ':path': '/' }));
    await once(client, 'close');
  });

  it('a fault of ours ends the connection and is told', async () => {
    const rig = await serve(() => {
      throw new Error('unforeseen');
    });
    const client = session(rig);
    client.request({ ':path': '/' }).on('error', () => undefined);
    await once(client, 'close');
    expect(rig.server.faults).toHaveLength(1);
  });
});

describe('times', () => {
  it.each([
    ['nothing', []],
    ['half a preface', h2.HELLO.slice(0, 10)],
    ['a preface without SETTINGS', h2.HELLO.slice(0, 24)],
    ['half a frame', [...h2.HELLO, 0, 0, 8, 6]],
    ['half a block', [...h2.HELLO, ...h2.frame(h2.HEADERS, 0, 1, h2.literals(h2.GET))]],
  ])('%s is waited for, then no more', async (_name, bytes) => {
    const rig = await serve(ok, { connectionLimits: { headTimeoutMs: 250 } });
    const { socket, frames } = raw(rig);
    socket.write(Uint8Array.from(bytes));
    await once(socket, 'end');
    expect(h2.verdicts(frames()).at(-1)).toBe('GOAWAY ENHANCE_YOUR_CALM');
    expect(rig.server.refused).toEqual(['head_timeout']);
  });

  it('a body that stops coming ends its request alone', async () => {
    const rig = await serve(ok, { connectionLimits: { bodyTimeoutMs: 300 } });
    const client = session(rig);
    const stream = client.request({ ':path': '/', ':method': 'POST' });
    stream.write('x');
    await answerOf(stream);
    expect([stream.rstCode, rig.exchanges[0]?.isGone]).toEqual([8, true]);
    expect((await answerOf(client.request({ ':path': '/' })))[0]).toEqual({ ':status': 200 });
  });

  it('a body that nobody reads may stop', async () => {
    const rig = await serve(ok, { connectionLimits: { bodyTimeoutMs: 200 } });
    const stream = session(rig).request({ ':path': '/', ':method': 'POST' });
    stream.write('x');
    await expect.poll(() => rig.exchanges.length).toBe(1);
    rig.exchanges[0]?.stream.pauseRequest();
    await sleep(700);
    stream.end();
    expect((await answerOf(stream))[0]).toEqual({ ':status': 200 });
  });

  it('a response that stops coming ends', async () => {
    const rig = await serve(
      ({ stream }) => stream.respond(new ResponseHeaderList(200, []), false),
      {
        connectionLimits: { streamIdleTimeoutMs: 300 },
      },
    );
    const stream = session(rig).request({ ':path': '/' });
    await answerOf(stream);
    expect([stream.rstCode, rig.exchanges[0]?.isGone]).toEqual([8, true]);
  });

  it('a connection without a request is closed in the end', async () => {
    const rig = await serve(ok, { connectionLimits: { keepAliveTimeoutMs: 300 } });
    const client = session(rig);
    await answerOf(client.request({ ':path': '/' }));
    const [code] = await once(client, 'goaway');
    expect(code).toBe(0);
    await once(client, 'close');
  });
});

describe('tunnels', () => {
  const grant =
    (text: string) =>
    (exchange: Answering): void => {
      exchange.stream.switchProtocols(rawHead(text));
    };

  it('a WebSocket looks to the proxy as HTTP/1.1 would ask for it', async () => {
    const rig = await serve(
      grant(
        'HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\nX-A: 1\r\n\r\n',
      ),
    );
    const client = session(rig);
    await once(client, 'remoteSettings');
    const stream = client.request({
      ':method': 'CONNECT',
      ':protocol': 'websocket',
      ':scheme': 'http',
      ':authority': 'shop.test',
      ':path': '/chat',
      'sec-websocket-version': '13',
    });
    const [headers] = await once(stream, 'response');
    expect(plain(headers)).toEqual({ ':status': 200, 'x-a': '1' });
    const [exchange] = rig.exchanges as [Answering];
    const { request } = exchange.stream;
    expect([request.method, request.target, request.get('upgrade'), request.hasBody]).toEqual([
      'GET',
      '/chat',
      'websocket',
      false,
    ]);
    stream.write('ping');
    await expect.poll(() => exchange.body.toString()).toBe('ping');
    exchange.stream.write(Buffer.from('pong'), 0, 4);
    expect(String((await once(stream, 'data'))[0])).toBe('pong');
    exchange.stream.end(NO_TRAILERS);
    stream.end();
    await once(stream, 'close');
  });

  it('a WebSocket that is refused gets its answer', async () => {
    const rig = await serve((exchange) =>
      exchange.stream.respond(new ResponseHeaderList(403, []), true),
    );
    const client = session(rig);
    await once(client, 'remoteSettings');
    const stream = client.request({ ':method': 'CONNECT', ':protocol': 'websocket', ':path': '/' });
    expect((await answerOf(stream))[0]).toEqual({ ':status': 403 });
  });

  it('CONNECT is granted, and bytes before that are not', async () => {
    const rig = await serve((exchange) => {
      if (exchange.stream.request.target === 'good.test:1')
        grant('HTTP/1.1 200 OK\r\n\r\n')(exchange);
    });
    const client = session(rig);
    const stream = client.request({ ':method': 'CONNECT', ':authority': 'good.test:1' });
    await once(stream, 'response');
    stream.write('hi');
    await expect.poll(() => rig.exchanges[0]?.body.toString()).toBe('hi');
    const early = client.request({ ':method': 'CONNECT', ':authority': 'slow.test:1' });
    early.write('hi');
    await answerOf(early);
    expect([early.rstCode, rig.exchanges[1]?.isGone]).toEqual([1, true]);
  });
});

describe('a hostile client', () => {
  it('that resets 1000 streams is sent away, and others are not', async () => {
    const rig = await serve(() => undefined);
    const { socket, frames } = raw(rig);
    const other = session(rig);
    const waiting = other.request({ ':path': '/' });
    const reset = Array.from({ length: 1000 }, (_, i) => [
      ...h2.headers(i * 2 + 1),
      ...h2.frame(h2.RST_STREAM, 0, i * 2 + 1, h2.uint32(8)),
    ]).flat();
    socket.write(Uint8Array.from([...h2.HELLO, ...reset]));
    await once(socket, 'end');
    expect(h2.verdicts(frames()).at(-1)).toBe('GOAWAY ENHANCE_YOUR_CALM');
    expect(rig.exchanges.filter(({ isGone }) => !isGone)).toHaveLength(1);
    ok(rig.exchanges.find(({ isGone }) => !isGone) as Answering);
    expect((await answerOf(waiting))[0]).toEqual({ ':status': 200 });
  });

  it('that sends requests and reads no answer is refused in the end', async () => {
    const body = 'x'.repeat(4000);
    const rig = await serve(({ stream }) =>
      stream.reply({ status: 404, body, headers: [], flag: '', details: '' }),
    );
    const { socket } = raw(rig);
    socket.pause();
    const window = h2.frame(h2.WINDOW_UPDATE, 0, 0, h2.uint32(0x7000_0000));
    socket.write(Uint8Array.from([...h2.HELLO, ...window]));
    for (let id = 1; id < 30_000; id += 200) {
      const some = Array.from({ length: 100 }, (_, i) => h2.headers(id + i * 2)).flat();
      socket.write(Uint8Array.from(some));
      await sleep(1);
    }
    await expect.poll(() => rig.server.refused).toEqual(['reset_flood']);
    expect(rig.exchanges.length).toBeLessThan(8000);
    expect(rig.exchanges.length).toBeGreaterThan(250);
  });

  it('that asks for much and reads nothing holds no more than windows and buffers', async () => {
    let written = 0;
    const rig = await serve((exchange) => {
      const { stream } = exchange;
      stream.respond(new ResponseHeaderList(200, []), false);
      const piece = new Uint8Array(16_384);
      while (!stream.isFull && written < 50_000_000) {
        stream.write(piece, 0, piece.length);
        written += piece.length;
      }
    });
    const { socket } = raw(rig);
    socket.pause();
    const wide = h2.frame(h2.SETTINGS, 0, 0, h2.setting(4, 0x7fff_ffff));
    const window = h2.frame(h2.WINDOW_UPDATE, 0, 0, h2.uint32(0x7000_0000));
    const all = Array.from({ length: 50 }, (_, i) => h2.headers(i * 2 + 1)).flat();
    socket.write(Uint8Array.from([...h2.HELLO, ...wide, ...window, ...all]));
    await expect.poll(() => rig.exchanges.length).toBe(50);
    await sleep(50);
    expect(written).toBeLessThan(16_000_000);
    socket.resume();
    await expect.poll(() => rig.exchanges.every(({ drains }) => drains > 0)).toBe(true);
  });
});
