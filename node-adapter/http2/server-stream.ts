/** A client's request over HTTP/2, and the way back to it. */
import { NO_TRAILERS } from '../../src/http1/index.ts';
import type { Trailers } from '../../src/http1/index.ts';
import { ErrorCode, Http2RequestHead, makeField, ServerStreamBase } from '../../src/http2/index.ts';
import type { FieldPairs, ServerConnection } from '../../src/http2/index.ts';
import type { LocalReply } from '../../src/model/exchange.ts';
import type { ResponseHead } from '../../src/model/head.ts';
import type { ServerContext } from '../server-context.ts';
import type { ServerStream, ServerStreamEvents } from '../stream.ts';
import { ACCEPT } from '../websocket.ts';
import { receivedTrailers, sendableTrailers, writeResponseHead } from './heads.ts';
import type { Wire } from './wire.ts';

const OK = 200;
const MULTIPLE_CHOICES = 300;
const CONTINUE = 100;
const SWITCHING = 101;

/** What all streams of a connection have in common. */
export interface ServerStreamHost {
  readonly context: ServerContext;
  readonly connection: ServerConnection;
  readonly wire: Wire;
  /** The connection closes without a word. */
  drop(): void;
}

export class RequestStream extends ServerStreamBase implements ServerStream {
  readonly request: Http2RequestHead;
  /** Looks of the connection's timer since anything moved. */
  quietLooks = 0;
  readonly #host: ServerStreamHost;
  #events: ServerStreamEvents | undefined;
  /** The client asked for a WebSocket (RFC 8441): to the proxy it looks as HTTP/1.1 would have asked. */
  readonly #isWebSocket: boolean;
  /** Its bytes wait for the tunnel to be granted. */
  readonly #wantsTunnel: boolean;
  #isTunnel = false;
  #wantsContinue = false;

  constructor(host: ServerStreamHost, head: Http2RequestHead) {
    super();
    this.#host = host;
    this.#isWebSocket = head.protocol === 'websocket';
    this.#wantsTunnel = head.method === 'CONNECT';
    this.request = this.#isWebSocket ? upgradeRequest(head) : head;
  }

  override onRequest(): void {
    const { request } = this;
    const isBodyless = this.#wantsTunnel || this.isRemoteEnded;
    if (request.has('expect')) this.#noteExpect();
    const exchange = this.#host.context.open(this);
    this.#events = exchange;
    exchange.start(!isBodyless);
  }

