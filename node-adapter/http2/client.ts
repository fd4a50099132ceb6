/** A connection to an upstream that speaks HTTP/2: many attempts at a time. */
import type { Socket } from 'node:net';
import {
  ClientConnection,
  ConnectionFault,
  DEFAULT_HTTP2_LIMITS,
  ErrorCode,
} from '../../src/http2/index.ts';
import type { ConnectionOwner, Http2Limits } from '../../src/http2/index.ts';
import type { UpstreamFailure } from '../../src/model/error.ts';
import { Deadline } from '../sockets/deadlines.ts';
import type { Deadlines } from '../sockets/deadlines.ts';
import type { BytesReader } from '../sockets/reading.ts';
import { enterTurn, leaveTurn, takeTurn } from '../sockets/turn.ts';
import { AttemptStream } from './client-stream.ts';
import type { ClientStreamHost } from './client-stream.ts';
import { RequestHeads } from './heads.ts';
import { NODE_BYTES, Wire } from './wire.ts';

/** What the pool hears of its connection. */
export interface Http2ClientOwner {
  /** What the peer takes at a time, when it says so. */
  onPeerStreams(maxStreams: number): void;
  /** A place is free, or there are more of them than before. */
  onPlaces(client: Http2Client): void;
  /** It takes no further attempts; those that are open go on. */
  onClosing(client: Http2Client): void;
  onClosed(client: Http2Client): void;
  /** Something that nobody foresaw; the connection is given up. */
  onFault(error: unknown): void;
}

export interface Http2ClientOptions {
  readonly limits?: Partial<Http2Limits>;
  /** Attempts at a time, whatever the upstream lets in beyond. @default 100 */
  readonly maxStreams?: number;
  /** What the upstream is expected to let in, until it has said it. @default any number */
  readonly expectedStreams?: number;
  /** Attempts in all; 0 = any number. @default 0 */
  readonly maxRequests?: number;
  /** Between two PINGs; 0 = none. @default 0 */
  readonly pingIntervalMs?: number;
  /** How long a request that depends on what the upstream can may wait for its settings. @default 10,000 */
  readonly settingsTimeoutMs?: number;
  /** How long a PING's answer may take. @default 10,000 */
  readonly pingTimeoutMs?: number;
  readonly usesHuffman?: boolean;
  readonly nowMs?: () => number;
}

/** What is assumed of an upstream that hasn't said more. */
export const DEFAULT_STREAMS = 100;
const DEFAULT_PING_TIMEOUT_MS = 10_000;
const DEFAULT_SETTINGS_TIMEOUT_MS = 10_000;
const PING = new Uint8Array(8);

const done = new ConnectionFault(ErrorCode.noError, 'done');

export class Http2Client implements BytesReader, ConnectionOwner, ClientStreamHost {
  readonly connection: ClientConnection;
  readonly heads: RequestHeads;
  wire!: Wire;
  readonly #owner: Http2ClientOwner;
  readonly #options: Http2ClientOptions;
  readonly #deadlines: Deadlines;
  readonly #ping: Deadline;
  #socket!: Socket;
  /** Attempts that were handed out and aren't over, sent or not. */
  #taken = 0;
  #attempts = 0;
  #isClosing = false;
  #isClosed = false;
  #awaitsPing = false;
  readonly #awaitingSettings: Set<AttemptStream> = new Set();
  readonly #settings: Deadline;

  constructor(owner: Http2ClientOwner, deadlines: Deadlines, options: Http2ClientOptions = {}) {
    this.#owner = owner;
    this.#options = options;
    this.#deadlines = deadlines;
    this.#ping = new Deadline(() => this.#inTurn(() => this.#onPingDue()));
    this.#settings = new Deadline(() => this.#inTurn(() => this.#onSettingsDue()));
    const { limits = {}, usesHuffman = false, nowMs = (): number => performance.now() } = options;
    this.connection = new ClientConnection(this, {
      limits: { ...DEFAULT_HTTP2_LIMITS, ...limits },
      tools: NODE_BYTES,
      usesHuffman,
      nowMs,
    });
    this.heads = new RequestHeads(this.connection.sender);
  }

