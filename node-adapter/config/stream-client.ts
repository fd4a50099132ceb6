/** Keeps a WebSocket to the control plane: after a cut again, later and later, and never all proxies at once. */
import { WebSocket } from 'ws';
import { PING, PONG, STREAM_PATH, STREAM_PROTOCOL, readPush } from '../../src/delivery/messages.ts';
import type { ClientMessage, PushMessage } from '../../src/delivery/messages.ts';
import { causeOf } from './source.ts';

export interface StreamTiming {
  /** Before the first try after a cut; doubles with each. @default 500 */
  readonly backoffMs: number;
  /** @default 30,000 */
  readonly maxBackoffMs: number;
  /** Between pings. @default 20,000 */
  readonly pingMs: number;
  /** Nothing was heard for so long: it is cut. @default 50,000 */
  readonly silentMs: number;
}

export const STREAM_TIMING: StreamTiming = {
  backoffMs: 500,
  maxBackoffMs: 30_000,
  pingMs: 20_000,
  silentMs: 50_000,
};

export interface StreamClientOptions {
  /** Of the control plane, http or https. */
  readonly url: string;
  readonly token: string;
  readonly timing: StreamTiming;
  /** In [0, 1). */
  readonly random: () => number;
  readonly onOpen: () => void;
  readonly onPush: (push: PushMessage) => void;
  /** It is cut, or could not be had. */
  readonly onDown: (cause: string) => void;
}

const HANDSHAKE_MS = 10_000;
/** Twice what the control plane sends. */
const MAX_PAYLOAD = 2_097_152;
const LEAST_SHARE = 0.5;

function socketUrl(base: string): URL {
  const url = new URL(STREAM_PATH, base);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  return url;
}

export class StreamClient {
  readonly #options: StreamClientOptions;
  #socket: WebSocket | undefined;
  #timer: NodeJS.Timeout | undefined;
  #pings: NodeJS.Timeout | undefined;
  #heardMs = 0;
  #failures = 0;
  #isStopped = false;

  constructor(options: StreamClientOptions) {
    this.#options = options;
  }

  start(): void {
    if (!this.#isStopped) this.#connect();
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    clearInterval(this.#pings);
    this.#socket?.close();
    // Who doesn't answer a farewell isn't waited for.
    this.#socket?.terminate();
  }

  get isOpen(): boolean {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  send(message: ClientMessage): void {
    if (this.isOpen) this.#socket?.send(JSON.stringify(message));
  }

  /** Cuts it, to begin again with what is held by then. */
  restart(): void {
    this.#socket?.terminate();
  }

  #connect(): void {
    const { url, token } = this.#options;
    const socket = new WebSocket(socketUrl(url), [STREAM_PROTOCOL], {
      headers: { authorization: `Bearer ${token}` },
      handshakeTimeout: HANDSHAKE_MS,
      maxPayload: MAX_PAYLOAD,
      perMessageDeflate: false,
      followRedirects: false,
    });
    this.#socket = socket;
    let cause = '';
    socket.on('open', () => this.#opened(socket));
    socket.on('message', (data: Buffer) => this.#received(data.toString('utf8')));
    socket.on('error', (error) => {
      cause = causeOf(error);
    });
    socket.on('close', (code, reason) => {
      if (this.#socket === socket) this.#down(cause === '' ? `${code} ${String(reason)}` : cause);
    });
  }

  #opened(socket: WebSocket): void {
    const { pingMs, silentMs } = this.#options.timing;
    this.#heardMs = Date.now();
    clearInterval(this.#pings);
    this.#pings = setInterval(() => {
      if (Date.now() - this.#heardMs > silentMs) socket.terminate();
      else if (socket.readyState === WebSocket.OPEN) socket.send(PING);
    }, pingMs);
    this.#options.onOpen();
  }

  #received(text: string): void {
    this.#heardMs = Date.now();
    if (text === PONG) return;
    const push = readPush(text);
    if (typeof push === 'string') {
      this.#socket?.close(1008, push);
      return;
    }
    this.#failures = 0;
    this.#options.onPush(push);
  }

  #down(cause: string): void {
    clearInterval(this.#pings);
    this.#socket = undefined;
    if (this.#isStopped) return;
    const { timing, random, onDown } = this.#options;
    const longest = Math.min(timing.maxBackoffMs, timing.backoffMs * 2 ** this.#failures++);
    const waitMs = longest * (LEAST_SHARE + (1 - LEAST_SHARE) * random());
    this.#timer = setTimeout(() => this.#connect(), waitMs);
    onDown(cause);
  }
}
