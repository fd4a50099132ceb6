/** Against node:http2 on both sides, which nobody here wrote. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, constants, createServer } from 'node:http2';
import type {
  ClientHttp2Session,
  ClientHttp2Stream,
  Http2Server as NodeServer,
  IncomingHttpHeaders,
  OutgoingHttpHeaders,
  ServerHttp2Session,
  ServerHttp2Stream,
  SessionOptions,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { PassThrough, startHttp2Server, testPool } from '../../test/fixtures/http2-proxy.ts';
import type { TestHttp2Server, TestServerOptions } from '../../test/fixtures/http2-proxy.ts';
import type { Http2Pool, Http2PoolOptions } from './pool.ts';

const open: { close(): unknown }[] = [];
afterEach(() => {
  for (const one of open.splice(0).reverse()) one.close();
});

type Handler = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void;

interface Rig {
  readonly client: ClientHttp2Session;
  readonly pool: Http2Pool;
  readonly front: TestHttp2Server;
  readonly sessions: ServerHttp2Session[];
  readonly failures: string[];
}

interface RigOptions {
  readonly server?: TestServerOptions;
  readonly pool?: Partial<Http2PoolOptions>;
  readonly client?: SessionOptions;
  readonly upstream?: SessionOptions;
}

async function startUpstream(
  handler: Handler,
  options: SessionOptions = {},
): Promise<{ port: number; server: NodeServer; sessions: ServerHttp2Session[] }> {
  const server = createServer(options);
  const sessions: ServerHttp2Session[] = [];
  server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    stream.on('error', () => undefined);
    handler(stream, headers);
  });
  server.on('session', (session) => {
    sessions.push(session);
    session.on('error', () => undefined);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  open.push({
    close() {
      server.close();
      for (const session of sessions) session.destroy();
    },
  });
  return { port: (server.address() as AddressInfo).port, server, sessions };
}

async function rig(handler: Handler, options: RigOptions = {}): Promise<Rig> {
  const { port, sessions } = await startUpstream(handler, options.upstream);
  const pool = testPool(port, options.pool);
  open.push(pool);
  const failures: string[] = [];
  const front = await startHttp2Server(
    (stream) => new PassThrough(pool, stream, (failure) => failures.push(failure)),
    options.server,
  );
  open.push(front);
  const client = connect(`http://127.0.0.1:${front.port}`, options.client);
  client.on('error', () => undefined);
  open.push({ close: () => client.destroy() });
  return { client, pool, front, sessions, failures };
}

interface Answer {
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly trailers: IncomingHttpHeaders;
  readonly code: number;
}

async function answerOf(stream: ClientHttp2Stream): Promise<Answer> {
  let headers: IncomingHttpHeaders = {};
  let trailers: IncomingHttpHeaders = {};
  const pieces: Buffer[] = [];
  stream.on('response', (received) => {
    headers = received;
  });
  stream.on('trailers', (received) => {
    trailers = received;
  });
  stream.on('data', (piece: Buffer) => pieces.push(piece));
  stream.on('error', () => undefined);
  await new Promise((resolve) => stream.on('close', resolve));
  return { headers, body: Buffer.concat(pieces), trailers, code: stream.rstCode };
}

function ask(
  client: ClientHttp2Session,
  headers: OutgoingHttpHeaders = {},
  body?: Buffer,
): Promise<Answer> {
  const stream = client.request(
    { ':path': '/', ':method': body === undefined ? 'GET' : 'POST', ...headers },
    { endStream: body === undefined },
  );
  if (body !== undefined) stream.end(body);
  return answerOf(stream);
}

/** Echoes what it got: the head as JSON in a field, the body as the body. */
const echo: Handler = (stream, headers) => {
  const seen = Object.fromEntries(
    Object.entries(headers).filter(([name]) => !name.startsWith(':')),
  );
  stream.respond({
    ':status': 200,
    'x-seen': JSON.stringify(seen),
    'x-path': String(headers[':path']),
    'x-authority': String(headers[':authority']),
    'set-cookie': ['a=1', 'b=2'],
  });
  stream.pipe(stream);
};

describe.each(['onread', 'data'] as const)('read by %s', (mode) => {
  it('passes heads, bodies and repeated fields', async () => {
    const { client, front } = await rig(echo, { server: { mode } });
    const answer = await ask(
      client,
      { ':path': '/a?b=c', 'x-one': '1', cookie: ['a=1', 'b=2'], te: 'trailers' },
      Buffer.from('hello'),
    );
    expect(answer.body.toString()).toBe('hello');
    expect(answer.headers['set-cookie']).toEqual(['a=1', 'b=2']);
    expect(answer.headers['x-path']).toBe('/a?b=c');
    expect(JSON.parse(String(answer.headers['x-seen']))).toEqual({
      'x-one': '1',
      cookie: 'a=1; b=2',
      te: 'trailers',
    });
    expect(answer.headers['x-authority']).toBe(`127.0.0.1:${front.port}`);
  });

  it('carries large bodies both ways at once, under flow control', async () => {
    // What node:http2 holds of bodies under way counts against a bound of its own.
    const roomy = { maxSessionMemory: 1000 };
    const { client, front } = await rig(echo, { server: { mode }, client: roomy, upstream: roomy });
    const bodies = Array.from({ length: 8 }, (_, i) => randomBytes(1_500_000 + i * 1001));
    const answers = await Promise.all(bodies.map((body) => ask(client, {}, body)));
    expect(front.refused).toEqual([]);
    for (const [i, { body }] of answers.entries())
      expect(body.equals(bodies[i] as Buffer)).toBe(true);
  });
});

