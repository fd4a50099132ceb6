/**
 * What attackers send over HTTP/2 before a backend of HTTP/1.1 and one of HTTP/2, and what they send over HTTP/1.1 before
 * one of HTTP/2: from a socket to a socket.
 */
import { once } from 'node:events';
import { createServer } from 'node:http2';
import type { Http2Server, ServerHttp2Stream } from 'node:http2';
import { connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as h2 from '../fixtures/http2-frames.ts';
import { gatewayBefore, rawClient, startTestProxy } from '../fixtures/node-proxy.ts';
import type { TestProxy } from '../fixtures/node-proxy.ts';
import { startRecorder } from './backend.ts';
import type { Recorder } from './backend.ts';
import { REQUESTS } from './http1-requests.ts';
import { HTTP2_REQUESTS } from './http2-requests.ts';

let recorder: Recorder;
let server: Http2Server;
/** Of whole requests that the backend of HTTP/2 got. */
let got: string[] = [];
let beforeHttp1: TestProxy;
let beforeHttp2: TestProxy;

const limits = { headTimeoutMs: 200, bodyTimeoutMs: 200, lingerTimeoutMs: 100 };

beforeAll(async () => {
  recorder = await startRecorder();
  server = createServer();
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    stream.on('error', () => undefined);
    stream.on('end', () => {
      got.push(`${headers[':method'] ?? ''} ${headers[':path'] ?? ''}`);
      if (!stream.destroyed) stream.respond({ ':status': 200 }, { endStream: true });
    });
    stream.resume();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  beforeHttp1 = await startTestProxy({ yaml: gatewayBefore(recorder.port), limits });
  beforeHttp2 = await startTestProxy({
    yaml: gatewayBefore(port).replace(
      'ports: [{number: 80, name: http, protocol: HTTP}], endpoints',
      'ports: [{number: 80, name: http, protocol: HTTP2}], endpoints',
    ),
    limits,
  });
});

afterAll(async () => {
  await beforeHttp1.close();
  await beforeHttp2.close();
  recorder.close();
  server.close();
});

/** Frames that came until the request or the connection was over. */
async function exchange(port: number, bytes: Iterable<number>): Promise<readonly h2.Frame[]> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true });
  socket.on('error', () => undefined);
  let received = Buffer.alloc(0);
  const isOver = ({ type, flags, id }: h2.Frame): boolean =>
    type === h2.GOAWAY || (id === 1 && (type === h2.RST_STREAM || isEnd(type, flags)));
  const isEnd = (type: number, flags: number): boolean =>
    (type === h2.HEADERS || type === h2.DATA) && (flags & h2.END_STREAM) !== 0;
  const frames = (): readonly h2.Frame[] => h2.framesIn(new Uint8Array(received));
  await new Promise<void>((resolve) => {
    socket.on('data', (piece: Buffer) => {
      received = Buffer.concat([received, piece]);
      if (frames().some(isOver)) resolve();
    });
    socket.on('close', () => resolve());
    socket.write(Uint8Array.from([...h2.HELLO, ...bytes]));
  });
  socket.destroy();
  return frames();
}

/** The first request of another connection means what it says. */
async function expectUnharmed(proxy: TestProxy): Promise<void> {
  const fields = h2.GET.map(
    ([name, value]) => [name, name === ':path' ? '/innocent' : value] as const,
  );
  const frames = await exchange(proxy.port, h2.headers(1, fields));
  expect(h2.verdicts(frames)).toEqual(['ACK']);
}

const cases = Object.entries(HTTP2_REQUESTS).flatMap(([kind, attacks]) =>
  attacks.map((attack) => [kind, attack.name, attack] as const),
);

describe('over HTTP/2 before HTTP/1.1', () => {
  it.each(cases)('%s: %s', async (_kind, _name, { bytes, forwards }) => {
    recorder.taken();
    recorder.targets();
    await exchange(beforeHttp1.port, bytes);
    const seen = recorder.taken().join('');
    if (forwards === undefined) expect(seen).toBe('');
    else expect(seen).toMatch(forwards);
    expect(recorder.targets()).not.toContain('/smuggled');
    await expectUnharmed(beforeHttp1);
    expect(recorder.targets()).toEqual(['/innocent']);
    expect(beforeHttp1.faults).toEqual([]);
  });
});

describe('over HTTP/2 before HTTP/2', () => {
  it.each(cases)('%s: %s', async (kind, _name, { bytes, forwards }) => {
    got = [];
    await exchange(beforeHttp2.port, bytes);
    const isWhole = kind === 'what means one thing' && forwards !== undefined;
    expect(got).toEqual(isWhole ? [expect.stringMatching(/^(?:GET|POST) \/(?:%E9)?$/)] : []);
    await expectUnharmed(beforeHttp2);
    expect(got.at(-1)).toBe('GET /innocent');
    expect(beforeHttp2.faults).toEqual([]);
  });
});

describe('over HTTP/1.1 before HTTP/2', () => {
  const refused = Object.entries(REQUESTS).flatMap(([kind, attacks]) =>
    attacks
      .filter(({ forwards, later }) => forwards === '' && later === undefined)
      .map((attack) => [kind, attack.name, attack] as const),
  );
  it.each(refused)('%s: %s', async (_kind, _name, { bytes, closes, answers }) => {
    got = [];
    const client = rawClient(beforeHttp2.port);
    client.write(bytes);
    if (closes) await client.closed;
    else await client.until(new RegExp(`(?:HTTP/1\\.1 [2-5][^]*?){${answers.length}}\r\n\r\n`));
    client.socket.destroy();
    expect(got).toEqual([]);
    await expectUnharmed(beforeHttp2);
    expect(got).toEqual(['GET /innocent']);
    expect(beforeHttp2.faults).toEqual([]);
  });
});
