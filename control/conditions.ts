/** What is said of a resource, in the shape that Kubernetes gives it. */
export interface Condition {
  /** Accepted, ResolvedRefs, Enforced, Programmed, JwksStale, and what the Gateway API has besides. */
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
  /** RFC 3339. */
  readonly lastTransitionTime: string;
  readonly observedGeneration: number;
}

/** Before it is known since when. */
export type Judgement = Pick<Condition, 'type' | 'status' | 'reason' | 'message'>;
