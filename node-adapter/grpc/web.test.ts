/** gRPC-Web by plain clients of HTTP/1.1 and HTTP/2 before a server of gRPC. */
import { once } from 'node:events';
import { connect } from 'node:http2';
import type { IncomingHttpHeaders } from 'node:http2';
import type { ServerUnaryCall, ServerWritableStream, sendUnaryData } from '@grpc/grpc-js';
import type { UntypedServiceImplementation } from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import { GRPC_WEB_SERVER, GrpcStage, pairs } from '../../test/fixtures/grpc.ts';
import { rawClient, rawExchange, startBackend } from '../../test/fixtures/node-proxy.ts';
import type { TestProxy } from '../../test/fixtures/node-proxy.ts';

type Done = sendUnaryData<Buffer>;

const stage = new GrpcStage();
afterEach(() => stage.close());

const seen: Record<string, unknown>[] = [];
const handlers: UntypedServiceImplementation = {
  unary({ request, metadata }: ServerUnaryCall<Buffer, Buffer>, done: Done) {
    seen.push(metadata.getMap());
    if (String(request) === 'fail') done({ code: 5, details: 'no 100 %' });
    else done(null, request, pairs({ 'x-last': 'yes' }));
  },
  list(stream: ServerWritableStream<Buffer, Buffer>) {
    const [count = '1', waitMs = '0'] = String(stream.request).split(' ');
    let i = 0;
    const next = (): void => {
      stream.write(Buffer.from(`m${i}`));
      if (++i < Number(count)) setTimeout(next, Number(waitMs));
      else stream.end();
    };
    next();
  },
  collect: () => undefined,
  chat: () => undefined,
};

const bridged = async (rules?: string): Promise<TestProxy> => {
  seen.length = 0;
  const options = { server: GRPC_WEB_SERVER, ...(rules === undefined ? {} : { rules }) };
  return (await stage.before(handlers, options)).proxy;
};

function framed(flag: number, text: string): Buffer {
  const prefix = Buffer.alloc(5);
  prefix[0] = flag;
  prefix.writeUInt32BE(Buffer.byteLength(text), 1);
  return Buffer.concat([prefix, Buffer.from(text)]);
}

const message = (text: string): Buffer => framed(0, text);

/** Frames with their flags. */
function framesOf(body: Buffer): [number, string][] {
  const frames: [number, string][] = [];
  for (let at = 0; at < body.length;) {
    const length = body.readUInt32BE(at + 1);
    frames.push([body[at] as number, body.toString('latin1', at + 5, at + 5 + length)]);
    at += 5 + length;
  }
  return frames;
}

/** Each piece was encoded by itself. */
const fromText = (text: string): Buffer =>
  Buffer.concat((text.match(/[^=]+={0,2}/g) ?? []).map((piece) => Buffer.from(piece, 'base64')));

interface WebAnswer {
  readonly status: string;
  readonly head: string;
  readonly body: Buffer;
}

function unchunk(text: string): Buffer {
  const pieces: Buffer[] = [];
  for (let at = 0; ;) {
    const line = text.indexOf('\r\n', at);
    const length = Number.parseInt(text.slice(at, line), 16);
    if (!(length > 0)) return Buffer.concat(pieces);
    pieces.push(Buffer.from(text.slice(line + 2, line + 2 + length), 'latin1'));
    at = line + 4 + length;
  }
}

interface Asked {
  readonly type: string;
  readonly accept?: string;
  readonly method?: string;
  readonly body: Buffer | string;
  readonly headers?: string;
}

async function ask(
  proxy: TestProxy,
  { type, accept, method = 'Unary', body, headers = '' }: Asked,
): Promise<WebAnswer> {
  const bytes = Buffer.from(body);
  const text = await rawExchange(
    proxy.port,
    `POST /test.Echo/${method} HTTP/1.1\r\nHost: shop.test\r\nContent-Type: ${type}\r\n${
      accept === undefined ? '' : `Accept: ${accept}\r\n`
    }X-Grpc-Web: 1\r\n${headers}Content-Length: ${bytes.length}\r\n\r\n${bytes.toString('latin1')}`,
  );
  const end = text.indexOf('\r\n\r\n');
  const head = text.slice(0, end).toLowerCase();
  const rest = text.slice(end + 4);
  return {
    status: head.slice(9, 12),
    head,
    body: head.includes('transfer-encoding: chunked') ? unchunk(rest) : Buffer.from(rest, 'latin1'),
  };
}

