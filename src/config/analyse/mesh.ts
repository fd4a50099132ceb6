/** What analysers ask of all resources together. */
import type {
  ApiGatewaySpec,
  DestinationRuleSpec,
  EndpointSliceSpec,
  GatewaySpec,
  Labels,
  Resource,
  ServiceEntrySpec,
  ServiceSpec,
  VirtualServiceSpec,
  WorkloadEntrySpec,
} from '../../model/api.ts';
import type { Diagnostic } from '../../model/diagnostic.ts';
import { readMeshConfig } from '../../resources/mesh-config.ts';
import type { MeshConfig } from '../../resources/mesh-config.ts';
import { byAge, covers, selects } from '../compile/names.ts';
import { API_GROUP } from '../gateway-api/words.ts';
import type { Registry, Service } from '../compile/services.ts';
import { createRegistry } from '../compile/services.ts';

/** A finding before it has its resource and place. */
export type Finding = Pick<Diagnostic, 'code' | 'level' | 'message' | 'path' | 'remedy'>;

/** What one resource is told. */
export type Analyser = (resource: Resource, mesh: MeshView) => readonly Finding[];

export interface MeshView {
  readonly config: MeshConfig;
  readonly domain: string;
  readonly resources: readonly Resource[];
  readonly registry: Registry;
  of<Spec>(kind: string, group?: string): readonly Resource<Spec>[];
  readonly virtualServices: readonly Resource<VirtualServiceSpec>[];
  readonly destinationRules: readonly Resource<DestinationRuleSpec>[];
  /** By `namespace/name`. */
  readonly gateways: ReadonlyMap<string, Resource<GatewaySpec>>;
  /** Of the Gateway API, by `namespace/name`. */
  readonly apiGateways: ReadonlyMap<string, Resource<ApiGatewaySpec>>;
}

const ISTIO = 'networking.istio.io';

export function createMeshView(resources: readonly Resource[]): MeshView {
  // In compile's order: who is older decides there, so what is found here mustn't depend on the order given.
  const byKind = Map.groupBy([...resources].sort(byAge), ({ group, kind }) => `${group}/${kind}`);
  const of = <Spec>(kind: string, group = ISTIO): readonly Resource<Spec>[] =>
    (byKind.get(`${group}/${kind}`) ?? []) as readonly Resource<Spec>[];
  const config = readMeshConfig(resources);
  return {
    config,
    domain: config.settings.domain,
    resources,
    registry: createRegistry(
      {
        serviceEntries: of<ServiceEntrySpec>('ServiceEntry'),
        services: of<ServiceSpec>('Service', ''),
        workloadEntries: of<WorkloadEntrySpec>('WorkloadEntry'),
        endpointSlices: of<EndpointSliceSpec>('EndpointSlice', 'discovery.k8s.io'),
      },
      config,
    ),
    of,
    virtualServices: of('VirtualService'),
    destinationRules: of('DestinationRule'),
    apiGateways: new Map(
      of<ApiGatewaySpec>('Gateway', API_GROUP).map((gateway) => [
        `${gateway.metadata.namespace}/${gateway.metadata.name}`,
        gateway,
      ]),
    ),
    gateways: new Map(
      of<GatewaySpec>('Gateway').map((gateway) => [
        `${gateway.metadata.namespace}/${gateway.metadata.name}`,
        gateway,
      ]),
    ),
  };
}

/** An index that is built once for a mesh, when the first resource asks: a mesh may have thousands of them. */
export function perMesh<Index>(build: (mesh: MeshView) => Index): (mesh: MeshView) => Index {
  const built = new WeakMap<MeshView, Index>();
  return (mesh) => {
    let index = built.get(mesh);
    if (index === undefined) {
      index = build(mesh);
      built.set(mesh, index);
    }
    return index;
  };
}

const wildcardServices = perMesh(() => new Map<string, readonly string[]>());

/** The service that a host means to the clients of a namespace. */
export function findService(host: string, namespace: string, mesh: MeshView): Service | undefined {
  const services = mesh.registry.visibleTo(namespace);
  const found = services.get(host);
  if (found !== undefined) return found;
  const known = wildcardServices(mesh);
  let wildcards = known.get(namespace);
  if (wildcards === undefined) {
    wildcards = [...services.keys()].filter((name) => name.startsWith('*'));
    known.set(namespace, wildcards);
  }
  return services.get(wildcards.find((name) => covers(name, host)) ?? '');
}

export interface Workload {
  /** Undefined = it may run in any: a Gateway selects proxies of all namespaces. */
  readonly namespace: string | undefined;
  readonly labels: Labels;
  /** It may bear more labels than are known here. */
  readonly isOpen: boolean;
}

const inNamespace = ({ metadata }: Resource, labels: Labels): Workload => ({
  namespace: metadata.namespace,
  labels,
  isOpen: false,
});

/** A Service's workloads are those registered for it; nobody knows what others it may have. */
function unregistered(mesh: MeshView): Workload[] {
  const entries = Map.groupBy(
    mesh.of<WorkloadEntrySpec>('WorkloadEntry'),
    ({ metadata }) => metadata.namespace,
  );
  return mesh.of<ServiceSpec>('Service', '').flatMap(({ metadata, spec }) => {
    const { selector = {} } = spec;
    if (Object.keys(selector).length === 0) return [];
    const isRegistered = (entries.get(metadata.namespace) ?? []).some((entry) =>
      selects(selector, { ...entry.metadata.labels, ...entry.spec.labels }),
    );
    return isRegistered ? [] : [{ namespace: metadata.namespace, labels: selector, isOpen: true }];
  });
}

/** Everything that a selector may mean: registered endpoints, what Services and Gateways select, Pods. */
export const workloadsOf: (mesh: MeshView) => readonly Workload[] = perMesh((mesh) => [
  ...mesh
    .of<WorkloadEntrySpec>('WorkloadEntry')
    .map((entry) => inNamespace(entry, { ...entry.metadata.labels, ...entry.spec.labels })),
  ...mesh
    .of<ServiceEntrySpec>('ServiceEntry')
    .flatMap((entry) =>
      (entry.spec.endpoints ?? [{}]).map(({ labels = {} }) => inNamespace(entry, labels)),
    ),
  ...mesh.of('Pod', '').map((pod) => inNamespace(pod, pod.metadata.labels ?? {})),
  ...unregistered(mesh),
  ...[...mesh.gateways.values()].map(({ spec }) => ({
    namespace: undefined,
    labels: spec.selector ?? {},
    isOpen: true,
  })),
]);

/** Does a selector of a namespace (undefined = of the whole mesh) hold for the workload, as far as anybody knows? */
export function mayHold(
  selector: Labels | undefined,
  namespace: string | undefined,
  workload: Workload,
): boolean {
  const isNear =
    namespace === undefined || workload.namespace === undefined || workload.namespace === namespace;
  if (!isNear) return false;
  if (!workload.isOpen) return selects(selector, workload.labels);
  const wanted = Object.entries(selector ?? {});
  const known = wanted.filter(([name]) => workload.labels[name] !== undefined);
  // One label in common: else every selector would hold for what nobody knows all labels of.
  return (
    (wanted.length === 0 || known.length > 0) &&
    known.every(([name, value]) => workload.labels[name] === value)
  );
}
