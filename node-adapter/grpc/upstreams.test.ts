/** Calls of gRPC before upstreams that do what no library of gRPC does. */
import { once } from 'node:events';
import { connect, constants, createServer } from 'node:http2';
import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import { createServer as createNetServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { Metadata, status } from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import { call, GrpcStage, readAll } from '../../test/fixtures/grpc.ts';
import { Answering, startHttp2Server } from '../../test/fixtures/http2-proxy.ts';
import { rawExchange } from '../../test/fixtures/node-proxy.ts';
import { ResponseHeaderList } from '../../src/lib/header-list.ts';
import type { RequestStream } from '../http2/server-stream.ts';

const stage = new GrpcStage();
afterEach(() => stage.close());

const HEAD = { ':status': 200, 'content-type': 'application/grpc' };

/** A message of one byte or more. */
const message = (text: string): Buffer => {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(text.length, 1);
  return Buffer.concat([prefix, Buffer.from(text)]);
};

type Handler = (stream: ServerHttp2Stream, headers: Record<string, unknown>) => void;

async function startHttp2(handler: Handler): Promise<number> {
  const server = createServer();
  const sessions = new Set<ServerHttp2Session>();
  server.on('session', (session) => sessions.add(session));
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    stream.on('error', () => undefined);
    handler(stream, { ...headers });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  stage.keep({
    close() {
      for (const session of sessions) session.destroy();
      server.close();
    },
  });
  return (server.address() as AddressInfo).port;
}

function finish(stream: ServerHttp2Stream, code = '0'): void {
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': code }));
  stream.respond(HEAD, { waitForTrailers: true });
}

describe('a reset behind the head', () => {
  it.each([
    [constants.NGHTTP2_CANCEL, status.CANCELLED],
    [constants.NGHTTP2_ENHANCE_YOUR_CALM, status.RESOURCE_EXHAUSTED],
    [constants.NGHTTP2_REFUSED_STREAM, status.UNAVAILABLE],
    [constants.NGHTTP2_INADEQUATE_SECURITY, status.PERMISSION_DENIED],
    [constants.NGHTTP2_INTERNAL_ERROR, status.INTERNAL],
  ])('with code %i is read as status %i', async (code, wanted) => {
    const upstream = stage.keep(
      await startHttp2Server((stream) => {
        const answer = (): void => {
          stream.respond(
            new ResponseHeaderList(200, [['content-type', 'application/grpc']]),
            false,
          );
          const bytes = message('1');
          stream.write(bytes, 0, bytes.length);
          upstream.servers[0]?.connection.reset(stream as RequestStream, code);
        };
        return new Answering(stream, answer);
      }),
    );
    const proxy = await stage.proxyBefore([upstream.port]);
    const client = stage.client(proxy.port);
    const listed = await readAll(client.list(Buffer.from(''), new Metadata()));
    expect(listed).toMatchObject({ code: wanted, answers: ['1'] });
    expect(JSON.parse(proxy.lines[0] ?? '{}')).toMatchObject({ grpc_status: wanted, flags: 'UR' });
  });
});

describe('what is no answer of gRPC', () => {
  it.each([
    [400, status.INTERNAL],
    [401, status.UNAUTHENTICATED],
    [403, status.PERMISSION_DENIED],
    [404, status.UNIMPLEMENTED],
    [429, status.UNAVAILABLE],
    [502, status.UNAVAILABLE],
    [503, status.UNAVAILABLE],
    [504, status.UNAVAILABLE],
    [500, status.UNKNOWN],
    [302, status.UNKNOWN],
  ])('HTTP status %i becomes %i', async (http, wanted) => {
    const port = await startHttp2((stream) => {
      stream.respond({ ':status': http, 'content-type': 'text/html', 'x-other': 'kept' });
      stream.end('<p>');
    });
    const proxy = await stage.proxyBefore([port]);
    const called = await call(stage.client(proxy.port), 'x');
    expect(called).toMatchObject({
      code: wanted,
      details: `upstream answered with HTTP status ${http}`,
    });
    expect(called.trailers.get('x-other')).toEqual(['kept']);
    expect(JSON.parse(proxy.lines[0] ?? '{}')).toMatchObject({ status: 200, grpc_status: wanted });
  });
});

describe('connections', () => {
  it('going away end what is under way, and take nothing new', async () => {
    const sessions: ServerHttp2Session[] = [];
    const streams: ServerHttp2Stream[] = [];
    const port = await startHttp2((stream, headers) => {
      const session = stream.session as ServerHttp2Session;
      if (!sessions.includes(session)) sessions.push(session);
      finish(stream);
      if (headers[':path'] === '/test.Echo/Chat') streams.push(stream);
      else stream.end(message('1'));
      stream.on('data', () => undefined);
    });
    const proxy = await stage.proxyBefore([port]);
    const client = stage.client(proxy.port);
    const chats = [client.chat(), client.chat()];
    const all = chats.map((chat) => readAll(chat));
    for (const chat of chats) chat.write(Buffer.from('x'));
    await expect.poll(() => streams.length).toBe(2);
    sessions[0]?.close();
    await expect
      .poll(async () => {
        await call(client, 'x');
        return sessions.length;
      })
      .toBe(2);
    for (const stream of streams) stream.end(message('late'));
    for (const chat of chats) chat.end();
    expect(await Promise.all(all)).toMatchObject([
      { code: 0, answers: ['late'] },
      { code: 0, answers: ['late'] },
    ]);
    const calls = await Promise.all(Array.from({ length: 20 }, () => call(client, 'x')));
    expect(calls.every(({ code }) => code === 0)).toBe(true);
  });

  it('that refuse a call are tried again, and elsewhere', async () => {
    const refusing = await startHttp2((stream) => stream.close(constants.NGHTTP2_REFUSED_STREAM));
    const taking = await startHttp2((stream) => {
      finish(stream);
      stream.end(message('taken'));
    });
    const proxy = await stage.proxyBefore([refusing, taking]);
    const client = stage.client(proxy.port);
    for (let i = 0; i < 10; i++)
      expect(await call(client, 'x')).toMatchObject({ code: 0, answer: 'taken' });
  });

  it('that fail while a head is kept back are tried again on reset', async () => {
    let tries = 0;
    const port = await startHttp2((stream) => {
      if (++tries === 1) {
        stream.respond(HEAD);
        stream.close(constants.NGHTTP2_INTERNAL_ERROR);
        return;
      }
      finish(stream);
      stream.end(message('taken'));
    });
    const proxy = await stage.proxyBefore([port], {
      rules:
        "[{route: [{destination: {host: back.test}}], retries: {attempts: 1, retryOn: 'reset,unavailable'}}]",
    });
    expect(await call(stage.client(proxy.port), 'x')).toMatchObject({ code: 0, answer: 'taken' });
    expect(tries).toBe(2);
  });
});

it("a call's time runs from when it is asked in full", async () => {
  const port = await startHttp2((stream) => {
    finish(stream);
    stream.pipe(stream);
  });
  const proxy = await stage.proxyBefore([port], {
    rules: '[{route: [{destination: {host: back.test}}], timeout: 100ms}]',
  });
  const chat = stage.client(proxy.port).chat();
  const all = readAll(chat);
  chat.write(Buffer.from('a'));
  await new Promise((resolve) => setTimeout(resolve, 250));
  chat.end(Buffer.from('b'));
  expect(await all).toMatchObject({ code: 0, answers: ['a', 'b'] });
});

it('what nobody answers ends in time', async () => {
  const sockets: Socket[] = [];
  const silent = createNetServer((socket) => sockets.push(socket));
  silent.listen(0, '127.0.0.1');
  await once(silent, 'listening');
  stage.keep({
    close() {
      for (const socket of sockets) socket.destroy();
      silent.close();
    },
  });
  const proxy = await stage.proxyBefore([(silent.address() as AddressInfo).port], {
    rules: '[{route: [{destination: {host: back.test}}], timeout: 100ms}]',
  });
  const called = await call(stage.client(proxy.port), 'x');
  expect(called.code).toBe(status.DEADLINE_EXCEEDED);
});

it.each([
  [
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc\r\nContent-Length: 5\r\n\r\n\0\0\0\0\0',
  ],
  ['POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc+proto\r\nTE: trailers\r\n\r\n'],
])('over HTTP/1.1 no call is taken', async (text) => {
  const port = await startHttp2(() => expect.unreachable());
  const proxy = await stage.proxyBefore([port]);
  const answer = await rawExchange(proxy.port, text);
  expect(answer).toMatch(/^HTTP\/1\.1 505 /);
  expect(answer).toContain('gRPC needs HTTP/2; over HTTP/1.1 use gRPC-Web');
  expect(proxy.lines[0]).toContain('"details":"grpc_over_http1"');
});

it('a timeout that is none, or longer than any timer, passes as it came', async () => {
  const seen: unknown[] = [];
  const port = await startHttp2((stream, headers) => {
    seen.push(headers['grpc-timeout']);
    finish(stream);
    stream.end(message('1'));
  });
  const proxy = await stage.proxyBefore([port]);
  const client = connect(`http://127.0.0.1:${proxy.port}`);
  stage.keep({ close: () => client.destroy() });
  for (const timeout of ['99999999H', '123456789S', '5', '1S', '1500000u']) {
    const stream = client.request({
      ':method': 'POST',
      ':path': '/test.Echo/Unary',
      'content-type': 'application/grpc',
      te: 'trailers',
      'grpc-timeout': timeout,
    });
    stream.end(message('x'));
    stream.resume();
    await once(stream, 'end');
  }
  expect(seen).toEqual(['99999999H', '123456789S', '5', '1000m', '1500m']);
});
