/** What analysers ask of all resources together. */
import type {
  DestinationRuleSpec,
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
import { covers } from '../compile/names.ts';
import type { Registry, Service } from '../compile/services.ts';
import { createRegistry } from '../compile/services.ts';

/** A finding before it has its resource and place. */
export type Finding = Pick<Diagnostic, 'code' | 'level' | 'message' | 'path' | 'remedy'>;

/** What one resource is told. */
export type Analyser = (resource: Resource, mesh: MeshView) => readonly Finding[];

export interface MeshView {
  readonly config: MeshConfig;
  readonly domain: string;
  readonly registry: Registry;
  of<Spec>(kind: string, group?: string): readonly Resource<Spec>[];
  readonly virtualServices: readonly Resource<VirtualServiceSpec>[];
  readonly destinationRules: readonly Resource<DestinationRuleSpec>[];
  /** By `namespace/name`. */
  readonly gateways: ReadonlyMap<string, Resource<GatewaySpec>>;
}

const ISTIO = 'networking.istio.io';

export function createMeshView(resources: readonly Resource[]): MeshView {
  const byKind = Map.groupBy(resources, ({ group, kind }) => `${group}/${kind}`);
  const of = <Spec>(kind: string, group = ISTIO): readonly Resource<Spec>[] =>
    (byKind.get(`${group}/${kind}`) ?? []) as readonly Resource<Spec>[];
  const config = readMeshConfig(resources);
  return {
    config,
    domain: config.settings.domain,
    registry: createRegistry(
      {
        serviceEntries: of<ServiceEntrySpec>('ServiceEntry'),
        services: of<ServiceSpec>('Service', ''),
        workloadEntries: of<WorkloadEntrySpec>('WorkloadEntry'),
      },
      config,
    ),
    of,
    virtualServices: of('VirtualService'),
    destinationRules: of('DestinationRule'),
    gateways: new Map(
      of<GatewaySpec>('Gateway').map((gateway) => [
        `${gateway.metadata.namespace}/${gateway.metadata.name}`,
        gateway,
      ]),
    ),
  };
}

/** The service that a host means to the clients of a namespace. */
export function findService(host: string, namespace: string, mesh: MeshView): Service | undefined {
  const services = mesh.registry.visibleTo(namespace);
  const found = services.get(host);
  if (found !== undefined) return found;
  const wildcard = [...services.keys()].find((name) => name.startsWith('*') && covers(name, host));
  return services.get(wildcard ?? '');
}

export interface Workload {
  readonly namespace: string;
  readonly labels: Labels;
}

/** Everything that a selector may mean: registered endpoints, what Services select, Pods, and the gateways that Gateways select. */
export function workloadsOf(mesh: MeshView): readonly Workload[] {
  const entries = mesh.of<WorkloadEntrySpec>('WorkloadEntry').map(({ metadata, spec }) => ({
    namespace: metadata.namespace,
    labels: { ...metadata.labels, ...spec.labels },
  }));
  const endpoints = mesh.of<ServiceEntrySpec>('ServiceEntry').flatMap(({ metadata, spec }) =>
    (spec.endpoints ?? [{}]).map(({ labels = {} }) => ({
      namespace: metadata.namespace,
      labels,
    })),
  );
  const selected = mesh.of<ServiceSpec>('Service', '').map(({ metadata, spec }) => ({
    namespace: metadata.namespace,
    labels: spec.selector ?? {},
  }));
  const pods = mesh.of('Pod', '').map(({ metadata }) => ({
    namespace: metadata.namespace,
    labels: metadata.labels ?? {},
  }));
  const gateways = [...mesh.gateways.values()].flatMap(({ metadata, spec }) =>
    [metadata.namespace, mesh.config.rootNamespace].map((namespace) => ({
      namespace,
      labels: spec.selector ?? {},
    })),
  );
  return [...entries, ...endpoints, ...selected, ...pods, ...gateways];
}
