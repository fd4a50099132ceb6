/** Routes and their parents: which listeners take them, for which hosts, and why not. */
import type { ParentRef, Resource, ServiceEntrySpec, ServiceSpec } from '../../model/api.ts';
import { intersectHosts } from '../compile/names.ts';
import { serviceHost } from './backends.ts';
import type { ResolvedListener } from './listeners.ts';
import type { ApiSource, RouteResource } from './source.ts';
import type { Refusal } from './words.ts';
import { API_GROUP, refuse } from './words.ts';

/** A route on a listener, for these of the listener's hosts. */
export interface Attachment {
  readonly listener: ResolvedListener;
  readonly route: RouteResource;
  /** Lower case; `*` = all. Never empty. */
  readonly hosts: readonly string[];
}

/** A route on a service of the mesh. */
export interface MeshAttachment {
  readonly route: RouteResource;
  /** FQDN. */
  readonly host: string;
  /** Undefined = every port. */
  readonly port: number | undefined;
}

/** What a route's parentRef came to. */
export interface ParentOutcome {
  readonly route: RouteResource;
  readonly ref: ParentRef;
  readonly isMesh: boolean;
  /** Undefined = accepted. */
  readonly refusal: Refusal | undefined;
  readonly attachments: readonly Attachment[];
  readonly mesh?: MeshAttachment;
}

/** Listeners by the key of what a parentRef names. */
export type ListenersOf = ReadonlyMap<string, readonly ResolvedListener[]>;

export function parentKey(kind: string, namespace: string, name: string): string {
  return `${kind}/${namespace}/${name}`;
}

const hostnamesOf = ({ spec }: RouteResource): readonly string[] =>
  'hostnames' in spec ? (spec.hostnames ?? []).map((host) => host.toLowerCase()) : [];

/** Hosts that listener and route have in common; a TCPRoute has none to compare. */
function commonHosts(listener: ResolvedListener, route: RouteResource): string[] {
  const own = hostnamesOf(route);
  if (own.length === 0) return [listener.hostname];
  const common = own
    .map((host) => intersectHosts(listener.hostname, host))
    .filter((host) => host !== undefined);
  return [...new Set(common)];
}

function attachTo(
  listeners: readonly ResolvedListener[],
  route: RouteResource,
  ref: ParentRef,
  source: ApiSource,
): { refusal?: Refusal; attachments: Attachment[] } {
  const named = listeners.filter(
    ({ name, port }) =>
      (ref.sectionName === undefined || ref.sectionName === name) &&
      (ref.port === undefined || ref.port === port),
  );
  if (named.length === 0) {
    const wanted = [
      ...(ref.sectionName === undefined ? [] : [`name ${ref.sectionName}`]),
      ...(ref.port === undefined ? [] : [`port ${ref.port}`]),
    ];
    return {
      attachments: [],
      refusal: refuse(
        'NoMatchingParent',
        `no listener has ${wanted.join(' and ') || 'room: there is none'}`,
      ),
    };
  }
  const allowed = named.filter(
    ({ kinds, owner, spec }) =>
      kinds.includes(route.kind) &&
      source.takesNamespace(
        spec.allowedRoutes?.namespaces,
        owner.metadata.namespace,
        route.metadata.namespace,
      ),
  );
  if (allowed.length === 0)
    return {
      attachments: [],
      refusal: refuse(
        'NotAllowedByListeners',
        `allowedRoutes of ${named.map(({ name }) => name).join(', ')} take no ${route.kind} of namespace ${route.metadata.namespace}`,
      ),
    };
  const attachments = allowed
    .map((listener) => ({ listener, route, hosts: commonHosts(listener, route) }))
    .filter(({ hosts }) => hosts.length > 0);
  return attachments.length > 0
    ? { attachments }
    : {
        attachments: [],
        refusal: refuse(
          'NoMatchingListenerHostname',
          `hostnames ${hostnamesOf(route).join(', ')} have nothing in common with ${allowed.map(({ hostname }) => hostname).join(', ')}`,
        ),
      };
}

type MeshParent =
  | { readonly kind: 'Service'; readonly found: Resource<ServiceSpec> | undefined }
  | { readonly kind: 'ServiceEntry'; readonly found: Resource<ServiceEntrySpec> | undefined };

