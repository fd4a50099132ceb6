/** Whom the proxies of a mesh believe. All of it is public, so it travels in snapshots and is acknowledged with them. */
export interface TrustSettings {
  /**
   * PEM of root certificates by trust domain, the mesh's own among them. They are kept apart: an identity is proven by
   * the roots of its own domain alone. A domain with an empty list has nobody whom anybody believes.
   */
  readonly roots: Readonly<Record<string, readonly string[]>>;
  /** Public keys (JWK with `kid` and `alg`) of who signs workload identity tokens, by trust domain. */
  readonly tokenKeys: Readonly<Record<string, readonly Readonly<Record<string, unknown>>[]>>;
  /** What was certified and holds no more. Each list is sorted. */
  readonly denied: {
    /** Lower-case hex without leading zeros. */
    readonly serials: readonly string[];
    /** `trust.domain/ns/a/sa/b`. */
    readonly identities: readonly string[];
  };
}
