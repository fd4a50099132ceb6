/** What a proxy runs, as JSON. Secrets are named, never shown: a snapshot holds none. */
import type { Pointer, ProxyScope, Snapshot } from '../../src/model/snapshot.ts';
import type { PoolStats } from '../pool/pool.ts';
import type { Sidecar } from '../sidecar.ts';

export interface ScopeDump {
  readonly scope: ProxyScope;
  /** Undefined = nothing was applied yet. */
  readonly pointer: Pointer | undefined;
  readonly snapshot: Snapshot | undefined;
}

export function configDump({ planes }: Sidecar): {
  readonly scopes: readonly ScopeDump[];
} {
  return {
    scopes: planes.map(({ scope, linked }) => ({
      scope,
      pointer: linked?.pointer,
      snapshot: linked?.named.snapshot,
    })),
  };
}

export interface ClusterView {
  readonly scope: ProxyScope['type'];
  readonly cluster: string;
  readonly service: string;
  readonly subset?: string;
  readonly balancer: string;
  readonly endpoints: readonly {
    readonly address: string;
    readonly healthy: boolean;
    readonly weight: number;
    readonly locality?: string;
    readonly labels?: Readonly<Record<string, string>>;
    /** Absent where there was no connection yet. */
    readonly pool?: PoolStats;
  }[];
}

export function clustersView(sidecar: Sidecar): { readonly clusters: readonly ClusterView[] } {
  const pools = new Map(
    sidecar.upstreams.stats().map(({ cluster, address, pool }) => [`${cluster} ${address}`, pool]),
  );
  const clusters = sidecar.planes.flatMap(({ scope, linked }) =>
    [...(linked?.clusters.values() ?? [])].map(({ cluster, balancing }): ClusterView => ({
      scope: scope.type,
      cluster: cluster.name,
      service: cluster.service,
      ...(cluster.subset === undefined ? {} : { subset: cluster.subset }),
      balancer: cluster.balancer,
      endpoints: balancing.endpoints.map(({ address, port, healthy, weight, locality, labels }) => {
        const pool = pools.get(`${cluster.name} ${address}:${port}`);
        return {
          address: `${address}:${port}`,
          healthy,
          weight,
          ...(locality === undefined ? {} : { locality }),
          ...(labels === undefined ? {} : { labels }),
          ...(pool === undefined ? {} : { pool }),
        };
      }),
    })),
  );
  return { clusters };
}
