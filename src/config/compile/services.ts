/** The registry: services out of ServiceEntry, WorkloadEntry and core Service. */
import { isIpAddress } from '../../resources/checks.ts';
import type {
  EndpointSliceSpec,
  Resource,
  ServiceEntrySpec,
  ServiceSpec,
  WorkloadEntrySpec,
} from '../../model/api.ts';
import type { MeshConfig } from '../../resources/mesh-config.ts';
import { portProtocol } from '../port-protocol.ts';
import { indexSlices, sliceEndpoints } from './endpoint-slices.ts';
import { Memo } from './memo.ts';
import { compareText, isExportedTo, selects } from './names.ts';

export interface ServicePort {
  readonly number: number;
  readonly name: string;
  /** Upper case; '' = to be sniffed, taken as HTTP. */
  readonly protocol: string;
  readonly targetPort: number | string | undefined;
}

export interface Service {
  /** Lower case. */
  readonly host: string;
  readonly namespace: string;
  readonly ports: readonly ServicePort[];
  readonly resolution: NonNullable<ServiceEntrySpec['resolution']>;
  readonly location: 'MESH_EXTERNAL' | 'MESH_INTERNAL';
  readonly exportTo: readonly string[];
  readonly addresses: readonly string[];
  readonly endpoints: readonly WorkloadEntrySpec[];
  readonly resource: Resource;
}

export interface Registry {
  /** By host, as `namespace` sees it: its own definition first, then core Services, then the oldest. */
  visibleTo(namespace: string): ReadonlyMap<string, Service>;
}

const HTTP_PROTOCOLS = new Set(['', 'HTTP', 'HTTP2', 'GRPC', 'GRPC-WEB']);

export function isHttpPort(port: ServicePort): boolean {
  return HTTP_PROTOCOLS.has(port.protocol);
}

type Entries = readonly Resource<WorkloadEntrySpec>[];

/** WorkloadEntries by the selectors that find them; a selector is held against few of many. */
class EntryIndex {
  readonly #byPair: ReadonlyMap<string, Entries>;
  readonly #byNamespace: ReadonlyMap<string, Entries>;

  constructor(entries: Entries) {
    this.#byNamespace = Map.groupBy(entries, ({ metadata }) => metadata.namespace);
    const pairs = entries.flatMap((entry) =>
      Object.entries(labelsOf(entry)).map(
        ([key, value]) => [`${entry.metadata.namespace} ${key}=${value}`, entry] as const,
      ),
    );
    this.#byPair = new Map(
      [...Map.groupBy(pairs, ([pair]) => pair)].map(([pair, list]) => [
        pair,
        list.map(([, entry]) => entry),
      ]),
    );
  }

  select(selector: Readonly<Record<string, string>>, namespace: string): Entries {
    const [first] = Object.entries(selector);
    const candidates =
      first === undefined
        ? this.#byNamespace.get(namespace)
        : this.#byPair.get(`${namespace} ${first[0]}=${first[1]}`);
    return (candidates ?? []).filter((entry) => selects(selector, labelsOf(entry)));
  }
}

function labelsOf({ metadata, spec }: Entries[number]): Readonly<Record<string, string>> {
  return { ...metadata.labels, ...spec.labels };
}

const toMember = (entry: Entries[number]): WorkloadEntrySpec => ({
  ...entry.spec,
  labels: labelsOf(entry),
});

function fromServiceEntry(
  resource: Resource<ServiceEntrySpec>,
  selected: Entries,
  mesh: MeshConfig,
): Service[] {
  const { spec, metadata } = resource;
  const exportTo = spec.exportTo ?? mesh.defaultServiceExportTo;
  const endpoints =
    spec.workloadSelector === undefined
      ? (spec.endpoints ?? [])
      : selected.map((entry) => toMember(entry));
  return spec.hosts.map((host) => ({
    host: host.toLowerCase(),
    namespace: metadata.namespace,
    ports: (spec.ports ?? []).map((port) => ({
      number: port.number,
      name: port.name,
      protocol: (port.protocol ?? '').toUpperCase(),
      targetPort: port.targetPort,
    })),
    resolution: spec.resolution ?? 'NONE',
    location: spec.location ?? 'MESH_EXTERNAL',
    exportTo,
    addresses: spec.addresses ?? [],
    endpoints,
    resource,
  }));
}

function coreEndpoints({ spec }: Resource<ServiceSpec>, members: Members): WorkloadEntrySpec[] {
  if (spec.type === 'ExternalName' && spec.externalName !== undefined)
    return [{ address: spec.externalName }];
  return [
    ...members.entries.map((entry) => toMember(entry)),
    ...members.slices.flatMap((slice) => sliceEndpoints(slice)),
  ];
}

