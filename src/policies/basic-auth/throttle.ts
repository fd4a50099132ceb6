/** Failures by client, for a bounded number of them: the one that failed first is forgotten first. */

const MAX_CLIENTS = 10_000;

interface Failures {
  count: number;
  readonly untilMs: number;
}

/** Of an IPv6 address the network: a client has as many addresses of it as it likes. */
function clientOf(ip: string): string {
  if (!ip.includes(':')) return ip;
  const [head = '', tail] = ip.toLowerCase().split('::');
  const first = head === '' ? [] : head.split(':');
  const last = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = Array.from({ length: Math.max(0, 8 - first.length - last.length) }, () => '0');
  const groups = tail === undefined ? first : [...first, ...zeros, ...last];
  return groups
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':');
}

export class Throttle {
  readonly #failures: number;
  readonly #windowMs: number;
  readonly #clients = new Map<string, Failures>();

  constructor({ failures, windowMs }: { readonly failures: number; readonly windowMs: number }) {
    this.#failures = failures;
    this.#windowMs = windowMs;
  }

  /** Milliseconds until it may try again; 0 = at once. */
  waitMs(ip: string, nowMs: number): number {
    if (this.#clients.size === 0) return 0;
    const client = clientOf(ip);
    const known = this.#clients.get(client);
    if (known === undefined) return 0;
    if (known.untilMs <= nowMs) {
      this.#clients.delete(client);
      return 0;
    }
    return known.count >= this.#failures ? known.untilMs - nowMs : 0;
  }

  failed(ip: string, nowMs: number): void {
    const client = clientOf(ip);
    const known = this.#clients.get(client);
    if (known !== undefined && known.untilMs > nowMs) {
      known.count++;
      return;
    }
    this.#clients.delete(client);
    this.#clients.set(client, { count: 1, untilMs: nowMs + this.#windowMs });
    if (this.#clients.size <= MAX_CLIENTS) return;
    for (const oldest of this.#clients.keys()) {
      this.#clients.delete(oldest);
      break;
    }
  }

  get size(): number {
    return this.#clients.size;
  }
}
