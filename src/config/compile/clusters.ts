/** Clusters and their endpoints: what routes may name, with the DestinationRule that rules them. */
import { own } from '../../lib/own.ts';
import { parseDuration } from '../../lib/duration.ts';
import type { ServiceEntrySpec, TrafficPolicy, WorkloadEntrySpec } from '../../model/api.ts';
import type { ClusterEndpoints } from '../../model/manifest.ts';
import type { Balancer, Cluster, Endpoint, Origin } from '../../model/snapshot.ts';
import { GATEWAY_NAME_LABEL } from '../gateway-api/words.ts';
import type { CompileContext } from './context.ts';
import type { Rule } from './destination-rules.ts';
import { createRuleLookup } from './destination-rules.ts';
import { identitiesOf, takesAutoMtls } from './mesh-tls.ts';
import { selects } from './names.ts';
import { poolFields } from './pool.ts';
import type { Service, ServicePort } from './services.ts';
import { step } from './step.ts';
import { table } from './table.ts';
import { clientTls } from './tls.ts';

export interface CompiledClusters {
  readonly clusters: readonly Cluster[];
  readonly endpoints: readonly ClusterEndpoints[];
}

export function clusterName(service: string, port: number, subset = ''): string {
  return `outbound|${port}|${subset}|${service}`;
}

const DEFAULT_CONNECT_TIMEOUT_MS = 10_000;

type Blocks = Pick<TrafficPolicy, 'loadBalancer' | 'connectionPool' | 'outlierDetection' | 'tls'>;

/** Later blocks win whole; a port level replaces all four. */
function policyFor(
  rule: Rule | undefined,
  subset: string | undefined,
  port: number,
): Blocks & TrafficPolicy {
  const level = (policy: TrafficPolicy | undefined): TrafficPolicy => {
    if (policy === undefined) return {};
    const atPort = policy.portLevelSettings?.find((entry) => entry.port?.number === port);
    if (atPort === undefined) return policy;
    const { loadBalancer: _l, connectionPool: _c, outlierDetection: _o, tls: _t, ...rest } = policy;
    return { ...rest, ...atPort };
  };
  const of = rule?.spec.subsets?.find((entry) => entry.name === subset);
  return { ...level(rule?.spec.trafficPolicy), ...level(of?.trafficPolicy) };
}

function balancerOf(policy: TrafficPolicy): Balancer {
  const simple = policy.loadBalancer?.simple;
  if (simple === 'ROUND_ROBIN' || simple === 'RANDOM' || simple === 'PASSTHROUGH') return simple;
  return 'LEAST_REQUEST';
}

function carriedFrom(policy: TrafficPolicy): Record<string, unknown> | undefined {
  const { outlierDetection, loadBalancer, retryBudget } = policy;
  const { simple: _simple, ...balancing } = loadBalancer ?? {};
  const carried = {
    ...(outlierDetection === undefined ? {} : { outlierDetection }),
    ...(retryBudget === undefined ? {} : { retryBudget }),
    ...(Object.keys(balancing).length === 0 ? {} : { loadBalancer: balancing }),
  };
  return Object.keys(carried).length === 0 ? undefined : carried;
}

/** `accounts`: what stands before the name of a service account in its identity. */
function toEndpoint(entry: WorkloadEntrySpec, port: ServicePort, accounts: string): Endpoint {
  const named =
    own(entry.ports, port.name) ??
    (typeof port.targetPort === 'string' ? own(entry.ports, port.targetPort) : undefined);
  const target = typeof port.targetPort === 'number' ? port.targetPort : port.number;
  return {
    address: entry.address ?? '',
    port: named ?? target,
    weight: entry.weight === undefined || entry.weight === 0 ? 1 : entry.weight,
    healthy: true,
    ...(entry.locality === undefined ? {} : { locality: entry.locality }),
    ...(entry.labels === undefined ? {} : { labels: entry.labels }),
    ...((entry.serviceAccount ?? '') === ''
      ? {}
      : { identity: `${accounts}${entry.serviceAccount}` }),
  };
}

