import type { AdmittedResource } from '../../model/config.ts';
import type { Diagnostic } from '../../model/diagnostic.ts';

export function analyse(_resources: readonly AdmittedResource[]): Diagnostic[] {
  return [];
}