function meshParent(ref: ParentRef, namespace: string, source: ApiSource): MeshParent | undefined {
  const { group = API_GROUP, kind = 'Gateway' } = ref;
  if ((group === '' || group === 'core') && kind === 'Service')
    return { kind, found: source.service(namespace, ref.name) };
  if (group !== 'networking.istio.io' || kind !== 'ServiceEntry') return undefined;
  const found = source.find({ group, kind, namespace, name: ref.name });
  return { kind, found: found as Resource<ServiceEntrySpec> | undefined };
}

function attachToMesh(
  parent: MeshParent,
  route: RouteResource,
  ref: ParentRef,
  source: ApiSource,
): ParentOutcome {
  const namespace = ref.namespace ?? route.metadata.namespace;
  const fail = (message: string): ParentOutcome => ({
    route,
    ref,
    isMesh: true,
    attachments: [],
    refusal: refuse('NoMatchingParent', message),
  });
  if (parent.found === undefined)
    return fail(`${parent.kind} ${namespace}/${ref.name} does not exist`);
  const ports =
    parent.kind === 'Service'
      ? (parent.found.spec.ports ?? []).map(({ port }) => port)
      : (parent.found.spec.ports ?? []).map(({ number }) => number);
  if (ref.port !== undefined && !ports.includes(ref.port))
    return fail(`${parent.kind} ${namespace}/${ref.name} has no port ${ref.port}`);
  const host =
    parent.kind === 'Service'
      ? serviceHost(parent.found, source.domain)
      : (parent.found.spec.hosts[0] ?? '').toLowerCase();
  return {
    route,
    ref,
    isMesh: true,
    attachments: [],
    refusal: undefined,
    mesh: { route, host, port: ref.port },
  };
}

/** Undefined: the parent is none of this mesh's, so it isn't for us to say anything. */
function attach(
  route: RouteResource,
  ref: ParentRef,
  listenersOf: ListenersOf,
  source: ApiSource,
): ParentOutcome | undefined {
  const { group = API_GROUP, kind = 'Gateway' } = ref;
  const namespace = ref.namespace ?? route.metadata.namespace;
  const mesh = meshParent(ref, namespace, source);
  if (mesh !== undefined) return attachToMesh(mesh, route, ref, source);
  if (group !== API_GROUP) return undefined;
  const listeners = listenersOf.get(parentKey(kind, namespace, ref.name));
  if (listeners === undefined) return undefined;
  const { attachments, refusal } = attachTo(listeners, route, ref, source);
  return { route, ref, isMesh: false, attachments, refusal };
}

/** Of HTTP and gRPC routes with a common host on a listener only the older kind stays; routes come oldest first. */
function dropRivals(outcomes: readonly ParentOutcome[]): ParentOutcome[] {
  const taken = new Map<ResolvedListener, Attachment[]>();
  const isHttp = ({ route }: Attachment): boolean =>
    route.kind === 'HTTPRoute' || route.kind === 'GRPCRoute';
  return outcomes.map((outcome) => {
    if (outcome.attachments.length === 0) return outcome;
    const kept = outcome.attachments.filter((one) => {
      const before = taken.get(one.listener) ?? [];
      const isRival =
        isHttp(one) &&
        before.some(
          (other) =>
            isHttp(other) &&
            other.route.kind !== one.route.kind &&
            other.hosts.some((a) => one.hosts.some((b) => intersectHosts(a, b) !== undefined)),
        );
      if (!isRival) taken.set(one.listener, [...before, one]);
      return !isRival;
    });
    if (kept.length > 0) return { ...outcome, attachments: kept };
    const other = outcome.route.kind === 'HTTPRoute' ? 'GRPCRoute' : 'HTTPRoute';
    return {
      ...outcome,
      attachments: [],
      refusal: refuse(
        'RouteConflict',
        `an older ${other} has a hostname of this route on every listener that would take it`,
      ),
    };
  });
}

export function attachRoutes(listenersOf: ListenersOf, source: ApiSource): ParentOutcome[] {
  const outcomes = source.routes.flatMap((route) =>
    (route.spec.parentRefs ?? [])
      .map((ref) => attach(route, ref, listenersOf, source))
      .filter((outcome) => outcome !== undefined),
  );
  return dropRivals(outcomes);
}
