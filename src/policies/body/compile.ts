import type { PolicyCompiler } from '../../model/policy.ts';
import type { BodyConfig } from './config.ts';
import type { BodyPart } from './schema.ts';

export const bodyCompiler: PolicyCompiler = {
  kind: 'body',
  phase: 'limit',
  compilePart(part, { policy }) {
    const { maxBytes, contentTypes } = part as BodyPart;
    const config: BodyConfig = {
      policy,
      ...(maxBytes === undefined ? {} : { maxBytes }),
      ...(contentTypes === undefined
        ? {}
        : { contentTypes: [...new Set(contentTypes.map((type) => type.toLowerCase()))].sort() }),
    };
    return { kind: 'body', config };
  },
};
