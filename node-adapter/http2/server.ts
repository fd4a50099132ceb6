/** A client's connection that speaks HTTP/2, agreed on by ALPN or known beforehand. */
import type { Socket } from 'node:net';
import { HeadFault } from '../../src/http1/index.ts';
import {
  DEFAULT_HTTP2_LIMITS,
  ErrorCode,
  ConnectionFault,
  ServerConnection,
} from '../../src/http2/index.ts';
import type { Http2Limits, Http2RequestHead, ServerOwner } from '../../src/http2/index.ts';
import { REQUESTS_A_TURN } from '../limits.ts';
import type { ServerContext } from '../server-context.ts';
import { Deadline } from '../sockets/deadlines.ts';
import type { BytesReader } from '../sockets/reading.ts';
import { enterTurn, leaveTurn, takeTurn } from '../sockets/turn.ts';
import { RequestStream } from './server-stream.ts';
import type { ServerStreamHost } from './server-stream.ts';
import { NODE_BYTES, Wire } from './wire.ts';

/** Bounds of how often a connection looks at the time of its streams. */
const MIN_LOOK_MS = 100;
const MAX_LOOK_MS = 1000;
const LOOKS_PER_TIMEOUT = 4;
/** How long a client that was told of the end may go on opening streams. */
const END_NOTICE_MS = 1000;
const PING_BYTES = 8;
/** Of who has just asked for very much so much is read at a time: some requests of the smallest kind. */
const GREEDY_BYTES = 1024;

const done = new ConnectionFault(ErrorCode.noError, 'done');

export interface Http2ServerOptions {
  readonly limits?: Partial<Http2Limits>;
  /** Shorter heads for a little more time. @default false */
  readonly usesHuffman?: boolean;
  /** Milliseconds of any steady clock. */
  readonly nowMs?: () => number;
}

export class Http2Server implements BytesReader, ServerOwner, ServerStreamHost {
  readonly context: ServerContext;
  readonly connection: ServerConnection;
  wire!: Wire;
  #socket!: Socket;
  #requests = 0;
  #isGreedy = false;
  #isDraining = false;
  #hasGoneAway = false;
  #isClosed = false;
  /** While streams are open or a head is on its way. */
  readonly #look: Deadline;
  readonly #lookMs: number;
  #isLooking = false;
  /** While there is nothing to do; behind a notice of the end, until it takes effect. */
  readonly #idle: Deadline;
  #headLooks = 0;
  #framesSeen = 0;

  constructor(context: ServerContext, options: Http2ServerOptions = {}) {
    this.context = context;
    const { head } = context.limits;
    const { limits = {}, usesHuffman = false, nowMs = (): number => performance.now() } = options;
    this.#lookMs = lookMs(context);
    this.#look = new Deadline(() => this.#onLook());
    this.#idle = new Deadline(() => this.#inTurn(() => this.#onIdle()));
    this.connection = new ServerConnection(this, {
      limits: {
        ...DEFAULT_HTTP2_LIMITS,
        headerListBytes: head.headBytes,
        fields: head.headers,
        ...limits,
      },
      scheme: context.scheme,
      allowsConnectProtocol: context.upgrades.has('websocket'),
      tools: NODE_BYTES,
      usesHuffman,
      nowMs,
    });
  }

