/** IST0109: rules of the mesh for one host, of which only one can act. */
import type { Resource, VirtualServiceSpec } from '../../model/api.ts';
import { covers, resolveHost } from '../compile/names.ts';
import { gatewayName } from '../compile/virtual-services.ts';
import type { Analyser, MeshView } from './mesh.ts';

type Rules = Resource<VirtualServiceSpec>;

const isMesh = ({ spec, metadata }: Rules): boolean =>
  (spec.gateways ?? ['mesh']).some((name) => gatewayName(name, metadata.namespace) === 'mesh');

/** `*`, or the namespace that alone sees it. */
function scopeOf({ spec, metadata }: Rules, mesh: MeshView): string {
  const exportTo = spec.exportTo ?? mesh.config.defaultVirtualServiceExportTo;
  const isPrivate = exportTo.every((name) => name === '.' || name === metadata.namespace);
  return isPrivate ? metadata.namespace : '*';
}

function meets(a: string, scopeA: string, b: string, scopeB: string): boolean {
  if (a === b) return scopeA === scopeB || scopeA === '*' || scopeB === '*';
  // A wildcard is the less specific rule, which is how it is meant; but a private rule hides a public one whole.
  return scopeA !== scopeB && (scopeA === '*' || scopeB === '*') && (covers(a, b) || covers(b, a));
}

export const analyseConflicts: Analyser = (resource, mesh) => {
  const own = resource as Rules;
  if (!isMesh(own)) return [];
  const hostsOf = ({ spec, metadata }: Rules): string[] =>
    (spec.hosts ?? []).map((host) => resolveHost(host, metadata.namespace, mesh.domain));
  const scope = scopeOf(own, mesh);
  const others = mesh.virtualServices.filter((other) => other !== own && isMesh(other));
  return hostsOf(own).flatMap((host, index) => {
    const other = others.find((rules) =>
      hostsOf(rules).some((name) => meets(host, scope, name, scopeOf(rules, mesh))),
    );
    if (other === undefined) return [];
    return [
      {
        code: 'IST0109',
        level: 'error',
        path: `spec.hosts[${index}]`,
        message: `VirtualService ${other.metadata.namespace}/${other.metadata.name} has rules for ${host} too: only one of them acts for a client`,
        remedy: 'join them, or delegate from one to the other',
      },
    ];
  });
};