function fromCoreService(
  resource: Resource<ServiceSpec>,
  members: Members,
  mesh: MeshConfig,
): Service {
  const { spec, metadata } = resource;
  const annotation = metadata.annotations?.['networking.istio.io/exportTo'];
  const isExternal = spec.type === 'ExternalName' && spec.externalName !== undefined;
  return {
    host: `${metadata.name}.${metadata.namespace}.svc.${mesh.settings.domain}`,
    namespace: metadata.namespace,
    ports: (spec.ports ?? []).map((port) => ({
      number: port.port,
      name: port.name ?? '',
      protocol: portProtocol(port.name, port.appProtocol),
      targetPort: port.targetPort,
    })),
    resolution: isExternal ? 'DNS' : 'STATIC',
    location: 'MESH_INTERNAL',
    exportTo: annotation?.split(',').map((entry) => entry.trim()) ?? mesh.defaultServiceExportTo,
    // One that isn't allocated yet is empty, and `None` is none.
    addresses: [spec.clusterIP ?? ''].filter((address) => isIpAddress(address)),
    endpoints: coreEndpoints(resource, members),
    resource,
  };
}

/** Two definitions of a host in one namespace are one service with the ports of both. */
function join(first: Service, second: Service): Service {
  const known = new Set(first.ports.map((port) => port.number));
  const ports = [...first.ports, ...second.ports.filter((port) => !known.has(port.number))];
  const seen = new Set(first.endpoints.map((endpoint) => endpoint.address));
  return {
    ...first,
    ports,
    endpoints: [
      ...first.endpoints,
      ...second.endpoints.filter((endpoint) => !seen.has(endpoint.address)),
    ],
  };
}

/** What stands behind a core Service. */
interface Members {
  readonly entries: Entries;
  readonly slices: readonly Resource<EndpointSliceSpec>[];
}

export interface RegistrySources {
  readonly serviceEntries: readonly Resource<ServiceEntrySpec>[];
  readonly services: readonly Resource<ServiceSpec>[];
  readonly workloadEntries: Entries;
  readonly endpointSlices: readonly Resource<EndpointSliceSpec>[];
}

/** Definitions of services, each the same object where its resource and what that selects are. */
function definitions(sources: RegistrySources, mesh: MeshConfig, memo: Memo): Service[] {
  const entries = new EntryIndex(sources.workloadEntries);
  const slicesOf = indexSlices(sources.endpointSlices);
  const core = sources.services.map((resource) => {
    const { spec, metadata } = resource;
    const members = {
      entries: spec.selector === undefined ? [] : entries.select(spec.selector, metadata.namespace),
      slices: slicesOf(metadata.namespace, metadata.name),
    };
    const inputs = [mesh, members.entries.length, ...members.entries, ...members.slices];
    return memo.keep({ owner: resource, slot: 'service', inputs }, () =>
      fromCoreService(resource, members, mesh),
    );
  });
  const declared = sources.serviceEntries.flatMap((resource) => {
    const { spec, metadata } = resource;
    const selected =
      spec.workloadSelector === undefined
        ? []
        : entries.select(spec.workloadSelector.labels ?? {}, metadata.namespace);
    return memo.keep({ owner: resource, slot: 'services', inputs: [mesh, ...selected] }, () =>
      fromServiceEntry(resource, selected, mesh),
    );
  });
  return [...core, ...declared];
}

export function createRegistry(
  sources: RegistrySources,
  mesh: MeshConfig,
  memo: Memo = new Memo(),
): Registry {
  const byHost = Map.groupBy(definitions(sources, mesh, memo), (service) => service.host);
  const sorted = [...byHost].sort(([a], [b]) => compareText(a, b));
  const joined = (same: readonly Service[], first: Service): Service =>
    same.length < 2
      ? first
      : memo.keep({ owner: first, slot: 'joined', inputs: same }, () =>
          same.slice(1).reduce((all, next) => join(all, next), first),
        );
  const views = new Map<string, ReadonlyMap<string, Service>>();
  const viewOf = (namespace: string): ReadonlyMap<string, Service> => {
    const view = new Map<string, Service>();
    for (const [host, services] of sorted) {
      const seen = services.filter((service) =>
        isExportedTo(service.exportTo, service.namespace, namespace),
      );
      const owner = seen.find((service) => service.namespace === namespace) ?? seen[0];
      if (owner === undefined) continue;
      const same = seen.filter((service) => service.namespace === owner.namespace);
      view.set(host, joined(same, same[0] ?? owner));
    }
    return view;
  };
  return {
    visibleTo(namespace) {
      let view = views.get(namespace);
      if (view === undefined) {
        view = viewOf(namespace);
        views.set(namespace, view);
      }
      return view;
    },
  };
}

/** Policies name the workload's port, not the service's. */
export function listenPort(port: ServicePort): number {
  return typeof port.targetPort === 'number' ? port.targetPort : port.number;
}
