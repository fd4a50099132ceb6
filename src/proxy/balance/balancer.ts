/** Picks endpoints: round robin, random, least request; weights count in all of them. */
import type { Random } from '../../host/host.ts';
import type { Cluster, Endpoint } from '../../model/snapshot.ts';

export interface Balancing {
  /** An endpoint that isn't among `tried` while there is one; undefined = none is healthy. */
  pick(tried: readonly Endpoint[]): Endpoint | undefined;
  /** A request begins at or leaves an endpoint. */
  begin(endpoint: Endpoint): void;
  end(endpoint: Endpoint): void;
  /** As many requests are under way as the cluster's pool takes. */
  isFull(): boolean;
  readonly endpoints: readonly Endpoint[];
}

/** As Envoy: after this many picks a host that was tried already is taken all the same. */
const RESELECTIONS = 5;

type Pick = () => Endpoint;

function equalWeights(endpoints: readonly Endpoint[]): boolean {
  return endpoints.every((endpoint) => endpoint.weight === endpoints[0]?.weight);
}

/** Smooth weighted rotation: each turn raises every endpoint by its weight, the highest pays the sum. */
function weightedRotation(
  endpoints: readonly Endpoint[],
  weightOf: (index: number) => number,
): Pick {
  const credit = endpoints.map(() => 0);
  return () => {
    let total = 0;
    let best = 0;
    for (let i = 0; i < endpoints.length; i++) {
      const weight = weightOf(i);
      total += weight;
      credit[i] = (credit[i] as number) + weight;
      if ((credit[i] as number) > (credit[best] as number)) best = i;
    }
    credit[best] = (credit[best] as number) - total;
    return endpoints[best] as Endpoint;
  };
}

function roundRobin(endpoints: readonly Endpoint[]): Pick {
  if (!equalWeights(endpoints))
    return weightedRotation(endpoints, (index) => (endpoints[index] as Endpoint).weight);
  let next = 0;
  return () => {
    const endpoint = endpoints[next] as Endpoint;
    next = next + 1 === endpoints.length ? 0 : next + 1;
    return endpoint;
  };
}

function random(endpoints: readonly Endpoint[], source: Random): Pick {
  const total = endpoints.reduce((sum, endpoint) => sum + endpoint.weight, 0);
  if (equalWeights(endpoints))
    return () => endpoints[Math.floor(source.uniform() * endpoints.length)] as Endpoint;
  return () => {
    let left = source.uniform() * total;
    for (const endpoint of endpoints) {
      left -= endpoint.weight;
      if (left < 0) return endpoint;
    }
    return endpoints.at(-1) as Endpoint;
  };
}

/** Two at random, the one with fewer requests; with unequal weights a rotation by weight over load. */
function leastRequest(
  endpoints: readonly Endpoint[],
  source: Random,
  active: Map<Endpoint, number>,
): Pick {
  const load = (endpoint: Endpoint): number => active.get(endpoint) ?? 0;
  if (!equalWeights(endpoints))
    return weightedRotation(endpoints, (index) => {
      const endpoint = endpoints[index] as Endpoint;
      return endpoint.weight / (load(endpoint) + 1);
    });
  return () => {
    const a = endpoints[Math.floor(source.uniform() * endpoints.length)] as Endpoint;
    const b = endpoints[Math.floor(source.uniform() * endpoints.length)] as Endpoint;
    return load(b) < load(a) ? b : a;
  };
}

function linkPick(
  cluster: Cluster,
  endpoints: readonly Endpoint[],
  source: Random,
  active: Map<Endpoint, number>,
): Pick {
  if (endpoints.length === 1) return () => endpoints[0] as Endpoint;
  if (cluster.balancer === 'ROUND_ROBIN') return roundRobin(endpoints);
  if (cluster.balancer === 'RANDOM') return random(endpoints, source);
  return leastRequest(endpoints, source, active);
}

export function linkBalancer(
  cluster: Cluster,
  all: readonly Endpoint[],
  source: Random,
): Balancing {
  const endpoints = all.filter((endpoint) => endpoint.healthy);
  const active = new Map<Endpoint, number>();
  const most = cluster.pool?.maxRequests ?? Infinity;
  let underWay = 0;
  const pickOne = endpoints.length === 0 ? undefined : linkPick(cluster, endpoints, source, active);
  return {
    endpoints,
    pick(tried) {
      if (pickOne === undefined) return undefined;
      let endpoint = pickOne();
      for (let i = 0; i < RESELECTIONS && tried.includes(endpoint); i++) endpoint = pickOne();
      if (!tried.includes(endpoint)) return endpoint;
      return endpoints.find((other) => !tried.includes(other)) ?? endpoint;
    },
    isFull: () => underWay >= most,
    begin(endpoint) {
      underWay++;
      active.set(endpoint, (active.get(endpoint) ?? 0) + 1);
    },
    end(endpoint) {
      underWay--;
      // Kept at zero: taking it out would make the table grow and shrink with every request.
      active.set(endpoint, Math.max(0, (active.get(endpoint) ?? 1) - 1));
    },
  };
}
