/** What access' compile half hands to its filter. */

export interface PathWish {
  /** `segment-prefix` without a final slash. */
  readonly kind: 'exact' | 'segment-prefix' | 'suffix';
  readonly value: string;
}

export interface HeaderWish {
  /** Lower case. */
  readonly name: string;
  readonly kind: 'exact' | 'prefix' | 'present' | 'absent';
  readonly value: string;
}

/** Every given part must hold; of a part's list one entry, but of headers all. */
export interface AccessRule {
  readonly cidrs?: readonly string[];
  /** Capitals. */
  readonly countries?: readonly string[];
  /** Lower case: exact, `*.suffix`. */
  readonly hosts?: readonly string[];
  readonly paths?: readonly PathWish[];
  readonly headers?: readonly HeaderWish[];
}

export interface AccessConfig {
  /** `namespace/name`. */
  readonly policy: string;
  readonly deny: readonly AccessRule[];
  /** Absent = what isn't denied passes. */
  readonly allow?: readonly AccessRule[];
}
