import type { PolicyCompiler } from '../../model/policy.ts';
import type { SecurityHeadersConfig } from './config.ts';
import type { HeaderKey } from './presets.ts';
import { HEADERS, PRESETS } from './presets.ts';
import type { SecurityHeadersPart } from './schema.ts';

export const securityHeadersCompiler: PolicyCompiler = {
  kind: 'securityHeaders',
  phase: 'headers',
  compilePart(part, { policy }) {
    const { preset = 'strict', remove, overwrite, ...own } = part as SecurityHeadersPart;
    const base = PRESETS[preset];
    const values: Partial<Record<HeaderKey, string>> = { ...base.headers, ...own };
    const { strictTransportSecurity: hsts = '' } = values;
    const set = (Object.keys(HEADERS) as HeaderKey[])
      .filter((key) => key !== 'strictTransportSecurity' && (values[key] ?? '') !== '')
      .map((key) => ({ name: HEADERS[key], value: values[key] ?? '' }));
    const config: SecurityHeadersConfig = {
      policy,
      set,
      ...(hsts === '' ? {} : { hsts }),
      remove: (remove ?? base.remove).map((name) => name.toLowerCase()).sort(),
      overwrites: overwrite === true,
    };
    return { kind: 'securityHeaders', config };
  },
};
