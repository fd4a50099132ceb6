/** What basicAuth's compile half hands to its filter. */
export interface BasicAuthConfig {
  /** `namespace/name`. */
  readonly policy: string;
  readonly realm: string;
  /** Hashes as `src/lib/password-hash.ts` reads them. */
  readonly users: readonly { readonly name: string; readonly hash: string }[];
  /** `namespace/name` of a Secret with more: entry `users`, a line `name:hash` each. */
  readonly secret?: string;
  /** Tells the backend the user's name; lower case. */
  readonly userHeader?: string;
  /** A request without credentials passes, without identity. */
  readonly isOptional: boolean;
  readonly forwardsCredentials: boolean;
  readonly passesPreflight: boolean;
  readonly throttle: { readonly failures: number; readonly windowMs: number };
}