it('has no table where the peer wants none', async () => {
  const none = { settings: { headerTableSize: 0 } };
  const { client } = await rig(echo, { client: none, upstream: none });
  for (let i = 0; i < 5; i++) {
    const { headers } = await ask(client, { 'x-tenant': 'blue' });
    expect(JSON.parse(String(headers['x-seen']))).toEqual({ 'x-tenant': 'blue' });
  }
});

it('writes Huffman code that others read', async () => {
  const { client } = await rig(echo, {
    server: { usesHuffman: true },
    pool: { client: { usesHuffman: true } },
  });
  for (let i = 0; i < 5; i++) {
    const { headers } = await ask(client, { 'x-tenant': 'blue', 'x-mark': '~~<>{}' });
    expect(JSON.parse(String(headers['x-seen']))).toEqual({
      'x-tenant': 'blue',
      'x-mark': '~~<>{}',
    });
  }
});

it('reads small windows and frames as others set them', async () => {
  const small = { settings: { initialWindowSize: 100 } };
  const { client } = await rig(echo, { client: small, upstream: small });
  const body = randomBytes(20_000);
  expect((await ask(client, {}, body)).body.equals(body)).toBe(true);
});

it('carries trailers both ways, and answers of trailers only', async () => {
  const { client } = await rig((stream, headers) => {
    if (headers[':path'] === '/only') {
      stream.respond({ ':status': 200, 'grpc-status': '12' }, { endStream: true });
      return;
    }
    let seen = '';
    stream.on('trailers', (trailers: IncomingHttpHeaders) => {
      seen = String(trailers['x-sum']);
    });
    stream.resume();
    stream.on('end', () => {
      stream.respond({ ':status': 200 }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0', 'x-seen': seen }));
      stream.end('body');
    });
  });
  const stream = client.request({ ':path': '/', ':method': 'POST' }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '42' }));
  stream.end('hello');
  const { body, trailers } = await answerOf(stream);
  expect([body.toString(), trailers['grpc-status'], trailers['x-seen']]).toEqual([
    'body',
    '0',
    '42',
  ]);
  expect((await ask(client, { ':path': '/only' })).headers['grpc-status']).toBe('12');
});

it('passes interim responses', async () => {
  const { client } = await rig((stream) => {
    stream.additionalHeaders({ ':status': 103, link: '</a.css>' });
    stream.respond({ ':status': 200 }, { endStream: true });
  });
  const stream = client.request({ ':path': '/' });
  const early: unknown[] = [];
  stream.on('headers', (headers) => early.push(headers[':status'], headers['link']));
  expect((await answerOf(stream)).headers[':status']).toBe(200);
  expect(early).toEqual([103, '</a.css>']);
});

it('says 100 Continue when the body is wanted', async () => {
  const { client } = await rig(echo);
  const stream = client.request({ ':path': '/', ':method': 'POST', expect: '100-continue' });
  await once(stream, 'continue');
  stream.end('now');
  expect((await answerOf(stream)).body.toString()).toBe('now');
});

it('answers HEAD and 304 without a body, whatever length they declare', async () => {
  const { client } = await rig((stream, headers) => {
    const status = headers[':method'] === 'HEAD' ? 200 : 304;
    stream.respond({ ':status': status, 'content-length': '77' }, { endStream: true });
  });
  expect((await ask(client, { ':method': 'HEAD' })).headers['content-length']).toBe('77');
  expect((await ask(client)).headers[':status']).toBe(304);
});

it('tells the upstream of a client that resets', async () => {
  let code: number | undefined;
  const { client, pool } = await rig((stream) => {
    stream.respond({ ':status': 200 });
    stream.write('x');
    stream.on('close', () => {
      code = stream.rstCode;
    });
  });
  const stream = client.request({ ':path': '/' });
  await once(stream, 'response');
  stream.close(constants.NGHTTP2_CANCEL);
  await expect.poll(() => code).toBe(constants.NGHTTP2_CANCEL);
  await expect.poll(() => pool.stats.idle).toBe(1);
});

it('does not let a response look whole that the upstream broke off', async () => {
  const { client, failures } = await rig((stream) => {
    stream.respond({ ':status': 200 });
    stream.write('x', () => stream.destroy(new Error('broken')));
  });
  const { code, body } = await ask(client);
  expect(failures).toEqual(['reset']);
  expect([code === 0, body.toString()]).toEqual([false, 'x']);
});

