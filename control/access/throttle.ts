/**
 * Failed logins of each source, in bounded memory. Secrets of stored tokens have 192 random bits, so whoever shows a
 * right one is let in whatever others at its address do; all else waits.
 */
export interface Refusal {
  /** Too many failed; absent: not yet. */
  readonly retryAfterMs?: number;
  /** How many refusals a line of the audit log should stand for; absent: no line. */
  readonly auditCount?: number;
}

export interface Throttle {
  /** Undefined = it may try; else how long not. */
  waitMs(source: string): number | undefined;
  failed(source: string): Refusal;
}

/** So many may fail at once, */
const BURST = 20;
/** and then one more each time. */
const REFILL_MS = 3000;
const MAX_SOURCES = 4096;
/** Lines of refused logins that the audit log takes at once, and then one more each time. */
const AUDIT_BURST = 60;
const AUDIT_REFILL_MS = 60_000;

interface Failures {
  /** Theoretical arrival time (GCRA): how far ahead of the clock it is says how much was used. */
  tatMs: number;
  count: number;
}

/** An address's own network: who has an IPv6 /64 has all addresses in it. */
export function networkOf(address: string): string {
  if (!address.includes(':')) return address;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  const [head = '', tail] = address.toLowerCase().split('%')[0]?.split('::') ?? [];
  const first = head === '' ? [] : head.split(':');
  const last = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - first.length - last.length);
  const groups = [...first, ...Array.from({ length: zeros }, () => '0'), ...last];
  return `${groups
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':')}::/64`;
}

/** 1, 10, 100, ...: a source that goes on costs ever fewer lines. */
const isPowerOfTen = (count: number): boolean => /^10*$/.test(String(count));

class Sources implements Throttle {
  readonly #nowMs: () => number;
  readonly #failures = new Map<string, Failures>();
  #auditTatMs = 0;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  waitMs(source: string): number | undefined {
    const found = this.#failures.get(networkOf(source));
    if (found === undefined) return undefined;
    const waitMs = found.tatMs - REFILL_MS * (BURST - 1) - this.#nowMs();
    return waitMs > 0 ? waitMs : undefined;
  }

  failed(source: string): Refusal {
    const nowMs = this.#nowMs();
    const key = networkOf(source);
    const found = this.#failures.get(key);
    const isFresh = found === undefined || found.tatMs <= nowMs;
    const count = isFresh ? 1 : found.count + 1;
    // It never runs further ahead than the burst: who stops is soon free again.
    const tatMs = Math.min(
      Math.max(nowMs, found?.tatMs ?? 0) + REFILL_MS,
      nowMs + REFILL_MS * (BURST + 1),
    );
    this.#failures.delete(key);
    this.#makeRoom(nowMs);
    this.#failures.set(key, { tatMs, count });
    const waitMs = tatMs - REFILL_MS * BURST - nowMs;
    return {
      ...(waitMs > 0 ? { retryAfterMs: waitMs } : {}),
      ...(isPowerOfTen(count) && this.#mayAudit(nowMs) ? { auditCount: count } : {}),
    };
  }

  /** Those that were quiet longest go first. */
  #makeRoom(nowMs: number): void {
    if (this.#failures.size < MAX_SOURCES) return;
    for (const [key, { tatMs }] of this.#failures) if (tatMs <= nowMs) this.#failures.delete(key);
    for (const key of this.#failures.keys()) {
      if (this.#failures.size < MAX_SOURCES) return;
      this.#failures.delete(key);
    }
  }

  #mayAudit(nowMs: number): boolean {
    const tatMs = Math.max(nowMs, this.#auditTatMs);
    if (tatMs - nowMs > AUDIT_REFILL_MS * (AUDIT_BURST - 1)) return false;
    this.#auditTatMs = tatMs + AUDIT_REFILL_MS;
    return true;
  }
}

export function createThrottle(nowMs: () => number): Throttle {
  return new Sources(nowMs);
}
