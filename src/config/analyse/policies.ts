/** IST0127, LAT0108: policies that hold for no workload. */
import type { AuthorizationPolicySpec, Resource } from '../../model/api.ts';
import type { Analyser, Finding, MeshView } from './mesh.ts';
import { mayHold, workloadsOf } from './mesh.ts';

type Attached = Resource<Pick<AuthorizationPolicySpec, 'selector' | 'targetRef' | 'targetRefs'>>;

function heldByNobody({ spec, metadata }: Attached, mesh: MeshView): boolean {
  if ((spec.targetRefs ?? []).length > 0 || spec.targetRef !== undefined) return false;
  const labels = spec.selector?.matchLabels;
  const isEverywhere = metadata.namespace === mesh.config.rootNamespace;
  // Without selector a policy of the root namespace is for whatever the mesh may have.
  if (isEverywhere && Object.keys(labels ?? {}).length === 0) return false;
  const namespace = isEverywhere ? undefined : metadata.namespace;
  return !workloadsOf(mesh).some((workload) => mayHold(labels, namespace, workload));
}

function unheld({ spec, metadata }: Attached): Pick<Finding, 'path' | 'message' | 'remedy'> {
  const labels = Object.entries(spec.selector?.matchLabels ?? {});
  const wanted = labels.map(([name, value]) => `${name}: ${value}`).join(', ');
  return {
    path: labels.length === 0 ? 'metadata.namespace' : 'spec.selector',
    message:
      labels.length === 0
        ? `no workload of namespace ${metadata.namespace} is known: the policy holds for nobody`
        : `no known workload has the labels ${wanted}: the policy holds for nobody`,
    remedy: 'correct selector or namespace, or register the workload',
  };
}

export const analysePolicy: Analyser = (resource, mesh) => {
  const policy = resource as Attached;
  return heldByNobody(policy, mesh)
    ? [{ code: 'IST0127', level: 'warning', ...unheld(policy) }]
    : [];
};

/** Istio says nothing of these; a token that nobody verifies is no smaller mistake. */
export const analyseAuthentication: Analyser = (resource, mesh) => {
  const policy = resource as Attached;
  const isNarrow = Object.keys(policy.spec?.selector?.matchLabels ?? {}).length > 0;
  return isNarrow && heldByNobody(policy, mesh)
    ? [{ code: 'LAT0108', level: 'warning', ...unheld(policy) }]
    : [];
};
