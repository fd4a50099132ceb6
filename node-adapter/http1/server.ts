/** A client's connection that speaks HTTP/1: requests one after the other, answers in their order. */
import type { Socket } from 'node:net';
import {
  HeadFault,
  NO_TRAILERS,
  parseRequest,
  parseRequestBytes,
  requestFraming,
} from '../../src/http1/index.ts';
import type { BodySink, ParseOptions, RawRequestHead, Trailers } from '../../src/http1/index.ts';
import type { LocalReply } from '../../src/model/exchange.ts';
import type { ResponseHead } from '../../src/model/head.ts';
import { REQUESTS_A_TURN } from '../limits.ts';
import type { ServerContext } from '../server-context.ts';
import type { BytesReader } from '../sockets/reading.ts';
import { enterTurn, leaveTurn, takeTurn, turnNowMs } from '../sockets/turn.ts';
import type { ServerStream, ServerStreamEvents } from '../stream.ts';
import { BodyReader } from './body-reader.ts';
import { ClientSide } from './client-side.ts';
import { latin1, isExpectationUnknown, takesContinue, writeBare, writeResponse } from './heads.ts';

/**
 * head: a request's head is awaited. body: its body is. answer: it is whole, its response isn't. raw: no HTTP any more.
 * linger: the answer is out, what the client still sends is thrown away. closed.
 */
type State = 'head' | 'body' | 'answer' | 'raw' | 'linger' | 'closed';

const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n';
/** Who half-closes behind its request does it at once; a FIN that comes later is from a client that has given up. */
const HALF_CLOSE_MS = 100;

export class Http1Server implements BytesReader, ServerStream, BodySink {
  /** Of the request under way. */
  request!: RawRequestHead;
  readonly #context: ServerContext;
  #side!: ClientSide;
  readonly #in: BodyReader;
  #events: ServerStreamEvents | undefined;
  #state: State = 'head';
  /** What came of a head that isn't whole, or of requests behind the one that is answered. */
  #ahead = '';
  readonly #parsing: ParseOptions<RawRequestHead> & { reuse?: RawRequestHead };
  #requests = 0;
  #isReading = false;
  /** The response's head is out. */
  #isAnswered = false;
  /** The response under way is the connection's last. */
  #closes = false;
  /** The client has half-closed: what it sent is answered, and no more comes. */
  #isClientDone = false;
  #wantsContinue = false;
  #successor: BytesReader | undefined;
  /** When the request under way was whole. */
  #wholeMs = 0;

  constructor(context: ServerContext) {
    this.#context = context;
    const { scheme, limits } = context;
    this.#parsing = { scheme, limits: limits.head, textOf: latin1 };
    this.#in = new BodyReader(context.limits.head);
  }

