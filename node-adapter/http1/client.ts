/** A connection to an upstream that speaks HTTP/1.1: one attempt after the other. */
import type { Socket } from 'node:net';
import {
  HeadFault,
  NO_TRAILERS,
  parseResponse,
  parseResponseBytes,
  responseFraming,
} from '../../src/http1/index.ts';
import type {
  BodySink,
  HeadLimits,
  ParseOptions,
  RawResponseHead,
  Trailers,
} from '../../src/http1/index.ts';
import type { UpstreamFailure } from '../../src/model/error.ts';
import { Deadline } from '../sockets/deadlines.ts';
import type { Lifetime } from '../pool/lifetime.ts';
import { Outbox } from '../sockets/outbox.ts';
import type { BytesReader } from '../sockets/reading.ts';
import { enterTurn, leaveTurn, takeTurn } from '../sockets/turn.ts';
import type { ClientStream, ClientStreamEvents, OutgoingRequest } from '../stream.ts';
import { Handshake } from '../websocket.ts';
import { BodyReader } from './body-reader.ts';
import { BodyWriter } from './body-writer.ts';
import { latin1, writeRequest } from './heads.ts';

/** What the pool hears of its connection. */
export interface ClientConnectionOwner {
  /** Their peer has answered an attempt on one of its connections. */
  readonly hasAnswered: boolean;
  /** Its attempt is over and it can take another one. */
  onIdle(connection: Http1Client): void;
  onClosed(connection: Http1Client): void;
  /** Something that nobody foresaw; the connection is given up. */
  onFault(error: unknown): void;
}

type State = 'idle' | 'head' | 'body' | 'raw' | 'closed';

const SWITCHING = 101;
const FIRST_FINAL = 200;
const MULTIPLE_CHOICES = 300;
/** Interim responses of one attempt. */
const MAX_INTERIM = 100;

export class Http1Client implements BytesReader, ClientStream, BodySink {
  /** Its pool's: until when it is kept without an attempt. */
  readonly idleDeadline: Deadline = new Deadline(() => this.close());
  /** Its pool's: until when it takes attempts. */
  lifetime: Lifetime | undefined;
  #isOld = false;
  readonly #owner: ClientConnectionOwner;
  readonly #parsing: ParseOptions<RawResponseHead> & { reuse?: RawResponseHead };
  #socket!: Socket;
  #outbox!: Outbox;
  #out!: BodyWriter;
  readonly #in: BodyReader;
  #events: ClientStreamEvents | undefined;
  #state: State = 'idle';
  #known = '';
  #method = '';
  #isUpgrade = false;
  /** Of the upgrade that was asked for, where its client's protocol has none. */
  #handshake: Handshake | undefined;
  #isRequestWhole = true;
  #keepsAlive = true;
  #interim = 0;
  #attempts = 0;
  #sentBefore = 0;
  /** Bytes of the read under way that are behind the response. */
  #rest = 0;

  constructor(owner: ClientConnectionOwner, limits: HeadLimits) {
    this.#owner = owner;
    this.#parsing = { limits, textOf: latin1 };
    this.#in = new BodyReader(limits);
  }

