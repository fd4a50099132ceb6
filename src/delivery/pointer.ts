/** A pointer in one word, and whether something is one. */
import type { Pointer } from '../model/snapshot.ts';

const HASH = /^[0-9a-z]{8,128}$/i;

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export function isPointer(value: unknown): value is Pointer {
  return (
    isRecord(value) &&
    [value['snapshot'], value['endpoints'], value['keys']].every(
      (name) => typeof name === 'string' && HASH.test(name),
    )
  );
}

/** The three hashes in one word, as the pointer's ETag has them. */
export function pointerName({ snapshot, endpoints, keys }: Pointer): string {
  return `${snapshot}.${endpoints}.${keys}`;
}

/** The pointer of a name; undefined = it is none. */
export function pointerOf(name: string): Pointer | undefined {
  const [snapshot, endpoints, keys] = name.split('.');
  const pointer = { snapshot, endpoints, keys };
  return isPointer(pointer) ? pointer : undefined;
}
