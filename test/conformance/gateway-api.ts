/** What cases of the Gateway API assume: Services with ready endpoints, conditions as a flat list. */
import { gatewayApiOf } from '../../src/config/gateway-api/resolve.ts';
import type { ApiCondition } from '../../src/config/gateway-api/status.ts';
import { gatewayApiStatus } from '../../src/config/gateway-api/status.ts';
import type { ParentRef, Resource, ServiceSpec } from '../../src/model/api.ts';
import type { Cluster, Endpoint, EndpointOverlay } from '../../src/model/snapshot.ts';
import { readMeshConfig } from '../../src/resources/mesh-config.ts';
import type { Upstream } from '../../src/simulate/index.ts';

const READY: Endpoint = { address: '10.255.0.1', port: 8080, weight: 1, healthy: true };

/** A Service without an EndpointSlice has ready endpoints; where one is given, it counts. */
export function withReadyServices(
  overlay: EndpointOverlay,
  resources: readonly Resource[],
): EndpointOverlay {
  const sliced = new Set(
    resources
      .filter(({ kind }) => kind === 'EndpointSlice')
      .map(
        ({ metadata }) =>
          `${metadata.labels?.['kubernetes.io/service-name'] ?? ''}.${metadata.namespace}`,
      ),
  );
  const ready = new Set(
    (resources as readonly Resource<ServiceSpec>[])
      .filter(
        ({ group, kind, spec }) =>
          group === '' && kind === 'Service' && spec.type !== 'ExternalName',
      )
      .map(({ metadata }) => `${metadata.name}.${metadata.namespace}`)
      .filter((name) => !sliced.has(name)),
  );
  const clusters = Object.entries(overlay.clusters).map(
    ([name, endpoints]): [string, readonly Endpoint[]] => {
      const [service = '', namespace = ''] = (name.split('|')[3] ?? '').split('.');
      const isReady = endpoints.length === 0 && ready.has(`${service}.${namespace}`);
      return [name, isReady ? [READY] : endpoints];
    },
  );
  return { version: overlay.version, clusters: Object.fromEntries(clusters) };
}

const ANSWER: Upstream = { status: 200, headers: [] };

/** Backends of a BackendTLSPolicy show a certificate of the authority that is minted, and of no other. */
export function upstreamOf(
  resources: readonly Resource[],
): (cluster: Cluster | undefined) => Upstream {
  const hasPolicy = resources.some(({ kind }) => kind === 'BackendTLSPolicy');
  return (cluster) => {
    const { tls } = cluster ?? {};
    const isForeign = hasPolicy && tls?.mode === 'SIMPLE' && tls.authorities === undefined;
    return isForeign ? { failure: 'connect-failure' } : ANSWER;
  };
}

/** A condition with where it stands, in the words of a case. */
export interface PlacedCondition extends ApiCondition {
  readonly kind: string;
  readonly namespace?: string;
  readonly name: string;
  readonly parent?: string;
  readonly listener?: string;
}

export function conditionsOf(resources: readonly Resource[]): PlacedCondition[] {
  const { domain } = readMeshConfig(resources).settings;
  return gatewayApiStatus(gatewayApiOf(resources, domain)).flatMap(({ resource, status }) => {
    const { kind, metadata } = resource;
    const place = {
      kind,
      name: metadata.name,
      ...(kind === 'GatewayClass' ? {} : { namespace: metadata.namespace }),
    };
    const under = (ref: ParentRef, conditions: readonly ApiCondition[]): PlacedCondition[] =>
      conditions.map((condition) => ({ ...place, parent: ref.name, ...condition }));
    return [
      ...(status.conditions ?? []).map((condition) => ({ ...place, ...condition })),
      ...(status.listeners ?? []).flatMap(({ name, conditions }) =>
        conditions.map((condition) => ({ ...place, listener: name, ...condition })),
      ),
      ...(status.parents ?? []).flatMap(({ parentRef, conditions }) =>
        under(parentRef, conditions),
      ),
      ...(status.ancestors ?? []).flatMap(({ ancestorRef, conditions }) =>
        under(ancestorRef, conditions),
      ),
    ];
  });
}