interface ClusterWanted {
  readonly service: Service;
  readonly port: ServicePort;
  readonly rule: Rule | undefined;
  readonly subset?: string;
}

/** A BackendTLSPolicy is for gateways, and before what a DestinationRule says. */
function backendTls(
  { gatewayApi, scope }: CompileContext,
  { service, port }: ClusterWanted,
): Cluster['tls'] {
  const tls =
    scope.type === 'gateway' ? gatewayApi.backendTls.of(service.host, port.number) : undefined;
  if (tls === undefined || 'reason' in tls) return undefined;
  const gateway = scope.labels[GATEWAY_NAME_LABEL] ?? scope.name;
  const certificate = gatewayApi.clientCertificateOf(scope.namespace, gateway);
  return {
    ...(certificate === undefined
      ? { mode: 'SIMPLE' }
      : { mode: 'MUTUAL', credentialName: certificate }),
    sni: tls.sni,
    subjectAltNames: tls.subjectAltNames.length > 0 ? tls.subjectAltNames : [tls.sni],
    ...(tls.authorities.length === 0 ? {} : { authorities: tls.authorities }),
  };
}

/** Where nobody says how a service is spoken to, its endpoints may. */
function tlsOf(
  context: CompileContext,
  wanted: ClusterWanted,
  policy: TrafficPolicy,
): Cluster['tls'] {
  const { service } = wanted;
  // The application behind a sidecar is its own.
  if (isOwnApp(context, service)) return undefined;
  const given = backendTls(context, wanted);
  if (given !== undefined) return given;
  const isAuto =
    policy.tls === undefined && !isOriginal(service, policy) && takesAutoMtls(context, service);
  const tls = clientTls(isAuto ? { mode: 'ISTIO_MUTUAL' } : policy.tls, {
    namespace: () => context.scope.namespace,
    subjectAltNames: (service.resource.spec as Partial<ServiceEntrySpec>).subjectAltNames,
  });
  if (tls?.mode !== 'ISTIO_MUTUAL') return tls;
  const identities = identitiesOf(service, accountsOf(context, service));
  return {
    ...tls,
    ...(isAuto ? { isAuto } : {}),
    ...(identities.length === 0 ? {} : { identities }),
  };
}

const isOwnApp = ({ scope }: CompileContext, { host }: Service): boolean =>
  scope.type === 'sidecar-inbound' && scope.service === host;

const accountsOf = ({ mesh }: CompileContext, { namespace }: Service): string =>
  `${mesh.settings.trustDomain}/ns/${namespace}/sa/`;

function toCluster(context: CompileContext, wanted: ClusterWanted): Cluster {
  const { service, port, rule, subset } = wanted;
  const policy = policyFor(rule, subset, port.number);
  const connectTimeout = policy.connectionPool?.tcp?.connectTimeout ?? context.mesh.connectTimeout;
  const tls = tlsOf(context, wanted, policy);
  const carried = carriedFrom(policy);
  return {
    name: clusterName(service.host, port.number, subset),
    service: service.host,
    ...(subset === undefined ? {} : { subset }),
    port: port.number,
    discovery: isOriginal(service, policy) ? 'original' : 'endpoints',
    balancer: balancerOf(policy),
    ...(tls === undefined ? {} : { tls }),
    connectTimeoutMs:
      connectTimeout === undefined
        ? DEFAULT_CONNECT_TIMEOUT_MS
        : (parseDuration(connectTimeout) ?? DEFAULT_CONNECT_TIMEOUT_MS),
    ...(policy.proxyProtocol === undefined
      ? {}
      : { proxyProtocol: policy.proxyProtocol.version ?? 'V1' }),
    ...poolFields(port, policy),
    ...(carried === undefined ? {} : { carried }),
    origin: clusterOrigin(wanted, context),
  };
}

