/** What a proxy runs, as rows for people; the columns are those of istioctl. */
import type {
  Cluster,
  ConnectionRoute,
  Listener,
  ProxyScope,
  Route,
  Snapshot,
  StringMatch,
} from '../../src/model/snapshot.ts';

export interface ScopeView {
  readonly scope: ProxyScope;
  readonly snapshot?: Snapshot;
}

export interface ListeningView {
  readonly kind: 'inbound' | 'proxy' | 'service' | 'gateway';
  readonly host: string;
  readonly port: number;
  readonly listenerPort?: number;
}

export interface EndpointsView {
  readonly cluster: string;
  readonly endpoints: readonly {
    readonly address: string;
    readonly healthy: boolean;
    readonly weight: number;
    readonly locality?: string;
    readonly pool?: { readonly connections: number; readonly idle: number };
  }[];
}

export interface CertificateView {
  readonly name: string;
  readonly subject: string;
  readonly subjectAltNames: readonly string[];
  readonly notAfter: string;
}

export interface Table {
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

const MAX_NAMES = 3;

function some(names: readonly string[]): string {
  const rest = names.length - MAX_NAMES;
  const shown = names.slice(0, MAX_NAMES).join(', ');
  return rest > 0 ? `${shown} + ${rest} more` : shown;
}

function destinationOf(listener: Listener): string {
  const { connections = [], virtualHosts } = listener;
  const carried = connections.map((one) => connectionText(one));
  if (virtualHosts.length === 0 && carried.length > 0) return some(carried);
  return virtualHosts.length === 0 ? listener.unmatchedHost : `Route: ${listener.name}`;
}

function connectionText({ serverNames, destinations, passthrough }: ConnectionRoute): string {
  const to =
    passthrough === true
      ? 'PassthroughCluster'
      : destinations.map(({ cluster }) => `Cluster: ${cluster}`).join(', ');
  return serverNames === undefined ? to : `SNI ${serverNames.join(',')} ${to}`;
}

function matchOf({ protocol, serverNames }: Listener): string {
  return serverNames === undefined ? protocol : `${protocol} SNI: ${serverNames.join(',')}`;
}

const DIRECTION = {
  gateway: 'gateway',
  'sidecar-inbound': 'inbound',
  'sidecar-outbound': 'outbound',
} as const;

function addressesOf(
  { port }: Listener,
  { type }: ProxyScope,
  listening: readonly ListeningView[],
): string {
  const own = listening.filter(({ kind, listenerPort }) => {
    if (type === 'gateway') return kind === 'gateway' && listenerPort === port;
    if (type === 'sidecar-inbound')
      return kind === 'inbound' && (port === 0 || listenerPort === port);
    return kind === 'proxy' || (kind === 'service' && listenerPort === port);
  });
  return own.map(({ host, port: at }) => `${host}:${at}`).join(', ');
}

export function listenersTable(
  scopes: readonly ScopeView[],
  listening: readonly ListeningView[],
): Table {
  return {
    header: ['ADDRESSES', 'PORT', 'DIRECTION', 'MATCH', 'DESTINATION'],
    rows: scopes.flatMap(({ scope, snapshot }) =>
      (snapshot?.listeners ?? []).map((listener) => [
        addressesOf(listener, scope, listening) || '-',
        listener.port === 0 ? 'any' : String(listener.port),
        DIRECTION[scope.type],
        matchOf(listener),
        destinationOf(listener),
      ]),
    ),
  };
}

function valueText(match: StringMatch): string {
  switch (match.kind) {
    case 'exact':
      return match.value;
    case 'prefix':
      return `${match.value}*`;
    case 'suffix':
      return `*${match.value}`;
    case 'regex':
      return `regex ${match.source}`;
    case 'present':
      return '*';
    default:
      return match satisfies never;
  }
}

/** Path first, then whatever else must hold. */
function routeMatch({ match }: Route): string {
  const { path, method, headers = [], query = [] } = match;
  const first =
    path === undefined
      ? '/*'
      : path.kind === 'segment-prefix'
        ? `PathPrefix:${path.value}`
        : valueText(path);
  return [
    ...(method === undefined ? [] : [valueText(method)]),
    first,
    ...headers.map(
      ({ name, value, invert }) => `${invert === true ? '!' : ''}${name}:${valueText(value)}`,
    ),
    ...query.map(({ name, value }) => `?${name}=${valueText(value)}`),
  ].join(' ');
}

function targetOf({ action }: Route): string {
  switch (action.kind) {
    case 'forward': {
      const [only] = action.destinations;
      if (only === undefined) return 'no backend';
      return action.destinations.length === 1
        ? only.cluster
        : action.destinations.map(({ cluster, weight }) => `${cluster} (${weight})`).join(', ');
    }
    case 'redirect':
      return `redirect ${action.status}`;
    case 'respond':
      return `answers ${action.status}`;
    default:
      return action satisfies never;
  }
}

export function routesTable(scopes: readonly ScopeView[]): Table {
  return {
    header: ['NAME', 'VHOST NAME', 'DOMAINS', 'MATCH', 'TO', 'FROM'],
    rows: scopes.flatMap(({ snapshot }) =>
      (snapshot?.listeners ?? []).flatMap((listener) =>
        listener.virtualHosts.flatMap((host) =>
          host.routes.map((route) => [
            listener.name,
            host.name,
            some(host.domains),
            routeMatch(route),
            targetOf(route),
            route.origin.resource,
          ]),
        ),
      ),
    ),
  };
}

const typeOf = ({ discovery, balancer }: Cluster): string =>
  discovery === 'original' ? 'ORIGINAL_DST' : `EDS ${balancer}`;

export function clustersTable(scopes: readonly ScopeView[]): Table {
  return {
    header: ['SERVICE FQDN', 'PORT', 'SUBSET', 'DIRECTION', 'TYPE', 'TLS', 'FROM'],
    rows: scopes.flatMap(({ scope, snapshot }) =>
      (snapshot?.clusters ?? []).map((cluster) => [
        cluster.service,
        String(cluster.port),
        cluster.subset ?? '-',
        DIRECTION[scope.type],
        typeOf(cluster),
        cluster.tls?.mode ?? '-',
        cluster.origin.resource,
      ]),
    ),
  };
}

export function endpointsTable(clusters: readonly EndpointsView[]): Table {
  return {
    header: ['ENDPOINT', 'STATUS', 'WEIGHT', 'LOCALITY', 'CONNECTIONS', 'CLUSTER'],
    rows: clusters.flatMap(({ cluster, endpoints }) =>
      endpoints.map(({ address, healthy, weight, locality, pool }) => [
        address,
        healthy ? 'HEALTHY' : 'UNHEALTHY',
        String(weight),
        locality ?? '-',
        pool === undefined ? '0' : `${pool.connections} (${pool.idle} idle)`,
        cluster,
      ]),
    ),
  };
}

export function secretsTable(certificates: readonly CertificateView[], nowMs: number): Table {
  return {
    header: ['RESOURCE NAME', 'VALID CERT', 'NOT AFTER', 'SUBJECT', 'ALTERNATIVE NAMES'],
    rows: certificates.map(({ name, subject, subjectAltNames, notAfter }) => [
      name,
      String(Date.parse(notAfter) > nowMs),
      notAfter === '' ? '-' : notAfter,
      subject === '' ? '-' : subject,
      some(subjectAltNames) || '-',
    ]),
  };
}