const BINARY = { type: 'application/grpc-web+proto' };
const TEXT = { type: 'application/grpc-web-text', accept: 'application/grpc-web-text' };

describe('over HTTP/1.1', () => {
  it.each(['application/grpc-web', 'application/grpc-web+proto'])('%s', async (type) => {
    const proxy = await bridged();
    const { status, head, body } = await ask(proxy, { type, body: message('hello') });
    expect(status).toBe('200');
    expect(head).toContain('content-type: application/grpc-web+proto');
    const frames = framesOf(body);
    expect(frames[0]).toEqual([0, 'hello']);
    expect(frames[1]?.[0]).toBe(0x80);
    expect(frames[1]?.[1]).toContain('grpc-status:0\r\n');
    expect(frames[1]?.[1]).toContain('x-last:yes\r\n');
    expect(frames).toHaveLength(2);
    expect(seen[0]).toMatchObject({ 'x-grpc-web': '1' });
    expect(JSON.parse(proxy.lines[0] ?? '{}')).toMatchObject({ status: 200, grpc_status: 0 });
    expect(proxy.faults).toEqual([]);
  });

  it.each(['application/grpc-web-text', 'application/grpc-web-text+proto'])('%s', async (type) => {
    const proxy = await bridged();
    const body = message('hello').toString('base64');
    const answer = await ask(proxy, { type, accept: type, body });
    expect(answer.head).toContain('content-type: application/grpc-web-text+proto');
    expect(answer.body.toString()).toMatch(/^[A-Za-z0-9+/]+=*[A-Za-z0-9+/]+=*$/);
    const frames = framesOf(fromText(answer.body.toString()));
    expect(frames[0]).toEqual([0, 'hello']);
    expect(frames[1]?.[1]).toContain('grpc-status:0\r\n');
  });

  it('text of pieces that were encoded by themselves, however it comes', async () => {
    const proxy = await bridged();
    const bytes = message('hello you');
    const text = [bytes.subarray(0, 5), bytes.subarray(5)]
      .map((piece) => piece.toString('base64'))
      .join('');
    const client = rawClient(proxy.port);
    client.write(
      'POST /test.Echo/Unary HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc-web-text\r\nTransfer-Encoding: chunked\r\n\r\n',
    );
    for (const char of text) client.write(`1\r\n${char}\r\n`);
    client.write('0\r\n\r\n');
    const answer = await client.until(/\r\n0\r\n\r\n$/);
    client.socket.destroy();
    // Who asks for no text gets bytes.
    const body = unchunk(answer.slice(answer.indexOf('\r\n\r\n') + 4));
    expect(framesOf(body)[0]).toEqual([0, 'hello you']);
  });

  it.each([BINARY, TEXT])('a stream of answers as it comes: $type', async (kind) => {
    const proxy = await bridged();
    const isText = kind === TEXT;
    const request = message('3 150');
    const body = isText ? request.toString('base64') : request.toString('latin1');
    const client = rawClient(proxy.port);
    client.write(
      `POST /test.Echo/List HTTP/1.1\r\nHost: a\r\nContent-Type: ${kind.type}\r\nAccept: ${kind.type}\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    const first = isText ? message('m0').toString('base64') : 'm0';
    const early = await client.until(new RegExp(first));
    expect(early).not.toContain('\r\n0\r\n');
    const answer = await client.until(/\r\n0\r\n\r\n$/);
    client.socket.destroy();
    const raw = unchunk(answer.slice(answer.indexOf('\r\n\r\n') + 4));
    const frames = framesOf(isText ? fromText(raw.toString()) : raw);
    expect(frames.slice(0, 3)).toEqual([
      [0, 'm0'],
      [0, 'm1'],
      [0, 'm2'],
    ]);
    expect(frames[3]?.[1]).toContain('grpc-status:0');
  });

  it('keeps its connection', async () => {
    const proxy = await bridged();
    const client = rawClient(proxy.port);
    const body = message('again').toString('latin1');
    for (let i = 0; i < 3; i++) {
      client.write(
        `POST /test.Echo/Unary HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc-web\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      );
      await client.until(new RegExp(`(?:HTTP/1.1 200[^]*?\r\n0\r\n\r\n){${i + 1}}$`));
    }
    client.socket.destroy();
    expect(proxy.lines).toHaveLength(3);
  });

  it('large messages both ways', async () => {
    const proxy = await bridged();
    const text = 'x'.repeat(1_000_000);
    const answer = await ask(proxy, { ...TEXT, body: message(text).toString('base64') });
    expect(framesOf(fromText(answer.body.toString()))[0]?.[1].length).toBe(text.length);
  });
});

