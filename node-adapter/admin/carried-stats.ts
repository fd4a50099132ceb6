/** Connections that were carried without being read as HTTP. */
import type { ConnectionCounts } from '../../src/proxy/index.ts';
import type { Plane } from '../plane.ts';
import { metric } from './prometheus.ts';
import type { Labels, Sample } from './prometheus.ts';

interface Counted {
  readonly labels: Labels;
  readonly counts: ConnectionCounts;
}

function countedBy(planes: readonly Plane[], of: 'listener' | 'cluster'): Counted[] {
  return planes.flatMap(({ scope, connections }) => {
    const { listeners, clusters } = connections.stats();
    return Object.entries(of === 'listener' ? listeners : clusters).map(([name, counts]) => ({
      labels: { scope: scope.type, [of]: name },
      counts,
    }));
  });
}

const samples = (
  counted: readonly Counted[],
  read: (counts: ConnectionCounts) => number,
): Sample[] => counted.map(({ labels, counts }) => ({ labels, value: read(counts) }));

export function carriedText(planes: readonly Plane[]): string {
  const listeners = countedBy(planes, 'listener');
  const clusters = countedBy(planes, 'cluster');
  const flags = listeners.flatMap(({ labels, counts }) =>
    Object.entries(counts.flags).map(([response_flags, value]) => ({
      labels: { ...labels, response_flags },
      value,
    })),
  );
  return [
    metric(
      'lateen_carried_connections_total',
      { type: 'counter', help: 'Connections that were carried, by listener.' },
      samples(listeners, ({ connections }) => connections),
    ),
    metric(
      'lateen_carried_connections_active',
      { type: 'gauge', help: 'Connections that are carried.' },
      samples(listeners, ({ active }) => active),
    ),
    metric(
      'lateen_carried_connection_flags_total',
      { type: 'counter', help: 'Carried connections that ended with response flags, by listener.' },
      flags,
    ),
    metric(
      'lateen_carried_sent_bytes_total',
      { type: 'counter', help: 'Bytes to clients over carried connections, by cluster.' },
      samples(clusters, ({ bytesSent }) => bytesSent),
    ),
    metric(
      'lateen_carried_received_bytes_total',
      { type: 'counter', help: 'Bytes from clients over carried connections, by cluster.' },
      samples(clusters, ({ bytesReceived }) => bytesReceived),
    ),
  ].join('');
}
