/** What to change so that a refused request is taken: made of the decision, its trace and what the proxy knows. */
import { closest } from '../lib/similar.ts';
import type { TraceStep } from '../model/exchange.ts';
import type { Listener, Snapshot } from '../model/snapshot.ts';
import type { LinkedSnapshot } from '../proxy/index.ts';
import type { Decision, SimulatedRequest } from './decision.ts';
import { tokenRemedy } from './token-advice.ts';

export interface Refused {
  readonly decision: Decision;
  readonly trace: readonly TraceStep[];
  readonly linked: LinkedSnapshot;
  readonly request: SimulatedRequest;
}

const MAX_NAMED = 8;

const NO_CERTIFICATE =
  'the listener wants a client certificate that its authorities signed: send one';
const INVALID_HOST = 'the authority is no host name with an optional port: correct it';
const NO_PATH = 'routes take paths, and the target of the request is none: ask for a path';

function listed(names: Iterable<string>): string {
  const all = [...new Set(names)];
  const more = all.length - MAX_NAMED;
  const text = all.slice(0, MAX_NAMED).join(', ');
  return more > 0 ? `${text} and ${more} more` : text;
}

/** As the proxy read it, which an absolute-form target decides over the authority. */
const askedHost = ({ trace, request: { host = '' } }: Refused): string => {
  const unknown = trace.find(
    ({ step, outcome }) => step === 'virtual-host' && outcome === 'not-matched',
  );
  return unknown?.name ?? host.replace(/:\d+$/, '').toLowerCase();
};

function meant(word: string, candidates: readonly string[]): string {
  const near = closest(word, candidates);
  return near === undefined || near === word ? '' : ` (did you mean ${near}?)`;
}

function listenerAdvice({ linked, request, trace }: Refused): string {
  // One that took the connection and still gives none back wants a certificate.
  if (trace.some(({ step, outcome }) => step === 'listener' && outcome === 'matched'))
    return NO_CERTIFICATE;
  const { listeners, scope } = linked.named.snapshot;
  const port = request.port ?? (request.scheme === 'https' ? 443 : 80);
  const there = listeners.filter((listener) => listener.port === port);
  const names = there.flatMap(({ serverNames = [] }) => serverNames);
  if (names.length > 0)
    return `port ${port} speaks TLS for the server names ${listed(names)}: ask for one of these over https, or add the name to a server of the Gateway`;
  if (there.some(({ protocol }) => protocol === 'TLS' || protocol === 'TCP'))
    return `port ${port} only carries connections: it reads no HTTP`;
  const ports = listed(listeners.map((listener) => String(listener.port)));
  const source =
    scope.type === 'gateway'
      ? `add a server with port ${port} to a Gateway that selects this proxy`
      : `declare port ${port} in the Service`;
  return ports === ''
    ? `this proxy has no listener at all: ${source}; if there is one, compare its selector with the proxy's labels`
    : `nothing listens on port ${port}, this proxy has ${ports}: use one of these, or ${source}`;
}

const domainsOf = (listener: Listener | undefined): readonly string[] =>
  (listener?.virtualHosts ?? []).flatMap(({ domains }) => domains);

function listenerOf({ trace, linked }: Refused): Listener | undefined {
  const name = trace.find(({ step }) => step === 'listener')?.name;
  return linked.named.snapshot.listeners.find((listener) => listener.name === name);
}

function routeAdvice(refused: Refused): string {
  const { trace, request, linked } = refused;
  const isTaken = trace.some(
    ({ step, outcome }) => step === 'virtual-host' && outcome === 'matched',
  );
  if (!trace.some(({ step }) => step === 'virtual-host')) {
    const isPathless = request.method === 'CONNECT' || request.path === '*';
    return isPathless ? NO_PATH : INVALID_HOST;
  }
  if (!isTaken) {
    const host = askedHost(refused);
    const domains = domainsOf(listenerOf(refused));
    const known = domains.length === 0 ? 'no host at all' : listed(domains);
    const where =
      linked.named.snapshot.scope.type === 'gateway'
        ? 'to the hosts of a VirtualService or route that is bound to this gateway, and to the hosts of its server'
        : 'as a Service, a ServiceEntry or a host of a VirtualService';
    return `no virtual host takes ${host}${meant(host, domains)}, this listener knows ${known}: add ${host} ${where}`;
  }
  const tried = trace.filter(({ step }) => step === 'route');
  const nearest = tried.find(({ detail = '' }) => !detail.startsWith('path ')) ?? tried[0];
  if (nearest === undefined)
    return `the virtual host of ${askedHost(refused)} has no routes: add one`;
  return `none of ${tried.length} routes takes the request; nearest is ${nearest.name} (${nearest.detail}): widen its match, or add a route without one`;
}

function connectionAdvice(refused: Refused): string {
  const { tls, host = '' } = refused.request;
  const name = tls?.sni ?? host.replace(/:\d+$/, '');
  const asked = name === '' ? 'a connection without a server name' : `server name ${name}`;
  const known = listenerOf(refused)?.connections?.flatMap(({ serverNames = [] }) => serverNames);
  const has =
    known === undefined || known.length === 0 ? '' : `, there are rules for ${listed(known)}`;
  return `no rule of tls or tcp, TLSRoute or TCPRoute takes ${asked}${has}: add one`;
}

