/** Bytes to send, gathered in one buffer that grows and is used again. */
import type { ByteTools } from './bytes.ts';
import { copyBytes, PORTABLE_BYTES } from './bytes.ts';

const FIRST_BYTES = 4096;

export class Output {
  bytes: Uint8Array;
  length = 0;
  readonly tools: ByteTools;

  constructor(tools: ByteTools = PORTABLE_BYTES, size: number = FIRST_BYTES) {
    this.tools = tools;
    this.bytes = tools.allocate(size);
  }

  /** Makes room behind `length`. */
  reserve(more: number): void {
    const needed = this.length + more;
    if (needed > this.bytes.length) this.#grow(needed);
  }

  /** There must be room. */
  uint32(value: number): void {
    const { bytes } = this;
    const at = this.length;
    bytes[at] = value >>> 24;
    bytes[at + 1] = value >>> 16;
    bytes[at + 2] = value >>> 8;
    bytes[at + 3] = value;
    this.length = at + 4;
  }

  copy(bytes: Uint8Array, start: number, end: number): void {
    copyBytes(bytes, [start, end], this.bytes, this.length);
    this.length += end - start;
  }

  /** The buffer was given away: the next bytes go into one of their own. */
  renew(): void {
    this.bytes = this.tools.allocate(FIRST_BYTES);
    this.length = 0;
  }

  #grow(needed: number): void {
    const bytes = this.tools.allocate(Math.max(needed, this.bytes.length * 2));
    bytes.set(this.bytes.subarray(0, this.length));
    this.bytes = bytes;
  }
}
