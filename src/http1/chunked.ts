/**
 * Chunked bodies, byte by byte and strictly: sizes of hexadecimal digits alone, no extensions, CRLF where CRLF must
 * stand. RFC 9112, 7.1. What is read is told as ranges of the given bytes; nothing is copied but trailers.
 */
import { isForbiddenTrailer } from '../lib/trailer-names.ts';
import { CR, LF } from './chars.ts';
import type { HeadFault, HeadLimits } from './fault.ts';
import { DEFAULT_LIMITS, malformed, tooLarge } from './fault.ts';
import { FieldIndex } from './field-index.ts';
import { scanFields } from './fields.ts';
import { bytesOf, textOf } from './latin1.ts';

/** Names and values in wire order, names as received. */
export type Trailers = readonly (readonly [name: string, value: string])[];

export const NO_TRAILERS: Trailers = [];

/** Takes the payload; the bytes may be overwritten when the call has returned. */
export interface BodySink {
  onBody(bytes: Uint8Array, start: number, end: number): void;
}

/** As many as any size that a sender can mean. */
const MAX_SIZE_DIGITS = 13;

type State = 'size' | 'size-end' | 'data' | 'data-cr' | 'data-lf' | 'trailers' | 'done' | 'fault';

const HEX: Int8Array = Int8Array.from({ length: 256 }, (_, code) => {
  const digit = Number.parseInt(String.fromCharCode(code), 16);
  return Number.isNaN(digit) ? -1 : digit;
});

export class ChunkedReader {
  #state: State = 'size';
  #size = 0;
  #digits = 0;
  #trailerText = '';
  /** Of the trailers' line under way. */
  #lineLength = 0;
  #isBehindCr = false;
  #trailers: Trailers = NO_TRAILERS;
  #fault: HeadFault | undefined;
  readonly #limits: HeadLimits;

  constructor(limits: HeadLimits = DEFAULT_LIMITS) {
    this.#limits = limits;
  }

  /** The last chunk and the trailers behind it are read. */
  get isDone(): boolean {
    return this.#state === 'done';
  }

  /** Why the body can't be read on. */
  get fault(): HeadFault | undefined {
    return this.#fault;
  }

  get trailers(): Trailers {
    return this.#trailers;
  }

  /** Reads what belongs to the body and says where it stopped: at `end`, behind the body, or where the fault is. */
  read(bytes: Uint8Array, start: number, end: number, sink: BodySink): number {
    let at = start;
    while (at < end) {
      switch (this.#state) {
        case 'size':
          at = this.#readSize(bytes, at, end);
          break;
        case 'data': {
          const stop = Math.min(end, at + this.#size);
          this.#size -= stop - at;
          if (this.#size === 0) this.#state = 'data-cr';
          sink.onBody(bytes, at, stop);
          at = stop;
          break;
        }
        case 'size-end':
        case 'data-cr':
        case 'data-lf':
          if (!this.#readMark(bytes[at] as number)) return at;
          at++;
          break;
        case 'trailers':
          at = this.#readTrailers(bytes, at, end);
          break;
        case 'done':
        case 'fault':
          return at;
        default:
          return this.#state satisfies never;
      }
    }
    return at;
  }

  #readSize(bytes: Uint8Array, start: number, end: number): number {
    let at = start;
    for (; at < end; at++) {
      const code = bytes[at] as number;
      const digit = HEX[code] as number;
      if (digit >= 0) {
        if (++this.#digits > MAX_SIZE_DIGITS) return this.#fail('chunk_size_too_large', at);
        this.#size = this.#size * 16 + digit;
        continue;
      }
      if (code !== CR || this.#digits === 0) return this.#fail(sizeFault(code, this.#digits), at);
      this.#state = 'size-end';
      return at + 1;
    }
    return at;
  }

  #readMark(code: number): boolean {
    const wanted = this.#state === 'data-cr' ? CR : LF;
    if (code !== wanted) {
      this.#fail(this.#state === 'size-end' ? 'chunk_size_malformed' : 'chunk_end_malformed', 0);
      return false;
    }
    if (this.#state === 'data-cr') this.#state = 'data-lf';
    else if (this.#state === 'data-lf') this.#state = 'size';
    else this.#state = this.#size === 0 ? 'trailers' : 'data';
    if (this.#state === 'size') this.#digits = 0;
    return true;
  }

  /** Trailers are few and seldom: their text is gathered until it is whole. */
  #readTrailers(bytes: Uint8Array, start: number, end: number): number {
    const room = this.#limits.headBytes - this.#trailerText.length;
    const stop = Math.min(end, start + room);
    for (let at = start; at < stop; at++) {
      const code = bytes[at] as number;
      if (code !== LF) {
        this.#lineLength++;
        this.#isBehindCr = code === CR;
        continue;
      }
      if (!this.#isBehindCr) return this.#fail('bare_line_feed', at);
      if (this.#lineLength === 1) {
        const text = this.#trailerText + textOf(bytes, start, at + 1);
        this.#trailerText = '';
        this.#state = 'done';
        if (text.length > 2) this.#parseTrailers(text);
        return at + 1;
      }
      this.#lineLength = 0;
      this.#isBehindCr = false;
    }
    if (end - start >= room) {
      this.#state = 'fault';
      this.#fault = tooLarge('trailers_too_large');
      return stop;
    }
    this.#trailerText += textOf(bytes, start, end);
    return end;
  }

  #parseTrailers(text: string): void {
    const index = new FieldIndex();
    index.reset(0, 1);
    index.text = text;
    const received = { bytes: bytesOf(text, text.length), to: text.length };
    const fault = scanFields(index, received, 0, this.#limits);
    if (fault !== undefined) {
      this.#state = 'fault';
      this.#fault = fault;
      return;
    }
    const trailers: [string, string][] = [];
    for (let i = 0; i < index.count; i++) {
      if (isForbiddenTrailer(index.name(i))) {
        this.#fail('trailer_forbidden', 0);
        return;
      }
      trailers.push([index.receivedName(i), index.value(i)]);
    }
    this.#trailers = trailers;
  }

  #fail(reason: string, at: number): number {
    this.#state = 'fault';
    this.#fault = malformed(reason);
    return at;
  }
}

function sizeFault(code: number, digits: number): string {
  if (digits === 0) return 'chunk_size_malformed';
  if (code === LF) return 'bare_line_feed';
  return code === 0x3b || code === 0x20 || code === 0x09
    ? 'chunk_extension'
    : 'chunk_size_malformed';
}

/** Size line of a chunk. */
export const chunkStart = (size: number): string => `${size.toString(16)}\r\n`;

/** Behind the last chunk. */
export function chunksEnd(trailers: Trailers): string {
  if (trailers.length === 0) return '0\r\n\r\n';
  return `0\r\n${trailers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
}

/** A trailer that may be sent: from another protocol's, where nobody has looked at its name. */
export const isTrailer = (name: string): boolean => !isForbiddenTrailer(name.toLowerCase());
