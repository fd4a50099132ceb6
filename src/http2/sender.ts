/** Frames on their way out: written into one buffer, DATA as far as the windows let it. */
import type { FieldPairs } from './block-rules.ts';
import type { ByteTools } from './bytes.ts';
import { ConnectionFault, ErrorCode } from './errors.ts';
import type { Field } from './field.ts';
import { DEFAULT_FRAME_BYTES, Flag, FRAME_HEAD_BYTES, FrameType } from './frame-reader.ts';
import { HpackEncoder } from './hpack-encoder.ts';
import type { EncoderOptions } from './hpack-encoder.ts';
import { Output } from './output.ts';
import type { Stream } from './stream.ts';

const MAX_WINDOW = 0x7fff_ffff;
const NOWHERE = -1;

export interface SenderOwner {
  /** There is something to send. */
  onOutput(): void;
  /** END_STREAM is written. */
  onLocalEnd(stream: Stream): void;
}

export class Sender {
  readonly out: Output;
  readonly encoder: HpackEncoder;
  window = 65_535;
  /** Frames that answer the peer's, since the last time that all had left. */
  controls = 0;
  /** DATA frames that were written. */
  dataFrames = 0;
  readonly #owner: SenderOwner;
  /** Streams with a queue, in the order of their turns. */
  #blocked: Stream[] = [];
  /** The frame written last and its stream, while END_STREAM may still be put in its flags. */
  #lastAt = NOWHERE;
  #lastStream = 0;
  #blockAt = 0;

  constructor(owner: SenderOwner, tools: ByteTools, options: EncoderOptions) {
    this.#owner = owner;
    this.out = new Output(tools);
    this.encoder = new HpackEncoder(options);
  }

  /** What was written is gone. */
  onFlushed(): void {
    this.#lastAt = NOWHERE;
  }

  /** A header block: then its fields, then endBlock. */
  beginBlock(): void {
    const { out } = this;
    out.reserve(FRAME_HEAD_BYTES);
    this.#blockAt = out.length;
    out.length += FRAME_HEAD_BYTES;
    this.encoder.begin(out);
  }

  field(field: Field): void {
    this.encoder.field(field, this.out);
  }

  text(name: string, value: string): void {
    this.encoder.text(name, value, this.out);
  }

  endBlock(stream: Stream, isEnd: boolean): void {
    const { out } = this;
    const start = this.#blockAt;
    const length = out.length - start - FRAME_HEAD_BYTES;
    const flags = isEnd ? Flag.endStream : 0;
    this.#lastAt = start;
    this.#lastStream = stream.id;
    if (length <= DEFAULT_FRAME_BYTES)
      this.#head(start, length, (FrameType.headers << 8) | flags | Flag.endHeaders, stream.id);
    else this.#split(length, flags, stream.id);
    if (isEnd) this.#end(stream);
    this.#owner.onOutput();
  }

  /** A whole response without a body, on a stream that nobody has opened. */
  status(id: number, status: string): void {
    const { out } = this;
    this.beginBlock();
    this.text(':status', status);
    this.text('content-length', '0');
    const flags = Flag.endStream | Flag.endHeaders;
    const length = out.length - this.#blockAt - FRAME_HEAD_BYTES;
    this.#head(this.#blockAt, length, (FrameType.headers << 8) | flags, id);
    this.#lastAt = NOWHERE;
    this.#owner.onOutput();
  }

  /** Takes all of it: what may not leave yet is copied. */
  data(stream: Stream, bytes: Uint8Array, start: number, end: number): void {
    if (stream.isLocalEnded || stream.isClosed || end === start) return;
    const at = stream.queuedBytes === 0 ? this.#frames(stream, bytes, start, end) : start;
    if (at < end) this.#enqueue(stream, bytes, at, end);
    this.#owner.onOutput();
  }

  end(stream: Stream, trailers: FieldPairs): void {
    if (stream.isLocalEnded || stream.isClosed) return;
    stream.isLocalEnded = true;
    if (stream.queuedBytes > 0) stream.ending = trailers;
    else this.#writeEnd(stream, trailers);
    this.#owner.onOutput();
  }

  reset(id: number, code: number): void {
    this.controls++;
    this.#short(FrameType.resetStream << 8, id, 4);
    this.out.uint32(code);
  }

  windowUpdate(id: number, more: number): void {
    this.#short(FrameType.windowUpdate << 8, id, 4);
    this.out.uint32(more);
  }

  settings(entries: readonly (readonly [id: number, value: number])[]): void {
    this.#short(FrameType.settings << 8, 0, entries.length * 6);
    const { out } = this;
    for (const [id, value] of entries) {
      out.bytes[out.length++] = id >> 8;
      out.bytes[out.length++] = id;
      out.uint32(value);
    }
  }

  settingsAck(): void {
    this.controls++;
    this.#short((FrameType.settings << 8) | Flag.ack, 0, 0);
  }

  /** Eight bytes of the given ones. */
  ping(bytes: Uint8Array, start: number, isAck: boolean): void {
    this.controls++;
    this.#short((FrameType.ping << 8) | (isAck ? Flag.ack : 0), 0, 8);
    this.out.copy(bytes, start, start + 8);
  }

  goaway(lastId: number, code: number): void {
    this.#short(FrameType.goaway << 8, 0, 8);
    this.out.uint32(lastId);
    this.out.uint32(code);
  }

  /** False = its window would be more than a window can be. */
  onStreamWindow(stream: Stream, more: number): boolean {
    stream.sendWindow += more;
    if (stream.sendWindow > MAX_WINDOW) return false;
    if (stream.queuedBytes > 0) this.#flushBlocked();
    return true;
  }

