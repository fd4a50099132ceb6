/** The server's side of a connection. */
import { Connection, PREFACE } from './connection.ts';
import type { ConnectionOwner, ConnectionSetup } from './connection.ts';
import { ErrorCode, protocolFault } from './errors.ts';
import type { Http2RequestHead } from './head.ts';
import { SettingId } from './settings.ts';
import { Stream } from './stream.ts';

export abstract class ServerStreamBase extends Stream {
  /** Once, when it is open. */
  abstract onRequest(): void;
}

export interface ServerOwner extends ConnectionOwner {
  /** A stream for a request; it isn't open before onRequest. */
  accept(head: Http2RequestHead): ServerStreamBase;
  /** A request that is none, in one token; its stream is reset, or answered with 431. */
  onRefused(reason: string): void;
}

export interface ServerSetup extends ConnectionSetup {
  readonly scheme: 'http' | 'https';
  /** Extended CONNECT (RFC 8441). @default false */
  readonly allowsConnectProtocol?: boolean;
}

const TOO_LARGE = '431';
const ALL_STREAMS = 0x7fff_ffff;

export class ServerConnection extends Connection {
  readonly #owner: ServerOwner;
  /** Of the preface. */
  #seen = 0;
  /** Streams behind it are not looked at. */
  #lastId = ALL_STREAMS;

  constructor(owner: ServerOwner, setup: ServerSetup) {
    const { scheme, allowsConnectProtocol = false } = setup;
    super(owner, setup, true, { scheme, allowsConnectProtocol });
    this.#owner = owner;
    const { limits } = this;
    this.begin([
      [SettingId.headerTableSize, limits.headerTableBytes],
      [SettingId.maxConcurrentStreams, limits.maxStreams],
      [SettingId.initialWindowSize, limits.streamWindow],
      [SettingId.maxHeaderListSize, limits.headerListBytes],
      ...(allowsConnectProtocol ? [[SettingId.enableConnectProtocol, 1] as const] : []),
    ]);
  }

  /** The client is told to open no more, though those on their way are still taken. */
  announceEnd(): void {
    this.goaway(ALL_STREAMS);
  }

  /** None behind those that were opened is looked at. */
  refuseFurther(): void {
    if (this.#lastId !== ALL_STREAMS) return;
    this.#lastId = this.lastPeerId;
    this.goaway(this.#lastId);
  }

  isIdle(id: number): boolean {
    return id % 2 === 0 || id > this.lastPeerId;
  }

  protected override readFrames(bytes: Uint8Array, start: number, end: number): void {
    let at = start;
    while (this.#seen < PREFACE.length && at < end)
      if (bytes[at++] !== PREFACE.charCodeAt(this.#seen++))
        throw protocolFault('preface_malformed');
    if (at < end) super.readFrames(bytes, at, end);
  }

  override onStreamReset(stream: Stream, code: number): void {
    if (!stream.hasResponse) this.guards.resets.count();
    super.onStreamReset(stream, code);
  }

  protected override takesData(): boolean {
    return true;
  }

  /** A client opens all streams. */
  protected override goneBehind(): void {}

  /** What the client still sends isn't wanted any more (RFC 9113, 8.1). */
  protected override onHalfClosed(stream: Stream): void {
    this.reset(stream, ErrorCode.noError);
  }

  protected override onBlock(stream: Stream | undefined, id: number, isEnd: boolean): void {
    if (stream !== undefined) {
      this.readTrailers(stream, isEnd);
      return;
    }
    if (id % 2 === 0) throw protocolFault('stream_id_even');
    if (id <= this.lastPeerId) {
      this.ignoreBlock(id);
      return;
    }
    this.lastPeerId = id;
    if (id > this.#lastId) this.abandon(id);
    else if (this.openStreams >= this.limits.maxStreams || this.isClogged)
      this.#refuse(id, ErrorCode.refusedStream);
    else this.#open(id, isEnd);
  }

  #open(id: number, isEnd: boolean): void {
    const head = this.blocks.request(this.decoder, isEnd);
    if (typeof head === 'string') {
      this.#owner.onRefused(head);
      if (head === 'head_too_large') this.#answerTooLarge(id, isEnd);
      else this.#refuse(id, ErrorCode.protocolError);
      return;
    }
    const stream = this.#owner.accept(head);
    this.add(stream, id);
    stream.declaredLength = head.contentLength;
    stream.isRemoteEnded = isEnd;
    stream.onRequest();
  }

  #refuse(id: number, code: number): void {
    this.guards.resets.count();
    this.sender.reset(id, code);
    this.abandon(id);
  }

  #answerTooLarge(id: number, isEnd: boolean): void {
    this.guards.resets.count();
    this.sender.status(id, TOO_LARGE);
    if (!isEnd) this.sender.reset(id, ErrorCode.noError);
    this.abandon(id);
  }
}
