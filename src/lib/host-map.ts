/**
 * Hosts to values as a proxy picks virtual hosts: the exact host, else the longest wildcard, else `*`.
 * A wildcard is a left-most `*` before any suffix (`*.x.com`, `*-x.com`) and never stands for nothing.
 */
export class HostMap<Value> {
  readonly #exact = new Map<string, Value>();
  readonly #suffixes = new Map<string, Value>();
  /** Lengths of suffixes, longest first. */
  readonly #lengths: number[] = [];
  #any: Value | undefined;

  /** The first value of a domain stays; domains are lower case. */
  add(domain: string, value: Value): void {
    if (domain === '*') {
      this.#any ??= value;
    } else if (domain.startsWith('*')) {
      const suffix = domain.slice(1);
      if (this.#suffixes.has(suffix)) return;
      this.#suffixes.set(suffix, value);
      if (!this.#lengths.includes(suffix.length)) {
        this.#lengths.push(suffix.length);
        this.#lengths.sort((a, b) => b - a);
      }
    } else if (!this.#exact.has(domain)) this.#exact.set(domain, value);
  }

  lookup(host: string): Value | undefined {
    const exact = this.#exact.get(host);
    if (exact !== undefined) return exact;
    for (const length of this.#lengths) {
      if (length >= host.length) continue;
      const value = this.#suffixes.get(host.slice(host.length - length));
      if (value !== undefined) return value;
    }
    return this.#any;
  }
}
