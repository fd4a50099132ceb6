/** What stands around the documents of a message: opcode, flags, sections, compression. */
import type { MessageHeader } from './framing.ts';
import { HEADER_BYTES, MAX_MESSAGE_BYTES } from './framing.ts';
import { View } from './view.ts';

export const OP = {
  reply: 1,
  update: 2001,
  insert: 2002,
  query: 2004,
  getMore: 2005,
  delete: 2006,
  killCursors: 2007,
  compressed: 2012,
  msg: 2013,
} as const;

const CHECKSUM = 1;
const MORE_TO_COME = 2;
const EXHAUST_ALLOWED = 1 << 16;
/** Bits that whoever doesn't know them must refuse; these are known. */
const REQUIRED_BITS = 0xffff;
const CHECKSUM_BYTES = 4;

export const COMPRESSORS = ['noop', 'snappy', 'zlib', 'zstd'] as const;
export type Compressor = (typeof COMPRESSORS)[number];

/** Exactly `bytes` long, or undefined: a payload that says otherwise is none. */
export type Decompress = (
  compressor: Compressor,
  payload: Uint8Array,
  bytes: number,
) => Uint8Array | undefined;

/** A message as it reads when it is unpacked. */
export interface Unpacked {
  readonly opCode: number;
  /** Behind the header. */
  readonly body: View;
  /** Undefined = it came as it is. */
  readonly compressor: Compressor | undefined;
}

/** Undefined = it can't be unpacked. @param maxBytes of what is unpacked */
export function unpack(
  header: MessageHeader,
  view: View,
  decompress: Decompress,
  maxBytes: number,
): Unpacked | undefined {
  if (header.opCode !== OP.compressed)
    return { opCode: header.opCode, body: view, compressor: undefined };
  const opCode = view.int32(HEADER_BYTES);
  const size = view.int32(HEADER_BYTES + 4);
  const compressor = COMPRESSORS[view.byte(HEADER_BYTES + 8)];
  const payload = view.slice(HEADER_BYTES + 9, header.length);
  if (opCode === undefined || size === undefined || compressor === undefined) return undefined;
  const limit = Math.min(maxBytes, MAX_MESSAGE_BYTES);
  if (payload === undefined || size < 0 || size > limit || opCode === OP.compressed)
    return undefined;
  const plain = compressor === 'noop' ? payload : decompress(compressor, payload, size);
  if (plain?.length !== size) return undefined;
  // Places count from the header on, which what is compressed has none of.
  const whole = new Uint8Array(HEADER_BYTES + size);
  whole.set(plain, HEADER_BYTES);
  return { opCode, body: new View(whole, 0, whole.length), compressor };
}

export interface Sections {
  readonly hasChecksum: boolean;
  /** Nobody answers it, or another answer follows. */
  readonly moreToCome: boolean;
  readonly exhaustAllowed: boolean;
  /** Place of the one document of kind 0; -1 = it isn't there. */
  readonly document: number;
  /** Behind the sections. */
  readonly end: number;
  readonly sequences: readonly Sequence[];
  /** All sections were found: none was behind what isn't there. */
  readonly isWhole: boolean;
}

/** A section of kind 1: documents one after the other. */
export interface Sequence {
  /** As `documents`. */
  readonly name: string;
  /** Place of the first document. */
  readonly start: number;
  /** Behind the last. */
  readonly end: number;
}

const MAX_SEQUENCES = 16;

interface Found {
  readonly document: number;
  readonly sequences: readonly Sequence[];
  readonly isWhole: boolean;
}

/** Undefined = it isn't as OP_MSG says. What isn't there ends the list. */
function findSections(view: View, start: number, end: number): Found | undefined {
  let document = -1;
  const sequences: Sequence[] = [];
  let at = start;
  while (at < end) {
    const kind = view.byte(at);
    const size = view.int32(at + 1);
    // Behind what was thrown away nothing can be told.
    if (kind < 0 || size === undefined) break;
    if (kind > 1 || size < (kind === 0 ? 5 : 4) || at + 1 + size > end) return undefined;
    if (kind === 0) {
      if (document >= 0) return undefined;
      document = at + 1;
    } else if (sequences.length < MAX_SEQUENCES) {
      const zero = view.findZero(at + 5, at + 1 + size);
      if (zero >= 0)
        sequences.push({
          name: view.text(at + 5, zero, 64) ?? '',
          start: zero + 1,
          end: at + 1 + size,
        });
    }
    at += 1 + size;
  }
  return { document, sequences, isWhole: at === end };
}

/** Of an OP_MSG. */
export function readSections(view: View): Sections | undefined {
  const flags = view.uint32(HEADER_BYTES);
  if (flags === undefined) return undefined;
  if ((flags & REQUIRED_BITS & ~(CHECKSUM | MORE_TO_COME)) !== 0) return undefined;
  const hasChecksum = (flags & CHECKSUM) !== 0;
  const end = view.length - (hasChecksum ? CHECKSUM_BYTES : 0);
  const found = findSections(view, HEADER_BYTES + 4, end);
  if (found === undefined) return undefined;
  return {
    hasChecksum,
    moreToCome: (flags & MORE_TO_COME) !== 0,
    exhaustAllowed: (flags & EXHAUST_ALLOWED) !== 0,
    end,
    ...found,
  };
}
