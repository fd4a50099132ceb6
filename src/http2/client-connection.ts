/** The client's side of a connection. */
import { Connection, PREFACE } from './connection.ts';
import type { ConnectionOwner, ConnectionSetup } from './connection.ts';
import { ErrorCode, protocolFault } from './errors.ts';
import type { Http2ResponseHead } from './head.ts';
import { SettingId } from './settings.ts';
import { Stream } from './stream.ts';

export abstract class ClientStreamBase extends Stream {
  /** A response to HEAD declares the length of a body that doesn't come. */
  isHead = false;
  /** Interim responses so far. */
  informed = 0;
  abstract onInform(head: Http2ResponseHead): void;
  abstract onResponse(head: Http2ResponseHead, isEnd: boolean): void;
}

const FIRST_FINAL = 200;
const NO_CONTENT = 204;
const NOT_MODIFIED = 304;
/** Interim responses of one request. */
const MAX_INFORMED = 100;
const LAST_ID = 0x7fff_ffff;

export class ClientConnection extends Connection {
  #nextId = 1;
  #isClosing = false;

  constructor(owner: ConnectionOwner, setup: ConnectionSetup) {
    super(owner, setup, false, { scheme: 'http', allowsConnectProtocol: false });
    const { out } = this.sender;
    out.tools.put(PREFACE, out.bytes, 0);
    out.length = PREFACE.length;
    const { limits } = this;
    this.begin([
      [SettingId.headerTableSize, limits.headerTableBytes],
      [SettingId.enablePush, 0],
      [SettingId.initialWindowSize, limits.streamWindow],
      [SettingId.maxHeaderListSize, limits.headerListBytes],
    ]);
  }

  /** Takes requests at all: no GOAWAY has come, and ids are left. */
  get isOpen(): boolean {
    return !this.isFailed && !this.#isClosing && this.#nextId < LAST_ID;
  }

  /** Gives a stream its id: its request's head must be the next block. */
  open(stream: ClientStreamBase): void {
    this.add(stream, this.#nextId);
    this.#nextId += 2;
  }

  isIdle(id: number): boolean {
    return id % 2 === 0 || id >= this.#nextId;
  }

  protected override takesData(stream: Stream): boolean {
    return stream.hasResponse;
  }

  protected override onHalfClosed(): void {
    // The response is still to come.
  }

  /** We have given it up, or it has ended: an answer more does no harm. */
  protected override isLate(): boolean {
    return true;
  }

  protected override goneBehind(lastId: number): void {
    this.#isClosing = true;
    for (const [id, stream] of this.streams)
      if (id > lastId) {
        this.close(stream);
        stream.onReset('refused', ErrorCode.refusedStream);
      }
  }

  protected override onBlock(stream: Stream | undefined, id: number, isEnd: boolean): void {
    if (stream === undefined) {
      if (this.isIdle(id)) throw protocolFault('headers_of_idle_stream');
      return;
    }
    if (stream.hasResponse) this.readTrailers(stream, isEnd);
    else this.#onResponse(stream as ClientStreamBase, isEnd);
  }

  #onResponse(stream: ClientStreamBase, isEnd: boolean): void {
    const head = this.blocks.response(this.decoder);
    if (typeof head === 'string') {
      this.resetFor(stream, ErrorCode.protocolError);
      return;
    }
    if (head.status < FIRST_FINAL) {
      if (isEnd || ++stream.informed > MAX_INFORMED) this.resetFor(stream, ErrorCode.protocolError);
      else stream.onInform(head);
      return;
    }
    stream.hasResponse = true;
    if (head.status === NO_CONTENT || head.status === NOT_MODIFIED || stream.isHead)
      stream.declaredLength = 0;
    else stream.declaredLength = head.contentLength;
    if (!isEnd) {
      stream.onResponse(head, false);
      return;
    }
    stream.isRemoteEnded = true;
    if (stream.declaredLength > 0) {
      this.resetFor(stream, ErrorCode.protocolError);
      return;
    }
    if (stream.isLocalEnded && stream.queuedBytes === 0) this.close(stream);
    stream.onResponse(head, true);
  }
}
