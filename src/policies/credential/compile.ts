import { CLOCK_SKEW_S } from '../../credential/names.ts';
import { parseDuration } from '../../lib/duration.ts';
import type { PolicyCompiler } from '../../model/policy.ts';
import type { CredentialConfig } from './config.ts';
import type { CredentialPart } from './schema.ts';

const KIND = 'credential';

/** Wherever an authority is kept: without a key of somebody there is no credential to look at. */
export const credentialCompiler: PolicyCompiler = {
  kind: KIND,
  phase: 'peer',
  compileWorkload(input) {
    const { mesh, audience } = input;
    const found = input.part?.(KIND);
    if (mesh.trust === undefined && found === undefined) return { diagnostics: [] };
    const { clockSkew, bodyDigest, required } = (found?.part ?? {}) as CredentialPart;
    const config: CredentialConfig = {
      policy: found?.policy ?? '',
      skewMs: parseDuration(clockSkew ?? '') ?? CLOCK_SKEW_S * 1000,
      wantsDigest: bodyDigest === 'REQUIRED',
      required: required === true,
      ...(audience === undefined ? {} : { audience }),
    };
    return { filter: { kind: KIND, config }, diagnostics: [] };
  },
};
