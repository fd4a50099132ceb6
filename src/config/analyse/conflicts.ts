/** IST0109: rules of the mesh for one host, of which only one can act. */
import type { Resource, VirtualServiceSpec } from '../../model/api.ts';
import { covers, resolveHost } from '../compile/names.ts';
import { gatewayName } from '../compile/virtual-services.ts';
import type { Analyser, MeshView } from './mesh.ts';
import { perMesh } from './mesh.ts';

type Rules = Resource<VirtualServiceSpec>;

/** Rules of the mesh for one host. */
interface Claim {
  readonly rules: Rules;
  readonly host: string;
  /** Namespaces whose clients see it; undefined = all. */
  readonly seenBy: ReadonlySet<string> | undefined;
}

interface Claims {
  readonly byHost: ReadonlyMap<string, readonly Claim[]>;
  readonly byRules: ReadonlyMap<Rules, readonly Claim[]>;
  /** Seen by some namespaces only. */
  readonly narrow: readonly Claim[];
  /** Seen by all. */
  readonly wide: readonly Claim[];
}

function claimsOf(rules: Rules, mesh: MeshView): Claim[] {
  const { spec, metadata } = rules;
  const gateways = spec.gateways ?? [];
  const isMesh =
    gateways.length === 0 ||
    gateways.some((name) => gatewayName(name, metadata.namespace) === 'mesh');
  if (!isMesh) return [];
  const exportTo = spec.exportTo ?? mesh.config.defaultVirtualServiceExportTo;
  const seenBy = exportTo.includes('*')
    ? undefined
    : new Set(exportTo.map((name) => (name === '.' ? metadata.namespace : name)));
  return (spec.hosts ?? []).map((host) => ({
    rules,
    host: resolveHost(host, metadata.namespace, mesh.domain),
    seenBy,
  }));
}

const indexOf = perMesh((mesh): Claims => {
  const byRules = new Map(mesh.virtualServices.map((rules) => [rules, claimsOf(rules, mesh)]));
  const all = [...byRules.values()].flat();
  return {
    byRules,
    byHost: Map.groupBy(all, ({ host }) => host),
    narrow: all.filter(({ seenBy }) => seenBy !== undefined),
    wide: all.filter(({ seenBy }) => seenBy === undefined),
  };
});

function isSeenTogether(a: Claim, b: Claim): boolean {
  if (a.seenBy === undefined || b.seenBy === undefined) return true;
  return !a.seenBy.isDisjointFrom(b.seenBy);
}

/** A wildcard that all see is the less specific rule, which is how it is meant; but a narrower one hides it whole. */
function candidates(own: Claim, { byHost, narrow, wide }: Claims): readonly Claim[] {
  const same = (byHost.get(own.host) ?? []).filter((other) => isSeenTogether(own, other));
  const other = own.seenBy === undefined ? narrow : wide;
  return [...same, ...other.filter(({ host }) => covers(host, own.host) || covers(own.host, host))];
}

export const analyseConflicts: Analyser = (resource, mesh) => {
  const claims = indexOf(mesh);
  return (claims.byRules.get(resource as Rules) ?? []).flatMap((own, index) => {
    const other = candidates(own, claims).find(({ rules }) => rules !== resource)?.rules.metadata;
    if (other === undefined) return [];
    return [
      {
        code: 'IST0109',
        level: 'error',
        path: `spec.hosts[${index}]`,
        message: `VirtualService ${other.namespace}/${other.name} has rules for ${own.host} too: only one of them acts for a client`,
        remedy: 'join them, or delegate from one to the other',
      },
    ];
  });
};
