/** CUSTOM policies: one external authorizer a workload. */
import type { AuthorizationPolicySpec, Resource } from '../../model/api.ts';
import type { Diagnostic } from '../../model/diagnostic.ts';
import type { CompiledPolicy, PolicyCompiler, WorkloadPolicyInput } from '../../model/policy.ts';
import { compileAuthorization } from './compile-rules.ts';
import type { CustomConfig } from './custom-config.ts';

type Policy = Resource<AuthorizationPolicySpec>;

/** Whom to ask, or why nobody can be. */
function chooseAuthorizer(
  policies: readonly Policy[],
  input: WorkloadPolicyInput,
): { readonly chosen?: CustomConfig['authorizer']; readonly fault?: string } {
  const names = [...new Set(policies.map(({ spec }) => spec.provider?.name ?? ''))];
  const [name = ''] = names;
  if (names.length > 1)
    return { fault: `the workload has ${names.length} providers (${names.join(', ')}), want one` };
  const authorizer = input.authorizer(name);
  if (authorizer === undefined)
    return { fault: `no extension provider of the mesh settings is named ${JSON.stringify(name)}` };
  if (authorizer.kind === 'unusable') return { fault: `provider ${name}: ${authorizer.reason}` };
  const { service, port } = authorizer;
  const cluster = input.callable(service, port);
  return cluster === undefined
    ? { fault: `provider ${name}: ${service} has no port ${port} that is visible here` }
    : { chosen: { ...authorizer, cluster } };
}

const finding = ({ metadata }: Policy, fault: string): Diagnostic => ({
  code: 'LAT0110',
  level: 'warning',
  message: `nobody can be asked, so what this CUSTOM policy matches is refused: ${fault}`,
  resource: `AuthorizationPolicy ${metadata.namespace}/${metadata.name}`,
  path: 'spec.provider',
  remedy: 'name one envoyExtAuthzHttp provider of the mesh settings whose service the mesh knows',
});

function compileWorkload(input: WorkloadPolicyInput): CompiledPolicy {
  const policies = input.authorizationPolicies.filter(({ spec }) => spec.action === 'CUSTOM');
  if (policies.length === 0) return { diagnostics: [] };
  const { chosen, fault } = chooseAuthorizer(policies, input);
  const config: CustomConfig = {
    policies: policies.map((policy) => compileAuthorization(policy, input)),
    ...(chosen === undefined ? {} : { authorizer: chosen }),
  };
  return {
    diagnostics: fault === undefined ? [] : policies.map((policy) => finding(policy, fault)),
    filter: { kind: 'ext-authz', config },
  };
}

export const customCompiler: PolicyCompiler = {
  kind: 'ext-authz',
  phase: 'authz-custom',
  compileWorkload,
};
