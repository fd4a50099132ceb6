/** A header block out of HEADERS and CONTINUATION. RFC 9113, 6.2 and 6.10. */
import { floodFault, protocolFault, sizeFault } from './errors.ts';
import type { FrameHead } from './frame-reader.ts';
import { Flag } from './frame-reader.ts';
import type { Http2Limits } from './limits.ts';

const PRIORITY_BYTES = 5;

export class HeaderBlock {
  /** Where the block stands when it is whole. */
  bytes: Uint8Array = new Uint8Array(0);
  start = 0;
  end = 0;
  /** Of the HEADERS frame. */
  streamId = 0;
  isEndStream = false;
  /** CONTINUATION must come next. */
  isOpen = false;
  readonly #limits: Http2Limits;
  #continuations = 0;

  constructor(limits: Http2Limits) {
    this.#limits = limits;
  }

  /** A HEADERS frame; true = the block is whole, and lent as the frame is. */
  begin(frame: FrameHead, bytes: Uint8Array, from: number, to: number): boolean {
    let start = from;
    let end = to;
    const { flags } = frame;
    if ((flags & Flag.padded) !== 0) {
      if (end - start < 1) throw sizeFault('pad_length_missing');
      end -= bytes[start] as number;
      start++;
    }
    if ((flags & Flag.priority) !== 0) {
      if (to - start < PRIORITY_BYTES) throw sizeFault('priority_cut');
      start += PRIORITY_BYTES;
    }
    if (start > end) throw protocolFault('padding_too_long');
    this.streamId = frame.streamId;
    this.isEndStream = (flags & Flag.endStream) !== 0;
    if ((flags & Flag.endHeaders) !== 0) {
      this.bytes = bytes;
      this.start = start;
      this.end = end;
      return true;
    }
    this.isOpen = true;
    this.#continuations = 0;
    // Copied by hand: what a runtime calls slice may be a view of lent bytes.
    this.bytes = Uint8Array.from(bytes.subarray(start, end));
    this.start = 0;
    this.end = end - start;
    return false;
  }

  /** A CONTINUATION frame; true = the block is whole. */
  go(frame: FrameHead, bytes: Uint8Array, start: number, end: number): boolean {
    if (!this.isOpen || frame.streamId !== this.streamId)
      throw protocolFault('continuation_unexpected');
    const length = this.end + end - start;
    if (++this.#continuations > this.#limits.continuations) throw floodFault('continuation_flood');
    if (length > this.#limits.headerListBytes) throw floodFault('header_block_too_large');
    const whole = new Uint8Array(length);
    whole.set(this.bytes.subarray(0, this.end));
    whole.set(bytes.subarray(start, end), this.end);
    this.bytes = whole;
    this.end = length;
    this.isOpen = (frame.flags & Flag.endHeaders) === 0;
    return !this.isOpen;
  }
}

export function readStreamId(bytes: Uint8Array, at: number): number {
  return readUint32(bytes, at) & 0x7fff_ffff;
}

export function readUint32(bytes: Uint8Array, at: number): number {
  return (
    (((bytes[at] as number) << 24) |
      ((bytes[at + 1] as number) << 16) |
      ((bytes[at + 2] as number) << 8) |
      (bytes[at + 3] as number)) >>>
    0
  );
}
