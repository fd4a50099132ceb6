/** The order of the config path up to compile: parse, then admit. */
import type { Admission, SourceText } from '../model/config.ts';
import { parseDocuments } from './parse.ts';
import { admit } from './schema.ts';
import type { AdmitOptions } from './schema.ts';

/** Everything that can be said of the texts by themselves; analysis and compile look at the whole mesh. */
export function readConfig(sources: readonly SourceText[], options: AdmitOptions): Admission {
  const parsed = sources.map((source) => parseDocuments(source));
  const admission = admit(
    parsed.flatMap((result) => result.documents),
    options,
  );
  return {
    resources: admission.resources,
    diagnostics: [...parsed.flatMap((result) => result.diagnostics), ...admission.diagnostics],
  };
}
