/** The service of a host: where it comes from, its endpoints and the subsets that take them. */
import { canonicalJson } from '../../lib/canonical-json.ts';
import type {
  DestinationRuleSpec,
  EndpointSliceSpec,
  Resource,
  ServiceEntrySpec,
  ServiceSpec,
  WorkloadEntrySpec,
} from '../../model/api.ts';
import type { Cluster } from '../../model/snapshot.ts';
import type { CompiledClusters } from '../compile/clusters.ts';
import { clusterName, compileClusters } from '../compile/clusters.ts';
import { createRuleLookup } from '../compile/destination-rules.ts';
import { indexSlices, sliceEndpoints } from '../compile/endpoint-slices.ts';
import { selects } from '../compile/names.ts';
import type { Service } from '../compile/services.ts';
import { sidecarOf } from '../compile/sidecar-scope.ts';
import { serviceHost } from '../gateway-api/backends.ts';
import { nameOf } from '../gateway-api/words.ts';
import type { EndpointView, Named, ServiceView, SubsetView, TrafficPolicyView } from './model.ts';
import type { View } from './view.ts';
import { place } from './view.ts';
import { clusterText } from './words.ts';

type ServiceParts = {
  readonly service?: ServiceView;
  readonly trafficPolicy: readonly TrafficPolicyView[];
  readonly endpoints: readonly EndpointView[];
  readonly subsets: readonly SubsetView[];
};

type Rule = Resource<DestinationRuleSpec>;
type Subset = NonNullable<DestinationRuleSpec['subsets']>[number];

function definition(resource: Resource, host: string): Named {
  if (resource.kind !== 'ServiceEntry') return place(resource, 'spec');
  const { hosts } = resource.spec as ServiceEntrySpec;
  const index = hosts.findIndex((one) => one.toLowerCase() === host);
  return place(resource, `spec.hosts[${index}]`);
}

function otherDefinitions({ host, resource }: Service, { mesh }: View): Named[] {
  const entries = mesh
    .of<ServiceEntrySpec>('ServiceEntry')
    .filter(({ spec }) => spec.hosts.some((one) => one.toLowerCase() === host));
  const services = mesh
    .of<ServiceSpec>('Service', '')
    .filter((one) => serviceHost(one, mesh.domain) === host);
  return [...services, ...entries]
    .filter((one) => nameOf(one) !== nameOf(resource))
    .map((one) => definition(one, host));
}

function hiddenFrom(service: Service, { client, mesh, namespace }: View): string | undefined {
  if (client.sidecar.importsService(service)) return undefined;
  const { rootNamespace } = client.mesh;
  const sidecar = sidecarOf(mesh.of('Sidecar'), client.scope, rootNamespace);
  const by = sidecar === undefined ? 'the Sidecar' : nameOf(sidecar);
  return `${by} imports no such host for clients in namespace ${namespace}`;
}

function serviceView(service: Service, view: View): ServiceView {
  const { ports, resolution, location, exportTo, addresses } = service;
  const hidden = hiddenFrom(service, view);
  return {
    ...definition(service.resource, service.host),
    ports: ports.map(({ number, name, protocol, targetPort }) => ({
      number,
      name,
      protocol: protocol === '' ? 'HTTP' : protocol,
      ...(targetPort === undefined ? {} : { targetPort }),
    })),
    resolution,
    location,
    exportTo,
    addresses,
    alsoDefinedBy: otherDefinitions(service, view),
    ...(hidden === undefined ? {} : { hidden }),
  };
}

const labelsOf = ({ metadata, spec }: Resource<WorkloadEntrySpec>): Record<string, string> => ({
  ...metadata.labels,
  ...spec.labels,
});

/** The registry keeps no names of what stands behind a service: an endpoint is known by what it says. */
function sourceOf(
  member: WorkloadEntrySpec,
  { namespace, resource }: Service,
  { mesh }: View,
): Named {
  const own = <Spec>(kind: string, group?: string): readonly Resource<Spec>[] =>
    mesh.of<Spec>(kind, group).filter(({ metadata }) => metadata.namespace === namespace);
  for (const entry of own<ServiceEntrySpec>('ServiceEntry')) {
    const index = (entry.spec.endpoints ?? []).indexOf(member);
    if (index >= 0) return place(entry, `spec.endpoints[${index}]`);
  }
  const said = canonicalJson(member);
  const workload = own<WorkloadEntrySpec>('WorkloadEntry').find(
    (entry) =>
      entry.spec.address === member.address &&
      canonicalJson({ ...entry.spec, labels: labelsOf(entry) }) === said,
  );
  if (workload !== undefined) return place(workload, 'spec');
  const slices = indexSlices(own<EndpointSliceSpec>('EndpointSlice', 'discovery.k8s.io'));
  for (const slice of slices(namespace, resource.metadata.name)) {
    const index = (slice.spec.endpoints ?? []).findIndex(
      ({ addresses = [] }) => member.address !== undefined && addresses.includes(member.address),
    );
    if (index >= 0) return place(slice, `endpoints[${index}]`);
  }
  return place(resource, 'spec');
}

