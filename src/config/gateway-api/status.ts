/** Status of Gateway API resources in the API's own shape, without times: whoever keeps it adds them. */
import type { ParentRef, Resource } from '../../model/api.ts';
import type { ParentOutcome } from './attachment.ts';
import type { PolicyOutcome } from './backend-tls.ts';
import { FEATURES } from './features.ts';
import type { ResolvedListener } from './listeners.ts';
import type { GatewayApi, ResolvedGateway, ResolvedListenerSet } from './resolve.ts';
import { routeReferences } from './references.ts';
import type { Refusal } from './words.ts';
import { API_GROUP, refuse } from './words.ts';

export interface ApiCondition {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
  readonly observedGeneration?: number;
}

export interface ApiListenerStatus {
  readonly name: string;
  readonly port: number;
  readonly supportedKinds: readonly { readonly group: string; readonly kind: string }[];
  readonly attachedRoutes: number;
  readonly conditions: readonly ApiCondition[];
}

export interface ApiParentStatus {
  readonly parentRef: ParentRef;
  readonly controllerName: string;
  readonly conditions: readonly ApiCondition[];
}

export interface ApiStatus {
  readonly conditions?: readonly ApiCondition[];
  /** Of a Gateway or ListenerSet. */
  readonly listeners?: readonly ApiListenerStatus[];
  /** Of a Gateway: ListenerSets that it takes. */
  readonly attachedListenerSets?: number;
  /** Of a route: one for each parentRef that names something of this mesh. */
  readonly parents?: readonly ApiParentStatus[];
  /** Of a policy: one for each Gateway that it touches. */
  readonly ancestors?: readonly {
    readonly ancestorRef: ParentRef;
    readonly controllerName: string;
    readonly conditions: readonly ApiCondition[];
  }[];
  /** Of a GatewayClass. */
  readonly supportedFeatures?: readonly { readonly name: string }[];
}

export interface ResourceStatus {
  readonly resource: Resource;
  readonly status: ApiStatus;
}

/** Who says so. */
export const CONTROLLER_NAME = 'lateen.io/gateway-controller';

type Maker = (type: string, refusal: Refusal | undefined, good?: string) => ApiCondition;

/** True under `good` (or the type's own name), False under the refusal's reason. */
function maker({ metadata }: Resource): Maker {
  const generation =
    metadata.generation === undefined ? {} : { observedGeneration: metadata.generation };
  return (type, refusal, good = type) => ({
    type,
    status: refusal === undefined ? 'True' : 'False',
    reason: refusal?.reason ?? good,
    message: refusal?.message ?? '',
    ...generation,
  });
}

const invalid = (message: string): Refusal => refuse('Invalid', message);

function listenerStatus(
  listener: ResolvedListener,
  api: GatewayApi,
  make: Maker,
): ApiListenerStatus {
  const { refusal, conflict, unresolved, isProgrammed } = listener;
  const attached = api.outcomes.filter(({ attachments }) =>
    attachments.some((one) => one.listener === listener),
  );
  const programmed = isProgrammed
    ? undefined
    : (conflict ?? invalid(refusal?.message ?? unresolved?.message ?? 'nothing can be served'));
  const conflicted: ApiCondition = {
    ...make('Conflicted', conflict),
    ...(conflict === undefined
      ? { status: 'False', reason: 'NoConflicts' }
      : { status: 'True', reason: conflict.reason }),
  };
  const overlapping: ApiCondition = {
    ...make('OverlappingTLSConfig', undefined, 'OverlappingHostnames'),
    message: 'another listener of the port takes some of these server names',
  };
  return {
    name: listener.name,
    port: listener.port,
    supportedKinds: listener.kinds.map((kind) => ({ group: API_GROUP, kind })),
    attachedRoutes: new Set(attached.map(({ route }) => route)).size,
    conditions: [
      make('Accepted', refusal ?? conflict),
      make('ResolvedRefs', unresolved),
      make('Programmed', programmed),
      conflicted,
      ...(listener.overlaps ? [overlapping] : []),
    ],
  };
}

