/** IST0101: what a VirtualService refers to must exist where it can be seen. */
import type {
  DestinationRuleSpec,
  DestinationSpec,
  GatewaySpec,
  HttpRoute,
  Resource,
  ServiceEntrySpec,
  ServiceSpec,
  VirtualServiceSpec,
  WorkloadEntrySpec,
} from '../../model/api.ts';
import type { AdmittedResource } from '../../model/config.ts';
import type { Diagnostic } from '../../model/diagnostic.ts';
import { readMeshConfig } from '../../resources/mesh-config.ts';
import { covers, resolveHost } from '../compile/names.ts';
import type { Registry, Service } from '../compile/services.ts';
import { createRegistry } from '../compile/services.ts';
import { gatewayName } from '../compile/virtual-services.ts';

interface Mesh {
  readonly domain: string;
  readonly registry: Registry;
  readonly gateways: ReadonlySet<string>;
  /** Subset names by resolved host. */
  readonly subsets: readonly { readonly host: string; readonly names: ReadonlySet<string> }[];
}

function readMesh(resources: readonly Resource[]): Mesh {
  const of = <Spec>(kind: string): Resource<Spec>[] =>
    resources.filter((resource) => resource.kind === kind) as Resource<Spec>[];
  const config = readMeshConfig(resources);
  const { domain } = config.settings;
  const sources = {
    serviceEntries: of<ServiceEntrySpec>('ServiceEntry'),
    services: of<ServiceSpec>('Service'),
    workloadEntries: of<WorkloadEntrySpec>('WorkloadEntry'),
  };
  return {
    domain,
    registry: createRegistry(sources, config),
    gateways: new Set(
      of<GatewaySpec>('Gateway').map(({ metadata }) => `${metadata.namespace}/${metadata.name}`),
    ),
    subsets: of<DestinationRuleSpec>('DestinationRule').map(({ spec, metadata }) => ({
      host: resolveHost(spec.host, metadata.namespace, domain),
      names: new Set((spec.subsets ?? []).map((subset) => subset.name)),
    })),
  };
}

interface Reference {
  readonly destination: DestinationSpec;
  readonly path: string;
}

function destinationsOf(route: HttpRoute, path: string): Reference[] {
  return [
    ...(route.route ?? []).map(({ destination }, index) => ({
      destination,
      path: `${path}.route[${index}].destination`,
    })),
    ...(route.mirror === undefined ? [] : [{ destination: route.mirror, path: `${path}.mirror` }]),
    ...(route.mirrors ?? []).map(({ destination }, index) => ({
      destination,
      path: `${path}.mirrors[${index}].destination`,
    })),
  ];
}

function missing(
  path: string,
  message: string,
  remedy: string,
): Pick<Diagnostic, 'path' | 'message' | 'remedy'> {
  return { path, message, remedy };
}

type Finding = ReturnType<typeof missing>;

/** The service that a host means to the clients of a namespace. */
function findService(host: string, namespace: string, mesh: Mesh): Service | undefined {
  const services = mesh.registry.visibleTo(namespace);
  const wildcard = [...services.keys()].find(
    (service) => service.startsWith('*') && covers(service, host),
  );
  return services.get(host) ?? services.get(wildcard ?? '');
}

/** Whose clients the rule is for: those of the namespaces that it is exported to by name, else its own. */
function clientNamespaces({ spec, metadata }: Resource<VirtualServiceSpec>): readonly string[] {
  const named = (spec.exportTo ?? []).filter((name) => !['*', '.', '~'].includes(name));
  return named.length === 0 ? [metadata.namespace] : named;
}

function checkDestination(
  { destination, path }: Reference,
  resource: Resource<VirtualServiceSpec>,
  mesh: Mesh,
): Finding[] {
  const host = resolveHost(destination.host, resource.metadata.namespace, mesh.domain);
  const found = clientNamespaces(resource).map((name) => findService(host, name, mesh));
  const [service] = found;
  if (service === undefined || found.includes(undefined))
    return [
      missing(
        `${path}.host`,
        `referenced host ${host} not found: requests get 503`,
        'apply a ServiceEntry or Service for it, or correct the name',
      ),
    ];
  const { subset, port } = destination;
  if (port?.number !== undefined && !service.ports.some(({ number }) => number === port.number))
    return [
      missing(
        `${path}.port.number`,
        `port ${port.number} of ${host} not found, it has ${service.ports.map(({ number }) => number).join(', ') || 'none'}: requests get 503`,
        'correct the number, or add the port to the service',
      ),
    ];
  if (subset === undefined) return [];
  const hasSubset = mesh.subsets.some((rule) => covers(rule.host, host) && rule.names.has(subset));
  return hasSubset
    ? []
    : [
        missing(
          `${path}.subset`,
          `referenced subset ${subset} of ${host} not found: requests get 503`,
          'add it to a DestinationRule for the host',
        ),
      ];
}

function checkVirtualService(resource: Resource<VirtualServiceSpec>, mesh: Mesh): Finding[] {
  const { spec, metadata } = resource;
  const gateways = (spec.gateways ?? []).flatMap((name, index): Finding[] => {
    const full = gatewayName(name, metadata.namespace);
    if (full === 'mesh' || mesh.gateways.has(full)) return [];
    return [
      missing(
        `spec.gateways[${index}]`,
        `referenced gateway ${full} not found: the routes are attached to nothing`,
        'apply the Gateway, or correct the name',
      ),
    ];
  });
  const destinations = (spec.http ?? []).flatMap((route, index) =>
    destinationsOf(route, `spec.http[${index}]`),
  );
  return [
    ...gateways,
    ...destinations.flatMap((reference) => checkDestination(reference, resource, mesh)),
  ];
}

export function analyseReferences(resources: readonly AdmittedResource[]): Diagnostic[] {
  const mesh = readMesh(resources.map(({ resource }) => resource));
  return resources.flatMap(({ resource, placeOf }) => {
    if (resource.kind !== 'VirtualService') return [];
    return checkVirtualService(resource as Resource<VirtualServiceSpec>, mesh).map(
      (finding): Diagnostic => {
        const place = placeOf(finding.path ?? '');
        return {
          code: 'IST0101',
          level: 'error',
          resource: `VirtualService ${resource.metadata.namespace}/${resource.metadata.name}`,
          ...finding,
          ...(place === undefined ? {} : { place }),
        };
      },
    );
  });
}