  /** A connected socket, which reads into this. */
  attach(socket: Socket): void {
    this.#socket = socket;
    this.wire = new Wire(socket, this.connection, () => this.#inTurn(() => this.#onSocketDrain()));
    socket.on('end', () => socket.destroy());
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#onClosed());
    socket.on('drain', () => this.wire.onDrain());
    this.wire.mark();
    this.#schedulePing();
  }

  /** Attempts that it has handed out. */
  get attempts(): number {
    return this.#attempts;
  }

  /** Attempts under way. */
  get taken(): number {
    return this.#taken;
  }

  /** Another attempt may be taken from it. */
  get hasPlace(): boolean {
    // What a GOAWAY leaves out is told before the connection is: it mustn't come back to it.
    if (this.#isClosing || this.#isClosed || !this.connection.isOpen) return false;
    const { maxStreams = DEFAULT_STREAMS, expectedStreams = Infinity } = this.#options;
    const { hasSettings, peer } = this.connection;
    const max = Math.min(maxStreams, hasSettings ? peer.maxStreams : expectedStreams);
    return this.#taken < max;
  }

  /** An attempt; it counts until it is over. */
  take(): AttemptStream {
    this.#taken++;
    const stream = new AttemptStream(this, this.#attempts++ > 0);
    const { maxRequests = 0 } = this.#options;
    if (maxRequests > 0 && this.#attempts >= maxRequests) this.#stop();
    return stream;
  }

  /** Takes no further attempts; closed when the last one is over. */
  drain(): void {
    this.#inTurn(() => this.#stop());
  }

  /** Ends now, and with it every attempt. */
  close(): void {
    this.#socket.destroy();
  }

  /** Behind the call that is under way. */
  later(work: () => void): void {
    queueMicrotask(() => this.#inTurn(work));
  }

  awaitSettings(stream: AttemptStream): void {
    const { settingsTimeoutMs = DEFAULT_SETTINGS_TIMEOUT_MS } = this.#options;
    if (this.#awaitingSettings.size === 0) this.#deadlines.set(this.#settings, settingsTimeoutMs);
    this.#awaitingSettings.add(stream);
  }

  forgetAwaiting(stream: AttemptStream): void {
    this.#awaitingSettings.delete(stream);
    if (this.#awaitingSettings.size === 0) this.#deadlines.set(this.#settings, 0);
  }

  onBytes(bytes: Buffer, length: number): void {
    enterTurn();
    try {
      this.connection.read(bytes, 0, length);
    } catch (error) {
      this.#onFault(error);
    } finally {
      leaveTurn();
    }
  }

  onDone(): void {
    this.#taken--;
    if (this.#isClosing) this.#closeIfDone();
    else if (!this.#isClosed) this.#owner.onPlaces(this);
  }

  onOutput(): void {
    this.wire?.mark();
  }

  onStreamClosed(): void {
    // Its attempt says when it is over.
  }

  onGoaway(): void {
    this.#stop();
  }

  onSettings(): void {
    if (this.#awaitingSettings.size > 0)
      for (const stream of this.#takeAwaiting()) stream.onPeerSettings();
    this.#owner.onPeerStreams(this.connection.peer.maxStreams);
    if (!this.#isClosing) this.#owner.onPlaces(this);
  }

  onPingAck(): void {
    this.#awaitsPing = false;
    this.#schedulePing();
  }

  onFailed(): void {
    this.#stop();
    this.#isClosed = true;
    this.wire.end();
    // What it sends back matters no more.
    this.wire.flush();
    this.#socket.destroySoon();
  }

  #inTurn(work: () => void): void {
    takeTurn(work, (error) => this.#onFault(error));
  }

  #onFault(error: unknown): void {
    this.#owner.onFault(error);
    this.#socket.destroy();
  }

  #stop(): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#owner.onClosing(this);
    this.#closeIfDone();
  }

  #closeIfDone(): void {
    if (this.#taken === 0 && !this.#isClosed) this.connection.fail(done);
  }

  #takeAwaiting(): readonly AttemptStream[] {
    const awaiting = [...this.#awaitingSettings];
    this.#awaitingSettings.clear();
    this.#deadlines.set(this.#settings, 0);
    return awaiting;
  }

  #onNoSettings(failure: UpstreamFailure): void {
    for (const stream of this.#takeAwaiting()) stream.onNoSettings(failure);
  }

  /** Who says none speaks no HTTP/2. */
  #onSettingsDue(): void {
    this.#onNoSettings('connect-timeout');
    this.#socket.destroy();
  }

  #onSocketDrain(): void {
    this.connection.forEachStream((stream) => {
      if (!stream.wantsDrain || stream.queuedBytes > 0) return;
      stream.wantsDrain = false;
      stream.onDrain();
    });
  }

  #onClosed(): void {
    this.#deadlines.set(this.#ping, 0);
    this.#isClosed = true;
    this.#inTurn(() => {
      this.connection.onLost();
      this.#onNoSettings('reset-before-request');
      if (!this.#isClosing) {
        this.#isClosing = true;
        this.#owner.onClosing(this);
      }
      this.#owner.onClosed(this);
    });
  }

  #schedulePing(): void {
    const { pingIntervalMs = 0 } = this.#options;
    if (!this.#isClosed) this.#deadlines.set(this.#ping, pingIntervalMs);
  }

  /** No answer came to the last one, or the next is due. */
  #onPingDue(): void {
    if (this.#isClosed) return;
    if (this.#awaitsPing) {
      this.#socket.destroy();
      return;
    }
    this.#awaitsPing = true;
    this.connection.ping(PING);
    this.#deadlines.set(this.#ping, this.#options.pingTimeoutMs ?? DEFAULT_PING_TIMEOUT_MS);
  }
}
