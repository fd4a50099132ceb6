/**
 * One request on its way through a codec: what the relay needs of a client's side and of an upstream's, whatever
 * protocol carries it. Calls and answers are plain method calls, so that nothing is allocated to pass a body on.
 *
 * Bytes are lent: `bytes` is a read buffer that is overwritten when the call returns. Who needs them later copies.
 */
import type { Trailers } from '../src/http1/index.ts';
import type { UpstreamFailure } from '../src/model/error.ts';
import type { LocalReply } from '../src/model/exchange.ts';
import type { RequestHead, ResponseHead } from '../src/model/head.ts';

export type { Trailers } from '../src/http1/index.ts';

/** Takes a body, piece by piece. */
export interface BodyTarget {
  /** Takes all of it now; `isFull` says whether more should wait. */
  write(bytes: Uint8Array, start: number, end: number): void;
  /** The body is whole. */
  end(trailers: Trailers): void;
  /** What was written hasn't left: the source should pause until `onDrain`. */
  readonly isFull: boolean;
}

/** A client's request, and the way back to it. */
export interface ServerStream extends BodyTarget {
  readonly request: RequestHead;
  /** An interim response (1xx). */
  inform(head: ResponseHead): void;
  /** The response's head, with its edits; a body follows with write and end unless `isEnd`. */
  respond(head: ResponseHead, isEnd: boolean): void;
  /** A whole response of the proxy's own. A reply with `close` closes the connection without a word. */
  reply(local: LocalReply): void;
  /** Nothing more of the response comes: what the client got must not look whole. */
  abort(): void;
  /** Stops and goes on reading the request's body. */
  pauseRequest(): void;
  resumeRequest(): void;
  /** The client's protocol becomes the upstream's own behind a 101 or a granted CONNECT: bytes pass as they are. */
  switchProtocols(head: ResponseHead): void;
}

/** What a codec tells of a client's request. */
export interface ServerStreamEvents {
  onRequestBody(bytes: Uint8Array, start: number, end: number): void;
  onRequestEnd(trailers: Trailers): void;
  /** The client went away, or broke the protocol: nothing can be sent to it any more. */
  onClientGone(): void;
  /** The response's way is free again. */
  onClientDrain(): void;
}

/** An upstream's side of one attempt. */
export interface ClientStream extends BodyTarget {
  /** Who hears of the attempt; before send. */
  begin(events: ClientStreamEvents): void;
  /** The request's head. `isEnd`: no body follows. */
  send(request: OutgoingRequest, isEnd: boolean): void;
  /** Gives the attempt up: the response isn't wanted any more. */
  abort(): void;
  /** Stops and goes on reading the response. */
  pauseResponse(): void;
  resumeResponse(): void;
}

/** A request as the engine decided on it. */
export interface OutgoingRequest {
  readonly head: RequestHead;
  readonly method: string;
  readonly scheme: 'http' | 'https';
  readonly authority: string;
  /** Path and query. */
  readonly target: string;
  /** Protocol that the client asks the connection to become, as `websocket`; absent = none. */
  readonly upgrade?: string;
}

/** What a codec tells of an upstream's response. Behind onUpstreamFailure or a whole response nothing more is told. */
export interface ClientStreamEvents {
  /** 1xx, but for 101. */
  onInform(head: ResponseHead): void;
  /** `isEnd`: no body follows. */
  onResponse(head: ResponseHead, isEnd: boolean): void;
  onResponseBody(bytes: Uint8Array, start: number, end: number): void;
  onResponseEnd(trailers: Trailers): void;
  /**
   * Before the response is whole. `isKept`: it met its connection at a wrong moment. One of a peer that had answered
   * before died without a byte of a response, as when that closed it just then, or died itself; its peer was leaving
   * (GOAWAY), or hadn't said yet how much it takes. `code`: of the reset that the upstream sent.
   */
  onUpstreamFailure(failure: UpstreamFailure, isKept: boolean, code?: number): void;
  onUpstreamDrain(): void;
  /** The connection is the client's from now on (101, or CONNECT granted): bytes pass both ways until either ends. */
  onSwitched(head: ResponseHead): void;
}
