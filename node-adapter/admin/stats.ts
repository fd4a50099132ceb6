/** Counters of a proxy, as Prometheus reads them. */
import type { EngineStats, RequestCounts } from '../../src/proxy/index.ts';
import { authorizationText } from './authorization-stats.ts';
import { carriedText } from './carried-stats.ts';
import { mongoText } from './mongo-stats.ts';
import { metric } from './prometheus.ts';
import type { Labels, Sample } from './prometheus.ts';
import type { Sidecar } from '../sidecar.ts';

function byClass(
  counts: Readonly<Record<string, RequestCounts>>,
  labels: Labels,
  of: string,
): Sample[] {
  return Object.entries(counts).flatMap(([name, { classes }]) =>
    Object.entries(classes).map(([response_class, value]) => ({
      labels: { ...labels, [of]: name, response_class },
      value,
    })),
  );
}

function byFlag(
  counts: Readonly<Record<string, RequestCounts>>,
  labels: Labels,
  of: string,
): Sample[] {
  return Object.entries(counts).flatMap(([name, { flags }]) =>
    Object.entries(flags).map(([response_flags, value]) => ({
      labels: { ...labels, [of]: name, response_flags },
      value,
    })),
  );
}

function byGrpcStatus(
  counts: Readonly<Record<string, RequestCounts>>,
  labels: Labels,
  of: string,
): Sample[] {
  return Object.entries(counts).flatMap(([name, { grpc = {} }]) =>
    Object.entries(grpc).map(([grpc_status, value]) => ({
      labels: { ...labels, [of]: name, grpc_status },
      value,
    })),
  );
}

function retryOverflows(
  clusters: Readonly<Record<string, RequestCounts>>,
  labels: Labels,
): Sample[] {
  return Object.entries(clusters).flatMap(([cluster, { retryOverflows: value = 0 }]) =>
    value === 0 ? [] : [{ labels: { ...labels, cluster }, value }],
  );
}

interface Scoped {
  readonly labels: Labels;
  readonly stats: EngineStats;
}

function poolSamples(sidecar: Sidecar, read: 'connections' | 'idle' | 'waiting'): Sample[] {
  return sidecar.upstreams.stats().map(({ cluster, address, pool }) => ({
    labels: { cluster, endpoint: address },
    value: pool[read],
  }));
}

const gauge = (help: string): { readonly type: 'gauge'; readonly help: string } => ({
  type: 'gauge',
  help,
});
const counter = (help: string): { readonly type: 'counter'; readonly help: string } => ({
  type: 'counter',
  help,
});

function ofProcess(): string {
  const { user, system } = process.cpuUsage();
  const { rss, heapUsed } = process.memoryUsage();
  const one = (value: number): Sample[] => [{ labels: {}, value }];
  return [
    metric(
      'process_cpu_seconds_total',
      counter('CPU time of the process.'),
      one((user + system) / 1e6),
    ),
    metric('process_resident_memory_bytes', gauge('Resident memory.'), one(rss)),
    metric('nodejs_heap_used_bytes', gauge('Heap in use.'), one(heapUsed)),
    metric(
      'process_start_time_seconds',
      gauge('Start of the process.'),
      one(Math.round(Date.now() / 1000 - process.uptime())),
    ),
  ].join('');
}

function ofCalls(scoped: readonly Scoped[]): string {
  return [
    metric(
      'lateen_grpc_calls_total',
      counter('Calls of gRPC that ended, by listener.'),
      scoped.flatMap(({ labels, stats }) => byGrpcStatus(stats.listeners, labels, 'listener')),
    ),
    metric(
      'lateen_cluster_grpc_calls_total',
      counter('Calls of gRPC that ended, by cluster.'),
      scoped.flatMap(({ labels, stats }) => byGrpcStatus(stats.clusters, labels, 'cluster')),
    ),
  ].join('');
}

function ofClients({ admission, connections }: Sidecar): string {
  const one = (value: number): Sample[] => [{ labels: {}, value }];
  return [
    metric('lateen_connections_active', gauge('Open connections of clients.'), one(connections)),
    metric(
      'lateen_connections_max',
      gauge('As many of them may be open.'),
      Number.isFinite(admission.most) ? one(admission.most) : [],
    ),
    metric(
      'lateen_connections_refused_total',
      counter('Connections of clients that were closed unheard, being one too many.'),
      one(admission.refused),
    ),
  ].join('');
}

function ofPools(sidecar: Sidecar): string {
  return [
    metric(
      'lateen_upstream_connections',
      gauge('Open connections to an endpoint.'),
      poolSamples(sidecar, 'connections'),
    ),
    metric(
      'lateen_upstream_connections_idle',
      gauge('Of these, without a request.'),
      poolSamples(sidecar, 'idle'),
    ),
    metric(
      'lateen_upstream_requests_pending',
      gauge('Requests that wait for a connection.'),
      poolSamples(sidecar, 'waiting'),
    ),
  ].join('');
}

export function prometheusText(sidecar: Sidecar): string {
  const scoped = sidecar.planes.map(({ scope, engine }): Scoped => ({
    labels: { scope: scope.type },
    stats: engine.stats(),
  }));
  const all = (read: (one: Scoped) => Sample[]): Sample[] => scoped.flatMap((one) => read(one));
  return [
    metric(
      'lateen_requests_total',
      counter('Requests that ended, by listener.'),
      all(({ labels, stats }) => byClass(stats.listeners, labels, 'listener')),
    ),
    metric(
      'lateen_request_flags_total',
      counter('Requests that ended with response flags, by listener.'),
      all(({ labels, stats }) => byFlag(stats.listeners, labels, 'listener')),
    ),
    metric(
      'lateen_cluster_requests_total',
      counter('Requests that ended, by cluster.'),
      all(({ labels, stats }) => byClass(stats.clusters, labels, 'cluster')),
    ),
    metric(
      'lateen_cluster_retry_overflow_total',
      counter('Retries that were not made since as many were under way as may be, by cluster.'),
      all(({ labels, stats }) => retryOverflows(stats.clusters, labels)),
    ),
    ofCalls(scoped),
    metric(
      'lateen_requests_active',
      gauge('Requests under way.'),
      all(({ labels, stats }) => [{ labels, value: stats.active }]),
    ),
    ofClients(sidecar),
    ofPools(sidecar),
    metric(
      'lateen_configuration_info',
      gauge('The snapshot in force.'),
      sidecar.planes.flatMap(({ scope, linked }) =>
        linked === undefined
          ? []
          : [{ labels: { scope: scope.type, snapshot: linked.pointer.snapshot }, value: 1 }],
      ),
    ),
    carriedText(sidecar.planes),
    authorizationText(sidecar.planes),
    mongoText(sidecar.mongo.stats()),
    ofProcess(),
  ].join('');
}
