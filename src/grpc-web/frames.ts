/** What gRPC-Web adds to gRPC's messages: trailers as a last frame of the body, and all of it as text. */
import { Base64Encoder } from './base64.ts';

type Trailers = readonly (readonly [name: string, value: string])[];

/** Of a frame that holds trailers. */
const TRAILERS_FLAG = 0x80;
/** Flag and length of a frame. */
const PREFIX_BYTES = 5;

/** One frame with all trailers, a line for each. */
export function trailersFrame(trailers: Trailers): Uint8Array {
  let text = '';
  for (const [name, value] of trailers) text += `${name.toLowerCase()}:${value}\r\n`;
  const frame = new Uint8Array(PREFIX_BYTES + text.length);
  frame[0] = TRAILERS_FLAG;
  new DataView(frame.buffer).setUint32(1, text.length);
  // Values are bytes, each written as one character.
  for (let i = 0; i < text.length; i++) frame[PREFIX_BYTES + i] = text.charCodeAt(i);
  return frame;
}

/** A whole frame as text. */
export function frameText(frame: Uint8Array): Uint8Array {
  const encoder = new Base64Encoder();
  encoder.reserve(frame.length, 1);
  encoder.encode(frame, 0, frame.length);
  encoder.close();
  return encoder.taken();
}

/** Messages as text, however their bytes come: padded at the end of each, so that nothing of it waits for the next. */
export class FramesText {
  readonly #encoder = new Base64Encoder();
  /** Bytes of the prefix under way; all of them = its message is under way. */
  #prefix = 0;
  #length = 0;
  #left = 0;

  /** Lent: written over by no later call, but of the caller's own. */
  encode(bytes: Uint8Array, start: number, end: number): Uint8Array {
    const count = end - start;
    this.#encoder.reserve(count, Math.floor(count / PREFIX_BYTES) + 1);
    let at = start;
    while (at < end) {
      const stop = this.#prefix < PREFIX_BYTES ? at + 1 : Math.min(end, at + this.#left);
      if (this.#prefix < PREFIX_BYTES) this.#readPrefix(bytes[at] as number);
      else this.#left -= stop - at;
      this.#encoder.encode(bytes, at, stop);
      at = stop;
      if (this.#prefix < PREFIX_BYTES || this.#left > 0) continue;
      this.#encoder.close();
      this.#prefix = 0;
    }
    return this.#encoder.taken();
  }

  /** No more comes: what a frame lacks is lacking. */
  end(): Uint8Array {
    this.#encoder.reserve(0, 1);
    this.#encoder.close();
    return this.#encoder.taken();
  }

  #readPrefix(byte: number): void {
    this.#length = this.#prefix === 0 ? 0 : this.#length * 256 + byte;
    this.#prefix++;
    this.#left = this.#length;
  }
}
