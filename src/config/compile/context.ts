/** What every step of compile sees: the resources by kind, the scope, origins, findings. */
import type { Resource } from '../../model/api.ts';
import type { Diagnostic } from '../../model/diagnostic.ts';
import type { PolicyCompiler } from '../../model/policy.ts';
import type { Origin, ProxyScope } from '../../model/snapshot.ts';
import type { MeshConfig } from '../../resources/mesh-config.ts';
import type { GatewayApi } from '../gateway-api/resolve.ts';
import type { Registry } from './services.ts';
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
  /** Hosts of services that filters call. */
  readonly called: Set<string>;
  readonly diagnostics: Diagnostic[];
  /** Sorted by age. */
  resources<Spec>(kind: string): readonly Resource<Spec>[];
}

/** Names the places that parts of the snapshot were made from. */
export class Origins {
  /** `Kind namespace/name`. */
  readonly resources: Set<string> = new Set();

  of(resource: Resource, path: string): Origin {
    const name = `${resource.kind} ${resource.metadata.namespace}/${resource.metadata.name}`;
    this.resources.add(name);
    return { resource: name, path };
  }
}
