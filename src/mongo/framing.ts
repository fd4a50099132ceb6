/** Cuts a stream of bytes into messages, wherever it was cut before. Keeps little of large ones, and nothing of small ones that come whole. */
import { View } from './view.ts';

export const HEADER_BYTES = 16;
/** What MongoDB itself takes. */
export const MAX_MESSAGE_BYTES = 48_000_000;
const OP_COMPRESSED = 2012;

export interface MessageHeader {
  /** Of the whole message. */
  readonly length: number;
  readonly requestId: number;
  readonly responseTo: number;
  readonly opCode: number;
}

export interface FramingLimits {
  /** Of a message's beginning that are kept. @default 65,536 */
  readonly headBytes: number;
  /** Of its end. @default 4,096 */
  readonly tailBytes: number;
  /** Compressed messages up to here are kept whole: of a part nothing can be read. @default 1,048,576 */
  readonly compressedBytes: number;
}

export const DEFAULT_FRAMING_LIMITS: FramingLimits = {
  headBytes: 65_536,
  tailBytes: 4096,
  compressedBytes: 1_048_576,
};

/** Undefined = no message begins so. */
export function readHeader(view: View): MessageHeader | undefined {
  const length = view.int32(0);
  const requestId = view.int32(4);
  const responseTo = view.int32(8);
  const opCode = view.int32(12);
  if (length === undefined || length < HEADER_BYTES || length > MAX_MESSAGE_BYTES) return undefined;
  if (requestId === undefined || responseTo === undefined || opCode === undefined) return undefined;
  return { length, requestId, responseTo, opCode };
}

export interface MessageSink {
  /** Lent until the call returns. */
  onMessage(header: MessageHeader, view: View): void;
  /** What came is no message: nothing behind it is read. */
  onLost(): void;
}

const NOTHING = new Uint8Array(0);
const FIRST_KEPT = 1024;

export class Framing {
  readonly #sink: MessageSink;
  readonly #limits: FramingLimits;
  #isLost = false;
  /** Of the message under way; undefined while it isn't whole. */
  #header: MessageHeader | undefined;
  /** Bytes of the message so far. */
  #seen = 0;
  #kept = NOTHING;
  #tail = NOTHING;
  /** Behind the last byte of the tail, which turns around. */
  #tailSeen = 0;
  #headBytes = 0;

  constructor(sink: MessageSink, limits: FramingLimits = DEFAULT_FRAMING_LIMITS) {
    this.#sink = sink;
    this.#limits = limits;
  }

  get isLost(): boolean {
    return this.#isLost;
  }

  /** No message is under way. */
  get isBetween(): boolean {
    return this.#seen === 0;
  }

  push(bytes: Uint8Array, start: number, end: number): void {
    let at = start;
    while (at < end && !this.#isLost) at = this.#take(bytes, at, end);
  }

  /** Where the rest begins. */
  #take(bytes: Uint8Array, at: number, end: number): number {
    if (this.#seen === 0 && end - at >= HEADER_BYTES) {
      const header = readHeader(new View(bytes, at, end - at));
      if (header === undefined) return this.#lose(end);
      if (header.length <= end - at) {
        this.#sink.onMessage(header, new View(bytes, at, header.length));
        return at + header.length;
      }
    }
    return this.#header === undefined
      ? this.#takeHeader(bytes, at, end)
      : this.#takeBody(this.#header, bytes, at, end);
  }

  #takeHeader(bytes: Uint8Array, at: number, end: number): number {
    const stop = Math.min(end, at + HEADER_BYTES - this.#seen);
    this.#keep(bytes, at, stop);
    if (this.#seen >= 4 && !isLength(new View(this.#kept, 0, this.#seen).int32(0)))
      return this.#lose(end);
    if (this.#seen < HEADER_BYTES) return stop;
    const header = readHeader(new View(this.#kept, 0, HEADER_BYTES));
    if (header === undefined) return this.#lose(end);
    this.#header = header;
    const { headBytes, compressedBytes } = this.#limits;
    this.#headBytes = header.opCode === OP_COMPRESSED ? compressedBytes : headBytes;
    if (header.length === HEADER_BYTES) this.#finish(header);
    return stop;
  }

  #takeBody(header: MessageHeader, bytes: Uint8Array, at: number, end: number): number {
    const stop = Math.min(end, at + header.length - this.#seen);
    const room = Math.max(0, this.#headBytes - this.#seen);
    const cut = Math.min(stop, at + room);
    if (cut > at) this.#keep(bytes, at, cut);
    if (stop > cut) this.#keepTail(bytes, cut, stop);
    if (this.#seen === header.length) this.#finish(header);
    return stop;
  }

  #keep(bytes: Uint8Array, at: number, end: number): void {
    const seen = this.#seen + end - at;
    if (seen > this.#kept.length) {
      const grown = new Uint8Array(Math.max(FIRST_KEPT, seen, this.#kept.length * 2));
      grown.set(this.#kept.subarray(0, this.#seen));
      this.#kept = grown;
    }
    this.#kept.set(bytes.subarray(at, end), this.#seen);
    this.#seen = seen;
  }

  #keepTail(bytes: Uint8Array, at: number, end: number): void {
    const { tailBytes } = this.#limits;
    if (this.#tail.length === 0) this.#tail = new Uint8Array(tailBytes);
    this.#seen += end - at;
    const from = Math.max(at, end - tailBytes);
    this.#tailSeen += from - at;
    for (let i = from; i < end;) {
      const place = this.#tailSeen % tailBytes;
      const count = Math.min(end - i, tailBytes - place);
      this.#tail.set(bytes.subarray(i, i + count), place);
      this.#tailSeen += count;
      i += count;
    }
  }

  #finish(header: MessageHeader): void {
    const view = this.#tailSeen === 0 ? this.#whole(header) : this.#torn(header);
    this.#reset();
    this.#sink.onMessage(header, view);
  }

  #whole({ length }: MessageHeader): View {
    return new View(this.#kept, 0, length);
  }

  /** Head and tail side by side. */
  #torn({ length }: MessageHeader): View {
    const { tailBytes } = this.#limits;
    const head = this.#headBytes;
    const count = Math.min(this.#tailSeen, tailBytes);
    const joined = new Uint8Array(head + count);
    joined.set(this.#kept.subarray(0, head));
    const turn = this.#tailSeen > tailBytes ? this.#tailSeen % tailBytes : 0;
    joined.set(this.#tail.subarray(turn, count), head);
    joined.set(this.#tail.subarray(0, turn), head + count - turn);
    return new View(joined, 0, length, [head, length - count]);
  }

  #reset(): void {
    this.#header = undefined;
    this.#seen = 0;
    this.#kept = NOTHING;
    this.#tailSeen = 0;
    this.#tail = NOTHING;
  }

  #lose(end: number): number {
    this.#isLost = true;
    this.#reset();
    this.#sink.onLost();
    return end;
  }
}

const isLength = (length: number | undefined): boolean =>
  length !== undefined && length >= HEADER_BYTES && length <= MAX_MESSAGE_BYTES;