it('tells a refused stream from a reset one, and both from a lost connection', async () => {
  const { client, failures } = await rig((stream, headers) => {
    if (headers[':path'] === '/lost') stream.session?.destroy();
    else
      stream.close(
        headers[':path'] === '/refused'
          ? constants.NGHTTP2_REFUSED_STREAM
          : constants.NGHTTP2_CANCEL,
      );
  });
  for (const path of ['/refused', '/reset', '/lost']) await ask(client, { ':path': path });
  expect(failures).toEqual(['refused-stream', 'reset', 'reset']);
});

it('is done with a request whose answer is whole before it', async () => {
  let code: number | undefined;
  const { client, pool } = await rig((stream) => {
    stream.on('close', () => {
      code = stream.rstCode;
    });
    stream.respond({ ':status': 413 }, { endStream: true });
  });
  const stream = client.request({ ':path': '/', ':method': 'POST' });
  stream.write(Buffer.alloc(10_000));
  const { headers } = await answerOf(stream);
  expect(headers[':status']).toBe(413);
  await expect.poll(() => pool.stats.idle).toBe(1);
  await expect.poll(() => code).not.toBeUndefined();
});

it('keeps to the streams that an upstream lets in, and goes on elsewhere on GOAWAY', async () => {
  let most = 0;
  let now = 0;
  const { client, pool, sessions } = await rig(
    (stream) => {
      most = Math.max(most, ++now);
      stream.on('close', () => now--);
      setTimeout(() => {
        stream.respond({ ':status': 200 });
        stream.end('ok');
      }, 2);
    },
    {
      upstream: { settings: { maxConcurrentStreams: 4 } },
      pool: { limits: { maxConnections: 1 } },
    },
  );
  await ask(client);
  const answers = await Promise.all(Array.from({ length: 30 }, () => ask(client)));
  expect(answers.every(({ body }) => body.toString() === 'ok')).toBe(true);
  expect(most).toBeLessThanOrEqual(4);
  expect(pool.stats).toEqual({ connections: 1, idle: 1, waiting: 0 });
  sessions[0]?.close();
  await expect.poll(() => pool.stats.connections).toBe(0);
  expect((await ask(client)).body.toString()).toBe('ok');
  expect(sessions).toHaveLength(2);
});

it('takes a new connection after so many requests', async () => {
  const { client, sessions } = await rig(echo, {
    pool: { limits: { maxRequestsPerConnection: 3 } },
  });
  for (let i = 0; i < 7; i++) expect((await ask(client)).headers[':status']).toBe(200);
  expect(sessions).toHaveLength(3);
});

it('fails what waits where nobody listens, and what is too much', async () => {
  const { port, server } = await startUpstream(echo);
  server.close();
  await once(server, 'close');
  const pool = testPool(port, { limits: { maxPendingRequests: 1, maxConnections: 1 } });
  const failures: string[] = [];
  const waiter = {
    onStream: () => undefined,
    onNoStream: (failure: string) => failures.push(failure),
  };
  pool.acquire(waiter);
  pool.acquire(waiter);
  await expect.poll(() => failures).toEqual(['overflow', 'connect-failure']);
});

it('drains: what is under way ends, then the connection', async () => {
  const { client, front } = await rig((stream) => {
    setTimeout(() => {
      stream.respond({ ':status': 200 });
      stream.end('late');
    }, 60);
  });
  const answer = ask(client);
  await sleep(20);
  const gone = once(client, 'goaway');
  front.servers[0]?.drain();
  await gone;
  const closed = once(client, 'close');
  expect((await answer).body.toString()).toBe('late');
  await closed;
});

it('pauses a sender whose receiver does not read', async () => {
  let written = 0;
  const { client } = await rig((stream) => {
    stream.respond({ ':status': 200 });
    const piece = Buffer.alloc(16_384);
    const write = (): void => {
      while (written < 8_000_000) {
        written += piece.length;
        if (!stream.write(piece)) {
          stream.once('drain', write);
          return;
        }
      }
      stream.end();
    };
    write();
  });
  const stream = client.request({ ':path': '/' });
  await once(stream, 'response');
  await sleep(150);
  expect(written).toBeLessThan(2_000_000);
  expect((await answerOf(stream)).body.length).toBeGreaterThanOrEqual(8_000_000);
});

it('speaks with others whatever they say', async () => {
  const { client } = await rig(echo);
  const name = fc.stringMatching(/^x-[a-z0-9]{1,12}$/);
  const value = fc.stringMatching(/^[!-~]([ -~]{0,40}[!-~])?$/);
  await fc.assert(
    fc.asyncProperty(
      fc.dictionary(name, value, { maxKeys: 12 }),
      fc.uint8Array({ maxLength: 70_000 }),
      async (fields, bytes) => {
        const { headers, body } = await ask(client, fields, Buffer.from(bytes));
        expect(JSON.parse(String(headers['x-seen']))).toEqual({ ...fields });
        expect(body.equals(Buffer.from(bytes))).toBe(true);
      },
    ),
    { numRuns: 150 },
  );
});