/** `outbound|port|subset|host` to its parts. */
function clusterAdvice(name: string, snapshot: Snapshot): string {
  const [, port = '', subset = '', host = ''] = name.split('|');
  const known = snapshot.clusters.filter(({ service }) => service === host);
  if (known.length === 0) {
    const hosts = snapshot.clusters.map(({ service }) => service);
    return `no service ${host} is visible to this proxy${meant(host, hosts)}: apply a Service or ServiceEntry, or export it to this namespace`;
  }
  const ports = known.filter((cluster) => String(cluster.port) === port);
  if (ports.length === 0)
    return `${host} has no port ${port}, it has ${listed(known.map((cluster) => String(cluster.port)))}: correct the destination, or add the port`;
  const subsets = ports.flatMap((cluster) => cluster.subset ?? []);
  return `${host} has no subset ${subset}${subsets.length === 0 ? ', nor any other' : `, it has ${listed(subsets)}${meant(subset, subsets)}`}: correct the destination, or add the subset to its DestinationRule`;
}

function endpointAdvice({ trace, linked }: Refused): string {
  const name = trace.findLast(({ step }) => step === 'cluster')?.name ?? '';
  const linkedCluster = linked.clusters.get(name);
  if (linkedCluster === undefined) return 'the service has no endpoint: register one';
  const { cluster, balancing } = linkedCluster;
  const own = balancing.endpoints;
  if (own.length > 0)
    return `all ${own.length} endpoints of ${cluster.service} are unhealthy: look at their health`;
  const whole = linked.clusters.get(`outbound|${cluster.port}||${cluster.service}`);
  const others = whole?.balancing.endpoints ?? [];
  if (cluster.subset === undefined || others.length === 0)
    return `${cluster.service} has no endpoint on port ${cluster.port}: register one by a WorkloadEntry, an EndpointSlice or endpoints of its ServiceEntry`;
  const seen = others.map(({ labels = {} }) =>
    Object.entries(labels)
      .map(([key, value]) => `${key}=${value}`)
      .join(','),
  );
  return `subset ${cluster.subset} selects none of the ${others.length} endpoints of ${cluster.service} (labels: ${listed(seen)}): correct the subset's labels, or label an endpoint`;
}

function policyAdvice({ trace }: Refused): string {
  const policies = trace.filter(({ step }) => step === 'policy');
  const denied = policies.findLast(({ outcome }) => outcome === 'denied');
  const remedy = tokenRemedy(denied?.detail ?? '');
  if (denied !== undefined && remedy !== undefined)
    return `${denied.origin?.resource ?? denied.name} refuses the token (${denied.detail}): ${remedy}`;
  if (denied !== undefined)
    return `${denied.origin?.resource ?? denied.name} refuses (${denied.detail}): send a request that it takes, or change ${denied.origin?.path ?? 'it'}`;
  const allowing = policies.filter(({ detail = '' }) => detail.startsWith('ALLOW'));
  const reasons = allowing.map(
    ({ name, detail = '' }) => `${name}: ${detail.slice('ALLOW, '.length)}`,
  );
  return `no ALLOW policy takes the request, and where there is one only what it takes passes: meet a rule, or add one (${listed(reasons)})`;
}

const BY_DETAILS: Readonly<Record<string, string>> = {
  peer_authentication:
    'PeerAuthentication asks for another kind of connection: call through a proxy of the mesh, with its identity, or set mode PERMISSIVE for the port',
  no_client_certificate: NO_CERTIFICATE,
  misdirected_request:
    'the connection was opened for the server name of another listener: ask for the host over a connection of its own',
  path_normalization_failed: 'the path can be read in two ways: send it in its canonical form',
  invalid_host: INVALID_HOST,
  backend_invalid:
    'the route names a backend that can not be used: its ResolvedRefs condition says why',
  no_destination: 'the route has no destination with a weight: give one a weight',
  ext_authz_denied: 'the external authorizer refuses: its own log says why',
  ext_authz_error:
    'the external authorizer can not be asked: look at its endpoints, or set failOpen',
  fault_filter_abort: 'the route aborts requests on purpose: remove its fault',
};

/** Empty for what is forwarded, and for answers that a route gives on purpose. */
export function adviceOn(refused: Refused): readonly string[] {
  const { decision, trace, linked } = refused;
  if (decision.outcome === 'forward') return [];
  const details = decision.details.replace(/\{.*$/s, '');
  const cluster = trace.find(({ step, outcome }) => step === 'cluster' && outcome === 'denied');
  if (cluster !== undefined) return [clusterAdvice(cluster.name, linked.named.snapshot)];
  switch (details) {
    case 'no_listener':
      return [listenerAdvice(refused)];
    case 'route_not_found':
      return [routeAdvice(refused)];
    case 'no_route':
      return [connectionAdvice(refused)];
    case 'host_not_in_registry':
      return [
        `only hosts of the registry may be called (REGISTRY_ONLY): apply a ServiceEntry for ${askedHost(refused)}, or set outboundTrafficPolicy ALLOW_ANY`,
      ];
    case 'no_healthy_upstream':
      return [endpointAdvice(refused)];
    default:
  }
  const text = BY_DETAILS[details];
  if (text !== undefined) return [text];
  const isDenied = trace.some(({ step, outcome }) => step === 'policy' && outcome === 'denied');
  return isDenied || details.startsWith('rbac') ? [policyAdvice(refused)] : [];
}
