/** From a received head to a route: canonical form, listener, virtual host, route. Pure. */
import { isGrpcType } from '../lib/grpc-status.ts';
import type { Exchange, LocalReply } from '../model/exchange.ts';
import type { FilterConfig, Listener, VirtualHost } from '../model/snapshot.ts';
import { canonicalAuthority, canonicalTarget, splitAbsoluteForm } from './canonical.ts';
import type { EngineExchange } from './exchange.ts';
import { framingFault } from './framing.ts';
import { clientAddress, stripHopByHop, stripTrustHeaders } from './forwarded.ts';
import { createCall, grpcWebMode } from './grpc.ts';
import type { LinkedHost } from './matcher/hosts.ts';
import { badRequest, replies } from './rescue.ts';

const NO_FILTERS: readonly FilterConfig[] = [];

/** A sidecar lets calls to ports that nobody declared through, unless only the registry is allowed. */
export function isLetThrough(x: EngineExchange): boolean {
  const { scope, mesh } = x.linked.named.snapshot;
  return scope.type === 'sidecar-outbound' && mesh.outboundPolicy === 'ALLOW_ANY';
}

const SPACE = 32;
const TAB = 9;

/** Around a field's value blanks and tabs mean nothing (RFC 9110, 5.5); other white space is no part of a name. */
function withoutBlanks(value: string): string {
  const first = value.charCodeAt(0);
  const last = value.charCodeAt(value.length - 1);
  const isBare = first !== SPACE && first !== TAB && last !== SPACE && last !== TAB;
  return isBare ? value : value.replaceAll(/^[ \t]+|[ \t]+$/g, '');
}

/** Framing, target, authority and the fields of the hop: the same for every request, whatever takes it. */
function canonicalise(x: EngineExchange): LocalReply | undefined {
  const framing = framingFault(x.request);
  if (framing !== undefined) return framing;
  // Granted by a backend, it would carry bytes that nobody decides on.
  if (x.method === 'CONNECT') return replies.noRoute;
  const given = x.request.target;
  const absolute = given.startsWith('/') ? undefined : splitAbsoluteForm(given);
  const { pathNormalization } = x.linked.named.snapshot.mesh;
  const target = canonicalTarget(absolute?.target ?? given, pathNormalization);
  if (target === undefined) return given === '*' ? replies.noRoute : replies.badPath;
  const authority = canonicalAuthority(absolute?.authority ?? withoutBlanks(x.authority));
  if (authority === undefined) return malformedAuthority(x);
  x.path = target.path;
  x.query = target.query;
  x.authority = authority.authority;
  x.host = authority.host;
  const fault = stripHopByHop(x.request);
  return fault === undefined ? undefined : badRequest(fault);
}

/** Identities of trust domains that are neither ours nor an alias, and whose authorities nobody trusts. */
function isStranger(x: EngineExchange): boolean {
  const domain = x.peer.principal?.split('/')[0];
  if (domain === undefined) return false;
  const { trustDomain, trustDomainAliases, trust } = x.linked.named.snapshot.mesh;
  if (domain === trustDomain || trustDomainAliases.includes(domain)) return false;
  const roots = trust?.roots ?? {};
  return !Object.hasOwn(roots, domain) || roots[domain]?.length === 0;
}

/** Decided on the connection, before anything of the request counts; where a runtime can't tell, nothing is. */
export function isMtlsRefused(x: EngineExchange, { direction, mtls }: Listener): boolean {
  const { mutual } = x.peer;
  if (direction !== 'inbound' || mutual === undefined) return false;
  if (mutual) return mtls === 'DISABLE' ? x.listener?.port !== 0 : isStranger(x);
  return mtls === 'STRICT';
}

/** A handshake without the certificate that is asked for comes to nothing. */
export function lacksClientCertificate(x: EngineExchange, { direction, tls }: Listener): boolean {
  const mode = direction === 'gateway' ? tls?.mode : undefined;
  return (mode === 'MUTUAL' || mode === 'ISTIO_MUTUAL') && x.peer.tls?.mutual === false;
}

