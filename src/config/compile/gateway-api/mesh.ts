/** Routes of the Gateway API whose parent is a service: what calls of a workload meet. */
import type { Route } from '../../../model/snapshot.ts';
import type { MeshAttachment } from '../../gateway-api/attachment.ts';
import type { GatewayApi } from '../../gateway-api/resolve.ts';
import type { CompileContext } from '../context.ts';
import { byPrecedence } from './order.ts';
import { compileRouteRules } from './rules.ts';

export interface MeshClient {
  readonly context: CompileContext;
  /** Takes the hosts of services that the routes name. */
  readonly used: Set<string>;
}

export interface MeshRoutes {
  /** Undefined = no route has the service as its parent. */
  of(
    service: { readonly host: string; readonly namespace: string },
    port: number,
    client: MeshClient,
  ): readonly Route[] | undefined;
}

/** A route beside its service is its producer's and for every client; one elsewhere is for clients of its namespace, and comes first. */
function inForce(
  attached: readonly MeshAttachment[],
  owner: string,
  client: string,
): readonly MeshAttachment[] {
  const consumer = attached.filter(
    ({ route: { metadata } }) => metadata.namespace === client && metadata.namespace !== owner,
  );
  return consumer.length > 0
    ? consumer
    : attached.filter(({ route: { metadata } }) => metadata.namespace === owner);
}

const NONE: MeshRoutes = { of: () => undefined };

/** The same for every client. */
export function meshRoutes(api: GatewayApi): MeshRoutes {
  const attached = Map.groupBy(
    api.outcomes.flatMap(({ mesh }) => (mesh === undefined ? [] : [mesh])),
    ({ host }) => host,
  );
  if (attached.size === 0) return NONE;
  return {
    of({ host, namespace }, port, { context, used }) {
      const atPort = (attached.get(host) ?? []).filter(
        (one) => one.port === undefined || one.port === port,
      );
      const http = atPort.filter(
        ({ route: { kind } }) => kind === 'HTTPRoute' || kind === 'GRPCRoute',
      );
      const chosen = inForce(http, namespace, context.scope.namespace);
      if (chosen.length === 0) return undefined;
      let order = 0;
      const routes = chosen.flatMap(({ route }) =>
        compileRouteRules(route, { api, context, used, isMesh: true }).map((one) => ({
          ...one,
          order: order++,
        })),
      );
      return routes.sort(byPrecedence).map(({ route }) => route);
    },
  };
}
