/** Through the whole proxy: HTTP/2 on one side, on the other, and on both. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect, constants, createServer as createHttp2Server } from 'node:http2';
import type {
  ClientHttp2Session,
  ClientHttp2Stream,
  ServerHttp2Stream,
  Settings,
} from 'node:http2';
import { createServer as createHttp1Server } from 'node:http';
import type { RequestListener, Server } from 'node:http';
import { createServer } from 'node:net';
import type { AddressInfo, Server as NetServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import * as h2 from '../../test/fixtures/http2-frames.ts';
import { PREFACE } from '../../src/http2/index.ts';
import { gatewayBefore, rawClient, startTestProxy } from '../../test/fixtures/node-proxy.ts';
import type { TestProxy } from '../../test/fixtures/node-proxy.ts';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

type Handler = (stream: ServerHttp2Stream, headers: Record<string, unknown>) => void;

async function listening(server: NetServer): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  open.push(server);
  return (server.address() as AddressInfo).port;
}

async function beforeHttp1(
  listener: RequestListener,
): Promise<{ proxy: TestProxy; server: Server }> {
  const server = createHttp1Server(listener);
  const proxy = await startTestProxy({ yaml: gatewayBefore(await listening(server)) });
  open.push(proxy);
  return { proxy, server };
}

const NO_RETRIES = '[{route: [{destination: {host: back.test}}], retries: {attempts: 0}}]';

const http2Yaml = (port: number, rules?: string): string =>
  gatewayBefore(port, rules).replace(
    'ports: [{number: 80, name: http, protocol: HTTP}], endpoints',
    'ports: [{number: 80, name: http, protocol: HTTP2}], endpoints',
  );

async function beforeHttp2(
  handler: Handler,
  rules?: string,
  settings: Settings = {},
): Promise<TestProxy> {
  const server = createHttp2Server({ settings });
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    stream.on('error', () => undefined);
    handler(stream, { ...headers });
  });
  const proxy = await startTestProxy({ yaml: http2Yaml(await listening(server), rules) });
  open.push(proxy);
  return proxy;
}

/** Answers the first request of each connection, and leaves when the next one comes. */
async function leaving(): Promise<{ readonly port: number; connections(): number }> {
  let made = 0;
  const server = createServer((socket) => {
    made++;
    let seen = Buffer.alloc(0);
    let answered = 0;
    socket.on('error', () => undefined);
    socket.write(Uint8Array.from(h2.frame(h2.SETTINGS, 0, 0)));
    socket.on('data', (piece: Buffer) => {
      seen = Buffer.concat([seen, piece]);
      const frames = h2.framesIn(new Uint8Array(seen.subarray(PREFACE.length)));
      const heads = frames.filter(({ type }) => type === h2.HEADERS).slice(answered);
      answered += heads.length;
      for (const { id } of heads)
        socket.write(
          Uint8Array.from(
            id === 1
              ? h2.headers(id, [[':status', '204']])
              : h2.frame(h2.GOAWAY, 0, 0, [...h2.uint32(1), ...h2.uint32(0)]),
          ),
        );
    });
  });
  return { port: await listening(server), connections: () => made };
}

function session(proxy: TestProxy): ClientHttp2Session {
  const client = connect(`http://127.0.0.1:${proxy.port}`);
  client.on('error', () => undefined);
  open.push({ close: () => client.destroy() });
  return client;
}

interface Answer {
  readonly status: unknown;
  readonly headers: Record<string, unknown>;
  readonly body: string;
  readonly trailers: Record<string, unknown>;
}

async function answerOf(stream: ClientHttp2Stream): Promise<Answer> {
  let headers: Record<string, unknown> = {};
  let trailers: Record<string, unknown> = {};
  let body = '';
  stream.setEncoding('latin1');
  stream.on('response', (received) => {
    headers = { ...received };
  });
  stream.on('trailers', (received) => {
    trailers = { ...received };
  });
  stream.on('data', (piece: string) => {
    body += piece;
  });
  stream.on('error', () => undefined);
  await new Promise((resolve) => stream.on('close', resolve));
  return { status: headers[':status'], headers, body, trailers };
}

