/** What rbac's compile half hands to its filter: AuthorizationPolicies of one workload, values resolved. */

export type TextMatch =
  | {
      readonly kind: 'exact' | 'prefix' | 'suffix' | 'template';
      readonly value: string;
      readonly ignoreCase?: boolean;
    }
  | { readonly kind: 'present' }
  /** Of `issuer/subject`, each part by itself. */
  | { readonly kind: 'pair'; readonly issuer: TextMatch; readonly subject: TextMatch }
  /** Parts between the stars of a namespace pattern. */
  | { readonly kind: 'glob'; readonly parts: readonly string[] };

/** Where a value comes from. */
export type Attribute =
  | {
      readonly of:
        | 'principal'
        | 'namespace'
        | 'serviceAccount'
        | 'trustDomain'
        | 'requestPrincipal'
        | 'audience'
        | 'presenter'
        | 'host'
        | 'method'
        | 'path'
        | 'sni';
    }
  | { readonly of: 'port' }
  | { readonly of: 'sourceIp' | 'remoteIp' }
  /** The workload's own; it can't be judged unless there is exactly one. */
  | { readonly of: 'destinationIp'; readonly addresses: readonly string[] }
  | { readonly of: 'header'; readonly name: string }
  | { readonly of: 'claim'; readonly path: readonly string[] }
  /** Attributes that only Envoy has: never known, so a rule on them can't be judged. */
  | { readonly of: 'unknown'; readonly key: string };

/** Any of `values`, and none of `notValues`. Absent list = no wish. */
export interface Test {
  readonly attribute: Attribute;
  readonly values?: readonly TextMatch[];
  readonly notValues?: readonly TextMatch[];
  /** For addresses. */
  readonly blocks?: readonly string[];
  readonly notBlocks?: readonly string[];
}

/** Any source and any operation and all conditions; an empty list is satisfied. */
export interface CompiledRule {
  readonly sources: readonly (readonly Test[])[];
  readonly operations: readonly (readonly Test[])[];
  readonly conditions: readonly Test[];
}

export interface CompiledAuthorization {
  /** `namespace/name`. */
  readonly name: string;
  readonly rules: readonly CompiledRule[];
  /** Shadow result only. */
  readonly dryRun: boolean;
}

export interface RbacConfig {
  readonly deny: readonly CompiledAuthorization[];
  readonly allow: readonly CompiledAuthorization[];
  readonly audit: readonly CompiledAuthorization[];
}
