/** tls and tcp rules of VirtualServices to routes of connections, for one proxy and port. */
import type { ConnectionMatch, ConnectionRule } from '../../model/api.ts';
import type { ConnectionRoute, Destination } from '../../model/snapshot.ts';
import type { CompileContext } from './context.ts';
import { selects } from './names.ts';
import type { RouteScope } from './routes.ts';
import { destinationCluster } from './routes.ts';
import type { BoundService } from './virtual-services.ts';
import { gatewayName } from './virtual-services.ts';

export interface ConnectionBuilder {
  readonly context: CompileContext;
  readonly scope: RouteScope;
  /** Hosts of services that the rules name. */
  readonly used: Set<string>;
}

/** Unlike in http rules every condition counts, gateways beside labels too. */
function holds(match: ConnectionMatch, namespace: string, { scope }: ConnectionBuilder): boolean {
  const { gateways, sourceLabels, sourceNamespace = '', port = 0 } = match;
  const isGateway =
    gateways === undefined ||
    gateways.length === 0 ||
    gateways.some((name) => gatewayName(name, namespace) === scope.gateway);
  return (
    isGateway &&
    selects(sourceLabels, scope.labels) &&
    (sourceNamespace === '' || sourceNamespace === scope.namespace) &&
    (port === 0 || port === scope.port)
  );
}

function destinationsOf(
  rule: ConnectionRule,
  bound: BoundService,
  { context, scope, used }: ConnectionBuilder,
): Destination[] {
  const given = rule.route ?? [];
  return given
    .filter(({ weight = 0 }) => given.length === 1 || weight > 0)
    .map(({ destination, weight = 0 }) => {
      // A destination without a port means the service's only one, also in the mesh.
      const { name, host } = destinationCluster(context, destination, bound.resource, {
        ...scope,
        isGateway: true,
      });
      used.add(host);
      return { cluster: name, weight: given.length === 1 ? 1 : weight };
    });
}

function routesOf(
  field: 'tls' | 'tcp',
  bound: BoundService,
  builder: ConnectionBuilder,
): ConnectionRoute[] {
  const { namespace } = bound.resource.metadata;
  return (bound.resource.spec[field] ?? []).flatMap((rule, index) => {
    const matches: readonly ConnectionMatch[] =
      rule.match === undefined || rule.match.length === 0 ? [{}] : rule.match;
    const origin = builder.context.origins.of(bound.resource, `spec.${field}[${index}]`);
    return matches
      .filter((match) => holds(match, namespace, builder))
      .map(({ sniHosts, destinationSubnets }): ConnectionRoute => ({
        ...(sniHosts === undefined
          ? {}
          : { serverNames: sniHosts.map((host) => host.toLowerCase()) }),
        ...(destinationSubnets === undefined || destinationSubnets.length === 0
          ? {}
          : { destinationCidrs: destinationSubnets }),
        destinations: destinationsOf(rule, bound, builder),
        origin,
      }));
  });
}

/** By server name. */
export function compileTlsRules(
  bound: BoundService,
  builder: ConnectionBuilder,
): ConnectionRoute[] {
  return routesOf('tls', bound, builder);
}

/** Rules behind the first that takes every address can't be reached. */
export function compileTcpRules(
  bound: BoundService,
  builder: ConnectionBuilder,
): ConnectionRoute[] {
  const routes = routesOf('tcp', bound, builder);
  const end = routes.findIndex(({ destinationCidrs }) => destinationCidrs === undefined);
  return end < 0 ? routes : routes.slice(0, end + 1);
}
