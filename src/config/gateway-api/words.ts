/** Names of the Gateway API that several steps use. */
import type { Resource } from '../../model/api.ts';

export const API_GROUP = 'gateway.networking.k8s.io';

/** Controllers whose GatewayClasses this mesh serves: its own, and Istio's, whose configuration it takes over. */
export const CONTROLLERS: ReadonlySet<string> = new Set([
  'lateen.io/gateway-controller',
  'istio.io/gateway-controller',
]);

/** Classes that need no GatewayClass resource. */
export const BUILT_IN_CLASSES: ReadonlySet<string> = new Set(['lateen', 'istio']);

/** Of a proxy, after GEP-1762: the Gateway that it serves. */
export const GATEWAY_NAME_LABEL = 'gateway.networking.k8s.io/gateway-name';

/** Why something isn't so; reasons are the API's own words. */
export interface Refusal {
  readonly reason: string;
  readonly message: string;
}

export const refuse = (reason: string, message: string): Refusal => ({ reason, message });

export function nameOf({ kind, metadata }: Resource): string {
  return `${kind} ${metadata.namespace}/${metadata.name}`;
}
