/** IST0173, LAT0107: subsets that no known endpoint is in. */
import type { DestinationRuleSpec, Labels, Resource, VirtualServiceSpec } from '../../model/api.ts';
import { resolveHost, selects } from '../compile/names.ts';
import type { Analyser, MeshView } from './mesh.ts';
import { findService, perMesh } from './mesh.ts';

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
  if (service === undefined || service.resolution !== 'STATIC' || service.endpoints.length === 0)
    return false;
  return !service.endpoints.some((endpoint) => selects(labels, endpoint.labels ?? {}));
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
