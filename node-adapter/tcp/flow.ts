/** One direction of a carried connection: what one socket reads, the other writes. */
import type { Socket } from 'node:net';
import type { ReadMode } from '../sockets/reading.ts';
import { giveLarge, sharedBuffer, takeLarge } from './buffers.ts';
import type { PickingReader } from './reading.ts';
import { readInto, switchBuffer, takeHeld } from './reading.ts';

/** As text, which the system takes in one call without keeping hold of the buffer. */
const TEXT_BYTES = 2048;
/** A read of this size is bulk. */
const BULK_BYTES = 16_384;
/** Each change of a buffer outside of a read costs the handle some memory until it closes. */
const MAX_RELEASES = 64;

/** Sees the bytes of one direction. */
export interface FlowWatcher {
  /** Lent. False: they are not to be sent on, the watcher does that itself by `send`. */
  onBytes(bytes: Buffer, start: number, end: number): boolean;
}

export interface FlowEvents {
  /** Bytes moved. */
  onActivity(isBulk: boolean): void;
  /** All was read, and the other side is told so behind what is on its way. */
  onEnd(): void;
}

export interface FlowOptions {
  readonly from: Socket;
  readonly to: Socket;
  readonly mode: ReadMode;
  readonly events: FlowEvents;
  /** Asked before anything is sent on. */
  readonly gate?: FlowWatcher | undefined;
  /** Told of all that is sent on. */
  readonly tap?: FlowWatcher | undefined;
  /** False: others write to the receiver too, and it isn't told when this sender is done. @default true */
  readonly endsReceiver?: boolean;
}

export class Flow implements PickingReader {
  bytes = 0;
  readonly #options: FlowOptions;
  /** Undefined = the shared one. */
  #large: Buffer | undefined;
  /** Written and not yet taken by the system. */
  #inFlight: Buffer[] = [];
  /** Read before there was a flow. */
  #ahead: Buffer | undefined;
  #isPaused = false;
  #holds = 0;
  #defers = 0;
  #hasEnded = false;
  #releases = 0;
  readonly #drained = (): void => this.#onDrain();

  constructor(options: FlowOptions) {
    this.#options = options;
    const { from, to, mode } = options;
    this.#ahead = takeHeld(from);
    readInto(from, this, mode);
    from.on('end', () => this.#onEnd());
    to.on('drain', this.#drained);
  }

  start(): void {
    // It was told to who read before.
    if (this.#options.from.readableEnded) this.#onEnd();
    else if (!this.#isPaused) this.#options.from.resume();
  }

  /** What was read before; counted with the rest. */
  begin(early: Buffer): void {
    if (early.length > 0) this.onRead(early, early.length);
    const ahead = this.#ahead;
    this.#ahead = undefined;
    if (ahead !== undefined) this.onRead(ahead, ahead.length);
  }

  nextBuffer(): Buffer {
    return this.#large ?? sharedBuffer;
  }

  onRead(bytes: Buffer, length: number): void {
    const { gate, tap, events } = this.#options;
    this.bytes += length;
    events.onActivity(length >= BULK_BYTES);
    // Before the write: what becomes of the buffer then is not ours to say.
    tap?.onBytes(bytes, 0, length);
    if (gate === undefined || gate.onBytes(bytes, 0, length)) this.#write(bytes, length);
  }

  /** In order behind what was sent before. Copied. */
  send(bytes: Buffer, start: number, end: number): void {
    const { to } = this.#options;
    if (!to.writable || start === end) return;
    if (end - start <= TEXT_BYTES) to.write(bytes.latin1Slice(start, end), 'latin1');
    else to.write(Buffer.from(bytes.subarray(start, end)));
    this.#brake();
  }

  /** Nothing is read until `release`, once for each call. */
  hold(): void {
    this.#holds++;
    this.#pause();
  }

  /** The receiver isn't told of the end until `endDeferral`, once for each call; reading goes on. */
  deferEnd(): void {
    this.#defers++;
  }

  endDeferral(): void {
    this.#defers--;
    if (this.#hasEnded && this.#holds + this.#defers === 0) this.#finish();
  }

  release(): void {
    this.#holds--;
    if (this.#holds > 0) return;
    if (!this.#hasEnded) this.#resume();
    else if (this.#defers === 0) this.#finish();
  }

  /** The connection has been quiet: it needs no buffer of its own. */
  rest(): void {
    const large = this.#large;
    if (large === undefined || this.#releases >= MAX_RELEASES) return;
    if (!switchBuffer(this.#options.from, sharedBuffer)) return;
    this.#releases++;
    this.#large = undefined;
    giveLarge(large);
  }

  /** The sender is closed, and nothing of it is to be sent any more. */
  close(): void {
    this.#options.to.removeListener('drain', this.#drained);
    // What a write may still hold isn't given to others: it is the garbage collector's.
    this.#inFlight = [];
    if (this.#large !== undefined) giveLarge(this.#large);
    this.#large = undefined;
  }

  #write(bytes: Buffer, length: number): void {
    const { to } = this.#options;
    if (!to.writable) return;
    if (length <= TEXT_BYTES) to.write(bytes.latin1Slice(0, length), 'latin1');
    else if (bytes === this.#large) this.#writeLarge(bytes, length);
    else if (bytes === sharedBuffer) {
      to.write(Buffer.from(bytes.subarray(0, length)));
      if (length >= BULK_BYTES) this.#large ??= takeLarge();
    } else to.write(length === bytes.length ? bytes : bytes.subarray(0, length));
    this.#brake();
  }

  /** Most writes are done when the call returns: then the next read may overwrite what was written. */
  #writeLarge(bytes: Buffer, length: number): void {
    const { to } = this.#options;
    to.write(bytes.subarray(0, length));
    if (to.writableLength === 0) return;
    this.#inFlight.push(bytes);
    this.#large = takeLarge();
  }

  /** A write that finished at once brings a `drain` too, and says nothing of a slow receiver. */
  #brake(): void {
    const { to } = this.#options;
    if (to.writableLength > 0 && to.writableNeedDrain) this.#pause();
  }

  #pause(): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.#options.from.pause();
  }

  #resume(): void {
    if (!this.#isPaused || this.#holds > 0) return;
    this.#isPaused = false;
    this.#options.from.resume();
  }

  #onDrain(): void {
    const { to, events } = this.#options;
    events.onActivity(false);
    if (to.writableLength > 0) return;
    for (const buffer of this.#inFlight) giveLarge(buffer);
    this.#inFlight.length = 0;
    this.#resume();
  }

  #onEnd(): void {
    this.#hasEnded = true;
    if (this.#holds + this.#defers === 0) this.#finish();
  }

  #finish(): void {
    const { to, events, endsReceiver = true } = this.#options;
    events.onEnd();
    if (endsReceiver && to.writable) to.end();
  }
}
