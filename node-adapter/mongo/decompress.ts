/** What MongoDB's clients and servers compress with, undone by the runtime where it can. */
import * as zlib from 'node:zlib';
import type { Decompress } from '../../src/mongo/index.ts';
import { unsnappy } from '../../src/mongo/index.ts';

type Inflate = (bytes: Uint8Array, options: { readonly maxOutputLength: number }) => Buffer;

/** Runtimes before Node 22.15 have no zstd: what is compressed so is counted and not read. */
const zstd: Inflate | undefined =
  'zstdDecompressSync' in zlib ? zlib.zstdDecompressSync : undefined;

/** @param name as servers write it */
export const canDecompress = (name: string): boolean =>
  name === 'snappy' || name === 'zlib' || (name === 'zstd' && zstd !== undefined);

function inflate(
  by: Inflate | undefined,
  payload: Uint8Array,
  bytes: number,
): Uint8Array | undefined {
  try {
    return by?.(payload, { maxOutputLength: Math.max(1, bytes) });
  } catch {
    return undefined;
  }
}

export const decompress: Decompress = (compressor, payload, bytes) => {
  switch (compressor) {
    case 'snappy':
      return unsnappy(payload, bytes);
    case 'zlib':
      return inflate(zlib.inflateSync, payload, bytes);
    case 'zstd':
      return inflate(zstd, payload, bytes);
    case 'noop':
      return payload;
    default:
      return undefined;
  }
};