const shop = { ':authority': 'shop.test', ':path': '/' };

describe('a client of HTTP/2 before a server of HTTP/1.1', () => {
  it('gets head, body and trailers', async () => {
    const { proxy } = await beforeHttp1((request, response) => {
      let body = '';
      request.on('data', (piece) => {
        body += String(piece);
      });
      request.on('end', () => {
        response.writeHead(201, {
          'X-Seen': `${request.method} ${request.url} ${request.headers.host}`,
          Trailer: 'x-sum',
          'Keep-Alive': 'timeout=5',
        });
        response.write(
          `${body} ${String(request.trailers['x-in'])} ${String(request.headers.cookie)}`,
        );
        response.addTrailers({ 'X-Sum': '3' });
        response.end();
      });
    });
    const stream = session(proxy).request(
      { ...shop, ':method': 'POST', ':path': '/a?b', cookie: ['a=1', 'b=2'] },
      { waitForTrailers: true },
    );
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-in': '9' }));
    stream.end('body');
    const { status, headers, body, trailers } = await answerOf(stream);
    expect([status, headers['x-seen'], body]).toEqual([
      201,
      'POST /a?b shop.test',
      'body 9 a=1; b=2',
    ]);
    expect(trailers['x-sum']).toBe('3');
    expect(Object.keys(headers)).not.toContain('keep-alive');
    expect(proxy.faults).toEqual([]);
  });

  it('sends and gets large bodies', async () => {
    const { proxy } = await beforeHttp1((request, response) => request.pipe(response));
    const client = session(proxy);
    const bodies = Array.from({ length: 4 }, (_, i) => 'abcdefgh'.repeat(120_000 + i));
    const answers = await Promise.all(
      bodies.map((body) => {
        const stream = client.request({ ...shop, ':method': 'POST' });
        stream.end(body);
        return answerOf(stream);
      }),
    );
    expect(answers.map(({ body }, i) => body === bodies[i])).toEqual([true, true, true, true]);
  }, 10_000);

  it('opens a WebSocket by extended CONNECT', async () => {
    const { proxy, server } = await beforeHttp1(() => undefined);
    server.on('upgrade', (request, socket) => {
      const key = String(request.headers['sec-websocket-key']);
      const accept = createHash('sha1')
        .update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
        .digest('base64');
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
      );
      socket.pipe(socket);
    });
    const client = session(proxy);
    await once(client, 'remoteSettings');
    const stream = client.request({
      ...shop,
      ':method': 'CONNECT',
      ':protocol': 'websocket',
      ':scheme': 'http',
      'sec-websocket-version': '13',
    });
    const [headers] = await once(stream, 'response');
    expect(headers[':status']).toBe(200);
    stream.write('ping');
    expect(String((await once(stream, 'data'))[0])).toBe('ping');
    stream.end();
    await once(stream, 'close');
  });

  it('is answered by the proxy where there is no route', async () => {
    const { proxy } = await beforeHttp1(() => undefined);
    await proxy.configure(
      gatewayBefore(
        1,
        '[{match: [{uri: {prefix: /other}}], route: [{destination: {host: back.test}}]}]',
      ),
    );
    expect((await answerOf(session(proxy).request(shop))).status).toBe(404);
  });
});

