/** Status of resources of the Gateway API, with the times that resolution by itself can't know. */
import { gatewayApiOf } from '../src/config/gateway-api/resolve.ts';
import type { ApiCondition, ApiStatus } from '../src/config/gateway-api/status.ts';
import { gatewayApiStatus } from '../src/config/gateway-api/status.ts';
import type { Resource } from '../src/model/api.ts';
import { readMeshConfig } from '../src/resources/mesh-config.ts';
import type { Condition } from './conditions.ts';
import { keyOf } from './resources.ts';

type Timed<Part> = Part extends { readonly conditions: readonly ApiCondition[] }
  ? Omit<Part, 'conditions'> & { readonly conditions: readonly Condition[] }
  : Part;

/** As the API has it; `conditions` of Gateways and ListenerSets stand among the resource's own. */
export interface TimedApiStatus {
  readonly own: readonly Condition[];
  readonly parts: {
    readonly listeners?: readonly Timed<NonNullable<ApiStatus['listeners']>[number]>[];
    readonly parents?: readonly Timed<NonNullable<ApiStatus['parents']>[number]>[];
    readonly ancestors?: readonly Timed<NonNullable<ApiStatus['ancestors']>[number]>[];
    readonly attachedListenerSets?: number;
    readonly supportedFeatures?: ApiStatus['supportedFeatures'];
  };
}

/** When a condition of a place was first seen as it is. */
export type Since = (
  place: string,
  condition: Pick<Condition, 'type' | 'status' | 'reason'>,
) => string;

/** By key of the resource. */
export function readApiStatuses(resources: readonly Resource[]): ReadonlyMap<string, ApiStatus> {
  const { domain } = readMeshConfig(resources).settings;
  const statuses = gatewayApiStatus(gatewayApiOf(resources, domain));
  return new Map(statuses.map(({ resource, status }) => [keyOf(resource), status]));
}

export function timed(resource: Resource, status: ApiStatus, since: Since): TimedApiStatus {
  const generation = resource.metadata.generation ?? 1;
  const at = (place: string, conditions: readonly ApiCondition[]): readonly Condition[] =>
    conditions.map((condition) => ({
      ...condition,
      observedGeneration: generation,
      lastTransitionTime: since(`${keyOf(resource)} ${place}`, condition),
    }));
  const { listeners, parents, ancestors, attachedListenerSets, supportedFeatures } = status;
  return {
    own: at('', status.conditions ?? []),
    parts: {
      ...(listeners === undefined
        ? {}
        : {
            listeners: listeners.map((one) => ({
              ...one,
              conditions: at(`listener ${one.name}`, one.conditions),
            })),
          }),
      ...(parents === undefined
        ? {}
        : {
            parents: parents.map((one) => ({
              ...one,
              conditions: at(`parent ${JSON.stringify(one.parentRef)}`, one.conditions),
            })),
          }),
      ...(ancestors === undefined
        ? {}
        : {
            ancestors: ancestors.map((one) => ({
              ...one,
              conditions: at(`ancestor ${JSON.stringify(one.ancestorRef)}`, one.conditions),
            })),
          }),
      ...(attachedListenerSets === undefined ? {} : { attachedListenerSets }),
      ...(supportedFeatures === undefined ? {} : { supportedFeatures }),
    },
  };
}
