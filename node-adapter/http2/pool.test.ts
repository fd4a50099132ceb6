/** Attempts and the connections that carry them, against upstreams made of frames and of node:http2. */
import { createServer as createNodeServer } from 'node:http2';
import type { Http2Server as NodeServer, ServerHttp2Stream } from 'node:http2';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import * as h2 from '../../test/fixtures/http2-frames.ts';
import { testPool } from '../../test/fixtures/http2-proxy.ts';
import { parseRequest } from '../../src/http1/index.ts';
import type { RawRequestHead } from '../../src/http1/index.ts';
import { PREFACE } from '../../src/http2/index.ts';
import { RequestHeaderList } from '../../src/lib/header-list.ts';
import type { RequestHead, ResponseHead } from '../../src/model/head.ts';
import type { Waiter } from '../pool/pool.ts';
import { Room } from '../pool/room.ts';
import type { ClientStream, ClientStreamEvents, OutgoingRequest } from '../stream.ts';
import type { Http2Pool, Http2PoolOptions } from './pool.ts';

const open: { close(): unknown }[] = [];
afterEach(() => {
  for (const one of open.splice(0).reverse()) one.close();
});

class Attempt implements Waiter, ClientStreamEvents {
  readonly heard: string[] = [];
  stream: ClientStream | undefined;
  readonly #request: Partial<OutgoingRequest>;
  readonly #onStream: ((stream: ClientStream) => void) | undefined;

  constructor(request: Partial<OutgoingRequest> = {}, onStream?: (stream: ClientStream) => void) {
    this.#request = request;
    this.#onStream = onStream;
  }

