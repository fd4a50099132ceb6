/** What every step of compile sees: the resources by kind, the scope, origins, findings. */
import type { Resource, VirtualServiceSpec } from '../../model/api.ts';
import type { Diagnostic } from '../../model/diagnostic.ts';
import type { PolicyCompiler } from '../../model/policy.ts';
import type { Origin, ProxyScope } from '../../model/snapshot.ts';
import type { MeshConfig } from '../../resources/mesh-config.ts';
import type { GatewayApi } from '../gateway-api/resolve.ts';
import type { Memo } from './memo.ts';
import type { Registry, Service } from './services.ts';
import type { SidecarScope } from './sidecar-scope.ts';

export interface CompileContext {
  readonly mesh: MeshConfig;
  readonly scope: ProxyScope;
  readonly registry: Registry;
  readonly gatewayApi: GatewayApi;
  /** What the scope's Sidecar lets it see; everything where there is none. */
  readonly sidecar: SidecarScope;
  readonly compilers: readonly PolicyCompiler[];
  readonly origins: Origins;
  /** Hosts of services that filters call or lead to. */
  readonly called: Set<string>;
  readonly diagnostics: Diagnostic[];
  /** What was made before, of the same resources. */
  readonly memo: Memo;
  /** Sorted by age; the same list for the same resources. */
  resources<Spec>(kind: string): readonly Resource<Spec>[];
  /** As the scope's namespace sees it. */
  service(host: string): Service | undefined;
  /** VirtualServices without hosts, by `namespace/name`. */
  readonly delegates: Pick<ReadonlyMap<string, Resource<VirtualServiceSpec>>, 'get'>;
}

/** Names the places that parts of the snapshot were made from. */
export class Origins {
  readonly #own = new Set<string>();
  readonly #included: ReadonlySet<string>[] = [];

  of(resource: Resource, path: string): Origin {
    const name = `${resource.kind} ${resource.metadata.namespace}/${resource.metadata.name}`;
    this.add(name);
    return { resource: name, path };
  }

  add(name: string): void {
    this.#own.add(name);
  }

  /** Of many that were made before. */
  include(names: ReadonlySet<string>): void {
    this.#included.push(names);
  }

  /** What the names are made of: the same sets and names, the same resources. */
  get sources(): readonly unknown[] {
    return [...this.#included, ...this.#own];
  }

  /** `Kind namespace/name`. */
  get resources(): ReadonlySet<string> {
    const all = new Set(this.#own);
    for (const names of this.#included) for (const name of names) all.add(name);
    return all;
  }
}