/**
 * Is the host neither the one that the connection was made for nor in its certificate, or does it belong to another
 * listener of the port than the one that took the connection?
 */
function isMisdirected(x: EngineExchange): boolean {
  const { sni = '', isFor } = x.peer.tls ?? {};
  if (isFor !== undefined && sni !== '' && x.host !== sni && !isFor(x.host)) return true;
  if (x.listener?.checksServerName !== true) return false;
  const owner = x.linked.listeners.find(x.port, x.host);
  return owner !== undefined && owner !== x.linkedListener;
}

export function traceListener({ trace }: Exchange, { name, origins = [] }: Listener): void {
  if (trace === undefined) return;
  const [origin] = origins;
  trace.push({
    step: 'listener',
    name,
    outcome: 'matched',
    ...(origin === undefined ? {} : { origin }),
    ...(origins.length < 2 ? {} : { detail: `of ${origins.length} servers` }),
  });
}

export function traceNoListener({ trace, port, peer }: EngineExchange): void {
  const { sni } = peer.tls ?? {};
  trace?.push({
    step: 'listener',
    name: `port ${port}`,
    outcome: 'not-matched',
    ...(sni === undefined ? {} : { detail: `no server for ${sni}` }),
  });
}

/** Of a virtual host the domain that takes the name: the name itself, else the longest wildcard. */
function takingDomain(domains: readonly string[], name: string): string {
  const [taking = name] = domains
    .filter(
      (domain) => domain === name || (domain.startsWith('*') && name.endsWith(domain.slice(1))),
    )
    .toSorted((a, b) => b.length - a.length);
  return domains.includes(name) ? name : taking;
}

function traceHost({ trace, host }: Exchange, { name, domains, routes }: VirtualHost): void {
  const [first] = routes;
  const origin = first?.root ?? first?.origin;
  trace?.push({
    step: 'virtual-host',
    name,
    outcome: 'matched',
    detail: `domain ${takingDomain(domains, host)} takes ${host}`,
    ...(origin === undefined ? {} : { origin: { ...origin, path: hostsPath(origin.resource) } }),
  });
}

/** Where a kind says its hosts; that of a Service is made of its name. */
function hostsPath(resource: string): string {
  if (resource.startsWith('Service ')) return 'metadata.name';
  return /^(?:HTTP|GRPC)Route /.test(resource) ? 'spec.hostnames' : 'spec.hosts';
}

/** Listener and canonical request; a reply when either can't be had. */
export function accept(x: EngineExchange): LocalReply | undefined {
  const linked = x.linked.listeners.find(x.port, x.peer.tls?.sni);
  if (linked === undefined) {
    traceNoListener(x);
    return isLetThrough(x) ? canonicalise(x) : replies.noListener;
  }
  x.linkedListener = linked;
  x.listener = linked.listener;
  x.listenerFilters = x.linked.filtersOf(linked.listener.filters);
  x.routeFilters = x.linked.routeFiltersOf(linked.listener.filters, NO_FILTERS);
  traceListener(x, linked.listener);
  // Nothing is read from what is only carried.
  if (linked.listener.protocol === 'TLS' || linked.listener.protocol === 'TCP')
    return replies.noListener;
  if (isMtlsRefused(x, linked.listener)) return replies.mtlsRefused;
  if (lacksClientCertificate(x, linked.listener)) return replies.noListener;
  const refused = canonicalise(x);
  if (refused !== undefined) return refused;
  x.remoteIp = clientAddress(x, x.linked.named.snapshot.mesh.trustedHops);
  stripTrustHeaders(x, x.listener.direction === 'gateway');
  const type = x.request.get('content-type');
  if (isGrpcType(type)) x.call = createCall();
  if (linked.listener.grpcWeb === true) bridge(x);
  if (x.linked.asksFirst(linked.listener)) chooseFront(x, linked.listener);
  return undefined;
}