  start(pool: Http2Pool): this {
    const stream = pool.acquire(this);
    if (stream !== undefined) this.onStream(stream);
    return this;
  }
  onStream(stream: ClientStream): void {
    this.stream = stream;
    stream.begin(this);
    if (this.#onStream !== undefined) this.#onStream(stream);
    else this.send();
  }
  send(isEnd = true): void {
    const line = { method: 'GET', scheme: 'http', authority: 'a.test', target: '/' } as const;
    const head: RequestHead = new RequestHeaderList(line, []);
    this.stream?.send({ ...line, head, ...this.#request }, isEnd);
  }
  onNoStream(failure: string): void {
    this.heard.push(`none: ${failure}`);
  }
  onInform(): void {}
  onResponse(head: ResponseHead, isEnd: boolean): void {
    this.heard.push(`${head.status}${isEnd ? ' end' : ''}`);
  }
  onResponseBody(bytes: Uint8Array, start: number, end: number): void {
    this.heard.push(Buffer.from(bytes.subarray(start, end)).toString('latin1'));
  }
  onResponseEnd(): void {
    this.heard.push('end');
  }
  onUpstreamFailure(failure: string, isKept: boolean): void {
    this.heard.push(`${failure}${isKept ? ' kept' : ''}`);
  }
  onUpstreamDrain(): void {
    this.heard.push('drain');
  }
  onSwitched(): void {
    this.heard.push('switched');
  }
}

interface FrameUpstream {
  readonly port: number;
  readonly sockets: Socket[];
  send(bytes: readonly number[]): void;
  frames(): h2.Frame[];
  /** Those that stand stay. */
  stopListening(): void;
}

const settings = h2.frame(h2.SETTINGS, 0, 0);

/** Sends SETTINGS, and what a test says. */
async function frameUpstream(hello: readonly number[] = settings): Promise<FrameUpstream> {
  const sockets: Socket[] = [];
  let pieces: Buffer[] = [];
  const server = createServer((socket) => {
    pieces = [];
    sockets.push(socket);
    socket.on('data', (piece: Buffer) => pieces.push(piece));
    socket.on('error', () => undefined);
    socket.write(Uint8Array.from(hello));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push({
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  });
  return {
    port: (server.address() as AddressInfo).port,
    sockets,
    stopListening: () => void server.close(),
    send: (bytes) => sockets.at(-1)?.write(Uint8Array.from(bytes)),
    frames: () => h2.framesIn(new Uint8Array(Buffer.concat(pieces).subarray(PREFACE.length))),
  };
}

async function nodeUpstream(
  handler: (stream: ServerHttp2Stream, headers: Record<string, unknown>) => void,
): Promise<{ port: number; server: NodeServer }> {
  const server = createNodeServer();
  server.on('stream', (stream: ServerHttp2Stream, headers) => handler(stream, { ...headers }));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push(server);
  return { port: (server.address() as AddressInfo).port, server };
}

function poolTo(port: number, options: Partial<Http2PoolOptions> = {}): Http2Pool {
  const pool = testPool(port, options);
  open.push(pool);
  return pool;
}

const answer = (id: number): number[] => h2.headers(id, [[':status', '200']]);
const goaway = (lastId: number): number[] =>
  h2.frame(h2.GOAWAY, 0, 0, [...h2.uint32(lastId), ...h2.uint32(0)]);

describe('requests', () => {
  it('a received head of HTTP/1.1 goes out in lower case, without host and what is of its hop', async () => {
    let seen: Record<string, unknown> = {};
    const { port } = await nodeUpstream((stream, headers) => {
      seen = Object.fromEntries(Object.entries(headers));
      stream.respond({ ':status': 204 }, { endStream: true });
    });
    const head = parseRequest(
      'GET /a HTTP/1.1\r\nHost: old.test\r\nX-One: 1\r\nConnection: TE, X-Hop\r\nX-Hop: 1\r\nTE: trailers, deflate\r\nKeep-Alive: 5\r\nUser-Agent: x\r\n\r\n',
    ) as RawRequestHead;
    const request = { head, method: 'GET', target: '/b\u010a c', authority: 'new.test' };
    const attempt = new Attempt(request).start(poolTo(port));
    await expect.poll(() => attempt.heard).toEqual(['204 end']);
    expect(seen).toEqual({
      ':method': 'GET',
      ':scheme': 'http',
      ':authority': 'new.test',
      ':path': '/b%C4%8A%20c',
      'x-one': '1',
      'user-agent': 'x',
      te: 'trailers',
    });
  });

  it('a WebSocket waits for the settings, and is asked for where they allow it', async () => {
    const { port, send, frames, sockets } = await frameUpstream([]);
    const pool = poolTo(port);
    const attempt = new Attempt({ upgrade: 'websocket' }).start(pool);
    const plain = new Attempt().start(pool);
    const heads = (): number[] =>
      frames().flatMap(({ type, id }) => (type === h2.HEADERS ? [id] : []));
    await expect.poll(heads).toEqual([1]);
    await sleep(50);
    expect([heads(), attempt.heard]).toEqual([[1], []]);
    send(h2.frame(h2.SETTINGS, 0, 0, h2.setting(8, 1)));
    await expect.poll(heads).toEqual([1, 3]);
    send([...answer(1), ...answer(3)]);
    await expect
      .poll(() => [plain.heard, attempt.heard])
      .toEqual([['200 end'], ['switched', 'end']]);
    expect([pool.stats.idle, sockets.length]).toEqual([1, 1]);
  });

  it('a WebSocket fails where the settings do not allow it, or do not come', async () => {
    const { port } = await frameUpstream();
    const attempt = new Attempt({ upgrade: 'websocket' }).start(poolTo(port));
    await expect.poll(() => attempt.heard).toEqual(['upgrade-unsupported']);
    const silent = await frameUpstream([]);
    const client = { settingsTimeoutMs: 200 };
    const late = new Attempt({ upgrade: 'websocket' }).start(poolTo(silent.port, { client }));
    await expect.poll(() => late.heard).toEqual(['connect-timeout']);
    const pool = poolTo(silent.port);
    const lost = new Attempt({ upgrade: 'websocket' }).start(pool);
    const left = new Attempt({ upgrade: 'websocket' }).start(pool);
    await expect.poll(() => left.stream).toBeDefined();
    left.stream?.abort();
    silent.sockets.at(-1)?.destroy();
    await expect.poll(() => lost.heard).toEqual(['reset-before-request']);
    expect(left.heard).toEqual([]);
    await expect.poll(() => pool.stats.connections).toBe(0);
  });

  it('no more WebSockets are asked for than the settings let in: the others may go elsewhere', async () => {
    const { port, send, frames } = await frameUpstream([]);
    const pool = poolTo(port);
    const first = new Attempt({ upgrade: 'websocket' }).start(pool);
    const second = new Attempt({ upgrade: 'websocket' }).start(pool);
    await expect.poll(() => second.stream).toBeDefined();
    send(h2.frame(h2.SETTINGS, 0, 0, [...h2.setting(8, 1), ...h2.setting(3, 1)]));
    await expect.poll(() => second.heard).toEqual(['refused-stream kept']);
    send(answer(1));
    await expect.poll(() => first.heard).toEqual(['switched', 'end']);
    expect(frames().filter(({ type }) => type === h2.HEADERS)).toHaveLength(1);
  });

  it('an upgrade to anything else, or of anything but a GET, is not carried', async () => {
    const { port, frames } = await frameUpstream(h2.frame(h2.SETTINGS, 0, 0, h2.setting(8, 1)));
    const pool = poolTo(port);
    const other = new Attempt({ upgrade: 'other' }).start(pool);
    await expect.poll(() => other.heard).toEqual(['upgrade-unsupported']);
    new Attempt({ upgrade: 'websocket', method: 'OPTIONS' }).start(pool);
    const ended = (): boolean =>
      frames().some(({ type, flags }) => type === h2.HEADERS && (flags & h2.END_STREAM) !== 0);
    await expect.poll(ended).toBe(true);
  });

  it('CONNECT is granted, and its bytes pass', async () => {
    const { port } = await nodeUpstream((stream) => {
      stream.respond({ ':status': 200 });
      stream.pipe(stream);
    });
    const attempt = new Attempt({ method: 'CONNECT', authority: 'x.test:1' }).start(poolTo(port));
    await expect.poll(() => attempt.heard).toEqual(['switched']);
    attempt.stream?.write(Buffer.from('hi'), 0, 2);
    await expect.poll(() => attempt.heard.at(-1)).toBe('hi');
    attempt.stream?.end([]);
    await expect.poll(() => attempt.heard.at(-1)).toBe('end');
  });
});

describe('connections', () => {
  it('that closed after answers are told from those that never carried one', async () => {
    const { port, send, sockets } = await frameUpstream();
    const pool = poolTo(port);
    const first = new Attempt().start(pool);
    await expect.poll(() => sockets.length).toBe(1);
    send(answer(1));
    await expect.poll(() => first.heard).toEqual(['200 end']);
    const second = new Attempt().start(pool);
    sockets[0]?.destroy();
    await expect.poll(() => second.heard).toEqual(['reset kept']);
    const third = new Attempt().start(pool);
    await expect.poll(() => sockets.length).toBe(2);
    sockets[1]?.destroy();
    await expect.poll(() => third.heard).toEqual(['reset']);
    await expect.poll(() => pool.stats.connections).toBe(0);
  });

  it.each([
    ['are new where an old one is not trusted', {}, 2],
    ['are taken again where no new one is allowed', { maxConnections: 1 }, 1],
  ])('%s', async (_, limits, wanted) => {
    const { port, send, sockets } = await frameUpstream();
    const pool = poolTo(port, { limits });
    const first = new Attempt().start(pool);
    await expect.poll(() => sockets.length).toBe(1);
    send(answer(1));
    await expect.poll(() => first.heard).toEqual(['200 end']);
    pool.acquire(new Attempt(), true);
    await expect
      .poll(() => pool.stats)
      .toEqual({ connections: wanted, idle: wanted - 1, waiting: 0 });
    expect(sockets).toHaveLength(wanted);
  });

  it('are taken again where the room of all is full', async () => {
    const { port, sockets } = await frameUpstream();
    const pool = poolTo(port, { room: new Room({ maxConnections: 1 }) });
    const long = new Attempt().start(pool);
    await expect.poll(() => long.stream).toBeDefined();
    expect(pool.acquire(new Attempt(), true)).toBeDefined();
    expect(pool.stats).toEqual({ connections: 1, idle: 0, waiting: 0 });
    expect(sockets).toHaveLength(1);
  });

  it('streams behind a GOAWAY were surely not processed, those before it go on', async () => {
    const { port, send, sockets } = await frameUpstream();
    const pool = poolTo(port);
    const [first, second] = [new Attempt().start(pool), new Attempt().start(pool)];
    const taken = new Attempt({}, () => undefined).start(pool);
    await expect.poll(() => taken.stream).toBeDefined();
    send(goaway(1));
    await expect.poll(() => second.heard).toEqual(['refused-stream kept']);
    taken.send();
    await expect.poll(() => taken.heard).toEqual(['refused-stream kept']);
    send(answer(1));
    await expect.poll(() => first.heard).toEqual(['200 end']);
    await expect.poll(() => pool.stats.connections).toBe(0);
    expect(sockets).toHaveLength(1);
  });

  it('an upstream that refuses one request, having said what it takes, is believed', async () => {
    const { port, send, frames } = await frameUpstream(h2.frame(h2.SETTINGS, 0, 0));
    const pool = poolTo(port);
    const refuse = (id: number): void => send(h2.frame(h2.RST_STREAM, 0, id, h2.uint32(7)));
    const sent = (): number => frames().filter(({ type }) => type === h2.HEADERS).length;
    const first = new Attempt({}, () => undefined).start(pool);
    await expect.poll(() => first.stream).toBeDefined();
    await expect
      .poll(() => frames().some(({ type, flags }) => type === h2.SETTINGS && flags === h2.ACK))
      .toBe(true);
    first.send();
    await expect.poll(sent).toBe(1);
    refuse(1);
    await expect.poll(() => first.heard).toEqual(['refused-stream']);
    expect(pool.stats).toEqual({ connections: 1, idle: 1, waiting: 0 });
  });

  it('that break the protocol are given up', async () => {
    const { port, send } = await frameUpstream();
    const attempt = new Attempt().start(poolTo(port));
    await sleep(20);
    send(h2.frame(h2.DATA, 0, 0, 'x'));
    await expect.poll(() => attempt.heard).toEqual(['protocol-error']);
  });

  it('are as many as it takes, and no more than allowed', async () => {
    const narrow = h2.frame(h2.SETTINGS, 0, 0, h2.setting(3, 1));
    const { port, sockets } = await frameUpstream(narrow);
    const limits = { maxConnections: 2, maxConcurrentStreams: 1, maxPendingRequests: 2 };
    const pool = poolTo(port, { limits });
    const attempts = Array.from({ length: 5 }, () => new Attempt().start(pool));
    await expect.poll(() => sockets.length).toBe(2);
    await sleep(20);
    const overflow = attempts.filter(({ heard }) => heard[0] === 'none: overflow');
    expect(overflow).toHaveLength(3);
    const more = new Attempt().start(pool);
    expect(pool.stats).toEqual({ connections: 2, idle: 0, waiting: 1 });
    pool.cancel(more);
    expect(pool.stats.waiting).toBe(0);
  });

  it('that can’t be made fail who waits, where the others have no place', async () => {
    const narrow = h2.frame(h2.SETTINGS, 0, 0, h2.setting(3, 1));
    const { port, frames, stopListening } = await frameUpstream(narrow);
    const pool = poolTo(port);
    const long = new Attempt().start(pool);
    await expect.poll(() => long.stream).toBeDefined();
    await expect
      .poll(() => frames().some(({ type, flags }) => type === h2.SETTINGS && flags === h2.ACK))
      .toBe(true);
    stopListening();
    const second = new Attempt().start(pool);
    await expect.poll(() => second.heard).toEqual(['none: connect-failure']);
    expect(pool.stats).toEqual({ connections: 1, idle: 0, waiting: 0 });
  });

  it('that can’t be made leave those that stand to a request that wanted a new one', async () => {
    const { port, stopListening } = await frameUpstream();
    const pool = poolTo(port);
    const long = new Attempt().start(pool);
    await expect.poll(() => long.stream).toBeDefined();
    stopListening();
    const second = new Attempt();
    expect(pool.acquire(second, true)).toBeUndefined();
    await expect.poll(() => second.stream).toBeDefined();
    expect(second.heard).toEqual([]);
  });

  it('hand their places on', async () => {
    const { port, send, sockets } = await frameUpstream();
    const limits = { maxConnections: 1, maxConcurrentStreams: 1 };
    const pool = poolTo(port, { limits });
    const attempts = Array.from({ length: 3 }, () => new Attempt().start(pool));
    await expect.poll(() => sockets.length).toBe(1);
    await expect.poll(() => attempts[0]?.stream).toBeDefined();
    send(answer(1));
    await expect.poll(() => attempts[1]?.stream).toBeDefined();
    attempts[1]?.stream?.abort();
    await expect.poll(() => attempts[2]?.stream).toBeDefined();
    send(answer(5));
    await expect
      .poll(() => attempts.map(({ heard }) => heard))
      .toEqual([['200 end'], [], ['200 end']]);
    expect(pool.stats).toEqual({ connections: 1, idle: 1, waiting: 0 });
  });

  it('that idle are closed, and those that carry something are not', async () => {
    const { port, send, sockets } = await frameUpstream();
    const pool = poolTo(port, { limits: { idleTimeoutMs: 200 } });
    const attempt = new Attempt().start(pool);
    await expect.poll(() => sockets.length).toBe(1);
    await sleep(500);
    expect(pool.stats.connections).toBe(1);
    send(answer(1));
    await expect.poll(() => attempt.heard).toEqual(['200 end']);
    await expect.poll(() => pool.stats.connections, { timeout: 3000 }).toBe(0);
  });

  it('of their age take nothing new, and end behind what is under way', async () => {
    const { port, sockets } = await frameUpstream();
    const pool = poolTo(port, { limits: { maxConnectionDurationMs: 200 } });
    const first = new Attempt().start(pool);
    await expect.poll(() => sockets.length).toBe(1);
    await sleep(500);
    new Attempt().start(pool);
    await expect.poll(() => sockets.length).toBe(2);
    sockets[0]?.write(Buffer.from(answer(1)));
    await expect.poll(() => first.heard).toEqual(['200 end']);
  });

  it('drain behind what is under way', async () => {
    const { port, send, sockets, frames } = await frameUpstream();
    const pool = poolTo(port);
    const attempt = new Attempt().start(pool);
    await expect.poll(() => sockets.length).toBe(1);
    await expect.poll(() => attempt.stream).toBeDefined();
    pool.drain();
    send(answer(1));
    await expect.poll(() => attempt.heard).toEqual(['200 end']);
    await expect.poll(() => h2.verdicts(frames()).at(-1)).toBe('GOAWAY NO_ERROR');
    await expect.poll(() => pool.stats.connections).toBe(0);
  });

  it('answer PING, or are given up', async () => {
    const { port, send, frames, sockets } = await frameUpstream();
    const client = { pingIntervalMs: 100, pingTimeoutMs: 300 };
    const pool = poolTo(port, { client });
    const attempt = new Attempt().start(pool);
    await expect.poll(() => sockets.length).toBe(1);
    const pings = (): number => frames().filter(({ type }) => type === h2.PING).length;
    await expect.poll(pings).toBe(1);
    send(h2.frame(h2.PING, h2.ACK, 0, new Uint8Array(8)));
    await expect.poll(pings).toBe(2);
    expect(attempt.heard).toEqual([]);
    await expect.poll(() => attempt.heard, { timeout: 3000 }).toEqual(['reset']);
  });

  it('hold a request back that the upstream does not take', async () => {
    const { port, send, frames, sockets } = await frameUpstream();
    const attempt = new Attempt({ method: 'POST' }, () => undefined).start(poolTo(port));
    await expect.poll(() => attempt.stream).toBeDefined();
    attempt.send(false);
    const { stream } = attempt;
    const piece = Buffer.alloc(100_000, 'x');
    stream?.write(piece, 0, piece.length);
    expect(stream?.isFull).toBe(true);
    const received = (): number =>
      frames().reduce((sum, { type, payload }) => sum + (type === h2.DATA ? payload.length : 0), 0);
    await expect.poll(received).toBe(65_535);
    send([
      ...h2.frame(h2.WINDOW_UPDATE, 0, 0, h2.uint32(100_000)),
      ...h2.frame(h2.WINDOW_UPDATE, 0, 1, h2.uint32(100_000)),
    ]);
    await expect.poll(() => attempt.heard).toEqual(['drain']);
    await expect.poll(received).toBe(100_000);
    expect([stream?.isFull, sockets.length]).toEqual([false, 1]);
  });
});
