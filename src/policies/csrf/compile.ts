import { parseOrigin } from '../../lib/origin.ts';
import type { WebOrigin } from '../../lib/origin.ts';
import type { PolicyCompiler } from '../../model/policy.ts';
import type { CsrfConfig } from './config.ts';
import type { CsrfPart } from './schema.ts';

const origins = (texts: readonly string[]): WebOrigin[] =>
  texts.flatMap((text) => parseOrigin(text) ?? []);

export const csrfCompiler: PolicyCompiler = {
  kind: 'csrf',
  phase: 'authz',
  compilePart(part, { policy }) {
    const { additionalOrigins = [], except = [], ...given } = part as CsrfPart;
    const plain = additionalOrigins.filter((text) => text !== 'null');
    const config: CsrfConfig = {
      policy,
      exact: origins(plain.filter((text) => !text.includes('://*.'))),
      below: origins(
        plain.filter((text) => text.includes('://*.')).map((text) => text.replace('://*.', '://')),
      ),
      allowsNull: additionalOrigins.includes('null'),
      allowsMissing: given.allowMissing === true,
      except,
      isShadow: given.shadow === true,
    };
    return { kind: 'csrf', config };
  },
};
