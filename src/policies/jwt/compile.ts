import { keyFault, verifyingKey } from '../../lib/jwk.ts';
import { keySetName } from '../../lib/key-set-name.ts';
import type { JwtRule } from '../../model/api.ts';
import type { CompiledPolicy, PolicyCompiler, WorkloadPolicyInput } from '../../model/policy.ts';
import type { Origin } from '../../model/snapshot.ts';
import type { JwtConfig, JwtRuleConfig } from './config.ts';

/** Without keys that can verify nothing, and without what only their owner may have. */
function inlineKeys(jwks: string): NonNullable<JwtRuleConfig['jwks']> {
  const { keys = [] } = JSON.parse(jwks) as {
    keys?: readonly Readonly<Record<string, unknown>>[];
  };
  const able = keys.filter((key) => keyFault(key) === undefined);
  return { keys: able.map((key) => verifyingKey(key)) };
}

/** Giving any location replaces the defaults. */
function locations(
  rule: JwtRule,
): Pick<JwtRuleConfig, 'fromHeaders' | 'fromParams' | 'fromCookies'> {
  const fromHeaders = (rule.fromHeaders ?? []).map(({ name, prefix = '' }) => ({
    name: name.toLowerCase(),
    prefix,
  }));
  const fromParams = rule.fromParams ?? [];
  const fromCookies = rule.fromCookies ?? [];
  if (fromHeaders.length + fromParams.length + fromCookies.length > 0)
    return { fromHeaders, fromParams, fromCookies };
  return {
    fromHeaders: [{ name: 'authorization', prefix: 'Bearer ' }],
    fromParams: ['access_token'],
    fromCookies,
  };
}

function compileRule(rule: JwtRule, origin: Origin): JwtRuleConfig {
  const hasInline = rule.jwks !== undefined && rule.jwks !== '';
  return {
    origin,
    ...(rule.issuer === undefined || rule.issuer === '' ? {} : { issuer: rule.issuer }),
    audiences: rule.audiences ?? [],
    ...(hasInline ? { jwks: inlineKeys(rule.jwks ?? '') } : { jwksUri: keySetName(rule) }),
    ...locations(rule),
    forwardOriginalToken: rule.forwardOriginalToken === true,
    ...(rule.outputPayloadToHeader === undefined || rule.outputPayloadToHeader === ''
      ? {}
      : { outputPayloadToHeader: rule.outputPayloadToHeader.toLowerCase() }),
    outputClaimToHeaders: (rule.outputClaimToHeaders ?? []).map(({ header, claim }) => ({
      header: header.toLowerCase(),
      claim,
    })),
    spaceDelimitedClaims: rule.spaceDelimitedClaims ?? [],
  };
}

function compileWorkload(input: WorkloadPolicyInput): CompiledPolicy {
  const rules = input.requestAuthentications.flatMap((resource) =>
    (resource.spec.jwtRules ?? []).map((rule, index) =>
      compileRule(rule, input.origin(resource, `spec.jwtRules[${index}]`)),
    ),
  );
  const config: JwtConfig = { rules };
  return { diagnostics: [], ...(rules.length === 0 ? {} : { filter: { kind: 'jwt', config } }) };
}

export const jwtCompiler: PolicyCompiler = { kind: 'jwt', phase: 'authn', compileWorkload };