  onWindow(more: number): void {
    this.window += more;
    if (this.window > MAX_WINDOW)
      throw new ConnectionFault(ErrorCode.flowControlError, 'window_too_large');
    if (this.#blocked.length > 0) this.#flushBlocked();
  }

  /** A stream that ended early: what it had to send is dropped. */
  forget(stream: Stream): void {
    if (stream.queuedBytes === 0) return;
    stream.queue = [];
    stream.queuedBytes = 0;
    stream.ending = undefined;
    this.#blocked = this.#blocked.filter((other) => other !== stream);
  }

  /** Windows have grown: streams take turns of one frame, so that none waits for another's end. */
  #flushBlocked(): void {
    let hasMoved = true;
    while (hasMoved && this.window > 0) {
      hasMoved = false;
      const turn = this.#blocked;
      this.#blocked = [];
      for (const stream of turn) {
        if (stream.isClosed) continue;
        if (this.#flushQueue(stream)) hasMoved = true;
        if (stream.queuedBytes > 0) this.#blocked.push(stream);
        else this.#onQueueEmpty(stream);
      }
    }
    this.#owner.onOutput();
  }

  /** One frame of it; false = nothing may leave. */
  #flushQueue(stream: Stream): boolean {
    const piece = stream.queue[0] as Uint8Array;
    const start = stream.queueStart;
    const end = Math.min(piece.length, start + DEFAULT_FRAME_BYTES);
    const at = this.#frames(stream, piece, start, end);
    stream.queuedBytes -= at - start;
    stream.queueStart = at;
    if (at === piece.length) {
      stream.queue.shift();
      stream.queueStart = 0;
    }
    return at > start;
  }

  #onQueueEmpty(stream: Stream): void {
    if (stream.ending !== undefined) this.#writeEnd(stream, stream.ending);
    else if (stream.wantsDrain) {
      stream.wantsDrain = false;
      stream.onDrain();
    }
  }

  /** As many frames as the windows let pass; says how far it came. */
  #frames(stream: Stream, bytes: Uint8Array, start: number, end: number): number {
    const { out } = this;
    let at = start;
    while (at < end) {
      const length = Math.min(end - at, DEFAULT_FRAME_BYTES, stream.sendWindow, this.window);
      if (length <= 0) break;
      out.reserve(FRAME_HEAD_BYTES + length);
      this.#lastAt = out.length;
      this.#lastStream = stream.id;
      this.#head(out.length, length, FrameType.data << 8, stream.id);
      out.length += FRAME_HEAD_BYTES;
      out.copy(bytes, at, at + length);
      stream.sendWindow -= length;
      this.window -= length;
      this.dataFrames++;
      at += length;
    }
    return at;
  }

  #enqueue(stream: Stream, bytes: Uint8Array, start: number, end: number): void {
    const piece = this.out.tools.allocate(end - start);
    piece.set(bytes.subarray(start, end));
    if (stream.queuedBytes === 0) this.#blocked.push(stream);
    stream.queue.push(piece);
    stream.queuedBytes += end - start;
  }

  #writeEnd(stream: Stream, trailers: FieldPairs): void {
    if (trailers.length > 0) {
      this.beginBlock();
      for (const [name, value] of trailers) this.text(name, value);
      this.endBlock(stream, true);
      return;
    }
    if (this.#lastAt !== NOWHERE && this.#lastStream === stream.id) {
      const flags = this.#lastAt + 4;
      this.out.bytes[flags] = (this.out.bytes[flags] as number) | Flag.endStream;
    } else {
      this.#short((FrameType.data << 8) | Flag.endStream, stream.id, 0);
    }
    this.#end(stream);
  }

  #end(stream: Stream): void {
    stream.isLocalEnded = true;
    this.#owner.onLocalEnd(stream);
  }

  /** A frame whose payload is written next. */
  #short(typeAndFlags: number, id: number, length: number): void {
    const { out } = this;
    out.reserve(FRAME_HEAD_BYTES + length);
    this.#head(out.length, length, typeAndFlags, id);
    out.length += FRAME_HEAD_BYTES;
    this.#lastAt = NOWHERE;
    this.#owner.onOutput();
  }

  #head(at: number, length: number, typeAndFlags: number, id: number): void {
    const { bytes } = this.out;
    bytes[at] = length >> 16;
    bytes[at + 1] = length >> 8;
    bytes[at + 2] = length;
    bytes[at + 3] = typeAndFlags >> 8;
    bytes[at + 4] = typeAndFlags;
    bytes[at + 5] = id >>> 24;
    bytes[at + 6] = id >>> 16;
    bytes[at + 7] = id >>> 8;
    bytes[at + 8] = id;
  }

  /** A block that is longer than a frame: makes room for the heads of what continues it, from its end on. */
  #split(length: number, flags: number, id: number): void {
    const { out } = this;
    const more = Math.ceil(length / DEFAULT_FRAME_BYTES) - 1;
    out.reserve(more * FRAME_HEAD_BYTES);
    const start = this.#blockAt + FRAME_HEAD_BYTES;
    for (let i = more; i > 0; i--) {
      const from = start + i * DEFAULT_FRAME_BYTES;
      const to = Math.min(start + length, from + DEFAULT_FRAME_BYTES);
      const at = from + (i - 1) * FRAME_HEAD_BYTES;
      out.bytes.copyWithin(at + FRAME_HEAD_BYTES, from, to);
      const end = i === more ? Flag.endHeaders : 0;
      this.#head(at, to - from, (FrameType.continuation << 8) | end, id);
    }
    this.#head(this.#blockAt, DEFAULT_FRAME_BYTES, (FrameType.headers << 8) | flags, id);
    out.length += more * FRAME_HEAD_BYTES;
  }
}
