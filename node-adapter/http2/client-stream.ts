/** One attempt on a connection to an upstream that speaks HTTP/2. */
import { NO_TRAILERS } from '../../src/http1/index.ts';
import type { Trailers } from '../../src/http1/index.ts';
import { ClientStreamBase, ErrorCode } from '../../src/http2/index.ts';
import type {
  ClientConnection,
  FieldPairs,
  Http2ResponseHead,
  ResetCause,
} from '../../src/http2/index.ts';
import type { UpstreamFailure } from '../../src/model/error.ts';
import type { ClientStream, ClientStreamEvents, OutgoingRequest } from '../stream.ts';
import { KEY } from '../websocket.ts';
import { receivedTrailers, sendableTrailers, switchedHead } from './heads.ts';
import type { RequestHeads } from './heads.ts';
import type { Wire } from './wire.ts';

/** What all attempts of a connection have in common. */
export interface ClientStreamHost {
  readonly connection: ClientConnection;
  readonly wire: Wire;
  readonly heads: RequestHeads;
  /** Behind the call that is under way. */
  later(work: () => void): void;
  /** Tells the attempt to go on when the peer has said its settings, or that it won't. */
  awaitSettings(stream: AttemptStream): void;
  /** It need not be told any more. */
  forgetAwaiting(stream: AttemptStream): void;
  /** The attempt is over, and its place free. */
  onDone(): void;
}

const FAILURES: Readonly<Record<ResetCause, UpstreamFailure>> = {
  peer: 'reset',
  refused: 'refused-stream',
  protocol: 'protocol-error',
  lost: 'reset',
};

const MULTIPLE_CHOICES = 300;

export class AttemptStream extends ClientStreamBase implements ClientStream {
  readonly #host: ClientStreamHost;
  /** Of others before it on this connection. */
  readonly #isKept: boolean;
  #events: ClientStreamEvents | undefined;
  /** What the request asks for beside an answer. */
  #wants: 'nothing' | 'connect' | 'websocket' = 'nothing';
  /** A WebSocket whose peer hasn't said yet whether it takes such. */
  #held: OutgoingRequest | undefined;
  #key: string | undefined;
  #isTunnel = false;
  /** It was given its place before the peer had said what it takes. */
  #isEarly = false;
  #isDone = false;

  constructor(host: ClientStreamHost, isKept: boolean) {
    super();
    this.#host = host;
    this.#isKept = isKept;
  }

  begin(events: ClientStreamEvents): void {
    this.#events = events;
  }

