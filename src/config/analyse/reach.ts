/** IST0140, IST0149: rules that don't act where they seem to. */
import type { RequestAuthenticationSpec, Resource, VirtualServiceSpec } from '../../model/api.ts';
import { resolveHost, selects } from '../compile/names.ts';
import { gatewayName } from '../compile/virtual-services.ts';
import type { Analyser, Finding, MeshView } from './mesh.ts';
import { perMesh } from './mesh.ts';

export const gatewaysOf = ({ spec, metadata }: Resource<VirtualServiceSpec>): readonly string[] =>
  ((spec.gateways ?? []).length === 0 ? ['mesh'] : (spec.gateways ?? [])).map((name) =>
    gatewayName(name, metadata.namespace),
  );

/** Hosts whose own rules for mesh clients choose a subset. */
const splitHosts = perMesh((mesh) => {
  const split = new Set<string>();
  for (const rules of mesh.virtualServices) {
    if (!gatewaysOf(rules).includes('mesh')) continue;
    const { spec, metadata } = rules;
    const resolve = (host: string): string => resolveHost(host, metadata.namespace, mesh.domain);
    const own = new Set((spec.hosts ?? []).map((host) => resolve(host)));
    for (const { route = [] } of spec.http ?? [])
      for (const { destination } of route) {
        const host = resolve(destination.host);
        if (destination.subset !== undefined && own.has(host)) split.add(host);
      }
  }
  return split;
});

/** A split written for mesh clients; ingress goes by the rules of its own gateway. */
function analyseIngress(resource: Resource<VirtualServiceSpec>, mesh: MeshView): Finding[] {
  if (gatewaysOf(resource).includes('mesh')) return [];
  return (resource.spec.http ?? []).flatMap((route, rule) =>
    (route.route ?? []).flatMap(({ destination }, index): Finding[] => {
      const host = resolveHost(destination.host, resource.metadata.namespace, mesh.domain);
      if (destination.subset !== undefined || !splitHosts(mesh).has(host)) return [];
      return [
        {
          code: 'IST0140',
          level: 'info',
          path: `spec.http[${rule}].route[${index}].destination`,
          message: `rules of the mesh choose a subset of ${host}, and this gateway's requests don't pass them`,
          remedy: 'nothing, or name the subset here too, or add this gateway to the other rules',
        },
      ];
    }),
  );
}

const CLAIM = /^@request\.auth\.claims/;

/** A claim is there only after a token was verified. */
function analyseClaims(resource: Resource<VirtualServiceSpec>, mesh: MeshView): Finding[] {
  const gateways = gatewaysOf(resource).map((name) => mesh.gateways.get(name));
  const isVerified = gateways.some(
    (gateway) =>
      gateway !== undefined &&
      mesh
        .of<RequestAuthenticationSpec>('RequestAuthentication', 'security.istio.io')
        .some(
          ({ spec }) =>
            (spec.targetRefs ?? []).length > 0 ||
            spec.targetRef !== undefined ||
            selects(spec.selector?.matchLabels, gateway.spec.selector ?? {}),
        ),
  );
  if (isVerified) return [];
  return (resource.spec.http ?? []).flatMap((route, rule) =>
    (route.match ?? []).flatMap((match, index): Finding[] => {
      const names = [
        ...Object.keys(match.headers ?? {}),
        ...Object.keys(match.withoutHeaders ?? {}),
      ];
      return names.some((name) => CLAIM.test(name))
        ? [
            {
              code: 'IST0149',
              level: 'error',
              path: `spec.http[${rule}].match[${index}].headers`,
              message: 'routes by a claim, but no RequestAuthentication verifies tokens there',
              remedy: 'apply a RequestAuthentication that selects the gateway',
            },
          ]
        : [];
    }),
  );
}

export const analyseReach: Analyser = (resource, mesh) => {
  const service = resource as Resource<VirtualServiceSpec>;
  return [...analyseIngress(service, mesh), ...analyseClaims(service, mesh)];
};