it('over HTTP/2', async () => {
  const proxy = await bridged();
  const client = connect(`http://127.0.0.1:${proxy.port}`);
  stage.keep({ close: () => client.destroy() });
  const stream = client.request({
    ':method': 'POST',
    ':path': '/test.Echo/Unary',
    'content-type': 'application/grpc-web+proto',
    'content-length': 10,
  });
  stream.end(message('hello'));
  const pieces: Buffer[] = [];
  stream.on('data', (piece: Buffer) => pieces.push(piece));
  let trailers: IncomingHttpHeaders | undefined;
  stream.on('trailers', (given) => (trailers = given));
  const [head] = await once(stream, 'response');
  await once(stream, 'end');
  expect(head).toMatchObject({ ':status': 200, 'content-type': 'application/grpc-web+proto' });
  const frames = framesOf(Buffer.concat(pieces));
  expect(frames[0]).toEqual([0, 'hello']);
  expect(frames[1]?.[1]).toContain('grpc-status:0');
  expect(trailers).toBeUndefined();
});

describe('errors', () => {
  it("the server's own stand in the head, or in the last frame", async () => {
    const proxy = await bridged();
    const { status, head, body } = await ask(proxy, { ...BINARY, body: message('fail') });
    expect(status).toBe('200');
    const told = head + (framesOf(body)[0]?.[1] ?? '');
    expect(told).toMatch(/grpc-status: ?5/);
    expect(told).toMatch(/grpc-message: ?no%20100%20%25/);
    expect(JSON.parse(proxy.lines[0] ?? '{}')).toMatchObject({ grpc_status: 5 });
  });

  it.each([['@@@@'], ['AAA'], ['AAAAAA='], ['A=AA'], ['AAB=']])(
    'text that is no base64 is refused: %s',
    async (body) => {
      const proxy = await bridged();
      const answer = await ask(proxy, { ...TEXT, body });
      expect(answer.status).toBe('400');
      expect(answer.head).toContain('grpc-status: 13');
      expect(answer.head).toContain('grpc-message: bad grpc-web request, invalid base64 data.');
      await expect.poll(() => proxy.plane.engine.stats().active).toBe(0);
    },
  );

  it('of the proxy keep their status of HTTP and say one of gRPC', async () => {
    const proxy = await stage.proxyBefore([1], { server: GRPC_WEB_SERVER });
    const { status, head, body } = await ask(proxy, { ...BINARY, body: message('x') });
    expect(status).toBe('503');
    expect(head).toContain('content-type: application/grpc-web+proto');
    expect(head).toContain('grpc-status: 14');
    expect(head).toContain('grpc-message: upstream connect error');
    expect(body).toHaveLength(0);
  });

  it('of an upstream become the message of a status', async () => {
    const { createServer } = await import('node:http2');
    const server = createServer((_request, response) => {
      response.writeHead(404, { 'content-type': 'text/plain' });
      response.end('nothing here: 100 %');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    stage.keep(server);
    const { port } = server.address() as { port: number };
    const proxy = await stage.proxyBefore([port], { server: GRPC_WEB_SERVER });
    const { status, head, body } = await ask(proxy, { ...BINARY, body: message('x') });
    expect([status, body.length]).toEqual(['404', 0]);
    expect(head).toContain('grpc-status: 12');
    expect(head).toContain('grpc-message: nothing here: 100 %25');
  });

  it('a deadline ends a stream with its last frame', async () => {
    const proxy = await bridged('[{route: [{destination: {host: back.test}}], timeout: 200ms}]');
    const { body } = await ask(proxy, { ...BINARY, method: 'List', body: message('9 150') });
    const frames = framesOf(body);
    expect(frames[0]).toEqual([0, 'm0']);
    expect(frames.at(-1)?.[1]).toContain('grpc-status:4');
  });
});

describe('what is bridged', () => {
  it('routes match what the client sent, faults what it became', async () => {
    const proxy = await bridged(
      '[{match: [{headers: {content-type: {exact: application/grpc-web+proto}}}], fault: {abort: {grpcStatus: RESOURCE_EXHAUSTED, percentage: {value: 100}}}, route: [{destination: {host: back.test}}]}]',
    );
    const { status, head } = await ask(proxy, { ...BINARY, body: message('x') });
    expect(status).toBe('200');
    expect(head).toContain('grpc-status: 8');
    expect(head).toContain('content-type: application/grpc-web+proto');
    const other = await ask(proxy, { type: 'application/grpc-web', body: message('x') });
    expect(other.status).toBe('404');
    expect(other.head).toContain('grpc-status: 12');
  });

  it('nothing on a server that speaks HTTP, and no other type', async () => {
    const { proxy } = await stage.before(handlers);
    const { status, head, body } = await ask(proxy, { ...BINARY, body: message('x') });
    expect(status).toBe('200');
    expect(head).not.toContain('grpc-web');
    expect(framesOf(body)).toEqual([[0, 'x']]);
    const web = await bridged();
    const other = await ask(web, { type: 'application/grpc-web+thrift', body: message('x') });
    expect(other.head).not.toContain('grpc-web');
    expect(JSON.parse(web.lines[0] ?? '{}')).not.toHaveProperty('grpc_status');
  });

  it('calls of gRPC pass beside', async () => {
    const proxy = await bridged();
    const client = connect(`http://127.0.0.1:${proxy.port}`);
    stage.keep({ close: () => client.destroy() });
    const stream = client.request({
      ':method': 'POST',
      ':path': '/test.Echo/Unary',
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    stream.end(message('plain'));
    stream.resume();
    const [trailers] = await once(stream, 'trailers');
    expect(trailers).toMatchObject({ 'grpc-status': '0' });
  });
});

describe('at a Gateway of the Gateway API', () => {
  const apiYaml = (port: number, name: string): string => `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: front, namespace: default}
spec: {gatewayClassName: lateen, listeners: [{name: web, port: 80, protocol: HTTP}]}
---
apiVersion: v1
kind: Service
metadata: {name: back, namespace: default}
spec: {ports: [{name: ${name}, port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: back-1, namespace: default, labels: {kubernetes.io/service-name: back}}
addressType: IPv4
ports: [{name: ${name}, port: ${port}}]
endpoints: [{addresses: [127.0.0.1]}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: back, namespace: default}
spec: {parentRefs: [{name: front}], rules: [{backendRefs: [{name: back, port: 80}]}]}
`;

  it('goes on as gRPC where the port of the backend speaks it', async () => {
    const { proxy, server } = await stage.before(handlers);
    await proxy.configure(apiYaml(server.port, 'grpc'));
    const { head, body } = await ask(proxy, { ...BINARY, body: message('hello') });
    expect(head).toContain('content-type: application/grpc-web+proto');
    expect(framesOf(body).map(([, text]) => text.split('\r\n')[0])).toEqual([
      'hello',
      'grpc-status:0',
    ]);
  });

  it('stays what it is where the port says nothing of gRPC', async () => {
    const backend = stage.keep(
      await startBackend((socket) => {
        socket.end('HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n');
      }),
    );
    const proxy = await stage.proxyBefore([]);
    await proxy.configure(apiYaml(backend.port, 'http'));
    expect((await ask(proxy, { ...BINARY, body: message('hello') })).status).toBe('204');
    expect(backend.received[0]?.toLowerCase()).toContain(
      'content-type: application/grpc-web+proto',
    );
  });
});
