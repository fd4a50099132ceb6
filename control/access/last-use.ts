/** When a token was used last: kept beside the store, so that a request makes no revision. */
import type { TextCache } from '../../src/model/store.ts';

export interface LastUse {
  readonly atMs: number;
  readonly source?: string;
}

export interface LastUses {
  /** Writes it down, at most once a minute for each token. */
  note(tokenId: string, source: string | undefined): Promise<void>;
  of(tokenId: string): Promise<LastUse | undefined>;
  /** The token is gone. */
  forget(tokenId: string): Promise<void>;
}

const EVERY_MS = 60_000;
/** Tokens whose last note is remembered; beyond, one is written more often than needed. */
const MAX_KNOWN = 10_000;
const PREFIX = 'token-use/';

export function createLastUses(texts: TextCache, nowMs: () => number): LastUses {
  const noted = new Map<string, number>();
  return {
    async note(tokenId, source) {
      const atMs = nowMs();
      if (atMs - (noted.get(tokenId) ?? Number.NEGATIVE_INFINITY) < EVERY_MS) return;
      if (noted.size >= MAX_KNOWN) noted.clear();
      noted.set(tokenId, atMs);
      await texts.set(
        PREFIX + tokenId,
        JSON.stringify({ atMs, ...(source === undefined ? {} : { source }) }),
      );
    },
    async of(tokenId) {
      const text = await texts.get(PREFIX + tokenId);
      return text === undefined ? undefined : (JSON.parse(text) as LastUse);
    },
    async forget(tokenId) {
      noted.delete(tokenId);
      await texts.delete(PREFIX + tokenId);
    },
  };
}
