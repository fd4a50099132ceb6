/**
 * One request from a client to an upstream and back: tells the engine what happened and does what it says. Whatever
 * codecs carry the two sides, this is the only driver; it allocates nothing to pass a body on.
 */
import { NO_TRAILERS } from '../src/http1/index.ts';
import type { UpstreamFailure } from '../src/model/error.ts';
import type { Exchange, Step } from '../src/model/exchange.ts';
import type { RequestHead, ResponseHead } from '../src/model/head.ts';
import { isSafeToRepeat } from '../src/proxy/index.ts';
import type { Arrival, MirrorTarget } from '../src/proxy/index.ts';
import { AttemptTimer } from './attempt-timer.ts';
import { mustShow, showThen } from './credential.ts';
import { GrpcAttempt } from './grpc/attempt.ts';
import type { Waiter } from './pool/pool.ts';
import type { RelayServices } from './relay-services.ts';
import { KeptBody } from './request-body.ts';
import { NO_MIRRORS, sendMirror } from './mirror.ts';
import type { ServerExchange } from './server-context.ts';
import { takeTurn } from './sockets/turn.ts';
import type { ClientStream, ClientStreamEvents, OutgoingRequest } from './stream.ts';
import type { ServerStream, Trailers } from './stream.ts';
import { CONTINUE, stripResponseHop } from './hop.ts';

/** A new connection may have been on its way to the server that died, too. */
const MAX_RACES = 2;

export class Relay implements ServerExchange, ClientStreamEvents, Waiter, OutgoingRequest {
  readonly #services: RelayServices;
  readonly #stream: ServerStream;
  #x!: Exchange;
  #up: ClientStream | undefined;
  #isWaiting = false;
  #isRequestWhole = false;
  #trailers: Trailers = NO_TRAILERS;
  /** Undefined: nothing of a body has to be kept. */
  #kept: KeptBody | undefined;
  #mirrors: readonly MirrorTarget[] = NO_MIRRORS;
  #timer: AttemptTimer | undefined;
  /** Connections that died at the wrong moment, each answered by one more try on a new one. */
  #races = 0;
  #isForwarding = false;
  #isDelivering = false;
  #isOver = false;
  #bytesReceived = 0;
  #bytesSent = 0;

  private constructor(services: RelayServices, stream: ServerStream) {
    this.#services = services;
    this.#stream = stream;
  }

  static open(
    services: RelayServices,
    stream: ServerStream,
    arrival: Omit<Arrival, 'readBody'>,
  ): Relay {
    const relay = new Relay(services, stream);
    relay.#x = services.engine.begin(
      arrival.head.hasBody
        ? { ...arrival, readBody: (maxBytes: number) => relay.#readBody(maxBytes) }
        : arrival,
    );
    return relay;
  }

  get exchange(): Exchange {
    return this.#x;
  }
  get head(): RequestHead {
    return this.#x.request;
  }
  get method(): string {
    return this.#x.method;
  }
  get scheme(): 'http' | 'https' {
    return this.#x.upstreamScheme;
  }
  get authority(): string {
    return this.#x.upstreamAuthority;
  }
  get target(): string {
    return this.#x.upstreamTarget;
  }
  upgrade?: string;

  start(hasBody: boolean): void {
    this.#isRequestWhole = !hasBody;
    this.#do(this.#services.engine.onRequest(this.#x));
  }

