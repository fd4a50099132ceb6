/** security.istio.io after admission. */
import type { LabelSelector, TargetRef } from './api-common.ts';

export interface RequestAuthenticationSpec {
  readonly selector?: LabelSelector;
  readonly targetRef?: TargetRef;
  readonly targetRefs?: readonly TargetRef[];
  readonly jwtRules?: readonly JwtRule[];
}

export interface JwtRule {
  readonly issuer?: string;
  readonly audiences?: readonly string[];
  readonly jwksUri?: string;
  /** Another spelling of `jwksUri`. */
  readonly jwks_uri?: string;
  readonly jwks?: string;
  readonly fromHeaders?: readonly { readonly name: string; readonly prefix?: string }[];
  readonly fromParams?: readonly string[];
  readonly fromCookies?: readonly string[];
  readonly outputPayloadToHeader?: string;
  readonly outputClaimToHeaders?: readonly { readonly header: string; readonly claim: string }[];
  readonly forwardOriginalToken?: boolean;
  readonly timeout?: string;
  readonly spaceDelimitedClaims?: readonly string[];
}

export interface PeerAuthenticationSpec {
  readonly selector?: LabelSelector;
  readonly mtls?: { readonly mode?: string };
  /** By workload port. */
  readonly portLevelMtls?: Readonly<Record<string, { readonly mode?: string }>>;
}

export interface AuthorizationPolicySpec {
  readonly selector?: LabelSelector;
  readonly targetRef?: TargetRef;
  readonly targetRefs?: readonly TargetRef[];
  readonly rules?: readonly AuthorizationRule[];
  readonly action?: 'ALLOW' | 'DENY' | 'AUDIT' | 'CUSTOM';
  readonly provider?: { readonly name?: string };
}

export interface AuthorizationRule {
  readonly from?: readonly { readonly source?: AuthorizationSource }[];
  readonly to?: readonly { readonly operation?: AuthorizationOperation }[];
  readonly when?: readonly {
    readonly key: string;
    readonly values?: readonly string[];
    readonly notValues?: readonly string[];
  }[];
}

type Values = readonly string[];

export interface AuthorizationSource {
  readonly principals?: Values;
  readonly notPrincipals?: Values;
  readonly requestPrincipals?: Values;
  readonly notRequestPrincipals?: Values;
  readonly namespaces?: Values;
  readonly notNamespaces?: Values;
  readonly serviceAccounts?: Values;
  readonly notServiceAccounts?: Values;
  readonly ipBlocks?: Values;
  readonly notIpBlocks?: Values;
  readonly remoteIpBlocks?: Values;
  readonly notRemoteIpBlocks?: Values;
  readonly trustDomains?: Values;
  readonly notTrustDomains?: Values;
}

export interface AuthorizationOperation {
  readonly hosts?: Values;
  readonly notHosts?: Values;
  readonly ports?: Values;
  readonly notPorts?: Values;
  readonly methods?: Values;
  readonly notMethods?: Values;
  readonly paths?: Values;
  readonly notPaths?: Values;
}
