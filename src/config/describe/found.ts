/** A rule that has to do with the host, with what leads on from it. */
import type { PolicyTarget } from '../compile/attached-policies.ts';
import { covers } from '../compile/names.ts';
import type { ResolvedListener } from '../gateway-api/listeners.ts';
import type { AttachmentView, RouteView } from './model.ts';
import type { View } from './view.ts';

export interface FoundRoute {
  readonly view: RouteView;
  /** It is for the host only because it is for every host. */
  readonly isBroad: boolean;
  /** Istio's, by `namespace/name`. */
  readonly gateways: readonly string[];
  readonly listeners: readonly ResolvedListener[];
  /** What a Policy may name to reach it. */
  readonly targets: readonly PolicyTarget[];
}

/**
 * Do the hosts of a rule or listener take the host, and do they say more than `every host`? A service is called by its
 * name: what takes any host at a gateway isn't for it.
 */
export function takes(
  hosts: readonly string[],
  { host, service }: View,
): { readonly isFor: boolean; readonly isBroad: boolean } {
  const own = hosts.filter((one) => covers(one, host));
  const isBroad = own.every((one) => one === '*' && host !== '*');
  return { isFor: own.length > 0 && !(isBroad && service !== undefined), isBroad };
}

export const attachment = (
  parent: string,
  accepted: boolean,
  inForce: boolean,
  reason: string | undefined,
): AttachmentView => ({
  parent,
  accepted,
  inForce,
  ...(inForce || reason === undefined ? {} : { reason }),
});