  onRequestBody(bytes: Uint8Array, start: number, end: number): void {
    if (this.#isOver) return;
    this.#bytesReceived += end - start;
    const { bodyLimit } = this.#x;
    if (bodyLimit !== undefined && this.#bytesReceived > bodyLimit.maxBytes) {
      this.#refuseBody();
      return;
    }
    const up = this.#up;
    if (up === undefined) {
      const kept = this.#keep();
      kept.push(bytes, start, end);
      if (kept.isFull) this.#stream.pauseRequest();
      return;
    }
    if (this.#kept === undefined) up.write(bytes, start, end);
    else {
      this.#kept.push(bytes, start, end);
      this.#kept.sendLast(up);
      if (!this.#kept.isReplayable) this.#forget();
    }
    if (up.isFull) this.#stream.pauseRequest();
  }

  onRequestEnd(trailers: Trailers): void {
    this.#isRequestWhole = true;
    this.#trailers = trailers;
    if (this.#x.call !== undefined) this.#onCallWhole();
    this.#kept?.end();
    this.#up?.end(trailers);
    this.#mirror();
  }

  onClientGone(): void {
    this.#finish(true);
  }

  onClientDrain(): void {
    this.#up?.resumeResponse();
  }

  onStream(stream: ClientStream): void {
    this.#isWaiting = false;
    this.#attach(stream);
  }

  onNoStream(failure: UpstreamFailure): void {
    this.#isWaiting = false;
    this.#failed(failure);
  }

  onInform(head: ResponseHead): void {
    // 100 Continue was ours to say: what the upstream says of it is for nobody.
    if (head.status === CONTINUE) return;
    stripResponseHop(head);
    this.#stream.inform(head);
  }

  onResponse(head: ResponseHead, isEnd: boolean): void {
    if (isEnd) this.#up = undefined;
    this.#timer?.clear();
    stripResponseHop(head);
    const step = this.#services.engine.onResponse(this.#x, head);
    if (step !== 'deliver') {
      this.#giveUp();
      this.#do(step);
      return;
    }
    this.#forget();
    this.#isDelivering = true;
    this.#stream.respond(head, isEnd);
    if (isEnd) this.#finish(false);
  }

  onResponseBody(bytes: Uint8Array, start: number, end: number): void {
    this.#bytesSent += end - start;
    const stream = this.#stream;
    stream.write(bytes, start, end);
    if (stream.isFull) this.#up?.pauseResponse();
  }

  onResponseEnd(trailers: Trailers): void {
    this.#up = undefined;
    this.#stream.end(trailers);
    this.#finish(false);
  }

  onUpstreamFailure(failure: UpstreamFailure, isKept: boolean): void {
    this.#up = undefined;
    this.#timer?.clear();
    if (this.#isDelivering) {
      this.#stream.abort();
      this.#finish(false);
      return;
    }
    if (isKept && this.#races < MAX_RACES && this.#mayRepeat(failure)) {
      this.#races++;
      this.#forward(true);
      return;
    }
    this.#failed(failure);
  }

  onUpstreamDrain(): void {
    if (!this.#isOver) this.#stream.resumeRequest();
  }

  onSwitched(head: ResponseHead): void {
    this.#timer?.clear();
    // What a filter would make of a response can't be made of bytes that are no HTTP.
    this.#services.engine.onResponse(this.#x, head);
    this.#forget();
    this.#isDelivering = true;
    this.#stream.switchProtocols(head);
  }

  /** For filters that look into a body before it is forwarded. */
  #readBody(maxBytes: number): ReturnType<KeptBody['peek']> {
    const peeked = this.#keep().peek(maxBytes);
    this.#stream.resumeRequest();
    return peeked;
  }

  #do(step: Step): void {
    switch (step) {
      case 'forward':
        this.#forward();
        return;
      case 'wait':
        this.#wait();
        return;
      case 'reply':
        this.#reply();
        return;
      case 'deliver':
        return;
      default:
        step satisfies never;
    }
  }

  #wait(): void {
    const resume = (): void => {
      if (this.#isOver) return;
      takeTurn(
        () => this.#do(this.#services.engine.resume(this.#x)),
        (error) => this.#onFault(error),
      );
    };
    void (this.#x.waiting ?? Promise.resolve()).then(resume);
  }

  #forward(isFresh = false, isShown = false): void {
    const x = this.#x;
    if (!this.#isForwarding) this.#beginForwarding();
    if (!isShown) this.#startAttemptTimer();
    if (!isShown && mustShow(x)) {
      showThen(x, this.#services, {
        isOver: () => this.#isOver,
        go: (isDone) => (isDone ? this.#forward(isFresh, true) : this.#failed('connect-failure')),
        onFault: (error) => this.#onFault(error),
      });
      return;
    }
    this.#isWaiting = true;
    const stream = this.#services.upstreams.acquire(x, this, isFresh);
    if (stream === undefined) return;
    this.#isWaiting = false;
    this.#attach(stream);
  }

  /** Once for a request, before its first attempt. */
  #beginForwarding(): void {
    const services = this.#services;
    const x = this.#x;
    this.#isForwarding = true;
    const asked = x.request.get('upgrade')?.toLowerCase();
    if (asked !== undefined) {
      x.request.remove('connection');
      x.request.remove('upgrade');
      if (services.upgrades.has(asked)) this.upgrade = asked;
    }
    if (x.mirrors.length > 0) this.#mirrors = services.engine.mirrorTargets(x);
    if (!this.#isRequestWhole && this.#wantsKept()) this.#keep();
    if (this.#isRequestWhole) this.#mirror();
  }

  #attach(given: ClientStream): void {
    const kept = this.#kept;
    const { call } = this.#x;
    const stream = call ? new GrpcAttempt(given, this.#x, this.#services) : given;
    this.#up = stream;
    stream.begin(this);
    // A body of nothing that came whole has its end yet to be said, and perhaps trailers.
    const isEnd = this.#isRequestWhole && kept === undefined && !this.head.hasBody;
    stream.send(this, isEnd);
    if (kept !== undefined) kept.sendAll(stream);
    if (this.#isRequestWhole && !isEnd) stream.end(this.#trailers);
    if (kept?.isReplayable === false || !this.#wantsKept()) this.#forget();
    if (!this.#isRequestWhole) this.#stream.resumeRequest();
  }

  #keep(): KeptBody {
    this.#kept ??= new KeptBody();
    return this.#kept;
  }

  /** The body may be sent once more, or to others. */
  #wantsKept(): boolean {
    return (this.#x.route?.retry?.attempts ?? 0) > 0 || this.#mirrors.length > 0;
  }

  /** What was sent can't be sent again. */
  #forget(): void {
    if (this.#kept === undefined) return;
    if (this.#kept.isReplayable && this.#mirrors.length > 0 && !this.#isDelivering) return;
    this.#x.isReplayable = false;
    this.#kept = undefined;
    this.#mirrors = NO_MIRRORS;
  }

  #mayRepeat(failure: UpstreamFailure): boolean {
    const isWithoutBody = this.#isRequestWhole && this.#bytesReceived === 0;
    const canRepeat = isWithoutBody || this.#kept?.isReplayable === true;
    return canRepeat && isSafeToRepeat(this.#x.method, failure);
  }

  #failed(failure: UpstreamFailure): void {
    this.#timer?.clear();
    this.#do(this.#services.engine.onFailure(this.#x, failure));
  }

  #refuseBody(): void {
    this.#giveUp();
    if (this.#isDelivering) {
      this.#stream.abort();
      this.#finish(false);
      return;
    }
    this.#do(this.#services.engine.onBodyTooLarge(this.#x));
  }

  #reply(): void {
    const { reply } = this.#x;
    this.#giveUp();
    if (reply === undefined) throw new Error('a reply is to be sent, and there is none');
    this.#bytesSent = typeof reply.body === 'string' ? reply.body.length : reply.body.byteLength;
    // Ended first: the client's next request may come with the reply.
    this.#finish(false);
    this.#stream.reply(reply);
  }

  #mirror(): void {
    if (this.#mirrors.length === 0 || !this.#isForwarding) return;
    if (this.#kept?.isReplayable === false) return;
    const { upstreams } = this.#services;
    const { peer: client } = this.#x;
    for (const target of this.#mirrors)
      sendMirror({ target, request: this, client, body: this.#kept?.pieces(), upstreams });
    this.#mirrors = NO_MIRRORS;
  }

  #startAttemptTimer(): void {
    const { attemptTimeoutMs } = this.#x;
    if (attemptTimeoutMs === 0 || (this.#x.call && !this.#isRequestWhole)) return;
    this.#timer ??= new AttemptTimer(
      () => this.#onAttemptTimeout(),
      (error) => this.#onFault(error),
    );
    this.#timer.start(attemptTimeoutMs);
  }

  /** A dialogue may be as long as it likes: only what is asked in full must be answered in time. */
  #onCallWhole(): void {
    this.#services.engine.onCallWhole(this.#x);
    if (!this.#isDelivering && (this.#isWaiting || this.#up !== undefined))
      this.#startAttemptTimer();
  }

  #onAttemptTimeout(): void {
    if (this.#isOver) return;
    this.#giveUp();
    this.#failed('timeout');
  }

  #onFault(error: unknown): void {
    this.#services.onFault(error);
    this.#stream.abort();
  }

  /** The attempt under way, if any, is over. */
  #giveUp(): void {
    this.#timer?.clear();
    if (this.#isWaiting) this.#services.upstreams.cancel(this.#x, this);
    this.#isWaiting = false;
    const up = this.#up;
    this.#up = undefined;
    up?.abort();
  }

  #finish(cancelled: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#giveUp();
    this.#services.engine.onEnd(this.#x, {
      bytesSent: this.#bytesSent,
      bytesReceived: this.#bytesReceived,
      cancelled,
    });
    this.#services.observe?.(this.#x);
  }
}
