/** What is said of a resource, in the shape that Kubernetes gives it. */
export interface Condition {
  /** Accepted, ResolvedRefs, Enforced, Programmed, and what the Gateway API has besides. */
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
  /** RFC 3339. */
  readonly lastTransitionTime: string;
  readonly observedGeneration: number;
}
