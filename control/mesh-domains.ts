/** The trust domain of the mesh and its aliases, as the mesh configuration says; read again only when it changed. */
import type { Resource } from '../src/model/api.ts';
import { readMeshConfig } from '../src/resources/mesh-config.ts';
import type { Inventory } from './inventory.ts';

export interface MeshDomains {
  /** @default cluster.local */
  readonly trustDomain: string;
  readonly aliases: readonly string[];
}

/** The same object as long as both are the same. */
export function createMeshDomains(inventory: Inventory): () => Promise<MeshDomains> {
  let known: { readonly resources: readonly Resource[]; readonly domains: MeshDomains } | undefined;
  return async () => {
    const { resources } = await inventory.current();
    if (known?.resources === resources) return known.domains;
    const { trustDomain, trustDomainAliases: aliases } = readMeshConfig(resources).settings;
    const before = known?.domains;
    const isSame =
      before?.trustDomain === trustDomain && before.aliases.join(' ') === aliases.join(' ');
    known = { resources, domains: isSame ? before : { trustDomain, aliases } };
    return known.domains;
  };
}
