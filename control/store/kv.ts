/** Blobs in Workers KV, before those of the object itself: immutable under their hash, so a cached read is never wrong. */
import type { BlobStore } from '../../src/model/store.ts';
import type { SqlBlobs } from './sql-blobs.ts';

/** The part of a KV namespace that is used. */
export interface KvNamespace {
  get(name: string, options?: { readonly cacheTtl?: number }): Promise<string | null>;
  put(name: string, text: string): Promise<void>;
  delete(name: string): Promise<void>;
}

const CACHE_SECONDS = 3600;
const PREFIX = 'blob/';
/** A value that KV would refuse (25 MiB) stays in the object alone. */
const MAX_BYTES = 25 * 1024 * 1024;
const MAX_LENGTH = Math.floor(MAX_BYTES / 3);

/** Written to both before a pointer names it; a miss in KV may be one that is only cached, so the object answers then. */
export function createKvBlobs(
  kv: KvNamespace,
  own: SqlBlobs,
  log: (line: string) => void,
): BlobStore {
  return {
    async put(name, text) {
      // Each write to KV is paid for, and most compiles change one of the three.
      if (own.has(name)) return;
      await own.put(name, text);
      if (text.length > MAX_LENGTH) return;
      try {
        await kv.put(PREFIX + name, text);
      } catch (error) {
        log(
          `blob ${name} is not in KV: ${error instanceof Error ? error.message : 'unknown fault'}`,
        );
      }
    },
    async get(name) {
      const found = await kv.get(PREFIX + name, { cacheTtl: CACHE_SECONDS }).catch(() => null);
      return found ?? own.get(name);
    },
    async prune(keep) {
      await own.prune(keep);
      await Promise.all(
        own.dropped().map((name) => kv.delete(PREFIX + name).catch(() => undefined)),
      );
    },
  };
}
