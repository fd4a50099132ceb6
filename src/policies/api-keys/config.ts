/** What apiKeys' compile half hands to its filter. */

export type KeyPlace =
  | { readonly in: 'header'; readonly name: string; readonly prefix: string }
  | { readonly in: 'query' | 'cookie'; readonly name: string };

/** Of a consumer: it goes into a header and a principal. */
export const CONSUMER: RegExp = /^[A-Za-z0-9](?:[-A-Za-z0-9._@]{0,126}[A-Za-z0-9])?$/;

export interface ApiKeysConfig {
  /** `namespace/name`. */
  readonly policy: string;
  /** Header names in lower case. */
  readonly from: readonly KeyPlace[];
  /** By consumer: entries as `src/lib/api-key.ts` reads them. */
  readonly keys: readonly { readonly name: string; readonly hashes: readonly string[] }[];
  /** `namespace/name` of a Secret with more: consumers by entry, a hash a line. */
  readonly secret?: string;
  /** Tells the backend the consumer's name; lower case. */
  readonly consumerHeader?: string;
  /** A request without key passes, without identity. */
  readonly isOptional: boolean;
  readonly forwardsKey: boolean;
  readonly passesPreflight: boolean;
}
