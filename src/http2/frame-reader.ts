/**
 * Frames out of bytes that may be cut anywhere. DATA is passed on piece by piece as it comes; other frames, which are
 * short, are whole when they are told, and copied only where they were cut.
 */
import { protocolFault, sizeFault } from './errors.ts';

/** RFC 9113, 6. */
export const FrameType = {
  data: 0x0,
  headers: 0x1,
  priority: 0x2,
  resetStream: 0x3,
  settings: 0x4,
  pushPromise: 0x5,
  ping: 0x6,
  goaway: 0x7,
  windowUpdate: 0x8,
  continuation: 0x9,
} as const;

export const Flag = {
  endStream: 0x1,
  ack: 0x1,
  endHeaders: 0x4,
  padded: 0x8,
  priority: 0x20,
} as const;

export const FRAME_HEAD_BYTES = 9;
/** What every receiver takes. */
export const DEFAULT_FRAME_BYTES = 16_384;

/** Of a frame, before its payload. Valid within the call. */
export interface FrameHead {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  /** Of the payload, padding included. */
  readonly length: number;
}

/** Takes frames; bytes are lent. What it throws ends the read. */
export interface FrameSink {
  /** Any frame but DATA, with its payload. */
  onFrame(head: FrameHead, bytes: Uint8Array, start: number, end: number): void;
  onDataStart(head: FrameHead): void;
  /** A piece of DATA without its padding. */
  onData(bytes: Uint8Array, start: number, end: number): void;
  onDataEnd(head: FrameHead): void;
}

type Part = 'head' | 'payload' | 'pad-length' | 'data' | 'padding';

export class FrameReader implements FrameHead {
  type = 0;
  flags = 0;
  streamId = 0;
  length = 0;
  readonly #sink: FrameSink;
  #part: Part = 'head';
  /** Of the part under way: what has been gathered, and what is to come. */
  #kept: Uint8Array = new Uint8Array(64);
  #keptLength = 0;
  #left = FRAME_HEAD_BYTES;
  #padding = 0;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  /** Part of a frame's head has been read, or part of a frame that isn't DATA. */
  get isWithinShort(): boolean {
    return this.#keptLength > 0 || this.#part === 'payload';
  }

  read(bytes: Uint8Array, start: number, end: number): void {
    let at = start;
    // A frame without a payload is told with no byte behind its head.
    while (at < end || (this.#part !== 'head' && this.#left === 0))
      at = this.#readPart(bytes, at, end);
  }

  #readPart(bytes: Uint8Array, at: number, end: number): number {
    switch (this.#part) {
      case 'head':
        return this.#readHead(bytes, at, end);
      case 'payload':
        return this.#readPayload(bytes, at, end);
      case 'pad-length':
        this.#padding = bytes[at] as number;
        this.#left -= 1 + this.#padding;
        if (this.#left < 0) throw protocolFault('padding_too_long');
        this.#part = 'data';
        return at + 1;
      case 'data':
        return this.#readData(bytes, at, end);
      case 'padding': {
        const stop = Math.min(end, at + this.#left);
        this.#left -= stop - at;
        if (this.#left === 0) this.#endData();
        return stop;
      }
      default:
        return this.#part satisfies never;
    }
  }

  #readHead(bytes: Uint8Array, at: number, end: number): number {
    if (this.#keptLength === 0 && end - at >= FRAME_HEAD_BYTES) {
      this.#begin(bytes, at);
      return at + FRAME_HEAD_BYTES;
    }
    const stop = Math.min(end, at + FRAME_HEAD_BYTES - this.#keptLength);
    for (let i = at; i < stop; i++) this.#kept[this.#keptLength++] = bytes[i] as number;
    if (this.#keptLength < FRAME_HEAD_BYTES) return stop;
    this.#keptLength = 0;
    this.#begin(this.#kept, 0);
    return stop;
  }

  #begin(bytes: Uint8Array, at: number): void {
    const length =
      ((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number);
    if (length > DEFAULT_FRAME_BYTES) throw sizeFault('frame_too_large');
    this.length = length;
    this.type = bytes[at + 3] as number;
    this.flags = bytes[at + 4] as number;
    this.streamId =
      (((bytes[at + 5] as number) & 0x7f) << 24) |
      ((bytes[at + 6] as number) << 16) |
      ((bytes[at + 7] as number) << 8) |
      (bytes[at + 8] as number);
    this.#left = length;
    this.#padding = 0;
    if (this.type !== FrameType.data) {
      this.#part = 'payload';
      return;
    }
    const isPadded = (this.flags & Flag.padded) !== 0;
    if (isPadded && length === 0) throw sizeFault('pad_length_missing');
    this.#part = isPadded ? 'pad-length' : 'data';
    this.#sink.onDataStart(this);
  }

  #readPayload(bytes: Uint8Array, at: number, end: number): number {
    if (this.#keptLength === 0 && end - at >= this.#left) {
      this.#part = 'head';
      this.#sink.onFrame(this, bytes, at, at + this.length);
      return at + this.length;
    }
    const stop = Math.min(end, at + this.#left);
    this.#keep(bytes, at, stop);
    this.#left -= stop - at;
    if (this.#left > 0) return stop;
    const length = this.#keptLength;
    this.#keptLength = 0;
    this.#part = 'head';
    this.#sink.onFrame(this, this.#kept, 0, length);
    return stop;
  }

  #keep(bytes: Uint8Array, start: number, end: number): void {
    const needed = this.#keptLength + end - start;
    if (needed > this.#kept.length) {
      // A frame's length is a promise: room is made for what has come.
      const kept = new Uint8Array(
        Math.min(DEFAULT_FRAME_BYTES, Math.max(needed, this.#kept.length * 2)),
      );
      kept.set(this.#kept.subarray(0, this.#keptLength));
      this.#kept = kept;
    }
    this.#kept.set(bytes.subarray(start, end), this.#keptLength);
    this.#keptLength = needed;
  }

  #readData(bytes: Uint8Array, at: number, end: number): number {
    const stop = Math.min(end, at + this.#left);
    this.#left -= stop - at;
    if (stop > at) this.#sink.onData(bytes, at, stop);
    if (this.#left > 0) return stop;
    this.#left = this.#padding;
    if (this.#padding === 0) this.#endData();
    else this.#part = 'padding';
    return stop;
  }

  #endData(): void {
    this.#part = 'head';
    this.#sink.onDataEnd(this);
  }
}
