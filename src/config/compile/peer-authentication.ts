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

interface Levels {
  readonly ofMesh: Policy | undefined;
  readonly ofNamespace: Policy | undefined;
  readonly ofWorkload: Policy | undefined;
}

/** Those that count for a workload: in the mesh, its namespace and for itself the oldest each. */
export function peerAuthentications(context: CompileContext): Levels {
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
  return {
    ofMesh: ofNamespace(mesh.rootNamespace),
    ofNamespace: ofNamespace(scope.namespace),
    ofWorkload: own,
  };
}

/** Of the whole mesh, and of namespaces that have their own. */
interface WideModes {
  readonly ofMesh: MtlsMode;
  readonly byNamespace: ReadonlyMap<string, MtlsMode>;
}

function wideModes(policies: readonly Policy[], rootNamespace: string): WideModes {
  const wide = policies.filter((policy) => !hasSelector(policy));
  const byNamespace = new Map<string, MtlsMode>();
  const root = wide.find(({ metadata }) => metadata.namespace === rootNamespace);
  const ofMesh = modeOf(root?.spec?.mtls?.mode, 'PERMISSIVE');
  // The oldest counts: they are sorted by age.
  for (const { metadata, spec } of wide)
    if (!byNamespace.has(metadata.namespace))
      byNamespace.set(metadata.namespace, modeOf(spec?.mtls?.mode, ofMesh));
  return { ofMesh, byNamespace };
}

/** What workloads of a namespace take without a policy of their own. */
export function namespaceMtls(context: CompileContext, namespace: string): MtlsMode {
  const { mesh, memo } = context;
  const policies = context.resources<PeerAuthenticationSpec | undefined>('PeerAuthentication');
  const { rootNamespace } = mesh;
  const { ofMesh, byNamespace } = memo.keep(
    { owner: policies, slot: 'wide modes', inputs: [rootNamespace] },
    () => wideModes(policies, rootNamespace),
  );
  return byNamespace.get(namespace) ?? ofMesh;
}

/** Mesh, namespace, workload: each takes the mode of the one before it unless it has its own. */
export function workloadMtls(context: CompileContext): WorkloadMtls {
  const { ofMesh, ofNamespace, ofWorkload } = peerAuthentications(context);
  for (const policy of [ofMesh, ofNamespace, ofWorkload])
    if (policy !== undefined) context.origins.of(policy, 'spec');
  const meshMode = modeOf(ofMesh?.spec?.mtls?.mode, 'PERMISSIVE');
  const inherited = modeOf(ofNamespace?.spec?.mtls?.mode, meshMode);
  const mode = modeOf(ofWorkload?.spec?.mtls?.mode, inherited);
  const levels = Object.entries(ofWorkload?.spec?.portLevelMtls ?? {});
  return {
    mode,
    ports: new Map(levels.map(([port, level]) => [Number(port), modeOf(level.mode, mode)])),
  };
}
