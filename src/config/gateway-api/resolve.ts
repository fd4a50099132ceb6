/**
 * The Gateway API as a whole: which listeners stand, which routes they take, and every refusal with its reason.
 * Compile makes listeners and routes of it, status its conditions.
 */
import type { ApiGatewaySpec, BackendRef, ListenerSetSpec, Resource } from '../../model/api.ts';
import type { ParentOutcome } from './attachment.ts';
import { attachRoutes, parentKey } from './attachment.ts';
import type { BackendTlsTable } from './backend-tls.ts';
import { resolveBackendTls } from './backend-tls.ts';
import type { BackendReferrer, ResolvedBackend } from './backends.ts';
import { resolveBackend } from './backends.ts';
import type { ResolvedSecret } from './certificates.ts';
import { resolveCertificate } from './certificates.ts';
import type { ResolvedListener } from './listeners.ts';
import { resolveListeners } from './listeners.ts';
import type { ApiSource, Target } from './source.ts';
import { indexSource } from './source.ts';
import type { Refusal } from './words.ts';
import { API_GROUP, refuse } from './words.ts';

export interface ResolvedGateway {
  readonly resource: Resource<ApiGatewaySpec>;
  /** Its own first, then those of its ListenerSets. */
  readonly listeners: readonly ResolvedListener[];
  /** Undefined = accepted. */
  readonly refusal: Refusal | undefined;
  /** Of the certificate that it shows backends. */
  readonly unresolved: Refusal | undefined;
  /** Secret with that certificate, `namespace/name`. */
  readonly clientCertificate: string | undefined;
}

export interface ResolvedListenerSet {
  readonly resource: Resource<ListenerSetSpec>;
  readonly listeners: readonly ResolvedListener[];
  readonly refusal: Refusal | undefined;
}

export interface GatewayApi {
  readonly source: ApiSource;
  readonly gateways: readonly ResolvedGateway[];
  readonly listenerSets: readonly ResolvedListenerSet[];
  /** One for each parentRef that names something of this mesh; oldest route first. */
  readonly outcomes: readonly ParentOutcome[];
  readonly backendTls: BackendTlsTable;
  backend(ref: BackendRef, from: BackendReferrer): ResolvedBackend;
  /** Secret with the certificate that a Gateway shows backends, `namespace/name`. */
  clientCertificateOf(namespace: string, gateway: string): string | undefined;
}

const ADDRESS_TYPES: ReadonlySet<string> = new Set(['IPAddress', 'Hostname']);

function gatewayRefusal(gateway: Resource<ApiGatewaySpec>, source: ApiSource): Refusal | undefined {
  const { addresses = [], infrastructure } = gateway.spec;
  const ref = infrastructure?.parametersRef;
  if (ref !== undefined) {
    const target: Target = { ...ref, namespace: gateway.metadata.namespace };
    if (ref.group !== '' || ref.kind !== 'ConfigMap' || source.find(target) === undefined)
      return refuse(
        'InvalidParameters',
        `parametersRef ${ref.group}/${ref.kind} ${ref.name} can't be used, want a core ConfigMap of this namespace`,
      );
  }
  const odd = addresses.find(({ type = 'IPAddress' }) => !ADDRESS_TYPES.has(type));
  return odd === undefined
    ? undefined
    : refuse(
        'UnsupportedAddress',
        `addresses of type ${odd.type ?? ''} are not served, want ${[...ADDRESS_TYPES].join(' or ')}`,
      );
}

function clientCertificate(gateway: Resource<ApiGatewaySpec>, source: ApiSource): ResolvedSecret {
  const ref = gateway.spec.tls?.backend?.clientCertificateRef;
  if (ref === undefined) return {};
  const from = { kind: 'Gateway', namespace: gateway.metadata.namespace };
  return resolveCertificate(ref, from, source, 'InvalidClientCertificateRef');
}

/** ListenerSets are asked for by the set and let in by the Gateway; without a word of it none are. */
function setsOf(
  gateway: Resource<ApiGatewaySpec>,
  source: ApiSource,
): {
  allowed: Resource<ListenerSetSpec>[];
  refused: Resource<ListenerSetSpec>[];
} {
  const own = source.listenerSets.filter(({ spec, metadata }) => {
    const {
      group = API_GROUP,
      kind = 'Gateway',
      namespace = metadata.namespace,
      name,
    } = spec.parentRef;
    return (
      group === API_GROUP &&
      kind === 'Gateway' &&
      namespace === gateway.metadata.namespace &&
      name === gateway.metadata.name
    );
  });
  const choice = gateway.spec.allowedListeners?.namespaces ?? { from: 'None' as const };
  const isAllowed = ({ metadata }: Resource): boolean =>
    source.takesNamespace(
      choice.from === undefined ? { ...choice, from: 'None' } : choice,
      gateway.metadata.namespace,
      metadata.namespace,
    );
  return {
    allowed: own.filter((set) => isAllowed(set)),
    refused: own.filter((set) => !isAllowed(set)),
  };
}

function listenersByParent(
  gateways: readonly ResolvedGateway[],
  sets: readonly ResolvedListenerSet[],
): Map<string, readonly ResolvedListener[]> {
  const owned = ({ resource, listeners }: ResolvedGateway | ResolvedListenerSet) => {
    const { kind, metadata } = resource;
    const own = listeners.filter(({ owner }) => owner === resource);
    return [parentKey(kind, metadata.namespace, metadata.name), own] as const;
  };
  return new Map([...gateways, ...sets].map((one) => owned(one)));
}

function resolveAll(resources: readonly Resource[], domain: string): GatewayApi {
  const source = indexSource(resources, domain);
  const gateways: ResolvedGateway[] = [];
  const listenerSets: ResolvedListenerSet[] = [];
  for (const resource of source.gateways) {
    const { allowed, refused } = setsOf(resource, source);
    const listeners = resolveListeners(resource, allowed, source);
    const certificate = clientCertificate(resource, source);
    gateways.push({
      resource,
      listeners,
      refusal: gatewayRefusal(resource, source),
      unresolved: certificate.refusal,
      clientCertificate: certificate.secret,
    });
    for (const set of allowed)
      listenerSets.push({
        resource: set,
        listeners: listeners.filter(({ owner }) => owner === set),
        refusal: undefined,
      });
    const message = `allowedListeners of Gateway ${resource.metadata.namespace}/${resource.metadata.name} take no ListenerSet of this namespace`;
    for (const set of refused)
      listenerSets.push({ resource: set, listeners: [], refusal: refuse('NotAllowed', message) });
  }
  return {
    source,
    gateways,
    listenerSets,
    outcomes: attachRoutes(listenersByParent(gateways, listenerSets), source),
    backendTls: resolveBackendTls(source),
    backend: (ref, from) => resolveBackend(ref, from, source),
    clientCertificateOf: (namespace, name) =>
      gateways.find(
        ({ resource: { metadata } }) => metadata.namespace === namespace && metadata.name === name,
      )?.clientCertificate,
  };
}

const resolved = new WeakMap<readonly Resource[], GatewayApi>();

/** The same list of resources is resolved once, for however many proxies it is compiled. */
export function gatewayApiOf(resources: readonly Resource[], domain: string): GatewayApi {
  const known = resolved.get(resources);
  if (known !== undefined && known.source.domain === domain) return known;
  // A mesh without the Gateway API pays nothing for it.
  const isUsed = resources.some(({ group }) => group === API_GROUP);
  const api = resolveAll(isUsed ? resources : [], domain);
  resolved.set(resources, api);
  return api;
}
