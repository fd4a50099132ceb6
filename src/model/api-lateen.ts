/** lateen.io as admitted. */
import type { LabelSelector } from './api-common.ts';

/** Of the policy's own namespace. */
export interface PolicyTargetRef {
  /** '' = core. */
  readonly group: string;
  readonly kind: string;
  readonly name: string;
  /** A server of a Gateway, a rule of a route, a port of a Service or ServiceEntry; @default all of them */
  readonly sectionName?: string;
}

/** `selector` and `targetRefs` exclude each other; every other key is a slice's part. */
export interface PolicySpec {
  readonly selector?: LabelSelector;
  readonly targetRefs?: readonly PolicyTargetRef[];
  readonly [part: string]: unknown;
}
