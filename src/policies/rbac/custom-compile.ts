/** CUSTOM policies: external authorizers of a workload, one unless the mesh allows several. */
import type { AuthorizationPolicySpec, Resource } from '../../model/api.ts';
import type { Diagnostic } from '../../model/diagnostic.ts';
import type { CompiledPolicy, PolicyCompiler, WorkloadPolicyInput } from '../../model/policy.ts';
import { compileAuthorization } from './compile-rules.ts';
import type { CustomConfig, CustomProvider } from './custom-config.ts';

type Policy = Resource<AuthorizationPolicySpec>;

const providerOf = ({ spec }: Policy): string => spec.provider?.name ?? '';

/** Whom to ask, or why nobody can be. */
function findAuthorizer(
  name: string,
  input: WorkloadPolicyInput,
): { readonly chosen?: CustomProvider['authorizer']; readonly fault?: string } {
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
  remedy:
    'name one envoyExtAuthzHttp or envoyExtAuthzGrpc provider of the mesh settings whose service the mesh knows',
});

function compileWorkload(input: WorkloadPolicyInput): CompiledPolicy {
  const policies = input.authorizationPolicies.filter(({ spec }) => spec.action === 'CUSTOM');
  if (policies.length === 0) return { diagnostics: [] };
  const names = [...new Set(policies.map((policy) => providerOf(policy)))].toSorted();
  const tooMany =
    names.length > 1 && input.severalAuthorizers !== true
      ? `the workload has ${names.length} providers (${names.join(', ')}), want one, or PILOT_ENABLE_MULTIPLE_CUSTOM_AUTHZ_PROVIDERS: "true" under defaultConfig.proxyMetadata of the mesh settings`
      : undefined;
  const diagnostics: Diagnostic[] = [];
  const providers = names.map((name): CustomProvider => {
    const own = policies.filter((policy) => providerOf(policy) === name);
    const { chosen, fault } =
      tooMany === undefined ? findAuthorizer(name, input) : { chosen: undefined, fault: tooMany };
    if (fault !== undefined) diagnostics.push(...own.map((policy) => finding(policy, fault)));
    return {
      name,
      policies: own.map((policy) => compileAuthorization(policy, input)),
      ...(chosen === undefined ? {} : { authorizer: chosen }),
    };
  });
  const config: CustomConfig = { providers };
  return { diagnostics, filter: { kind: 'ext-authz', config } };
}

export const customCompiler: PolicyCompiler = {
  kind: 'ext-authz',
  phase: 'authz-custom',
  compileWorkload,
};
