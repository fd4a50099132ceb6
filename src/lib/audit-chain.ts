/**
 * The audit log's chain: each entry holds the SHA-256 of the one before it, as canonical JSON, which holds that of the
 * one before. Who exports one entry a line can check it with nothing but a hash tool.
 */
import { canonicalJson } from './canonical-json.ts';
import { sha256Hex } from './hash.ts';

/** What any chained entry has. */
export interface Chained {
  readonly seq: number;
  /** SHA-256 (hex) of the entry before. */
  readonly previous: string;
}

/** An entry by its number and the hash of its whole text. */
export interface ChainPoint {
  readonly seq: number;
  readonly hash: string;
}

/** Before the first entry. */
export const CHAIN_START: ChainPoint = { seq: 0, hash: '0'.repeat(64) };

export function pointOf(entry: Chained): ChainPoint {
  return { seq: entry.seq, hash: sha256Hex(canonicalJson(entry)) };
}

/** `seq:hash` */
export function pointText({ seq, hash }: ChainPoint): string {
  return `${seq}:${hash}`;
}

export function readPoint(text: string): ChainPoint | undefined {
  const [, seq, hash] = /^(\d{1,15}):([0-9a-f]{64})$/.exec(text.trim()) ?? [];
  return seq === undefined || hash === undefined ? undefined : { seq: Number(seq), hash };
}

export interface ChainReader {
  /** Entries oldest first. Undefined = it follows; else what is wrong. */
  add(entry: Chained): string | undefined;
  /** Of the last entry that was added. */
  readonly head: ChainPoint;
  readonly count: number;
  /** After the last entry: what is wrong at the end. */
  end(): string | undefined;
}

/**
 * Holds entries against the chain that begins after `anchor`. `saved` is a point noted earlier: the log must still
 * have it, so that a log that was cut or written anew is found.
 */
export function readChain(anchor: ChainPoint, saved?: ChainPoint): ChainReader {
  let head = anchor;
  let count = 0;
  let isSavedMet = saved === undefined || saved.seq < anchor.seq;
  const meet = (): string | undefined => {
    if (saved === undefined || saved.seq !== head.seq) return undefined;
    isSavedMet = true;
    return saved.hash === head.hash
      ? undefined
      : `entry ${head.seq} is not the one whose hash was saved: it or one before it was changed`;
  };
  const atAnchor = meet();
  return {
    get head() {
      return head;
    },
    get count() {
      return count;
    },
    add(entry) {
      if (atAnchor !== undefined) return atAnchor;
      if (entry.seq !== head.seq + 1)
        return `entry ${entry.seq} follows entry ${head.seq}: entries were removed, inserted or reordered`;
      if (entry.previous !== head.hash)
        return `entry ${entry.seq} does not hold the hash of entry ${head.seq}: one of them was changed`;
      head = pointOf(entry);
      count += 1;
      return meet();
    },
    end() {
      if (atAnchor !== undefined) return atAnchor;
      return isSavedMet
        ? undefined
        : `the log ends at entry ${head.seq}, entry ${saved?.seq ?? 0} was saved: its end was cut off`;
    },
  };
}