/** Who asks may decide on the route, and the route says how that is asked: it is the one taken by nobody in particular. */
function chooseFront(x: EngineExchange, { filters }: Listener): void {
  const traced = x.trace?.length ?? 0;
  const first = findHost(x)?.matcher.match(x)?.filters ?? NO_FILTERS;
  if (x.trace !== undefined) x.trace.length = traced;
  x.firstRoute = first;
  x.listenerFilters = x.linked.frontFiltersOf(filters, first);
  x.routeFilters = x.linked.filtersBehind(filters, { first, route: NO_FILTERS });
}

function bridge(x: EngineExchange): void {
  if (x.linked.bridgesGrpcWeb) x.grpcWeb = grpcWebMode(x.request, x.request.get('content-type'));
}

/** At a gateway a name that is none is one that no server has; elsewhere the request is refused. */
function malformedAuthority(x: EngineExchange): LocalReply {
  return x.listener?.direction === 'gateway' && x.request.authority !== ''
    ? replies.noRoute
    : replies.badAuthority;
}

/** In the mesh a name may end in a dot; at a gateway that is another host. */
function findHost(x: EngineExchange): LinkedHost | undefined {
  const isMesh = x.listener?.direction === 'outbound';
  const name = isMesh && x.host.endsWith('.') ? x.host.slice(0, -1) : x.host;
  return x.linkedListener?.hosts.lookup(name);
}

function httpsLocation(x: EngineExchange): LocalReply {
  return {
    status: 301,
    body: '',
    headers: [['location', `https://${x.authority}${x.path}${x.query}`]],
    flag: '',
    details: 'https_redirect',
  };
}

/** What was written since has no say: the route is chosen by the request as it came, which then is again what it was. */
export function routeAsReceived(x: EngineExchange): ReturnType<typeof route> {
  const { asReceived, query } = x;
  if (asReceived === undefined) return route(x);
  const written = new Map(
    [...asReceived.headers.keys()].map((name) => [name, x.request.getAll(name)]),
  );
  put(x, asReceived.headers);
  x.query = asReceived.query;
  const found = route(x);
  put(x, written);
  x.query = query;
  return found;
}

function put({ request }: EngineExchange, headers: ReadonlyMap<string, readonly string[]>): void {
  for (const [name, [first, ...others]] of headers) {
    if (first === undefined) request.remove(name);
    else request.set(name, first);
    for (const value of others) request.add(name, value);
  }
}

/** Virtual host and route; a reply when there is none, `passthrough` when the host is let through as it is. */
export function route(x: EngineExchange): LocalReply | 'passthrough' | undefined {
  if (x.listener === undefined) return 'passthrough';
  if (isMisdirected(x)) return replies.misdirected;
  const found = findHost(x);
  if (found === undefined) {
    x.trace?.push({
      step: 'virtual-host',
      name: x.host,
      outcome: 'not-matched',
      detail: 'no virtual host takes this name',
    });
    if (x.listener?.unmatchedHost === 'passthrough') return 'passthrough';
    return x.listener?.unmatchedHost === 'block' ? replies.blockedHost : replies.noRoute;
  }
  x.virtualHost = found.host;
  traceHost(x, found.host);
  if (found.host.httpsRedirect === true && x.scheme !== 'https') return httpsLocation(x);
  const matched = found.matcher.match(x);
  if (matched === undefined) return replies.noRoute;
  x.route = matched;
  if (matched.grpcWeb === true) bridge(x);
  const { filters } = x.listener;
  x.routeFilters =
    x.firstRoute === undefined
      ? x.linked.routeFiltersOf(filters, matched.filters)
      : x.linked.filtersBehind(filters, { first: x.firstRoute, route: matched.filters });
  return undefined;
}
