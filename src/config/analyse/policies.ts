/** IST0127, LAT0108: policies that hold for no workload. LAT0110, LAT0114: authorizers that nobody, or not everybody, can ask. */
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

/** What every proxy meets: the mesh settings. Whether a workload sees the authorizer's service is known where it is compiled. */
export const analyseProvider: Analyser = (resource, { config }) => {
  const { action, provider } = (resource as Resource<AuthorizationPolicySpec>).spec ?? {};
  if (action !== 'CUSTOM') return [];
  const name = provider?.name ?? '';
  const authorizer = config.authorizers.get(name);
  const path = 'spec.provider';
  if (authorizer?.kind === 'http') return [];
  if (authorizer?.kind === 'grpc')
    return [
      {
        code: 'LAT0114',
        level: 'info',
        path,
        message: `enforced by Node proxies alone: provider ${name} is asked over gRPC, which a Worker can't; there all that the policy matches is refused`,
      },
    ];
  const fault =
    authorizer === undefined
      ? `no extension provider of the mesh settings is named ${JSON.stringify(name)}`
      : `provider ${name}: ${authorizer.reason}`;
  return [
    {
      code: 'LAT0110',
      level: 'warning',
      path,
      message: `nobody can be asked, so what this CUSTOM policy matches is refused: ${fault}`,
      remedy: 'name an envoyExtAuthzHttp or envoyExtAuthzGrpc provider of the mesh settings',
    },
  ];
};

/** Istio says nothing of these; a token that nobody verifies is no smaller mistake. */
export const analyseAuthentication: Analyser = (resource, mesh) => {
  const policy = resource as Attached;
  const isNarrow = Object.keys(policy.spec?.selector?.matchLabels ?? {}).length > 0;
  return isNarrow && heldByNobody(policy, mesh)
    ? [{ code: 'LAT0108', level: 'warning', ...unheld(policy) }]
    : [];
};
