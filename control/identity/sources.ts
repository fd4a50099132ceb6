/** How often one source may ask, in bounded memory: who hasn't asked for longest is forgotten first. */
import { TokenBucket } from '../../src/lib/token-bucket.ts';
import type { TokenBucketOptions } from '../../src/lib/token-bucket.ts';

const MAX_SOURCES = 10_000;
/** Groups of an IPv6 address that one customer has whole (a /64). */
const IPV6_GROUPS = 4;

/** Addresses that one peer can change at will count as one. */
export function sourceGroup(source: string): string {
  const isMapped = source.toLowerCase().startsWith('::ffff:') && source.includes('.');
  if (isMapped) return source.slice('::ffff:'.length);
  if (!source.includes(':')) return source;
  const canonical = URL.parse(`http://[${source.replace(/%.*$/, '')}]`)?.hostname.slice(1, -1);
  if (canonical === undefined) return source;
  const [head = '', tail = ''] = canonical.split('::');
  const groups = head.split(':').filter((one) => one !== '');
  const behind = tail.split(':').filter((one) => one !== '');
  const zeros = Array.from({ length: Math.max(0, 8 - groups.length - behind.length) }, () => '0');
  return [...groups, ...zeros, ...behind].slice(0, IPV6_GROUPS).join(':');
}

export class SourceLimits {
  readonly #options: TokenBucketOptions;
  readonly #nowMs: () => number;
  readonly #buckets = new Map<string, TokenBucket>();

  constructor(options: TokenBucketOptions, nowMs: () => number) {
    this.#options = options;
    this.#nowMs = nowMs;
  }

  /** False = too often. */
  take(source: string): boolean {
    return this.#bucketOf(sourceGroup(source)).take(this.#nowMs());
  }

  /** Whether there is one to take. */
  has(source: string): boolean {
    return this.#bucketOf(sourceGroup(source)).waitMs(this.#nowMs()) === 0;
  }

  get size(): number {
    return this.#buckets.size;
  }

  #bucketOf(group: string): TokenBucket {
    const known = this.#buckets.get(group);
    const bucket = known ?? new TokenBucket(this.#options, this.#nowMs());
    if (known !== undefined) this.#buckets.delete(group);
    else if (this.#buckets.size >= MAX_SOURCES) {
      const [oldest] = this.#buckets.keys();
      if (oldest !== undefined) this.#buckets.delete(oldest);
    }
    this.#buckets.set(group, bucket);
    return bucket;
  }
}