/** Refused listeners spoil their owner only when none is left. */
function ownerConditions(
  listeners: readonly ResolvedListener[],
  refusal: Refusal | undefined,
  make: Maker,
): ApiCondition[] {
  const sound = listeners.filter((one) => one.refusal === undefined && one.conflict === undefined);
  const message = 'a listener is refused: see the status of each';
  const none =
    listeners.length > 0 && sound.length === 0 ? refuse('ListenersNotValid', message) : undefined;
  const isPartly = sound.length < listeners.length;
  const accepted = make('Accepted', refusal ?? none, isPartly ? 'ListenersNotValid' : 'Accepted');
  return [
    isPartly && accepted.status === 'True' ? { ...accepted, message } : accepted,
    make('Programmed', refusal ?? none),
  ];
}

function gatewayStatus(gateway: ResolvedGateway, api: GatewayApi): ResourceStatus {
  const { resource, listeners, refusal, unresolved } = gateway;
  const make = maker(resource);
  const own = listeners.filter(({ owner }) => owner === resource);
  const hasReference = resource.spec.tls?.backend?.clientCertificateRef !== undefined;
  const sets = api.listenerSets.filter(
    (set) => set.refusal === undefined && set.listeners.some((one) => listeners.includes(one)),
  );
  return {
    resource,
    status: {
      conditions: [
        ...ownerConditions(own, refusal, make),
        ...(hasReference ? [make('ResolvedRefs', unresolved)] : []),
      ],
      listeners: own.map((listener) => listenerStatus(listener, api, make)),
      attachedListenerSets: sets.length,
    },
  };
}

function listenerSetStatus(set: ResolvedListenerSet, api: GatewayApi): ResourceStatus {
  const { resource, listeners, refusal } = set;
  const make = maker(resource);
  return {
    resource,
    status: {
      conditions: ownerConditions(listeners, refusal, make),
      listeners: listeners.map((listener) => listenerStatus(listener, api, make)),
    },
  };
}

function parentStatus(outcome: ParentOutcome, api: GatewayApi): ApiParentStatus {
  const { route, ref, refusal, isMesh } = outcome;
  const make = maker(route);
  const { unresolved, unsupported } = routeReferences(route, isMesh, api);
  return {
    parentRef: ref,
    controllerName: CONTROLLER_NAME,
    conditions: [
      make('Accepted', refusal),
      make('ResolvedRefs', unresolved),
      ...(unsupported === undefined
        ? []
        : [{ ...make('PartiallyInvalid', unsupported), status: 'True' as const }]),
    ],
  };
}

/** Gateways that lead to one of the policy's services. */
function policyAncestors({ hosts }: PolicyOutcome, api: GatewayApi): readonly ResolvedGateway[] {
  const leading = api.outcomes.filter(
    ({ route, isMesh, attachments }) =>
      attachments.length > 0 &&
      routeReferences(route, isMesh, api).hosts.some((host) => hosts.includes(host)),
  );
  const listeners = new Set(
    leading.flatMap(({ attachments }) => attachments.map(({ listener }) => listener)),
  );
  return api.gateways.filter((gateway) => gateway.listeners.some((one) => listeners.has(one)));
}

function policyStatus(outcome: PolicyOutcome, api: GatewayApi): ResourceStatus {
  const make = maker(outcome.policy);
  return {
    resource: outcome.policy,
    status: {
      ancestors: policyAncestors(outcome, api).map(({ resource: { metadata } }) => ({
        ancestorRef: {
          group: API_GROUP,
          kind: 'Gateway',
          namespace: metadata.namespace,
          name: metadata.name,
        },
        controllerName: CONTROLLER_NAME,
        conditions: [make('Accepted', outcome.refusal), make('ResolvedRefs', outcome.unresolved)],
      })),
    },
  };
}

/** One entry for each resource that this mesh has something to say about. */
export function gatewayApiStatus(api: GatewayApi): ResourceStatus[] {
  const routes = Map.groupBy(api.outcomes, ({ route }) => route);
  return [
    ...api.source.classes.map((resource) => ({
      resource,
      status: {
        conditions: [maker(resource)('Accepted', undefined)],
        supportedFeatures: FEATURES.map((name) => ({ name })),
      },
    })),
    ...api.gateways.map((gateway) => gatewayStatus(gateway, api)),
    ...api.listenerSets.map((set) => listenerSetStatus(set, api)),
    ...[...routes].map(([resource, outcomes]) => ({
      resource,
      status: { parents: outcomes.map((outcome) => parentStatus(outcome, api)) },
    })),
    ...api.backendTls.outcomes.map((outcome) => policyStatus(outcome, api)),
  ];
}