  /** The connection's socket, which reads into this. `early`: bytes that were read to tell the protocol. */
  attach(socket: Socket, early?: Buffer): void {
    this.#side = new ClientSide(socket, this.#context.deadlines, {
      onEnd: () => this.#onClientDone(),
      onClosed: () => this.#onClosed(),
      onDrain: () => this.#inTurn(() => this.#events?.onClientDrain()),
      onDeadline: () => this.#inTurn(() => this.#onDeadline()),
    });
    this.#side.await(this.#context.limits.headTimeoutMs);
    if (early !== undefined) this.onBytes(early, early.length);
  }

  onBytes(bytes: Buffer, length: number): void {
    if (this.#successor !== undefined) {
      this.#successor.onBytes(bytes, length);
      return;
    }
    enterTurn();
    try {
      this.#read(bytes, length);
    } catch (error) {
      this.#context.onFault(error);
      this.#drop();
    } finally {
      leaveTurn();
    }
  }

  /**
   * Answers the request under way with a head alone, and is done: `successor` reads on, from the returned bytes that
   * came behind the request.
   */
  handOver(head: string, successor: BytesReader): Buffer {
    this.#side.outbox.text(head);
    this.#side.leave();
    this.#events = undefined;
    this.#state = 'closed';
    this.#successor = successor;
    return Buffer.from(this.#ahead, 'latin1');
  }

  /** No further request: behind the answer under way, or now when there is none. */
  drain(): void {
    this.#closes = true;
    if (this.#state === 'head' && this.#ahead === '') this.#close();
  }

  onBody(bytes: Uint8Array, start: number, end: number): void {
    // Several chunks of one read: the first may have been too much already.
    if (this.#state !== 'body') return;
    this.#side.await(this.#context.limits.bodyTimeoutMs);
    this.#events?.onRequestBody(bytes, start, end);
  }

  get isFull(): boolean {
    return this.#side.outbox.isFull;
  }

  inform(head: ResponseHead): void {
    // HTTP/1.0 knows no interim responses.
    if (this.#isAnswered || this.request.minorVersion === 0) return;
    this.#side.outbox.text(writeBare(head));
  }

  respond(head: ResponseHead, isEnd: boolean): void {
    this.#isAnswered = true;
    // An answer that doesn't want the rest of the body: what comes of it is thrown away.
    const isLeft = this.#state === 'body' && (isEnd || head.status >= 400);
    this.#closes ||= isLeft || this.#isLast();
    const { method, minorVersion } = this.request;
    const answered = { method, minorVersion, isEnd, closes: this.#closes };
    const { text, framing } = writeResponse(head, answered);
    this.#side.outbox.text(text);
    this.#side.out.begin(framing);
    this.#side.await(this.#context.limits.streamIdleTimeoutMs);
    this.#side.endsByClose = framing === 'until-close';
    if (this.#side.endsByClose) this.#closes = true;
    if (isEnd) this.#finish(true);
  }

  write(bytes: Uint8Array, start: number, end: number): void {
    this.#side.await(this.#context.limits.streamIdleTimeoutMs);
    if (this.#state === 'raw') this.#side.outbox.bytes(bytes, start, end);
    else this.#side.out.write(bytes, start, end);
  }

  end(trailers: Trailers): void {
    if (this.#state === 'raw') {
      this.#side.outbox.end();
      return;
    }
    // Trailers go to who said that it takes them; HTTP/1.0 has none.
    this.#finish(this.#side.out.end(trailers));
  }

  reply(local: LocalReply): void {
    if (local.close === true) {
      this.#drop();
      return;
    }
    // A body that nobody will read would be taken for the next request.
    if (this.#state === 'body') this.#closes = true;
    const { bytes, head } = this.#context.localResponse(local, this.request.method);
    this.respond(head, bytes.length === 0);
    if (bytes.length > 0) {
      this.write(bytes, 0, bytes.length);
      this.end(NO_TRAILERS);
    }
  }

  abort(): void {
    this.#drop();
  }

  pauseRequest(): void {
    this.#side.pause();
    this.#side.await(this.#context.limits.streamIdleTimeoutMs);
  }

  resumeRequest(): void {
    if (this.#wantsContinue) this.#sayContinue();
    this.#side.resume();
    if (this.#state === 'body') this.#side.await(this.#context.limits.bodyTimeoutMs);
  }

  switchProtocols(head: ResponseHead): void {
    this.#side.outbox.text(writeBare(head));
    this.#isAnswered = true;
    this.#state = 'raw';
    this.#side.await(this.#context.limits.streamIdleTimeoutMs);
    this.#side.resume();
    const ahead = Buffer.from(this.#ahead, 'latin1');
    this.#ahead = '';
    if (ahead.length > 0) this.#events?.onRequestBody(ahead, 0, ahead.length);
  }

  #inTurn(work: () => void): void {
    takeTurn(work, (error) => {
      this.#context.onFault(error);
      this.#drop();
    });
  }

  #read(bytes: Buffer, length: number): void {
    this.#isReading = true;
    const most = this.#requests + REQUESTS_A_TURN;
    let at = 0;
    while (at < length && !(this.#requests >= most && this.#state === 'head'))
      at = this.#readOn(bytes, at, length);
    this.#isReading = false;
    if (at < length) this.#readLater(bytes.latin1Slice(at, length));
  }

  /** Requests that need no upstream are answered as fast as they are read: others have their turn first. */
  #readLater(text: string): void {
    this.#ahead = text;
    this.#side.pause();
    setImmediate(() => {
      this.#side.resume();
      if (this.#state === 'head') this.#readAhead();
    });
  }

  /** How far it came; a state that takes nothing keeps the rest. */
  #readOn(bytes: Buffer, at: number, length: number): number {
    switch (this.#state) {
      case 'head':
        return this.#readHead(bytes, at, length);
      case 'body':
        return this.#readBody(bytes, at, length);
      case 'answer':
        this.#ahead += bytes.latin1Slice(at, length);
        if (this.#ahead.length > this.#context.limits.pipelinedBytes) this.#side.pause();
        return length;
      case 'raw':
        this.#side.await(this.#context.limits.streamIdleTimeoutMs);
        this.#events?.onRequestBody(bytes, at, length);
        return length;
      case 'linger':
        return length;
      case 'closed':
        this.#successor?.onBytes(bytes.subarray(at, length), length - at);
        return length;
      default:
        return this.#state satisfies never;
    }
  }

  #readHead(bytes: Buffer, at: number, length: number): number {
    const known = this.#ahead;
    const parsed =
      known === ''
        ? parseRequestBytes(bytes, at, length, this.#parsing)
        : parseRequest(known + latin1(bytes, at, length), this.#parsing);
    if (parsed === 'incomplete') {
      if (known === '') this.#side.await(this.#context.limits.headTimeoutMs);
      this.#ahead = known + latin1(bytes, at, length);
      return length;
    }
    this.#ahead = '';
    if (parsed instanceof HeadFault) {
      this.#refuse(parsed);
      return length;
    }
    // Nobody looks at a head any more when the next one is read.
    this.#parsing.reuse ??= parsed;
    if (isExpectationUnknown(parsed)) {
      this.#refuse(new HeadFault(417, 'expectation_unknown'));
      return length;
    }
    this.#begin(parsed);
    return at + parsed.length - known.length;
  }

  #begin(head: RawRequestHead): void {
    const framing = requestFraming(head);
    this.request = head;
    this.#requests++;
    this.#isAnswered = false;
    this.#state = framing === 0 ? 'answer' : 'body';
    this.#in.begin(framing);
    this.#wantsContinue = takesContinue(head);
    const { bodyTimeoutMs, streamIdleTimeoutMs } = this.#context.limits;
    // Who waits to be told to go on isn't slow.
    this.#side.await(framing === 0 || this.#wantsContinue ? streamIdleTimeoutMs : bodyTimeoutMs);
    if (framing === 0) this.#wholeMs = turnNowMs();
    const exchange = this.#context.open(this);
    this.#events = exchange;
    exchange.start(framing !== 0);
  }

  #sayContinue(): void {
    this.#wantsContinue = false;
    if (!this.#isAnswered && this.#state === 'body') this.#side.outbox.text(CONTINUE);
  }

  #readBody(bytes: Buffer, at: number, length: number): number {
    this.#wantsContinue = false;
    const stop = this.#in.read(bytes, at, length, this);
    if (this.#state !== 'body') return stop;
    if (this.#in.fault !== undefined) {
      this.#broken(this.#in.fault);
      return length;
    }
    if (this.#in.isWhole) {
      this.#state = 'answer';
      this.#wholeMs = turnNowMs();
      this.#side.await(this.#context.limits.streamIdleTimeoutMs);
      this.#events?.onRequestEnd(this.#in.trailers);
    }
    return stop;
  }

  /** What came of the body may be at the upstream already: only a client that heard nothing is told. */
  #broken(fault: HeadFault): void {
    const events = this.#events;
    this.#events = undefined;
    if (this.#isAnswered) this.#drop();
    else this.#refuse(fault);
    events?.onClientGone();
  }

  #refuse(fault: HeadFault): void {
    this.#context.onRefused(fault);
    this.#side.outbox.text(this.#context.refusal(fault));
    this.#linger();
  }

  #isLast(): boolean {
    const { keepAliveRequests } = this.#context.limits;
    if (!this.request.keepsAlive || this.#isClientDone || this.#context.isDraining()) return true;
    return keepAliveRequests > 0 && this.#requests >= keepAliveRequests;
  }

  /** The response is out. */
  #finish(isWhole: boolean): void {
    this.#events = undefined;
    if (!isWhole) {
      this.#drop();
      return;
    }
    this.#side.endsByClose = false;
    if (this.#state === 'body') {
      this.#linger();
      return;
    }
    if (this.#closes) {
      this.#close();
      return;
    }
    this.#state = 'head';
    this.#side.await(this.#context.limits.keepAliveTimeoutMs);
    // An upstream may answer before it has read what the client was paused for.
    this.#side.resume();
    // Within a read its loop goes on by itself.
    if (this.#ahead !== '' && !this.#isReading) this.#readAhead();
  }

  #readAhead(): void {
    const bytes = Buffer.from(this.#ahead, 'latin1');
    this.#ahead = '';
    this.#inTurn(() => this.#read(bytes, bytes.length));
  }

  /** Closed at once, what the client still sends would answer with a reset that may overtake the response. */
  #linger(): void {
    this.#state = 'linger';
    this.#side.outbox.end();
    this.#side.resume();
    this.#side.await(this.#context.limits.lingerTimeoutMs);
  }

  #close(): void {
    this.#state = 'closed';
    this.#side.outbox.end();
    this.#side.await(this.#context.limits.lingerTimeoutMs);
  }

  #drop(): void {
    this.#state = 'closed';
    this.#side.drop();
  }

  #onClientDone(): void {
    this.#isClientDone = true;
    const hasGivenUp = Date.now() - this.#wholeMs > HALF_CLOSE_MS;
    this.#inTurn(() => {
      if (this.#state === 'raw') this.#events?.onRequestEnd(NO_TRAILERS);
      else if (this.#state === 'body' || (this.#state === 'answer' && hasGivenUp)) {
        const events = this.#events;
        this.#events = undefined;
        this.#drop();
        events?.onClientGone();
      } else if (this.#state !== 'answer') this.#close();
    });
  }

  #onClosed(): void {
    this.#side.await(0);
    this.#state = 'closed';
    const events = this.#events;
    this.#events = undefined;
    this.#inTurn(() => events?.onClientGone());
    this.#context.onClosed();
  }

  #onDeadline(): void {
    if (this.#state === 'head' && this.#ahead !== '')
      this.#refuse(new HeadFault(408, 'head_timeout'));
    else if (this.#state === 'answer' || (this.#state === 'body' && this.#side.isPaused))
      this.#broken(new HeadFault(504, 'stream_idle_timeout'));
    else if (this.#state === 'body') this.#broken(new HeadFault(408, 'body_timeout'));
    else if (this.#state === 'head') this.#close();
    else this.#drop();
  }
}
