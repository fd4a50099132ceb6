/**
 * Where carried connections read into. Most are quiet or say little: they share one buffer, whose content is copied on
 * its way out. One that carries bulk gets large ones of its own, which go from the read to the write as they are.
 */
const SHARED_BYTES = 65_536;
const LARGE_BYTES = 524_288;
/** Kept for the next; more are left to the garbage collector. */
const MAX_POOLED = 32;

export const sharedBuffer: Buffer = Buffer.allocUnsafeSlow(SHARED_BYTES);

const pool: Buffer[] = [];

export function takeLarge(): Buffer {
  return pool.pop() ?? Buffer.allocUnsafeSlow(LARGE_BYTES);
}

/** Nobody may read or write it any more. */
export function giveLarge(buffer: Buffer): void {
  if (pool.length < MAX_POOLED) pool.push(buffer);
}
