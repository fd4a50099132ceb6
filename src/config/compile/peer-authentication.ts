/** PeerAuthentication of one workload: which connections its ports take. */
import type { PeerAuthenticationSpec, Resource } from '../../model/api.ts';
import type { MtlsMode } from '../../model/snapshot.ts';
import type { CompileContext } from './context.ts';
import { selects } from './names.ts';

type Policy = Resource<PeerAuthenticationSpec | undefined>;

export interface WorkloadMtls {
  /** Of ports without a mode of their own. */
  readonly mode: MtlsMode;
  /** By workload port. */
  readonly ports: ReadonlyMap<number, MtlsMode>;
}

const hasSelector = ({ spec }: Policy): boolean =>
  Object.keys(spec?.selector?.matchLabels ?? {}).length > 0;

function modeOf(mode: string | undefined, inherited: MtlsMode): MtlsMode {
  return mode === 'STRICT' || mode === 'PERMISSIVE' || mode === 'DISABLE' ? mode : inherited;
}

/** Mesh, namespace, workload: each takes the mode of the one before it unless it has its own; in each the oldest counts. */
export function workloadMtls(context: CompileContext): WorkloadMtls {
  const { scope, mesh } = context;
  const policies = context.resources<PeerAuthenticationSpec | undefined>('PeerAuthentication');
  const wide = policies.filter((policy) => !hasSelector(policy));
  const ofNamespace = (namespace: string): Policy | undefined =>
    wide.find(({ metadata }) => metadata.namespace === namespace);
  // In the root namespace a selector would be for the workloads there; Istio ignores such a policy.
  const own = policies.find(
    (policy) =>
      hasSelector(policy) &&
      policy.metadata.namespace === scope.namespace &&
      scope.namespace !== mesh.rootNamespace &&
      selects(policy.spec?.selector?.matchLabels, scope.labels),
  );
  const ofMesh = modeOf(ofNamespace(mesh.rootNamespace)?.spec?.mtls?.mode, 'PERMISSIVE');
  const inherited = modeOf(ofNamespace(scope.namespace)?.spec?.mtls?.mode, ofMesh);
  const mode = modeOf(own?.spec?.mtls?.mode, inherited);
  const levels = Object.entries(own?.spec?.portLevelMtls ?? {});
  return {
    mode,
    ports: new Map(levels.map(([port, level]) => [Number(port), modeOf(level.mode, mode)])),
  };
}