describe('a client of HTTP/1.1 before a server of HTTP/2', () => {
  it('gets head, body and trailers', async () => {
    const proxy = await beforeHttp2((stream, headers) => {
      stream.respond(
        { ':status': 200, 'x-seen': JSON.stringify(headers) },
        { waitForTrailers: true },
      );
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '3' }));
      stream.pipe(stream);
    });
    const client = rawClient(proxy.port);
    client.write(
      'POST /a HTTP/1.1\r\nHost: shop.test\r\nX-One: 1\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n',
    );
    const answer = await client.until(/\r\n0\r\n[^]*\r\n\r\n$/);
    client.socket.destroy();
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(answer).toMatch(/\r\n4\r\nbody\r\n0\r\nx-sum: 3\r\n\r\n$/);
    const seen = JSON.parse(/x-seen: (.*)\r\n/.exec(answer)?.[1] ?? '{}') as Record<string, string>;
    expect(seen).toMatchObject({
      ':method': 'POST',
      ':path': '/a',
      ':authority': 'shop.test',
      'x-one': '1',
    });
    expect(Object.keys(seen).filter((name) => /connection|transfer|host$/.test(name))).toEqual(
      ['x-forwarded-host'].filter((name) => name in seen),
    );
  });

  it('keeps its connection over many requests', async () => {
    const proxy = await beforeHttp2((stream, headers) => {
      stream.respond({ ':status': 200, 'content-length': '2', 'x-path': String(headers[':path']) });
      stream.end('ok');
    });
    const client = rawClient(proxy.port);
    for (let i = 0; i < 20; i++) client.write(`GET /${i} HTTP/1.1\r\nHost: shop.test\r\n\r\n`);
    const answers = await client.until(/x-path: \/19\r\n[^]*ok$/);
    client.socket.destroy();
    expect(answers.match(/x-path: \/\d+/g)).toHaveLength(20);
  });
});

describe('HTTP/2 on both sides', () => {
  it('carries calls of gRPC', async () => {
    const proxy = await beforeHttp2((stream, headers) => {
      stream.respond(
        { ':status': 200, 'content-type': 'application/grpc', 'x-te': String(headers['te']) },
        { waitForTrailers: true },
      );
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.pipe(stream);
    });
    const client = session(proxy);
    const calls = Array.from({ length: 50 }, (_, i) => {
      const stream = client.request({
        ...shop,
        ':method': 'POST',
        'content-type': 'application/grpc',
        te: 'trailers',
        'x-request-id': `r${i}`,
      });
      stream.end(`message ${i}`);
      return answerOf(stream);
    });
    for (const [i, { body, trailers, headers }] of (await Promise.all(calls)).entries())
      expect([body, trailers['grpc-status'], headers['x-te']]).toEqual([
        `message ${i}`,
        '0',
        'trailers',
      ]);
    expect(proxy.faults).toEqual([]);
  });

  it('tries again what an upstream refused', async () => {
    let tries = 0;
    const proxy = await beforeHttp2((stream) => {
      if (++tries === 1) stream.close(constants.NGHTTP2_REFUSED_STREAM);
      else stream.respond({ ':status': 200 }, { endStream: true });
    }, '[{route: [{destination: {host: back.test}}], retries: {attempts: 2, retryOn: refused-stream}}]');
    expect((await answerOf(session(proxy).request(shop))).status).toBe(200);
    expect(tries).toBe(2);
  });

  it.each(['GET', 'POST'])(
    'asks again, whatever the policy, for a %s that a GOAWAY left out',
    async (method) => {
      const { port, connections } = await leaving();
      const proxy = await startTestProxy({ yaml: http2Yaml(port, NO_RETRIES) });
      open.push(proxy);
      const client = session(proxy);
      const ask = (): Promise<Answer> =>
        answerOf(client.request({ ...shop, ':method': method }, { endStream: true }));
      for (const made of [1, 2, 3])
        expect([(await ask()).status, connections()]).toEqual([204, made]);
    },
  );

  it('asks again for what came before the bounds of an upstream were known', async () => {
    const proxy = await beforeHttp2(
      (stream) => {
        stream.respond({ ':status': 200 });
        setTimeout(() => stream.end('ok'), 20);
      },
      NO_RETRIES,
      { maxConcurrentStreams: 2 },
    );
    const client = session(proxy);
    const answers = await Promise.all(
      Array.from({ length: 30 }, () => answerOf(client.request(shop))),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
  });

  it('passes a reset of the client on', async () => {
    let code: number | undefined;
    const proxy = await beforeHttp2((stream) => {
      stream.respond({ ':status': 200 });
      stream.on('close', () => {
        code = stream.rstCode;
      });
    });
    const stream = session(proxy).request(shop);
    await once(stream, 'response');
    stream.close(constants.NGHTTP2_CANCEL);
    await expect.poll(() => code).toBe(constants.NGHTTP2_CANCEL);
  });
});