  send(request: OutgoingRequest, isEnd: boolean): void {
    const { connection, heads } = this.#host;
    if (!connection.isOpen) {
      this.#failLater('refused-stream');
      return;
    }
    // No other request can be asked so, and every upgrade may be ignored: RFC 9110, 7.8.
    if (request.upgrade !== undefined && isEnd && request.method === 'GET') {
      this.#sendUpgrade(request);
      return;
    }
    this.isHead = request.method === 'HEAD';
    if (request.method === 'CONNECT') this.#wants = 'connect';
    this.#isEarly = !connection.hasSettings;
    connection.open(this);
    heads.write(request);
    connection.sender.endBlock(this, isEnd && this.#wants === 'nothing');
  }

  /** The peer has said its settings. */
  onPeerSettings(): void {
    const held = this.#held;
    this.#held = undefined;
    if (held === undefined) return;
    const { connection, heads } = this.#host;
    const { peer } = connection;
    if (!peer.hasConnectProtocol) this.#fail('upgrade-unsupported');
    else if (!connection.isOpen || connection.openStreams >= peer.maxStreams)
      this.#fail('refused-stream');
    else {
      this.#wants = 'websocket';
      this.#key = held.head.get(KEY);
      connection.open(this);
      heads.writeWebSocket(held);
      connection.sender.endBlock(this, false);
    }
  }

  /** Nothing of the request was sent, and nothing can be. */
  onNoSettings(failure: UpstreamFailure): void {
    if (this.#held === undefined) return;
    this.#held = undefined;
    this.#fail(failure);
  }

  write(bytes: Uint8Array, start: number, end: number): void {
    if (this.id > 0) this.#host.connection.sender.data(this, bytes, start, end);
  }

  end(trailers: Trailers): void {
    if (this.id > 0) this.#host.connection.sender.end(this, sendableTrailers(trailers));
  }

  get isFull(): boolean {
    const isFull = this.queuedBytes > 0 || this.#host.wire.isFull;
    if (isFull) this.wantsDrain = true;
    return isFull;
  }

  abort(): void {
    this.#events = undefined;
    if (this.#held !== undefined) this.#host.forgetAwaiting(this);
    this.#held = undefined;
    if (this.id > 0) this.#host.connection.reset(this, ErrorCode.cancel);
    this.#done();
  }

  pauseResponse(): void {
    this.#host.connection.pause(this);
  }

  resumeResponse(): void {
    this.#host.connection.resume(this);
  }

  override onInform(head: Http2ResponseHead): void {
    this.#events?.onInform(head);
  }

  override onResponse(head: Http2ResponseHead, isEnd: boolean): void {
    if (this.#wants !== 'nothing' && head.status < MULTIPLE_CHOICES) {
      this.#onGranted(head);
      if (isEnd) this.#endTunnel();
      return;
    }
    const events = this.#events;
    if (isEnd) this.#finish();
    events?.onResponse(head, isEnd);
  }

  override onBody(bytes: Uint8Array, start: number, end: number): void {
    this.#events?.onResponseBody(bytes, start, end);
  }

  override onEnd(trailers: FieldPairs): void {
    if (this.#isTunnel) {
      this.#endTunnel();
      return;
    }
    const events = this.#events;
    this.#finish();
    events?.onResponseEnd(receivedTrailers(trailers));
  }

  override onReset(cause: ResetCause, code: number): void {
    this.#fail(FAILURES[cause], cause === 'peer' ? code : undefined);
  }

  override onDrain(): void {
    if (this.#host.wire.isFull) this.wantsDrain = true;
    else this.#events?.onUpstreamDrain();
  }

  /** Told behind the call that is under way, as everything that happens to an attempt. */
  #failLater(failure: UpstreamFailure): void {
    this.#host.later(() => this.#fail(failure));
  }

  #sendUpgrade(request: OutgoingRequest): void {
    if (request.upgrade !== 'websocket') {
      this.#failLater('upgrade-unsupported');
      return;
    }
    this.#held = request;
    this.#isEarly = !this.#host.connection.hasSettings;
    if (this.#isEarly) this.#host.awaitSettings(this);
    else this.#host.later(() => this.onPeerSettings());
  }

  #onGranted(head: Http2ResponseHead): void {
    this.#isTunnel = true;
    // RFC 9110, 9.3.6: such a response has no body, whatever it declares.
    this.declaredLength = -1;
    const isWebSocket = this.#wants === 'websocket';
    this.#events?.onSwitched(isWebSocket ? switchedHead(head, this.#key) : head);
  }

  /** The upstream has ended its direction; as over a socket nothing more is said in the other one. */
  #endTunnel(): void {
    const { connection } = this.#host;
    const events = this.#events;
    this.#events = undefined;
    connection.sender.end(this, []);
    // What still waits for a window is for nobody.
    if (!this.isClosed) connection.reset(this, ErrorCode.cancel);
    this.#done();
    events?.onResponseEnd(NO_TRAILERS);
  }

  /** The response is whole: what is left of the request isn't wanted. */
  #finish(): void {
    this.#events = undefined;
    if (!this.isClosed) this.#host.connection.reset(this, ErrorCode.cancel);
    this.#done();
  }

  #fail(failure: UpstreamFailure, code?: number): void {
    const events = this.#events;
    this.#events = undefined;
    this.#done();
    events?.onUpstreamFailure(failure, this.#isRace(failure), code);
  }

  #isRace(failure: UpstreamFailure): boolean {
    if (failure === 'reset') return this.#isKept && !this.hasResponse;
    // A peer that still takes requests, and had said how many, refuses this one for itself.
    return failure === 'refused-stream' && (this.#isEarly || !this.#host.connection.isOpen);
  }

  #done(): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#host.onDone();
  }
}
