/**
 * What a request costs between two connections of HTTP/2, without sockets: frames and blocks read, fields passed on,
 * frames and blocks written, both ways. A call as of gRPC: 11 fields, of which three are new each time, 64 bytes of
 * body both ways, trailers.
 */
import { pathToFileURL } from 'node:url';
import { RequestHeads, writeResponseHead } from '../node-adapter/http2/heads.ts';
import { NODE_BYTES } from '../node-adapter/http2/wire.ts';
import {
  ClientConnection,
  ClientStreamBase,
  ServerConnection,
  ServerStreamBase,
} from '../src/http2/index.ts';
import type {
  FieldPairs,
  Http2RequestHead,
  Http2ResponseHead,
  ServerOwner,
} from '../src/http2/index.ts';
import { allocatedSoFar, settle, spread } from './measure.ts';

const nothing = (): void => undefined;
const owner = {
  onOutput: nothing,
  onStreamClosed: nothing,
  onGoaway: nothing,
  onPingAck: nothing,
  onSettings: nothing,
  onFailed(fault: Error): void {
    throw fault;
  },
};

const setup = (usesHuffman: boolean) => ({ tools: NODE_BYTES, nowMs: () => 0, usesHuffman });

/** Answers, and sends what a peer sends. */
class Attempt extends ClientStreamBase {
  front: Passing | undefined;
  override onInform(): void {}
  override onResponse(head: Http2ResponseHead): void {
    this.front?.onResponse(head);
  }
  override onBody(bytes: Uint8Array, start: number, end: number): void {
    this.front?.server.sender.data(this.front, bytes, start, end);
  }
  override onEnd(trailers: FieldPairs): void {
    if (this.front !== undefined) this.front.server.sender.end(this.front, trailers);
  }
  override onReset(): void {}
  override onDrain(): void {}
}

class Passing extends ServerStreamBase {
  readonly server: ServerConnection;
  readonly #head: Http2RequestHead;
  readonly #client: ClientConnection;
  readonly #heads: RequestHeads;
  readonly #up = new Attempt();

  constructor(
    head: Http2RequestHead,
    server: ServerConnection,
    client: ClientConnection,
    heads: RequestHeads,
  ) {
    super();
    this.#head = head;
    this.server = server;
    this.#client = client;
    this.#heads = heads;
  }
  override onRequest(): void {
    const head = this.#head;
    const { method, scheme, authority, target } = head;
    this.#up.front = this;
    this.#client.open(this.#up);
    this.#heads.write({ head, method, scheme, authority, target });
    this.#client.sender.endBlock(this.#up, false);
  }
  onResponse(head: Http2ResponseHead): void {
    writeResponseHead(this.server.sender, head, head.status);
    this.server.sender.endBlock(this, false);
  }
  override onBody(bytes: Uint8Array, start: number, end: number): void {
    this.#client.sender.data(this.#up, bytes, start, end);
  }
  override onEnd(trailers: FieldPairs): void {
    this.#client.sender.end(this.#up, trailers);
  }
  override onReset(): void {}
  override onDrain(): void {}
}

function take(connection: ServerConnection | ClientConnection): Uint8Array {
  const { out } = connection.sender;
  const bytes = Uint8Array.from(out.bytes.subarray(0, out.length));
  out.length = 0;
  connection.onFlushed(0);
  return bytes;
}

const hex = (bytes: number): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (byte) =>
    byte.toString(16).padStart(2, '0'),
  ).join('');

const BODY = new Uint8Array(64);
/** Nobody fills windows up here. */
const WIDE = 1_000_000_000;