function clusterOrigin({ service, rule, subset }: ClusterWanted, context: CompileContext): Origin {
  if (rule === undefined) return context.origins.of(service.resource, 'spec');
  const index = rule.spec.subsets?.findIndex(({ name }) => name === subset) ?? -1;
  const whole = rule.spec.trafficPolicy === undefined ? 'spec' : 'spec.trafficPolicy';
  return context.origins.of(rule, index < 0 ? whole : `spec.subsets[${index}]`);
}

function isOriginal(service: Service, policy: TrafficPolicy): boolean {
  if (policy.loadBalancer?.simple === 'PASSTHROUGH') return true;
  return service.resolution === 'NONE' || service.resolution === 'DYNAMIC_DNS';
}

function membersOf(service: Service): readonly WorkloadEntrySpec[] {
  const isDns = service.resolution === 'DNS' || service.resolution === 'DNS_ROUND_ROBIN';
  return isDns && service.endpoints.length === 0 ? [{ address: service.host }] : service.endpoints;
}

interface ServiceClusters {
  readonly clusters: readonly Cluster[];
  readonly members: readonly ClusterEndpoints[];
}

/** One cluster for each port of a service, and one for each of its subsets. */
function clustersOf(
  context: CompileContext,
  service: Service,
  rule: Rule | undefined,
): ServiceClusters {
  const clusters: Cluster[] = [];
  const members: ClusterEndpoints[] = [];
  const all = membersOf(service);
  const accounts = accountsOf(context, service);
  for (const port of service.ports) {
    const add = (subset?: string, labels?: Readonly<Record<string, string>>): void => {
      const wanted = { service, port, rule, ...(subset === undefined ? {} : { subset }) };
      const cluster = toCluster(context, wanted);
      clusters.push(cluster);
      if (cluster.discovery === 'endpoints')
        members.push([
          cluster.name,
          all
            .filter((member) => selects(labels, member.labels ?? {}))
            .map((member) => toEndpoint(member, port, accounts)),
        ]);
    };
    add();
    for (const subset of rule?.spec.subsets ?? []) add(subset.name, subset.labels);
  }
  return { clusters, members };
}

/** Clusters of the services that the proxy sees and routes name. */
export function compileClusters(
  context: CompileContext,
  used: ReadonlySet<string>,
): CompiledClusters {
  const { memo, scope } = context;
  const visible = context.registry.visibleTo(scope.namespace);
  const services = memo.keep({ owner: visible, slot: 'used', inputs: [used] }, () =>
    [...visible.values()].filter(({ host }) => used.has(host)),
  );
  const rules = table(
    { owner: scope, slot: 'rules', inputs: [] },
    context,
    [services],
    (row, own) => createRuleLookup(own)(services[row] as Service),
  );
  const key = { owner: scope, slot: 'clusters', inputs: [] };
  const made = table(key, context, [services, rules], (row, own) =>
    serviceClusters(own, services[row] as Service, rules[row]),
  );
  return memo.keep({ owner: made, slot: 'together', inputs: [] }, () => ({
    clusters: made.flatMap(({ clusters }) => clusters),
    endpoints: made.flatMap(({ members }) => members),
  }));
}

/** Shared by all proxies that meet the same rule. */
function serviceClusters(
  context: CompileContext,
  service: Service,
  rule: Rule | undefined,
): ServiceClusters {
  const kind = isOwnApp(context, service) ? 'own' : context.scope.type === 'gateway';
  const variant = `${kind} ${context.mesh.settings.outboundPolicy}`;
  const by = rule === undefined ? '' : `${rule.metadata.namespace}/${rule.metadata.name}`;
  const key = { owner: service, slot: `clusters ${variant} ${by}`, inputs: [rule] };
  return step(key, context, (own) => clustersOf(own, service, rule));
}
