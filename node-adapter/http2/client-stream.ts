/** One attempt on a connection to an upstream that speaks HTTP/2. */
import { ClientStreamBase, ErrorCode } from '../../src/http2/index.ts';
import type {
  ClientConnection,
  FieldPairs,
  Http2ResponseHead,
  ResetCause,
} from '../../src/http2/index.ts';
import type { Trailers } from '../../src/http1/index.ts';
import type { UpstreamFailure } from '../../src/model/error.ts';
import type { ClientStream, ClientStreamEvents, OutgoingRequest } from '../stream.ts';
import { receivedTrailers, sendableTrailers } from './heads.ts';
import type { RequestHeads } from './heads.ts';
import type { Wire } from './wire.ts';

/** What all attempts of a connection have in common. */
export interface ClientStreamHost {
  readonly connection: ClientConnection;
  readonly wire: Wire;
  readonly heads: RequestHeads;
  /** Behind the call that is under way. */
  later(work: () => void): void;
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
  #isConnect = false;
  #isTunnel = false;
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
    if (request.upgrade !== undefined || !connection.isOpen) {
      // Told later, as everything that happens to an attempt.
      const failure = connection.isOpen ? 'protocol-error' : 'refused-stream';
      this.#host.later(() => this.#fail(failure));
      return;
    }
    this.isHead = request.method === 'HEAD';
    this.#isConnect = request.method === 'CONNECT';
    connection.open(this);
    heads.write(request);
    connection.sender.endBlock(this, isEnd && !this.#isConnect);
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
    if (this.#isConnect && head.status < MULTIPLE_CHOICES && !isEnd) {
      this.#isTunnel = true;
      this.#events?.onSwitched(head);
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
    const events = this.#events;
    if (this.#isTunnel && !this.isClosed) {
      events?.onResponseEnd(receivedTrailers(trailers));
      return;
    }
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
    const isKept = this.#isKept && !this.hasResponse && failure === 'reset';
    events?.onUpstreamFailure(failure, isKept, code);
  }

  #done(): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#host.onDone();
  }
}
