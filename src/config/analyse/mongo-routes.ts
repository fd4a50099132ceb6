/** IST0101: what the routes of a Policy's `mongo` lead to must exist. */
import type { PolicySpec, Resource } from '../../model/api.ts';
import type { Analyser, Finding, MeshView } from './mesh.ts';
import { checkWhereabouts, isSubset } from './references.ts';

interface Route {
  readonly host?: string;
  readonly port?: number;
  readonly subset?: string;
}

const CONSEQUENCE = 'connections and operations that the route takes are refused';

/** Without a host it is for that of the connection's route, which isn't known here. */
function checkSubset({ subset }: Route, path: string, mesh: MeshView): Finding[] {
  if (subset === undefined || isSubset(subset, mesh)) return [];
  return [
    {
      code: 'IST0101',
      level: 'error',
      path: `${path}.subset`,
      message: `referenced subset ${subset} not found for any host: ${CONSEQUENCE}`,
      remedy: 'add it to a DestinationRule',
    },
  ];
}

function checkRoute(
  route: Route,
  at: { readonly path: string; readonly namespace: string },
  mesh: MeshView,
): Finding[] {
  const { path, namespace } = at;
  const { host, port, subset } = route;
  if (host === undefined) return checkSubset(route, path, mesh);
  return checkWhereabouts(
    {
      host: host.toLowerCase(),
      port,
      subset,
      paths: { host: `${path}.host`, port: `${path}.port`, subset: `${path}.subset` },
      clients: [namespace],
      consequence: CONSEQUENCE,
    },
    mesh,
  );
}

export const analyseMongoRoutes: Analyser = (resource, mesh) => {
  const { spec, metadata } = resource as Resource<PolicySpec>;
  const { routes = [] } = (spec['mongo'] ?? {}) as { readonly routes?: readonly Route[] };
  return routes.flatMap((route, index) =>
    checkRoute(route, { path: `spec.mongo.routes[${index}]`, namespace: metadata.namespace }, mesh),
  );
};