  /** The connection's socket, which reads into this. `early`: bytes that were read to tell the protocol. */
  attach(socket: Socket, early?: Buffer): void {
    this.#socket = socket;
    this.wire = new Wire(socket, this.connection, () => this.#inTurn(() => this.#onSocketDrain()));
    socket.on('end', () => this.#inTurn(() => this.#close()));
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#onClosed());
    socket.on('drain', () => this.wire.onDrain());
    this.#startLooking();
    this.context.deadlines.set(this.#idle, this.context.limits.keepAliveTimeoutMs);
    this.wire.mark();
    if (early !== undefined) this.onBytes(early, early.length);
  }

  onBytes(bytes: Buffer, length: number): void {
    const before = this.#requests;
    const end = this.#isGreedy ? Math.min(length, GREEDY_BYTES) : length;
    enterTurn();
    try {
      this.connection.read(bytes, 0, end);
    } catch (error) {
      this.#onFault(error);
    } finally {
      leaveTurn();
    }
    this.#isGreedy = this.#requests - before > REQUESTS_A_TURN;
    if (end < length) this.#readLater(Buffer.from(bytes.subarray(end, length)));
    if (!this.#isLooking && !this.#isClosed && this.connection.isWithinHead) this.#startLooking();
  }

  /** Requests that need no upstream are answered as fast as they are read: others have their turn first. */
  #readLater(bytes: Buffer): void {
    this.#socket.pause();
    setImmediate(() => {
      this.#socket.resume();
      if (!this.#isClosed) this.onBytes(bytes, bytes.length);
    });
  }

  /** Streams that are open end by themselves; a little later no other one is taken. */
  drain(): void {
    if (this.#isDraining || this.#isClosed) return;
    this.#isDraining = true;
    this.#inTurn(() => {
      this.connection.announceEnd();
      // Its answer says that the client has read the announcement.
      this.connection.ping(new Uint8Array(PING_BYTES));
    });
    this.context.deadlines.set(this.#idle, END_NOTICE_MS);
  }

  accept(head: Http2RequestHead): RequestStream {
    this.#requests++;
    if (!this.#isDraining) this.context.deadlines.set(this.#idle, 0);
    if (!this.#isLooking) this.#startLooking();
    const { keepAliveRequests } = this.context.limits;
    const isLast = keepAliveRequests > 0 && this.#requests >= keepAliveRequests;
    if (isLast || this.context.isDraining()) this.drain();
    return new RequestStream(this, head);
  }

  onRefused(reason: string): void {
    this.context.onRefused(new HeadFault(reason === 'head_too_large' ? 431 : 400, reason));
  }

  onOutput(): void {
    this.wire?.mark();
  }

  onStreamClosed(): void {
    if (this.connection.openStreams > 0 || this.#isClosed) return;
    if (this.#hasGoneAway) this.#close();
    else if (!this.#isDraining)
      this.context.deadlines.set(this.#idle, this.context.limits.keepAliveTimeoutMs);
  }

  onGoaway(): void {
    // The client opens no more; it closes the connection when it has its answers.
  }

  onSettings(): void {
    // Read where they are needed.
  }

  onPingAck(): void {
    if (this.#isDraining) this.#goAway();
  }

  onFailed(fault: ConnectionFault): void {
    if (fault !== done) this.context.onRefused(new HeadFault(400, fault.reason));
    this.#linger();
  }

  drop(): void {
    this.#isClosed = true;
    // Of what was read already, nothing is looked at any more.
    this.connection.isFailed = true;
    this.#socket.destroy();
  }

  #inTurn(work: () => void): void {
    takeTurn(work, (error) => this.#onFault(error));
  }

  #onFault(error: unknown): void {
    this.context.onFault(error);
    this.drop();
  }

  #onSocketDrain(): void {
    this.connection.forEachStream((stream) => {
      if (!stream.wantsDrain || stream.queuedBytes > 0) return;
      stream.wantsDrain = false;
      stream.onDrain();
    });
  }

  #onIdle(): void {
    if (this.#isClosed) return;
    if (this.#isDraining) this.#goAway();
    else if (this.connection.openStreams === 0) this.#close();
  }

  /** The streams that are open are the last ones. */
  #goAway(): void {
    if (this.#hasGoneAway) return;
    this.#hasGoneAway = true;
    this.connection.refuseFurther();
    if (this.connection.openStreams === 0) this.#close();
  }

  /** All is said: GOAWAY, and the end behind it. */
  #close(): void {
    if (!this.#isClosed) this.connection.fail(done);
  }

  /** Closed at once, what the client still sends would answer with a reset that may overtake GOAWAY. */
  #linger(): void {
    this.#isClosed = true;
    this.wire.end();
    this.context.deadlines.set(this.#look, this.context.limits.lingerTimeoutMs);
  }

  #onClosed(): void {
    this.#isClosed = true;
    this.context.deadlines.set(this.#look, 0);
    this.context.deadlines.set(this.#idle, 0);
    this.#inTurn(() => this.connection.onLost());
    this.context.onClosed();
  }

  #startLooking(): void {
    this.#isLooking = true;
    this.context.deadlines.set(this.#look, this.#lookMs);
  }

  /** Streams are many and short: one timer looks at all of them instead of one for each. */
  #onLook(): void {
    if (this.#isClosed) {
      this.#socket.destroy();
      return;
    }
    this.#inTurn(() => {
      this.#lookAtHead();
      this.connection.forEachStream((stream) => this.#lookAt(stream as RequestStream));
    });
    this.#isLooking = this.connection.openStreams > 0 || this.connection.isWithinHead;
    if (this.#isLooking && !this.#isClosed) this.context.deadlines.set(this.#look, this.#lookMs);
  }

  #lookAtHead(): void {
    const { frames, isWithinHead } = this.connection;
    this.#headLooks = isWithinHead && frames === this.#framesSeen ? this.#headLooks + 1 : 0;
    this.#framesSeen = frames;
    if (this.#headLooks * this.#lookMs < this.context.limits.headTimeoutMs) return;
    this.connection.fail(new ConnectionFault(ErrorCode.enhanceYourCalm, 'head_timeout'));
  }

  #lookAt(stream: RequestStream): void {
    const timeoutMs = stream.timeoutMs();
    if (timeoutMs > 0 && ++stream.quietLooks * this.#lookMs > timeoutMs) stream.expire();
  }
}

function lookMs(context: ServerContext): number {
  const { headTimeoutMs, bodyTimeoutMs, streamIdleTimeoutMs } = context.limits;
  const shortest = Math.min(
    ...[headTimeoutMs, bodyTimeoutMs, streamIdleTimeoutMs].filter((ms) => ms > 0),
  );
  return Math.min(MAX_LOOK_MS, Math.max(MIN_LOOK_MS, shortest / LOOKS_PER_TIMEOUT));
}
