/** What body's compile half hands to its filter. */
export interface BodyConfig {
  /** `namespace/name`. */
  readonly policy: string;
  readonly maxBytes?: number;
  /** Lower case, without parameters: `application/json`, `image/*`. */
  readonly contentTypes?: readonly string[];
}
