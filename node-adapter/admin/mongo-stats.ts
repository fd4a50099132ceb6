/** Operations of MongoDB's clients. */
import type { MongoCounts, MongoStats } from '../mongo/stats.ts';
import { metric } from './prometheus.ts';
import type { Labels, Sample } from './prometheus.ts';

type ByName = Readonly<Record<string, MongoCounts>>;

const each = (
  counts: ByName,
  of: string,
  read: (counts: MongoCounts, labels: Labels) => readonly Sample[],
): Sample[] => Object.entries(counts).flatMap(([name, one]) => read(one, { [of]: name }));

const one =
  (read: (counts: MongoCounts) => number) =>
  (counts: MongoCounts, labels: Labels): Sample[] => [{ labels, value: read(counts) }];

const counter = (help: string): { readonly type: 'counter'; readonly help: string } => ({
  type: 'counter',
  help,
});

/** Cumulative, as histograms are; the labels are those of one name. */
function buckets({ latencyMs }: MongoCounts, labels: Labels): Sample[] {
  let sum = 0;
  return Object.entries(latencyMs).map(([bound, count]) => {
    sum += count;
    return { labels: { ...labels, le: bound === 'inf' ? '+Inf' : bound }, value: sum };
  });
}

function byName(counts: ByName, of: 'command' | 'collection'): string {
  return [
    metric(
      `lateen_mongo_${of}_operations_total`,
      counter(`Operations, by ${of}.`),
      each(
        counts,
        of,
        one(({ operations }) => operations),
      ),
    ),
    metric(
      `lateen_mongo_${of}_request_bytes_total`,
      counter(`Bytes of requests, by ${of}.`),
      each(
        counts,
        of,
        one(({ requestBytes }) => requestBytes),
      ),
    ),
    metric(
      `lateen_mongo_${of}_reply_bytes_total`,
      counter(`Bytes of replies, by ${of}.`),
      each(
        counts,
        of,
        one(({ replyBytes }) => replyBytes),
      ),
    ),
    metric(
      `lateen_mongo_${of}_errors_total`,
      counter(`Operations that failed, by ${of} and code.`),
      each(counts, of, ({ errors }, labels) =>
        Object.entries(errors).map(([code, value]) => ({ labels: { ...labels, code }, value })),
      ),
    ),
    metric(
      `lateen_mongo_${of}_latency_milliseconds_bucket`,
      counter(`Operations answered within so many milliseconds, by ${of}.`),
      each(counts, of, buckets),
    ),
    metric(
      `lateen_mongo_${of}_latency_milliseconds_sum`,
      counter(`Milliseconds until answers, summed up, by ${of}.`),
      each(
        counts,
        of,
        one(({ latencySumMs }) => latencySumMs),
      ),
    ),
  ].join('');
}

/** Nothing, where nobody speaks it. */
export function mongoText(stats: MongoStats): string {
  if (stats.connections === 0) return '';
  const whole = (value: number): Sample[] => [{ labels: {}, value }];
  return [
    metric(
      'lateen_mongo_connections_total',
      counter('Connections that were looked into.'),
      whole(stats.connections),
    ),
    metric(
      'lateen_mongo_lost_total',
      counter('Connections that turned out to say something else.'),
      whole(stats.lost),
    ),
    metric(
      'lateen_mongo_unread_messages_total',
      counter('Messages that nothing could be read of.'),
      whole(stats.unread),
    ),
    metric(
      'lateen_mongo_delayed_total',
      counter('Operations that were delayed on purpose.'),
      whole(stats.delayed),
    ),
    metric(
      'lateen_mongo_refused_total',
      counter('Operations that were refused on purpose.'),
      whole(stats.refused),
    ),
    metric(
      'lateen_mongo_unroutable_total',
      counter('Operations that could not go where they belong.'),
      whole(stats.unroutable),
    ),
    metric(
      'lateen_mongo_routed_operations_total',
      counter('Operations where there are routes, by cluster.'),
      Object.entries(stats.routed).map(([cluster, value]) => ({ labels: { cluster }, value })),
    ),
    byName(stats.commands, 'command'),
    byName(stats.collections, 'collection'),
  ].join('');
}