/** Endpoints of slices that are sent nothing. */
function unready({ namespace, resource }: Service, { mesh }: View): EndpointView[] {
  const slices = mesh.of<EndpointSliceSpec>('EndpointSlice', 'discovery.k8s.io');
  if (resource.kind !== 'Service') return [];
  return indexSlices(slices)(namespace, resource.metadata.name).flatMap((slice) => {
    const taken = new Set(sliceEndpoints(slice).map(({ address }) => address));
    return (slice.spec.endpoints ?? []).flatMap(({ addresses = [], zone }, index) =>
      addresses
        .filter((address) => !taken.has(address))
        .map((address) => ({
          ...place(slice, `endpoints[${index}]`),
          address,
          ports: [],
          labels: {},
          ready: false,
          ...(zone === undefined ? {} : { locality: zone }),
          subsets: [],
        })),
    );
  });
}

function endpointViews(
  service: Service,
  compiled: CompiledClusters,
  subsets: readonly Subset[],
  view: View,
): EndpointView[] {
  const byCluster = new Map(compiled.endpoints);
  const lists = service.ports.map(({ number }) => ({
    port: number,
    list: byCluster.get(clusterName(service.host, number)) ?? [],
  }));
  // Where there are none, compile may have one of its own: the host, for a resolver.
  const longest = lists.map(({ list }) => list).sort((a, b) => b.length - a.length)[0] ?? [];
  const members: readonly WorkloadEntrySpec[] =
    service.endpoints.length > 0 ? service.endpoints : longest.map(({ address }) => ({ address }));
  const ready = members.map((member, index): EndpointView => {
    const { address = '', labels = {}, locality, weight } = member;
    return {
      ...sourceOf(member, service, view),
      address,
      ports: lists.flatMap(({ port, list }) => {
        const target = list[index]?.port;
        return target === undefined ? [] : [{ port, targetPort: target }];
      }),
      labels,
      ready: true,
      ...(locality === undefined ? {} : { locality }),
      ...(weight === undefined ? {} : { weight }),
      subsets: subsets.filter((one) => selects(one.labels, labels)).map(({ name }) => name),
    };
  });
  return [...ready, ...unready(service, view)];
}

/** Merged rules keep the subsets and policies of those that they were merged from. */
function sourceRule<Part>(
  part: Part,
  rules: readonly Rule[],
  partsOf: (rule: Rule) => readonly Part[],
): { readonly rule: Rule; readonly index: number } | undefined {
  for (const rule of rules) {
    const index = partsOf(rule).indexOf(part);
    if (index >= 0) return { rule, index };
  }
  return undefined;
}

/** Ports with the same words are one. */
function policyViews(
  clusters: readonly Cluster[],
  source: Named | undefined,
): readonly TrafficPolicyView[] {
  return [...Map.groupBy(clusters, (cluster) => clusterText(cluster))].map(([words, own]) => ({
    words,
    ports: own.map(({ port }) => port),
    ...source,
  }));
}

function subsetViews(
  service: Service,
  compiled: CompiledClusters,
  rule: Rule | undefined,
  rules: readonly Rule[],
): SubsetView[] {
  const byCluster = new Map(compiled.endpoints);
  return (rule?.spec.subsets ?? []).map((subset): SubsetView => {
    const found = sourceRule(subset, rules, ({ spec }) => spec.subsets ?? []);
    const source = place(found?.rule ?? (rule as Rule), `spec.subsets[${found?.index ?? 0}]`);
    const clusters = compiled.clusters.filter((one) => one.subset === subset.name);
    const [list] = clusters.flatMap((one) => {
      const endpoints = byCluster.get(clusterName(service.host, one.port, subset.name));
      return endpoints === undefined ? [] : [endpoints];
    });
    return {
      ...source,
      name: subset.name,
      labels: subset.labels ?? {},
      ...(list === undefined ? {} : { endpoints: list.length }),
      trafficPolicy: policyViews(clusters, {
        ...source,
        path: subset.trafficPolicy === undefined ? source.path : `${source.path}.trafficPolicy`,
      }),
    };
  });
}

export function describeService(view: View): ServiceParts {
  const { service, client, mesh } = view;
  if (service === undefined) return { trafficPolicy: [], endpoints: [], subsets: [] };
  const compiled = compileClusters(client, new Set([service.host]));
  const rule = createRuleLookup(client)(service);
  const rules = mesh.of<DestinationRuleSpec>('DestinationRule');
  const policy = rule?.spec.trafficPolicy;
  const source =
    policy === undefined
      ? undefined
      : sourceRule(policy, rules, ({ spec }) =>
          spec.trafficPolicy === undefined ? [] : [spec.trafficPolicy],
        );
  const whole = compiled.clusters.filter(({ subset }) => subset === undefined);
  return {
    service: serviceView(service, view),
    trafficPolicy: policyViews(
      whole,
      source === undefined
        ? rule && place(rule, 'spec.host')
        : place(source.rule, 'spec.trafficPolicy'),
    ),
    endpoints: endpointViews(service, compiled, rule?.spec.subsets ?? [], view),
    subsets: subsetViews(service, compiled, rule, rules),
  };
}
