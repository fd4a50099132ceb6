import type { WebOrigin } from '../../lib/origin.ts';

/** What csrf's compile half hands to its filter. */
export interface CsrfConfig {
  /** `namespace/name`. */
  readonly policy: string;
  /** Besides the request's own. */
  readonly exact: readonly WebOrigin[];
  /** Every host below `host` belongs to them. */
  readonly below: readonly WebOrigin[];
  /** `null`, as sandboxed documents and redirects send it, counts as one of them. */
  readonly allowsNull: boolean;
  /** Requests that say nothing of where they come from pass. */
  readonly allowsMissing: boolean;
  /** Paths as `src/lib/path-list.ts` reads them. */
  readonly except: readonly string[];
  /** What would be refused passes, and is said in the log. */
  readonly isShadow: boolean;
}
