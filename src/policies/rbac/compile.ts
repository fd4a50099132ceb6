import type { AuthorizationPolicySpec, Resource } from '../../model/api.ts';
import type { CompiledPolicy, PolicyCompiler, WorkloadPolicyInput } from '../../model/policy.ts';
import { compileAuthorization } from './compile-rules.ts';
import type { CompiledAuthorization, RbacConfig } from './config.ts';

/** CUSTOM is the external authorizer's (custom-compile.ts). */
function compileWorkload(input: WorkloadPolicyInput): CompiledPolicy {
  const make = (action: string): CompiledAuthorization[] =>
    input.authorizationPolicies
      .filter(
        (policy: Resource<AuthorizationPolicySpec>) => (policy.spec.action ?? 'ALLOW') === action,
      )
      .map((policy) => compileAuthorization(policy, input));
  const config: RbacConfig = { deny: make('DENY'), allow: make('ALLOW'), audit: make('AUDIT') };
  const isEmpty = config.deny.length + config.allow.length + config.audit.length === 0;
  return { diagnostics: [], ...(isEmpty ? {} : { filter: { kind: 'rbac', config } }) };
}

export const rbacCompiler: PolicyCompiler = { kind: 'rbac', phase: 'authz', compileWorkload };