/** A client's requests, in batches of so many streams at a time. */
function requests(batches: number, streams: number, usesHuffman: boolean): Uint8Array[] {
  const client = new ClientConnection(owner, setup(usesHuffman));
  client.sender.window = WIDE;
  return Array.from({ length: batches }, () => {
    for (let i = 0; i < streams; i++) {
      const stream = new Attempt();
      client.open(stream);
      const { sender } = client;
      sender.beginBlock();
      for (const [name, value] of [
        [':method', 'POST'],
        [':scheme', 'http'],
        [':authority', 'orders.svc.local'],
        [':path', '/orders.v1.Orders/Get'],
        ['content-type', 'application/grpc'],
        ['te', 'trailers'],
        ['user-agent', 'grpc-node-js/1.13.0'],
        ['authorization', `Bearer ${'x'.repeat(230)}`],
        ['traceparent', `00-${hex(16)}-${hex(8)}-01`],
        ['x-request-id', hex(16)],
        ['grpc-timeout', `${Math.floor(Math.random() * 1e6)}u`],
      ] as const)
        sender.text(name, value);
      sender.endBlock(stream, false);
      sender.data(stream, BODY, 0, BODY.length);
      sender.end(stream, []);
    }
    return take(client);
  });
}

/** An upstream's answers to the same. */
class Answer extends ServerStreamBase {
  override onRequest(): void {}
  override onBody(): void {}
  override onEnd(): void {}
  override onReset(): void {}
  override onDrain(): void {}
}

function answers(asked: readonly Uint8Array[], usesHuffman: boolean): Uint8Array[] {
  const streams: Answer[] = [];
  const server = new ServerConnection(
    {
      ...owner,
      onRefused: nothing,
      accept() {
        const stream = new Answer();
        streams.push(stream);
        return stream;
      },
    },
    { ...setup(usesHuffman), scheme: 'http' },
  );
  server.sender.window = WIDE;
  return asked.map((bytes) => {
    server.read(bytes, 0, bytes.length);
    const { sender } = server;
    for (const stream of streams.splice(0)) {
      sender.beginBlock();
      sender.text(':status', '200');
      sender.text('content-type', 'application/grpc');
      sender.text('x-envoy-upstream-service-time', '1');
      sender.text('date', 'Thu, 26 Nov 2026 08:00:00 GMT');
      sender.endBlock(stream, false);
      sender.data(stream, BODY, 0, BODY.length);
      sender.end(stream, [['grpc-status', '0']]);
    }
    return take(server);
  });
}

function measure(streams: number, usesHuffman: boolean): void {
  const batches = Math.floor(160_000 / streams);
  const asked = requests(batches, streams, usesHuffman);
  const client = new ClientConnection(owner, setup(false));
  client.sender.window = WIDE;
  const heads = new RequestHeads(client.sender);
  const front: ServerOwner = {
    ...owner,
    onRefused: nothing,
    accept: (head) => new Passing(head, server, client, heads),
  };
  const server = new ServerConnection(front, { ...setup(false), scheme: 'http' });
  server.sender.window = WIDE;
  const answered = answers(asked, usesHuffman);
  const perRound = Math.floor(batches / 40);
  const rounds: number[] = [];
  let bytes = 0;
  settle();
  let allocated = 0;
  for (let round = 0; round < 40; round++) {
    if (round === 10) allocated = allocatedSoFar();
    const begun = performance.now();
    for (let i = round * perRound; i < (round + 1) * perRound; i++) {
      const request = asked[i] as Uint8Array;
      server.read(request, 0, request.length);
      bytes += client.sender.out.length;
      client.sender.out.length = 0;
      client.onFlushed(0);
      const answer = answered[i] as Uint8Array;
      client.read(answer, 0, answer.length);
      server.sender.out.length = 0;
      server.onFlushed(0);
    }
    rounds.push(((performance.now() - begun) * 1e6) / (perRound * streams));
  }
  const heap = (allocatedSoFar() - allocated) / (30 * perRound * streams);
  const { median, quartile } = spread(rounds.slice(10));
  const name = `${streams} streams${usesHuffman ? ', peers write Huffman code' : ''}`;
  console.log(
    `http2 ${name}: ${quartile.toFixed(0)}/${median.toFixed(0)} ns a request, ${(heap / 1024).toFixed(1)} KiB of heap, ${(bytes / (40 * perRound * streams)).toFixed(0)} bytes sent on`,
  );
}

export function benchHttp2(): void {
  measure(16, false);
  measure(16, true);
  measure(1, true);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) benchHttp2();
