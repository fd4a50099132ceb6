/** WebSockets of proxies in a Node process. */
import { STATUS_CODES } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocketServer } from 'ws';
import type { RawData, WebSocket } from 'ws';
import { MAX_CLIENT_MESSAGE, STREAM_PATH, STREAM_PROTOCOL } from '../src/delivery/messages.ts';
import type { ControlPlane, Peer } from './plane.ts';
import type { Grant, StreamSocket } from './stream/socket.ts';

export interface NodeStreams {
  /** What the plane calls when a request may have a WebSocket. */
  upgrade(request: Request, grant: Grant): Response;
  /** Has the plane's `tick` called then. */
  wakeAt(atMs: number): void;
  /** Brings sockets of the server to the plane from now on. */
  attach(server: Server, plane: ControlPlane): void;
  close(): Promise<void>;
}

export interface NodeStreamOptions {
  /** Undefined = it can be none. */
  readonly toRequest: (incoming: IncomingMessage) => Request | undefined;
  readonly peerOf: (incoming: IncomingMessage) => Peer;
  readonly log: (line: string) => void;
}

/** How often dead sockets are looked for, and keys that are due. */
const TICK_MS = 15_000;
/** How long a proxy has to hear a farewell. */
const FAREWELL_MS = 200;
/** A character has at most so many bytes. */
const MAX_PAYLOAD = 4 * MAX_CLIENT_MESSAGE;

/** Other requests that ask for another protocol are answered in this one. */
export function asksForStream({ url = '', headers }: IncomingMessage): boolean {
  const [path] = url.split('?');
  return path === STREAM_PATH && headers.upgrade?.toLowerCase() === 'websocket';
}

function textOf(data: RawData): string {
  if (Buffer.isBuffer(data)) return data.toString('utf8');
  return Array.isArray(data)
    ? Buffer.concat(data).toString('utf8')
    : Buffer.from(data).toString('utf8');
}

function streamSocket(socket: WebSocket): StreamSocket {
  return {
    send: (text) => socket.send(text),
    close(code, reason) {
      socket.close(code, reason);
    },
    buffered: () => socket.bufferedAmount,
    // Every ping comes through: there is nothing that only the runtime saw.
    pingedMs: () => 0,
    // This process forgets nothing while its sockets live.
    save: () => undefined,
  };
}

async function refuse(socket: Duplex, response: Response): Promise<void> {
  const body = await response.text();
  const { status } = response;
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Refused'}`,
    `content-type: ${response.headers.get('content-type') ?? 'text/plain'}`,
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}

class Streams implements NodeStreams {
  readonly #granted = new WeakMap<Request, Grant>();
  readonly #server = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_PAYLOAD,
    perMessageDeflate: false,
    handleProtocols: (offered) => (offered.has(STREAM_PROTOCOL) ? STREAM_PROTOCOL : false),
  });
  readonly #toRequest: (incoming: IncomingMessage) => Request | undefined;
  readonly #peerOf: (incoming: IncomingMessage) => Peer;
  readonly #log: (line: string) => void;
  #plane: ControlPlane | undefined;
  #interval: NodeJS.Timeout | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor({ toRequest, peerOf, log }: NodeStreamOptions) {
    this.#toRequest = toRequest;
    this.#peerOf = peerOf;
    this.#log = log;
  }

  upgrade(request: Request, grant: Grant): Response {
    this.#granted.set(request, grant);
    return new Response(null, { status: 204 });
  }

  wakeAt(atMs: number): void {
    clearTimeout(this.#timer);
    const waitMs = Math.min(Math.max(0, atMs - Date.now()), TICK_MS);
    this.#timer = setTimeout(() => this.#plane?.streams.tick(), waitMs).unref();
  }

  attach(server: Server, plane: ControlPlane): void {
    this.#plane = plane;
    this.#interval = setInterval(() => plane.streams.tick(), TICK_MS).unref();
    server.on('upgrade', (incoming: IncomingMessage, socket: Duplex, head: Buffer) => {
      socket.on('error', () => socket.destroy());
      this.#take(incoming, socket, head).catch((error: unknown) => {
        this.#log(error instanceof Error ? (error.stack ?? error.message) : 'unknown fault');
        socket.destroy();
      });
    });
  }

  async close(): Promise<void> {
    clearInterval(this.#interval);
    clearTimeout(this.#timer);
    this.#plane?.streams.close();
    const untilMs = Date.now() + FAREWELL_MS;
    while (this.#server.clients.size > 0 && Date.now() < untilMs) await sleep(FAREWELL_MS / 20);
    for (const socket of this.#server.clients) socket.terminate();
    this.#server.close();
  }

  async #take(incoming: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const request = this.#toRequest(incoming);
    const response =
      request === undefined
        ? new Response('bad request', { status: 400 })
        : await this.#plane?.fetch(request, this.#peerOf(incoming));
    const grant = request === undefined ? undefined : this.#granted.get(request);
    if (grant === undefined)
      return refuse(socket, response ?? new Response('not yet', { status: 503 }));
    this.#server.handleUpgrade(incoming, socket, head, (opened) => this.#open(opened, grant));
  }

  #open(opened: WebSocket, grant: Grant): void {
    const streams = this.#plane?.streams;
    if (streams === undefined) return opened.terminate();
    const own = streamSocket(opened);
    opened.on('message', (data, isBinary) => {
      if (isBinary) opened.close(1003, 'messages are text');
      else streams.receive(own, textOf(data));
    });
    opened.on('close', () => streams.ended(own));
    // What goes wrong closes it, which is told.
    opened.on('error', () => undefined);
    streams.open(own, grant);
  }
}

export function createNodeStreams(options: NodeStreamOptions): NodeStreams {
  return new Streams(options);
}
