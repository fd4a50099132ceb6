/** What becomes of a connection that isn't read as HTTP: decided once, before a byte of it goes anywhere. Pure. */
import { RequestHeaderList } from '../lib/header-list.ts';
import type { Host } from '../host/host.ts';
import type { Exchange, LocalReply } from '../model/exchange.ts';
import type { Peer } from '../model/identity.ts';
import type { Filter } from '../model/policy.ts';
import type { FilterConfig, Route } from '../model/snapshot.ts';
import { beginAttempt, beginPassthrough, drawDestination } from './attempt.ts';
import {
  isLetThrough,
  lacksClientCertificate,
  isMtlsRefused,
  traceListener,
  traceNoListener,
} from './decide.ts';
import type { EngineExchange } from './exchange.ts';
import { createExchange } from './exchange.ts';
import type { LinkedSnapshot } from './link.ts';
import type { LinkedListener } from './matcher/hosts.ts';
import { closed } from './rescue.ts';

export interface ConnectionArrival {
  readonly linked: LinkedSnapshot;
  readonly peer: Peer;
  /** Listener port that the connection reached. */
  readonly port: number;
  /** Address that the client wanted, where it is known. */
  readonly destinationIp?: string;
  /** Service that the client means, where the connection alone says it. */
  readonly host?: string;
  /** Collects the reasons of every step (explain). @default false */
  readonly trace?: boolean;
}

const NO_FILTERS: readonly FilterConfig[] = [];
const NO_HEAD = { method: '', scheme: 'http', authority: '', target: '/' } as const;

/**
 * With `reply` the connection is closed; else it goes to `endpoint`, or where the client wanted. Where `waiting` is set,
 * a filter asks somebody: it is decided when that has settled, which never fails.
 */
export function decideConnection(arrival: ConnectionArrival, host: Host): Exchange {
  const head = new RequestHeaderList(NO_HEAD, []);
  const x = createExchange({ ...arrival, head }, host.clock.nowMs());
  const refused = decide(x, arrival, host);
  if (refused instanceof Promise)
    x.waiting = refused.then(
      (late) => settle(x, late),
      () => settle(x, closed('', 'filter_failed')),
    );
  else settle(x, refused);
  return x;
}

function settle(x: EngineExchange, refused: LocalReply | undefined): void {
  x.waiting = undefined;
  if (refused === undefined) return;
  x.reply = refused;
  x.flags = refused.flag;
  x.details = refused.details;
  x.trace?.push({ step: 'reply', name: 'close', outcome: 'chosen', detail: refused.details });
}

function decide(
  x: EngineExchange,
  arrival: ConnectionArrival,
  host: Host,
): LocalReply | undefined | Promise<LocalReply | undefined> {
  const linked = x.linked.listeners.find(x.port, x.peer.tls?.sni);
  if (linked === undefined) {
    traceNoListener(x);
    return passOrClose(x, isLetThrough(x), 'no_listener');
  }
  const { listener } = linked;
  x.linkedListener = linked;
  x.listener = listener;
  traceListener(x, listener);
  if (isMtlsRefused(x, listener)) return closed('UC', 'peer_authentication');
  if (lacksClientCertificate(x, listener)) return closed('NR', 'no_client_certificate');
  const { linked: snapshot } = x;
  // No route of a connection has filters of its own that a listener's could yield to.
  const filters = [
    ...snapshot.filtersOf(listener.filters),
    ...snapshot.routeFiltersOf(listener.filters, NO_FILTERS),
  ];
  const passes = allPass(x, filters, 0);
  const onward = (isPassed: boolean): LocalReply | undefined =>
    isPassed
      ? routeConnection(x, linked, arrival, host)
      : closed(x.flags, x.details === '' ? 'rbac_access_denied' : x.details);
  return typeof passes === 'boolean' ? onward(passes) : passes.then(onward);
}

/** A promise only where a filter really waits. */
function allPass(
  x: EngineExchange,
  filters: readonly Filter[],
  from: number,
): boolean | Promise<boolean> {
  for (let i = from; i < filters.length; i++) {
    const answer = filters[i]?.connection?.(x);
    if (answer === false) return false;
    if (answer instanceof Promise)
      return answer.then((isPassed) => isPassed && allPass(x, filters, i + 1));
  }
  return true;
}

function routeConnection(
  x: EngineExchange,
  linked: LinkedListener,
  { destinationIp, host: wanted }: ConnectionArrival,
  host: Host,
): LocalReply | undefined {
  const { listener } = linked;
  const sni = x.peer.tls?.sni;
  const own = wanted === undefined ? undefined : routeTo(linked, wanted);
  if (own?.action.kind === 'forward') {
    x.route = own;
    return forward(x, own.action.destinations, host);
  }
  const found = linked.connections?.match(sni, destinationIp);
  if (found === undefined)
    return passOrClose(
      x,
      listener.direction === 'outbound' && listener.unmatchedHost === 'passthrough',
      'no_route',
    );
  x.route = found.route;
  x.trace?.push({
    step: 'route',
    name: found.connection.name ?? found.connection.serverNames?.join(', ') ?? 'connection',
    outcome: 'matched',
    origin: found.connection.origin,
  });
  if (found.connection.passthrough === true) return passOrClose(x, true, '');
  return forward(x, found.connection.destinations, host);
}

/** What becomes of all that is for a service, whatever it carries: its rule without conditions. */
function routeTo({ hosts }: LinkedListener, host: string): Route | undefined {
  const found = hosts.lookup(host.toLowerCase());
  return found?.host.routes.find(
    ({ match, action }) => action.kind === 'forward' && Object.keys(match).length === 0,
  );
}

function passOrClose(x: EngineExchange, passes: boolean, details: string): LocalReply | undefined {
  if (!passes) return closed('NR', details);
  beginPassthrough(x);
  return undefined;
}

function forward(
  x: EngineExchange,
  destinations: Parameters<typeof drawDestination>[0],
  host: Host,
): LocalReply | undefined {
  const destination = drawDestination(destinations, host.random);
  if (destination === undefined || destination.respond !== undefined)
    return closed('NC', 'backend_invalid');
  x.destination = destination;
  const cluster = x.linked.clusters.get(destination.cluster);
  if (cluster === undefined) return closed('NC', 'cluster_not_found');
  x.cluster = cluster.cluster;
  x.linkedCluster = cluster;
  x.trace?.push({
    step: 'cluster',
    name: cluster.cluster.name,
    outcome: 'chosen',
    origin: cluster.cluster.origin,
  });
  const refused = beginAttempt(x, host.clock.nowMs());
  return refused === undefined ? undefined : closed(refused.flag, refused.details);
}
