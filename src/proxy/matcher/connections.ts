/** Routes of connections: the most specific server name, then the first whose addresses hold. */
import { linkCidrs } from '../../lib/cidr.ts';
import { HostMap } from '../../lib/host-map.ts';
import { PER_STEP, finish } from '../../lib/steps.ts';
import type { Steps } from '../../lib/steps.ts';
import type { ConnectionRoute, Route } from '../../model/snapshot.ts';

export interface LinkedConnection {
  readonly connection: ConnectionRoute;
  /** The same as a route, so that what follows a decision needs to know one shape. */
  readonly route: Route;
}

export interface ConnectionMatcher {
  /** `sni` undefined = no TLS, '' = TLS without a name; an address that isn't known excludes nothing. */
  match(sni: string | undefined, destinationIp: string | undefined): LinkedConnection | undefined;
}

interface Candidate extends LinkedConnection {
  readonly takes: (ip: string) => boolean | undefined;
}

const always = (): boolean => true;

function linkOne(connection: ConnectionRoute): Candidate {
  const { destinationCidrs, destinations, origin, name } = connection;
  return {
    connection,
    takes: destinationCidrs === undefined ? always : linkCidrs(destinationCidrs),
    route: {
      ...(name === undefined ? {} : { name }),
      match: {},
      action: { kind: 'forward', destinations },
      filters: [],
      timeoutMs: 0,
      origin,
    },
  };
}

export function linkConnections(routes: readonly ConnectionRoute[]): ConnectionMatcher {
  return finish(connectionSteps(routes));
}

export function* connectionSteps(routes: readonly ConnectionRoute[]): Steps<ConnectionMatcher> {
  const named = new Map<string, Candidate[]>();
  const byName = new HostMap<readonly Candidate[]>();
  const unnamed: Candidate[] = [];
  for (const [index, route] of routes.entries()) {
    if (index % PER_STEP === PER_STEP - 1) yield;
    const candidate = linkOne(route);
    if (route.serverNames === undefined) unnamed.push(candidate);
    for (const name of route.serverNames ?? []) {
      const list = named.get(name) ?? [];
      list.push(candidate);
      named.set(name, list);
      byName.add(name, list);
    }
  }
  const first = (list: readonly Candidate[], ip: string | undefined): Candidate | undefined =>
    list.find(({ takes }) => ip === undefined || takes(ip) === true);
  return {
    match(sni, destinationIp) {
      const own = sni === undefined ? undefined : byName.lookup(sni.toLowerCase());
      return (
        (own === undefined ? undefined : first(own, destinationIp)) ?? first(unnamed, destinationIp)
      );
    },
  };
}
