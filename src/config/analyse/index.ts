/** Analysis looks at the whole mesh: what each resource by itself can't tell. */
import type { AdmittedResource } from '../../model/config.ts';
import type { Diagnostic } from '../../model/diagnostic.ts';
import { analyseReferences } from './references.ts';
import { analyseRetries } from './retries.ts';

type Analyser = (resources: readonly AdmittedResource[]) => Diagnostic[];

const analysers: readonly Analyser[] = [analyseReferences, analyseRetries];

export function analyse(resources: readonly AdmittedResource[]): Diagnostic[] {
  return analysers.flatMap((analyser) => analyser(resources));
}
