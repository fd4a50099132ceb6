/** IST0101, IST0132: what a VirtualService names must exist where it can be seen. */
import type {
  ApiGatewaySpec,
  DestinationSpec,
  GatewaySpec,
  HttpRoute,
  Resource,
  VirtualServiceSpec,
} from '../../model/api.ts';
import { covers, resolveHost } from '../compile/names.ts';
import { gatewayName } from '../compile/virtual-services.ts';
import type { Analyser, Finding, MeshView } from './mesh.ts';
import { findService, perMesh } from './mesh.ts';

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

interface Subsets {
  readonly byHost: ReadonlyMap<string, ReadonlySet<string>>;
  readonly wildcards: readonly (readonly [host: string, names: ReadonlySet<string>])[];
}

const subsetsOf = perMesh((mesh): Subsets => {
  const byHost = new Map<string, Set<string>>();
  for (const { spec, metadata } of mesh.destinationRules) {
    const host = resolveHost(spec.host, metadata.namespace, mesh.domain);
    const names = byHost.get(host) ?? new Set();
    for (const { name } of spec.subsets ?? []) names.add(name);
    byHost.set(host, names);
  }
  return { byHost, wildcards: [...byHost].filter(([host]) => host.startsWith('*')) };
});

/** Of any host. */
export function isSubset(name: string, mesh: MeshView): boolean {
  return [...subsetsOf(mesh).byHost.values()].some((names) => names.has(name));
}

function isDefined(subset: string, host: string, mesh: MeshView): boolean {
  const { byHost, wildcards } = subsetsOf(mesh);
  if (byHost.get(host)?.has(subset) === true) return true;
  return wildcards.some(([wide, names]) => names.has(subset) && covers(wide, host));
}

/** Where something is sent, and where in its resource that is said. */
export interface Whereabouts {
  /** Whole. */
  readonly host: string;
  readonly port?: number | undefined;
  readonly subset?: string | undefined;
  readonly paths: { readonly host: string; readonly port: string; readonly subset: string };
  /** Namespaces of those who send. */
  readonly clients: readonly string[];
  /** What comes of it where there is no such thing. */
  readonly consequence: string;
}

/** The first that doesn't exist: service, port or subset. */
export function checkWhereabouts(
  { host, port, subset, paths, clients, consequence }: Whereabouts,
  mesh: MeshView,
): Finding[] {
  const found = clients.map((name) => findService(host, name, mesh));
  const [service] = found;
  if (service === undefined || found.includes(undefined))
    return [
      missing(
        paths.host,
        `referenced host ${host} not found: ${consequence}`,
        'apply a ServiceEntry or Service for it, or correct the name',
      ),
    ];
  if (port !== undefined && !service.ports.some(({ number }) => number === port))
    return [
      missing(
        paths.port,
        `port ${port} of ${host} not found, it has ${service.ports.map(({ number }) => number).join(', ') || 'none'}: ${consequence}`,
        'correct the number, or add the port to the service',
      ),
    ];
  if (subset === undefined || isDefined(subset, host, mesh)) return [];
  return [
    missing(
      paths.subset,
      `referenced subset ${subset} of ${host} not found: ${consequence}`,
      'add it to a DestinationRule for the host',
    ),
  ];
}

function checkDestination(
  { destination, path }: Reference,
  resource: Resource<VirtualServiceSpec>,
  mesh: MeshView,
): Finding[] {
  return checkWhereabouts(
    {
      host: resolveHost(destination.host, resource.metadata.namespace, mesh.domain),
      port: destination.port?.number,
      subset: destination.subset,
      paths: {
        host: `${path}.host`,
        port: `${path}.port.number`,
        subset: `${path}.subset`,
      },
      clients: clientNamespaces(resource),
      consequence: 'requests get 503',
    },
    mesh,
  );
}

/** A server's host may begin with the namespace that it is for. */
function serverTakes(
  server: string,
  host: string,
  { from, owner }: { readonly from: string; readonly owner: string },
): boolean {
  const slash = server.indexOf('/');
  const wanted = slash < 0 ? '*' : server.slice(0, slash);
  const name = server.slice(slash + 1).toLowerCase();
  const isOpen = wanted === '*' || (wanted === '.' ? owner : wanted) === from;
  return isOpen && (covers(name, host) || covers(host, name));
}

interface Served {
  /** Namespace of the gateway. */
  readonly owner: string;
  /** Of its servers or listeners. */
  readonly hosts: readonly string[];
}

function servedBy(
  gateway: Resource<GatewaySpec> | undefined,
  api: Resource<ApiGatewaySpec> | undefined,
): Served {
  return {
    owner: (gateway ?? api)?.metadata.namespace ?? '',
    hosts: [
      ...(gateway?.spec.servers ?? []).flatMap((server) => server.hosts),
      ...(api?.spec.listeners ?? []).map(({ hostname = '*' }) => hostname),
    ],
  };
}

/** One host that is served is enough: others may be meant for another gateway, or for the mesh. */
function checkHosts(
  { spec, metadata }: Resource<VirtualServiceSpec>,
  name: string,
  { owner, hosts: served }: Served,
): Finding[] {
  const hosts = (spec.hosts ?? []).map((host) => host.toLowerCase());
  const between = { from: metadata.namespace, owner };
  const isServed = hosts.some((host) =>
    served.some((server) => serverTakes(server, host, between)),
  );
  return isServed || hosts.length === 0
    ? []
    : [
        {
          code: 'IST0132',
          level: 'warning',
          path: 'spec.hosts',
          message: `no server of gateway ${name} takes ${hosts.join(' or ')}: requests get 404 there`,
          remedy: "add a host to a server of the Gateway, or correct the rule's",
        },
      ];
}

function checkGateways(resource: Resource<VirtualServiceSpec>, mesh: MeshView): Finding[] {
  const { spec, metadata } = resource;
  return (spec.gateways ?? []).flatMap((given, index): Finding[] => {
    const name = gatewayName(given, metadata.namespace);
    if (name === 'mesh') return [];
    const isOldForm = !given.includes('/') && given.includes('.');
    const gateway = isOldForm ? undefined : mesh.gateways.get(name);
    const api = isOldForm ? undefined : mesh.apiGateways.get(name);
    const unserved = checkHosts(resource, name, servedBy(gateway, api));
    if (gateway !== undefined || api !== undefined) return unserved;
    return [
      missing(
        `spec.gateways[${index}]`,
        isOldForm
          ? `gateway ${given} is named in the old dotted form, which not every tool resolves`
          : `referenced gateway ${name} not found: the routes are attached to nothing`,
        isOldForm ? `write ${name}` : 'apply the Gateway, or correct the name',
      ),
      ...unserved,
    ];
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
