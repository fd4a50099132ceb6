/** IST0101, IST0132: what a VirtualService names must exist where it can be seen. */
import type { DestinationSpec, HttpRoute, Resource, VirtualServiceSpec } from '../../model/api.ts';
import { covers, resolveHost } from '../compile/names.ts';
import { gatewayName } from '../compile/virtual-services.ts';
import type { Analyser, Finding, MeshView } from './mesh.ts';
import { findService } from './mesh.ts';

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

function missing(path: string, message: string, remedy: string): Finding {
  return { code: 'IST0101', level: 'error', path, message, remedy };
}

/** Whose clients the rule is for: those of the namespaces that it is exported to by name, else its own. */
function clientNamespaces({ spec, metadata }: Resource<VirtualServiceSpec>): readonly string[] {
  const named = (spec.exportTo ?? []).filter((name) => !['*', '.', '~'].includes(name));
  return named.length === 0 ? [metadata.namespace] : named;
}

function checkDestination(
  { destination, path }: Reference,
  resource: Resource<VirtualServiceSpec>,
  mesh: MeshView,
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
  const hasSubset = mesh.destinationRules.some(
    (rule) =>
      covers(resolveHost(rule.spec.host, rule.metadata.namespace, mesh.domain), host) &&
      rule.spec.subsets?.some(({ name }) => name === subset) === true,
  );
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

/** A server's host may begin with the namespace that it is for. */
function serverTakes(server: string, host: string, from: string): boolean {
  const slash = server.indexOf('/');
  const owner = slash < 0 ? '*' : server.slice(0, slash);
  const name = server.slice(slash + 1).toLowerCase();
  const isOpen = owner === '*' || owner === '.' || owner === from;
  return isOpen && (covers(name, host) || covers(host, name));
}

function checkGateways(resource: Resource<VirtualServiceSpec>, mesh: MeshView): Finding[] {
  const { spec, metadata } = resource;
  return (spec.gateways ?? []).flatMap((name, index): Finding[] => {
    const full = gatewayName(name, metadata.namespace);
    if (full === 'mesh') return [];
    const gateway = mesh.gateways.get(full);
    const absent =
      gateway === undefined
        ? [
            missing(
              `spec.gateways[${index}]`,
              `referenced gateway ${full} not found: the routes are attached to nothing`,
              'apply the Gateway, or correct the name',
            ),
          ]
        : [];
    const servers = (gateway?.spec.servers ?? []).flatMap(({ hosts }) => hosts);
    const unserved = (spec.hosts ?? []).flatMap((host, at): Finding[] =>
      servers.some((server) => serverTakes(server, host.toLowerCase(), metadata.namespace))
        ? []
        : [
            {
              code: 'IST0132',
              level: 'warning',
              path: `spec.hosts[${at}]`,
              message: `no server of gateway ${full} takes host ${host}: its requests get 404`,
              remedy: "add the host to a server of the Gateway, or correct the rule's",
            },
          ],
    );
    return [...absent, ...unserved];
  });
}

export const analyseReferences: Analyser = (resource, mesh) => {
  const service = resource as Resource<VirtualServiceSpec>;
  const destinations = (service.spec.http ?? []).flatMap((route, index) =>
    destinationsOf(route, `spec.http[${index}]`),
  );
  return [
    ...checkGateways(service, mesh),
    ...destinations.flatMap((reference) => checkDestination(reference, service, mesh)),
  ];
};
