/** IST0173, LAT0107, LAT0111: subsets that no known endpoint is in, and those that no rule sends to. */
import type {
  DestinationRuleSpec,
  Labels,
  Resource,
  ServiceSpec,
  VirtualServiceSpec,
} from '../../model/api.ts';
import type { Service } from '../compile/services.ts';
import { resolveHost, selects } from '../compile/names.ts';
import type { Analyser, MeshView } from './mesh.ts';
import { findService, perMesh } from './mesh.ts';

/** A Pod's place is that of its Node. */
const topologyOf = perMesh(
  (mesh) =>
    new Map(
      mesh
        .of('Node', '')
        .map(({ metadata }) => [
          metadata.name,
          Object.fromEntries(
            Object.entries(metadata.labels ?? {}).filter(([name]) => name.startsWith('topology.')),
          ),
        ]),
    ),
);

/** Labels of the Pods that a core Service selects. */
function podsOf({ resource }: Service, mesh: MeshView): Labels[] {
  const { selector = {} } = resource.spec as ServiceSpec;
  if (resource.kind !== 'Service' || Object.keys(selector).length === 0) return [];
  return (podsByNamespace(mesh).get(resource.metadata.namespace) ?? [])
    .filter(({ metadata }) => selects(selector, metadata.labels ?? {}))
    .map(({ metadata, spec }) => ({
      ...topologyOf(mesh).get(spec.nodeName ?? ''),
      ...metadata.labels,
    }));
}

const podsByNamespace = perMesh((mesh) =>
  Map.groupBy(
    mesh.of<{ readonly nodeName?: string }>('Pod', ''),
    ({ metadata }) => metadata.namespace,
  ),
);

/**
 * True only where it is certain: an endpoint of the service is known, and none is in the subset.
 * A service without any may get all of them later.
 */
function isEmpty(
  labels: Labels | undefined,
  at: { readonly host: string; readonly namespace: string },
  mesh: MeshView,
): boolean {
  const service = findService(at.host, at.namespace, mesh);
  if (service === undefined || service.resolution !== 'STATIC') return false;
  const members = [...service.endpoints.map((one) => one.labels ?? {}), ...podsOf(service, mesh)];
  return members.length > 0 && !members.some((own) => selects(labels, own));
}

const labelText = (labels: Labels): string =>
  Object.entries(labels)
    .map(([name, value]) => `${name}: ${value}`)
    .join(', ');

export const analyseSubsets: Analyser = (resource, mesh) => {
  const { spec, metadata } = resource as Resource<DestinationRuleSpec>;
  const host = resolveHost(spec.host, metadata.namespace, mesh.domain);
  return (spec.subsets ?? []).flatMap(({ name, labels = {} }, index) =>
    isEmpty(labels, { host, namespace: metadata.namespace }, mesh)
      ? [
          {
            code: 'IST0173',
            level: 'warning',
            path: `spec.subsets[${index}].labels`,
            message: `no endpoint of ${host} has the labels ${labelText(labels)}: subset ${name} is empty`,
            remedy: 'correct the labels, or register an endpoint that bears them',
          },
        ]
      : [],
  );
};

/** Labels of a subset; only where one rule alone defines it is it certain which they are. */
const labelsOf = perMesh((mesh) => {
  const found = new Map<string, Labels | undefined>();
  for (const { spec, metadata } of mesh.destinationRules)
    for (const { name, labels = {} } of spec.subsets ?? []) {
      const key = `${resolveHost(spec.host, metadata.namespace, mesh.domain)} ${name}`;
      found.set(key, found.has(key) ? undefined : labels);
    }
  return found;
});

export const analyseShares: Analyser = (resource, mesh) => {
  const { spec, metadata } = resource as Resource<VirtualServiceSpec>;
  return (spec.http ?? []).flatMap(({ route = [] }, rule) =>
    route.flatMap(({ destination, weight }, index) => {
      if (destination.subset === undefined || (weight === 0 && route.length > 1)) return [];
      const host = resolveHost(destination.host, metadata.namespace, mesh.domain);
      const labels = labelsOf(mesh).get(`${host} ${destination.subset}`);
      if (labels === undefined || !isEmpty(labels, { host, namespace: metadata.namespace }, mesh))
        return [];
      const share = route.length > 1 ? `${weight ?? 0} of its weight` : 'all its requests';
      return [
        {
          code: 'LAT0107',
          level: 'warning',
          path: `spec.http[${rule}].route[${index}].destination.subset`,
          message: `${share} goes to subset ${destination.subset} of ${host}, in which no endpoint is known: these requests get 503`,
          remedy: 'register an endpoint of the subset first, or take the destination out',
        },
      ];
    }),
  );
};

/** Subsets that rules send something to, by host. */
const sentTo = perMesh((mesh) => {
  const found = new Map<string, Set<string>>();
  for (const { spec, metadata } of mesh.virtualServices)
    for (const { route = [] } of spec.http ?? [])
      for (const { destination, weight } of route) {
        const isSent = destination.subset !== undefined && (weight !== 0 || route.length === 1);
        if (!isSent) continue;
        const host = resolveHost(destination.host, metadata.namespace, mesh.domain);
        found.set(host, (found.get(host) ?? new Set()).add(destination.subset ?? ''));
      }
  return found;
});

/** Where rules choose among the subsets of a host, one that none of them chooses has idle endpoints. */
export const analyseIdle: Analyser = (resource, mesh) => {
  const { spec, metadata } = resource as Resource<DestinationRuleSpec>;
  const host = resolveHost(spec.host, metadata.namespace, mesh.domain);
  const chosen = sentTo(mesh).get(host);
  const service = findService(host, metadata.namespace, mesh);
  if (chosen === undefined || service === undefined) return [];
  return (spec.subsets ?? []).flatMap(({ name, labels = {} }, index) => {
    const members = service.endpoints.filter((one) => selects(labels, one.labels ?? {}));
    return chosen.has(name) || members.length === 0
      ? []
      : [
          {
            code: 'LAT0111',
            level: 'info',
            path: `spec.subsets[${index}].name`,
            message: `rules choose among the subsets of ${host}, and none sends anything to ${name}, which has ${members.length} endpoint${members.length === 1 ? '' : 's'}`,
            remedy: 'give it a share, or take its endpoints away',
          },
        ];
  });
};
