import { parseDuration } from '../../lib/duration.ts';
import { compileRegex } from '../../lib/regex/compile.ts';
import type { CorsPolicySpec, StringMatchSpec } from '../../model/api.ts';
import type { PolicyCompiler } from '../../model/policy.ts';
import type { CorsConfig, OriginMatch } from './config.ts';

function originMatch(match: StringMatchSpec): OriginMatch {
  if (match.regex !== undefined) return { kind: 'regex', program: compileRegex(match.regex) };
  if (match.prefix !== undefined) return { kind: 'prefix', value: match.prefix };
  return { kind: 'exact', value: match.exact ?? '' };
}

function listed(
  name: 'methods' | 'headers' | 'expose',
  values: readonly string[] | undefined,
): Partial<CorsConfig> {
  return values === undefined || values.length === 0 ? {} : { [name]: values.join(',') };
}

function compileCors(cors: CorsPolicySpec): CorsConfig {
  const exact = (cors.allowOrigin ?? []).map((value): OriginMatch => ({ kind: 'exact', value }));
  return {
    origins: [...(cors.allowOrigins ?? []).map((match) => originMatch(match)), ...exact],
    ...listed('methods', cors.allowMethods),
    ...listed('headers', cors.allowHeaders),
    ...listed('expose', cors.exposeHeaders),
    ...(cors.maxAge === undefined
      ? {}
      : { maxAgeSeconds: (parseDuration(cors.maxAge) ?? 0) / 1000 }),
    ...(cors.allowCredentials === true ? { credentials: true } : {}),
    answersUnmatched: cors.unmatchedPreflights === 'IGNORE',
  };
}

export const corsCompiler: PolicyCompiler = {
  kind: 'cors',
  phase: 'cors',
  compileRoute({ route }) {
    // Istio's route action decides: beside a redirect or a direct response the policy does nothing.
    if (
      route.corsPolicy === undefined ||
      route.redirect !== undefined ||
      route.directResponse !== undefined
    )
      return { diagnostics: [] };
    return { diagnostics: [], filter: { kind: 'cors', config: compileCors(route.corsPolicy) } };
  },
};
