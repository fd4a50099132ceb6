/**
 * One attempt of a gRPC call, between a relay and a codec. A call's outcome stands in its trailers and its time ends
 * with them: what requests of other kinds don't need, and don't pay for.
 */
import type { Trailers } from '../../src/http1/index.ts';
import { NO_STATUS, readGrpcStatus } from '../../src/lib/grpc-status.ts';
import type { UpstreamFailure } from '../../src/model/error.ts';
import type { Exchange, GrpcCall } from '../../src/model/exchange.ts';
import type { ResponseHead } from '../../src/model/head.ts';
import type { RelayServices } from '../relay-services.ts';
import { takeTurn, turnNowMs } from '../sockets/turn.ts';
import type { ClientStream, ClientStreamEvents, OutgoingRequest } from '../stream.ts';

/** How long a head waits for what comes behind it: a server that answers in time isn't seen to have waited. */
const HOLD_MS = 100;

/** As callers read it: who says none has said UNKNOWN. */
const UNKNOWN = 2;

function statusOf(head: ResponseHead | undefined, trailers: Trailers): number {
  const said = trailers.find(([name]) => name.toLowerCase() === 'grpc-status')?.[1];
  const status = readGrpcStatus(said ?? head?.get('grpc-status'));
  return status === NO_STATUS ? UNKNOWN : status;
}

export class GrpcAttempt implements ClientStream, ClientStreamEvents {
  readonly #stream: ClientStream;
  readonly #x: Exchange;
  readonly #call: GrpcCall;
  readonly #services: RelayServices;
  #relay!: ClientStreamEvents;
  #isRequestWhole = false;
  /** A head that was kept back. */
  #held: ResponseHead | undefined;
  #isDelivered = false;
  /** The relay has given it up, or the upstream has said all. */
  #isOver = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(stream: ClientStream, x: Exchange, services: RelayServices) {
    if (x.call === undefined) throw new Error('an attempt of a call that is none');
    this.#stream = stream;
    this.#x = x;
    this.#call = x.call;
    this.#services = services;
  }

  begin(events: ClientStreamEvents): void {
    this.#relay = events;
    this.#stream.begin(this);
  }

  send(request: OutgoingRequest, isEnd: boolean): void {
    this.#isRequestWhole = isEnd;
    this.#stream.send(request, isEnd);
  }

  write(bytes: Uint8Array, start: number, end: number): void {
    this.#stream.write(bytes, start, end);
  }

  end(trailers: Trailers): void {
    this.#isRequestWhole = true;
    this.#stream.end(trailers);
    if (this.#isDelivered) this.#boundRest();
  }

  get isFull(): boolean {
    return this.#stream.isFull;
  }

  abort(): void {
    if (this.#isOver) return;
    this.#stop();
    this.#stream.abort();
  }

  pauseResponse(): void {
    this.#stream.pauseResponse();
  }

  resumeResponse(): void {
    this.#stream.resumeResponse();
  }

  onInform(head: ResponseHead): void {
    this.#relay.onInform(head);
  }

  onResponse(head: ResponseHead, isEnd: boolean): void {
    if (isEnd) {
      this.#stop();
      this.#relay.onResponse(head, true);
      return;
    }
    // Who still sends may wait for the head before going on.
    if (!this.#call.holdsHead || !this.#x.isReplayable || !this.#isRequestWhole) {
      this.#deliver(head);
      return;
    }
    this.#held = head;
    this.#after(HOLD_MS, () => this.#release());
  }

  onResponseBody(bytes: Uint8Array, start: number, end: number): void {
    // Some servers end what has no body by a piece without bytes.
    if (this.#held !== undefined && start < end) this.#release();
    if (!this.#isOver && this.#isDelivered) this.#relay.onResponseBody(bytes, start, end);
  }

  onResponseEnd(trailers: Trailers): void {
    const held = this.#held;
    this.#call.status = statusOf(held ?? this.#x.response, trailers);
    this.#stop();
    if (held !== undefined && !this.#passOn(held)) return;
    this.#relay.onResponseEnd(trailers);
  }

  onUpstreamFailure(failure: UpstreamFailure, isKept: boolean, code?: number): void {
    this.#stop();
    if (!this.#isDelivered) {
      this.#relay.onUpstreamFailure(failure, isKept);
      return;
    }
    this.#cut(failure, code);
  }

  onUpstreamDrain(): void {
    this.#relay.onUpstreamDrain();
  }

  onSwitched(head: ResponseHead): void {
    this.#isDelivered = true;
    this.#relay.onSwitched(head);
  }

  #release(): void {
    const head = this.#held;
    this.#held = undefined;
    if (head !== undefined) this.#deliver(head);
  }

  #deliver(head: ResponseHead): void {
    if (this.#passOn(head)) this.#boundRest();
  }

  /** False = the relay doesn't want the answer. */
  #passOn(head: ResponseHead): boolean {
    this.#relay.onResponse(head, false);
    this.#isDelivered = this.#x.response === head;
    return this.#isDelivered;
  }

  /** The time that is left is that of the whole answer. */
  #boundRest(): void {
    const { deadlineMs } = this.#x;
    if (this.#isOver || deadlineMs === 0 || !this.#isRequestWhole) return;
    this.#after(Math.max(1, deadlineMs - turnNowMs()), () => this.#expire());
  }

  #expire(): void {
    if (this.#isOver) return;
    this.#stop();
    this.#stream.abort();
    this.#cut('timeout');
  }

  /** The client has the head: what happened can be said behind it alone. */
  #cut(failure: UpstreamFailure, code?: number): void {
    const trailers = this.#services.engine.onCut(this.#x, failure, code);
    if (trailers === undefined) this.#relay.onUpstreamFailure(failure, false);
    else this.#relay.onResponseEnd(trailers);
  }

  #stop(): void {
    this.#isOver = true;
    this.#held = undefined;
    clearTimeout(this.#timer);
  }

  #after(ms: number, work: () => void): void {
    clearTimeout(this.#timer);
    const onFault = (error: unknown): void => {
      this.#services.onFault(error);
      this.#relay.onUpstreamFailure('reset', false);
    };
    this.#timer = setTimeout(() => takeTurn(work, onFault), ms);
  }
}