  override onBody(bytes: Uint8Array, start: number, end: number): void {
    this.quietLooks = 0;
    this.#wantsContinue = false;
    if (this.#wantsTunnel && !this.#isTunnel) this.#giveUp(ErrorCode.protocolError);
    else this.#events?.onRequestBody(bytes, start, end);
  }

  override onEnd(trailers: FieldPairs): void {
    if (this.#wantsTunnel && !this.#isTunnel) this.#giveUp(ErrorCode.cancel);
    else this.#events?.onRequestEnd(receivedTrailers(trailers));
  }

  override onReset(): void {
    const events = this.#events;
    this.#events = undefined;
    events?.onClientGone();
  }

  override onDrain(): void {
    if (this.#host.wire.isFull) this.wantsDrain = true;
    else this.#events?.onClientDrain();
  }

  get isFull(): boolean {
    const isFull = this.queuedBytes > 0 || this.#host.wire.isFull;
    if (isFull) this.wantsDrain = true;
    return isFull;
  }

  inform(head: ResponseHead): void {
    if (this.hasResponse || this.isClosed) return;
    this.#writeHead(head, head.status, false);
  }

  respond(head: ResponseHead, isEnd: boolean): void {
    if (this.hasResponse || this.isClosed) return;
    this.quietLooks = 0;
    this.hasResponse = true;
    if (isEnd) this.#events = undefined;
    this.#writeHead(head, head.status, isEnd);
  }

  write(bytes: Uint8Array, start: number, end: number): void {
    this.quietLooks = 0;
    this.#host.connection.sender.data(this, bytes, start, end);
  }

  end(trailers: Trailers): void {
    // A response that is whole needs no more news of its request.
    if (!this.#isTunnel) this.#events = undefined;
    this.#host.connection.sender.end(this, sendableTrailers(trailers));
  }

  reply(local: LocalReply): void {
    if (local.close === true) {
      this.#host.drop();
      return;
    }
    const answer = this.#isWebSocket && isSuccess(local.status) ? { ...local, status: 501 } : local;
    const { head, bytes } = this.#host.context.localResponse(answer, this.request.method);
    this.respond(head, bytes.length === 0);
    if (bytes.length === 0) return;
    this.write(bytes, 0, bytes.length);
    this.end(NO_TRAILERS);
  }

  abort(): void {
    this.#events = undefined;
    this.#host.connection.reset(this, this.#abortCode);
    this.#host.wire.mark();
  }

  pauseRequest(): void {
    this.#host.connection.pause(this);
  }

  resumeRequest(): void {
    this.quietLooks = 0;
    if (this.#wantsContinue) this.#sayContinue();
    this.#host.connection.resume(this);
  }

  switchProtocols(head: ResponseHead): void {
    if (this.isClosed) return;
    this.#isTunnel = true;
    this.hasResponse = true;
    for (const name of [ACCEPT, 'content-length']) if (head.has(name)) head.remove(name);
    this.#writeHead(head, head.status === SWITCHING ? OK : head.status, false);
  }

  /** Nothing has moved for too long: the client has lost its turn. */
  expire(): void {
    this.#giveUp(ErrorCode.cancel);
  }

  /** A reader that pauses may be quiet, and so may a tunnel whose two ends have agreed on nothing else. */
  timeoutMs(): number {
    const { bodyTimeoutMs, streamIdleTimeoutMs } = this.#host.context.limits;
    if (this.#isTunnel && !this.#isWebSocket) return 0;
    if (this.hasResponse) return streamIdleTimeoutMs;
    return this.isRemoteEnded || this.isPaused || this.#wantsTunnel ? 0 : bodyTimeoutMs;
  }

  /** RFC 8441, 5: CANCEL is to a tunnel what a reset is to a connection. */
  get #abortCode(): number {
    if (!this.#isTunnel) return ErrorCode.internalError;
    return this.#isWebSocket ? ErrorCode.cancel : ErrorCode.connectError;
  }

  #giveUp(code: number): void {
    const events = this.#events;
    this.#events = undefined;
    this.#host.connection.reset(this, code);
    this.#host.wire.mark();
    events?.onClientGone();
  }

  /** Answered here, when the filters have let the request pass and its body is wanted. */
  #noteExpect(): void {
    if (this.request.get('expect')?.toLowerCase() !== '100-continue') return;
    this.request.remove('expect');
    this.#wantsContinue = !this.isRemoteEnded;
  }

  #sayContinue(): void {
    this.#wantsContinue = false;
    if (this.hasResponse || this.isClosed || this.isRemoteEnded) return;
    const { sender } = this.#host.connection;
    sender.beginBlock();
    sender.text(':status', String(CONTINUE));
    sender.endBlock(this, false);
  }

  #writeHead(head: ResponseHead, status: number, isEnd: boolean): void {
    const { sender } = this.#host.connection;
    writeResponseHead(sender, head, status);
    sender.endBlock(this, isEnd);
  }
}

/** What it would say to the client: that its tunnel is open. */
const isSuccess = (status: number): boolean => status >= OK && status < MULTIPLE_CHOICES;

/** But for the key, which is an affair of HTTP/1.1 and made where a server behind the proxy speaks it. */
function upgradeRequest(head: Http2RequestHead): Http2RequestHead {
  const { scheme, authority, target, protocol, fields } = head;
  const line = { scheme, authority, target, protocol, method: 'GET' };
  return new Http2RequestHead({ ...line, hasBody: false, contentLength: -1 }, [
    ...fields,
    makeField('connection', 'Upgrade'),
    makeField('upgrade', 'websocket'),
  ]);
}
