import type { Origin } from '../../model/snapshot.ts';

/** RequestAuthentications of one workload: all their rules. */
export interface JwtRuleConfig {
  readonly origin: Origin;
  readonly issuer?: string;
  readonly audiences: readonly string[];
  /** Inline keys. */
  readonly jwks?: { readonly keys: readonly Readonly<Record<string, unknown>>[] };
  /** Where the control plane fetches keys, where none are inline. */
  readonly jwksUri?: string;
  readonly fromHeaders: readonly { readonly name: string; readonly prefix: string }[];
  readonly fromParams: readonly string[];
  readonly fromCookies: readonly string[];
  readonly forwardOriginalToken: boolean;
  readonly outputPayloadToHeader?: string;
  readonly outputClaimToHeaders: readonly { readonly header: string; readonly claim: string }[];
  readonly spaceDelimitedClaims: readonly string[];
}

export interface JwtConfig {
  readonly rules: readonly JwtRuleConfig[];
}
