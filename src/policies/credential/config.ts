/** What credential's compile half hands to its filter. */
import type { Audience } from '../../model/policy.ts';

export interface CredentialConfig {
  /** `namespace/name` of the Policy that says so; '' = these are the defaults. */
  readonly policy: string;
  readonly skewMs: number;
  /** Credentials that don't bind the body are refused. */
  readonly wantsDigest: boolean;
  /** Nobody passes without an identity, whatever proves it. */
  readonly required: boolean;
  /** Absent at gateways: whoever is called there is one of their hosts. */
  readonly audience?: Audience;
}
