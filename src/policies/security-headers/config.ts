/** What securityHeaders' compile half hands to its filter. Names in lower case. */
export interface SecurityHeadersConfig {
  /** `namespace/name`. */
  readonly policy: string;
  readonly set: readonly { readonly name: string; readonly value: string }[];
  /** Said over https alone. */
  readonly hsts?: string;
  readonly remove: readonly string[];
  /** Those of a backend make room. */
  readonly overwrites: boolean;
}
