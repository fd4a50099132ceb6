/** What a backendRef leads to. */
import type { BackendRef, Resource, ServiceSpec } from '../../model/api.ts';
import { portProtocol } from '../port-protocol.ts';
import type { ApiSource, RouteKind } from './source.ts';
import type { Refusal } from './words.ts';
import { refuse } from './words.ts';

type CorePort = NonNullable<ServiceSpec['ports']>[number];

export interface BackendReferrer {
  readonly kind: RouteKind;
  readonly namespace: string;
  /** A route of the mesh needs no grant (GEP-1294). */
  readonly isMesh: boolean;
}

export type ResolvedBackend =
  | {
      readonly host: string;
      readonly port: number;
      /** Upper case; '' = the port says none. */
      readonly protocol: string;
      readonly refusal?: undefined;
    }
  | { readonly refusal: Refusal };

export function serviceHost(service: Resource<ServiceSpec>, domain: string): string {
  return `${service.metadata.name}.${service.metadata.namespace}.svc.${domain}`;
}

/** `networking.istio.io/Hostname`: any host that the mesh knows. */
function resolveHostname(
  name: string,
  port: number | undefined,
  source: ApiSource,
): ResolvedBackend {
  const entry = source.entryOf(name);
  const [service = '', namespace = ''] = name.split('.');
  const core =
    name === `${service}.${namespace}.svc.${source.domain}`
      ? source.service(namespace, service)
      : undefined;
  const ports =
    entry?.spec.ports?.map(({ number, protocol = '' }) => ({
      number,
      protocol: protocol.toUpperCase(),
    })) ?? core?.spec.ports?.map((one) => corePort(one));
  if (ports === undefined)
    return {
      refusal: refuse('BackendNotFound', `host ${name} is known to no ServiceEntry or Service`),
    };
  return withPort(name.toLowerCase(), port, ports);
}

interface KnownPort {
  readonly number: number;
  readonly protocol: string;
}

const corePort = ({ port, name, appProtocol }: CorePort): KnownPort => ({
  number: port,
  protocol: portProtocol(name, appProtocol),
});

function withPort(
  host: string,
  port: number | undefined,
  ports: readonly KnownPort[],
): ResolvedBackend {
  const wanted = port ?? (ports.length === 1 ? ports[0]?.number : undefined);
  if (wanted === undefined)
    return { refusal: refuse('BackendNotFound', `${host} has several ports, and none is named`) };
  const found = ports.find(({ number }) => number === wanted);
  if (found !== undefined) return { host, port: wanted, protocol: found.protocol };
  const known = ports.map(({ number }) => number).join(', ') || 'none';
  return { refusal: refuse('BackendNotFound', `${host} has no port ${wanted}, only ${known}`) };
}

export function resolveBackend(
  ref: BackendRef,
  from: BackendReferrer,
  source: ApiSource,
): ResolvedBackend {
  const { group = '', kind = 'Service', namespace = from.namespace, name, port } = ref;
  if (group === 'networking.istio.io' && kind === 'Hostname')
    return resolveHostname(name, port, source);
  if (group !== '' || kind !== 'Service')
    return {
      refusal: refuse(
        'InvalidKind',
        `${group === '' ? 'core' : group}/${kind} is no kind of backend, want a core Service or a networking.istio.io Hostname`,
      ),
    };
  const target = { group, kind, namespace, name };
  if (!from.isMesh && !source.isGranted(from, target))
    return {
      refusal: refuse(
        'RefNotPermitted',
        `no ReferenceGrant in ${namespace} lets a ${from.kind} of ${from.namespace} use Service ${namespace}/${name}`,
      ),
    };
  const service = source.service(namespace, name);
  if (service === undefined)
    return { refusal: refuse('BackendNotFound', `Service ${namespace}/${name} does not exist`) };
  const ports = (service.spec.ports ?? []).map((one) => corePort(one));
  return withPort(serviceHost(service, source.domain), port, ports);
}