  /** A connected socket, which reads into this. */
  attach(socket: Socket): void {
    this.#socket = socket;
    this.#outbox = new Outbox(socket);
    this.#out = new BodyWriter(this.#outbox);
    socket.on('end', () => this.#inTurn(() => this.#onEnd()));
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#inTurn(() => this.#onClosed()));
    socket.on('drain', () => this.#inTurn(() => this.#events?.onUpstreamDrain()));
  }

  /** Attempts that it has taken. */
  get attempts(): number {
    return this.#attempts;
  }

  get isUsable(): boolean {
    return this.#state === 'idle' && this.#socket.writable && this.#socket.readable;
  }

  get isOld(): boolean {
    return this.#isOld;
  }

  /** Takes no further attempt. */
  retire(): void {
    this.#isOld = true;
    if (this.#state === 'idle') this.close();
  }

  begin(events: ClientStreamEvents): void {
    this.#events = events;
    this.#attempts++;
  }

  onBytes(bytes: Buffer, length: number): void {
    enterTurn();
    try {
      let at = 0;
      while (at < length) at = this.#readOn(bytes, at, length);
    } catch (error) {
      this.#owner.onFault(error);
      this.#fail('reset');
    } finally {
      leaveTurn();
    }
  }

  send(request: OutgoingRequest, isEnd: boolean): void {
    this.#isUpgrade = request.upgrade !== undefined || request.method === 'CONNECT';
    if (this.#isUpgrade) this.#handshake = Handshake.begin(request.upgrade, request.head);
    const { text, framing } = writeRequest(request, isEnd);
    this.#state = 'head';
    this.#method = request.method;
    this.#isRequestWhole = isEnd;
    this.#keepsAlive = true;
    this.#interim = 0;
    this.#sentBefore = this.#outbox.given;
    this.#outbox.text(text);
    this.#out.begin(framing);
    if (isEnd && framing === 'chunked') this.#out.end(NO_TRAILERS);
  }

  write(bytes: Uint8Array, start: number, end: number): void {
    if (this.#state === 'raw') this.#outbox.bytes(bytes, start, end);
    else this.#out.write(bytes, start, end);
  }

  end(trailers: Trailers): void {
    if (this.#state === 'raw') {
      this.#outbox.end();
      return;
    }
    this.#isRequestWhole = true;
    if (!this.#out.end(trailers)) this.#fail('protocol-error');
  }

  get isFull(): boolean {
    return this.#outbox.isFull;
  }

  abort(): void {
    this.#events = undefined;
    this.close();
  }

  close(): void {
    this.#state = 'closed';
    this.#socket.destroy();
  }

  pauseResponse(): void {
    this.#socket.pause();
  }

  resumeResponse(): void {
    this.#socket.resume();
  }

  onBody(bytes: Uint8Array, start: number, end: number): void {
    this.#events?.onResponseBody(bytes, start, end);
  }

  #inTurn(work: () => void): void {
    takeTurn(work, (error) => {
      this.#owner.onFault(error);
      this.#fail('reset');
    });
  }

  #readOn(bytes: Buffer, at: number, length: number): number {
    switch (this.#state) {
      case 'head':
        return this.#readHead(bytes, at, length);
      case 'body':
        return this.#readBody(bytes, at, length);
      case 'raw':
        this.#events?.onResponseBody(bytes, at, length);
        return length;
      case 'idle':
        // Nobody asked: what comes now could be taken for the answer to the next request.
        this.close();
        return length;
      case 'closed':
        return length;
      default:
        return this.#state satisfies never;
    }
  }

  #readHead(bytes: Buffer, at: number, length: number): number {
    const known = this.#known;
    const parsed =
      known === ''
        ? parseResponseBytes(bytes, at, length, this.#parsing)
        : parseResponse(known + latin1(bytes, at, length), this.#parsing);
    if (parsed === 'incomplete') {
      this.#known = known + latin1(bytes, at, length);
      return length;
    }
    this.#known = '';
    if (parsed instanceof HeadFault) {
      this.#fail('protocol-error');
      return length;
    }
    this.#parsing.reuse ??= parsed;
    const stop = at + parsed.length - known.length;
    this.#rest = length - stop;
    this.#onHead(parsed);
    return stop;
  }

  #onHead(head: RawResponseHead): void {
    const { status } = head;
    const isGranted =
      this.#method === 'CONNECT' && status >= FIRST_FINAL && status < MULTIPLE_CHOICES;
    if (status === SWITCHING || isGranted) {
      this.#onSwitched(head);
      return;
    }
    if (status < FIRST_FINAL) {
      if (++this.#interim > MAX_INTERIM) this.#fail('protocol-error');
      else this.#events?.onInform(head);
      return;
    }
    // To a client of HTTP/2 a success would say that its tunnel is open.
    if (this.#isUpgrade && this.#handshake !== undefined && status < MULTIPLE_CHOICES) {
      this.#fail('protocol-error');
      return;
    }
    const framing = responseFraming(head, this.#method);
    this.#in.begin(framing);
    this.#keepsAlive = head.keepsAlive && framing !== 'until-close';
    this.#state = 'body';
    const events = this.#events;
    // A connection that is free again may take the next request that this response lets through.
    if (framing === 0) this.#finish();
    events?.onResponse(head, framing === 0);
  }

  #onSwitched(head: RawResponseHead): void {
    // Behind a body that isn't whole nobody knows where the new protocol begins.
    const isGranted = this.#isUpgrade && this.#handshake?.isGrantedBy(head) !== false;
    if (!isGranted || !this.#isRequestWhole) {
      this.#fail('protocol-error');
      return;
    }
    this.#state = 'raw';
    this.#events?.onSwitched(head);
  }

  #readBody(bytes: Buffer, at: number, length: number): number {
    const stop = this.#in.read(bytes, at, length, this);
    if (this.#state !== 'body') return stop;
    if (this.#in.fault !== undefined) {
      this.#fail('protocol-error');
      return length;
    }
    this.#rest = length - stop;
    if (this.#in.isWhole) this.#endResponse();
    return stop;
  }

  #endResponse(): void {
    const events = this.#events;
    const { trailers } = this.#in;
    this.#finish();
    events?.onResponseEnd(trailers);
  }

  /**
   * The response is whole. Of a request that isn't, or hasn't left, the rest would be read as the next one; bytes behind a response
   * would be read as the answer to it.
   */
  #finish(): void {
    this.#events = undefined;
    const isSent = this.#isRequestWhole && this.#socket.writableLength === 0;
    if (!this.#keepsAlive || !isSent || this.#rest > 0) {
      this.close();
      return;
    }
    this.#state = 'idle';
    this.#socket.resume();
    this.#owner.onIdle(this);
  }

  #onEnd(): void {
    if (this.#state === 'raw') {
      const events = this.#events;
      this.#events = undefined;
      this.#state = 'closed';
      this.#outbox.end();
      events?.onResponseEnd(NO_TRAILERS);
      return;
    }
    if (this.#state === 'body' && this.#in.endsWithConnection) {
      this.#endResponse();
      return;
    }
    this.#socket.destroy();
  }

  #onClosed(): void {
    const hasFailed = this.#state === 'head' || this.#state === 'body';
    if (hasFailed) this.#fail(this.#wasUnsent() ? 'reset-before-request' : 'reset');
    else if (this.#state === 'raw') this.#events?.onUpstreamFailure('reset', false);
    this.#events = undefined;
    this.#state = 'closed';
    this.#owner.onClosed(this);
  }

  /** Not a byte of a response has come. */
  get #isUnanswered(): boolean {
    return this.#known === '' && this.#interim === 0;
  }

  /** Not a byte of the request can have left: a kept connection was closed before it. */
  #wasUnsent(): boolean {
    return (
      this.#isUnanswered && this.#outbox.given - this.#socket.writableLength <= this.#sentBefore
    );
  }

  #fail(failure: UpstreamFailure): void {
    const events = this.#events;
    const isKnown = this.#attempts > 1 || this.#owner.hasAnswered;
    const isKept = isKnown && this.#state === 'head' && this.#isUnanswered;
    this.#events = undefined;
    this.close();
    events?.onUpstreamFailure(failure, isKept);
  }
}
