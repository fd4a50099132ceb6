import type { ClusterView } from '../admin/dump.ts';
import type { PoolStats } from '../pool/pool.ts';

type EndpointView = ClusterView['endpoints'][number];

function sum(a: PoolStats | undefined, b: PoolStats | undefined): PoolStats | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return {
    connections: a.connections + b.connections,
    idle: a.idle + b.idle,
    waiting: a.waiting + b.waiting,
  };
}

function mergeEndpoint(a: EndpointView, b: EndpointView | undefined): EndpointView {
  const pool = sum(a.pool, b?.pool);
  return {
    ...a,
    // Each worker judges by what it saw.
    healthy: a.healthy && (b?.healthy ?? true),
    ...(pool === undefined ? {} : { pool }),
  };
}

/** One view of what several workers see, each of its own connections. */
export function mergeClusters(views: readonly (readonly ClusterView[])[]): readonly ClusterView[] {
  const keyOf = ({ scope, cluster }: ClusterView): string => `${scope} ${cluster}`;
  const merged = new Map<string, ClusterView>();
  for (const view of views)
    for (const one of view) {
      const before = merged.get(keyOf(one));
      if (before === undefined) {
        merged.set(keyOf(one), one);
        continue;
      }
      const others = new Map(one.endpoints.map((endpoint) => [endpoint.address, endpoint]));
      merged.set(keyOf(one), {
        ...before,
        endpoints: before.endpoints.map((endpoint) =>
          mergeEndpoint(endpoint, others.get(endpoint.address)),
        ),
      });
    }
  return [...merged.values()];
}
