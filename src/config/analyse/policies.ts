/** IST0127: a policy that holds for no workload. */
import type { AuthorizationPolicySpec, Resource } from '../../model/api.ts';
import { selects } from '../compile/names.ts';
import type { Analyser } from './mesh.ts';
import { workloadsOf } from './mesh.ts';

export const analysePolicy: Analyser = (resource, mesh) => {
  const { spec, metadata } = resource as Resource<AuthorizationPolicySpec>;
  if ((spec.targetRefs ?? []).length > 0 || spec.targetRef !== undefined) return [];
  const isRoot = metadata.namespace === mesh.config.rootNamespace;
  const labels = spec.selector?.matchLabels;
  // Without selector a policy of the root namespace is for whatever the mesh may have.
  if (isRoot && Object.keys(labels ?? {}).length === 0) return [];
  const held = workloadsOf(mesh).some(
    (workload) =>
      (isRoot || workload.namespace === metadata.namespace) && selects(labels, workload.labels),
  );
  if (held) return [];
  return [
    {
      code: 'IST0127',
      level: 'warning',
      path: labels === undefined ? 'metadata.namespace' : 'spec.selector',
      message: `no known workload${isRoot ? '' : ` of namespace ${metadata.namespace}`} is held by this policy`,
      remedy: 'correct selector or namespace, or register the workload',
    },
  ];
};
