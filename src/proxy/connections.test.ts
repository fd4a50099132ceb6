import { expect, test } from 'vitest';
import {
  cluster,
  clusterName,
  endpoint,
  listener,
  noKeys,
  overlay,
  snapshot,
} from '../../test/fixtures/snapshots.ts';
import type { FakeHost } from '../host/fake-host.ts';
import { createFakeHost } from '../host/fake-host.ts';
import type { Exchange } from '../model/exchange.ts';
import type { MongoRules } from '../model/mongo.ts';
import type { PolicyFilter } from '../model/policy.ts';
import type { Cluster, Listener } from '../model/snapshot.ts';
import type { Connections } from './connections.ts';
import { createConnections } from './connections.ts';
import type { LinkedSnapshot } from './link.ts';
import { link } from './link.ts';

const shop = clusterName('shop');
const cold = clusterName('shop', 'cold');
const nothing = { bytesSent: 0, bytesReceived: 0 };

interface World {
  readonly host: FakeHost;
  readonly connections: Connections;
  readonly linked: LinkedSnapshot;
  begin(): Exchange;
  line(index?: number): unknown;
}

interface Wishes {
  readonly cluster?: Partial<Cluster>;
  readonly listener?: Partial<Listener>;
  readonly connectAttempts?: number;
  readonly filter?: PolicyFilter;
}

function world(wishes: Wishes = {}): World {
  const host = createFakeHost();
  const origin = { resource: 'VirtualService default/shop', path: 'spec.tcp[0]' };
  const named = snapshot({
    listeners: [
      listener({
        name: 'tcp.80',
        protocol: 'TCP',
        virtualHosts: [],
        connections: [{ destinations: [{ cluster: shop, weight: 1 }], origin }],
        ...wishes.listener,
      }),
    ],
    clusters: [cluster('shop', wishes.cluster), cluster('shop', { subset: 'cold' })],
  });
  const endpoints = overlay({
    [shop]: [endpoint('10.0.0.1'), endpoint('10.0.0.2')],
    [cold]: [endpoint('10.0.0.9')],
  });
  const filters = wishes.filter === undefined ? [] : [wishes.filter];
  const linked = link(named, endpoints, noKeys, { host, filters });
  const { connectAttempts } = wishes;
  const connections = createConnections({
    host,
    ...(connectAttempts === undefined ? {} : { connectAttempts }),
  });
  return {
    host,
    connections,
    linked,
    begin: () => connections.begin({ linked, port: 80, peer: { ip: '192.0.2.7' } }),
    line: (index = 0) => JSON.parse(host.lines[index] ?? 'null') as unknown,
  };
}

test('one line and one count for each, and the endpoint is given back', () => {
  const { connections, linked, begin, host, line } = world();
  const x = begin();
  expect(connections.stats().clusters[shop]?.active).toBe(1);
  host.advance(250);
  connections.onEnd(x, { bytesSent: 7, bytesReceived: 5, flag: 'DC', details: 'downstream_reset' });
  expect(line()).toEqual({
    time: 1_700_000_000_000,
    protocol: 'tcp',
    port: 80,
    flags: 'DC',
    details: 'downstream_reset',
    listener: 'tcp.80',
    cluster: shop,
    endpoint: '10.0.0.1:8080',
    attempts: 1,
    duration_ms: 250,
    bytes_sent: 7,
    bytes_received: 5,
    client: '192.0.2.7',
    snapshot: 's1',
  });
  const counted = {
    connections: 1,
    active: 0,
    bytesSent: 7,
    bytesReceived: 5,
    flags: { DC: 1 },
  };
  expect(connections.stats()).toEqual({
    listeners: { 'tcp.80': counted },
    clusters: { [shop]: counted },
  });
  expect(linked.clusters.get(shop)?.balancing.endpoints).toHaveLength(2);
});

test('a connection attempt that fails leads to another endpoint as long as there may be attempts', () => {
  const twice = world({ connectAttempts: 2 });
  const x = twice.begin();
  const first = x.endpoint;
  expect(twice.connections.onConnectFailure(x, 'connect-failure')).toBe(true);
  expect(x.endpoint).not.toBe(first);
  expect(twice.connections.onConnectFailure(x, 'connect-timeout')).toBe(false);
  expect(x.reply).toMatchObject({ flag: 'UF,URX', details: 'upstream_connect_timeout' });
  twice.connections.onEnd(x, nothing);
  expect(twice.line()).toMatchObject({ attempts: 2, flags: 'UF,URX' });

  const once = world();
  const y = once.begin();
  expect(once.connections.onConnectFailure(y, 'connect-failure')).toBe(false);
});

test('a cluster takes as many connections as it may have, whatever snapshot they began in', () => {
  const { connections, begin } = world({ cluster: { pool: { maxConnections: 2 } } });
  const open = [begin(), begin()];
  const refused = begin();
  expect(refused.reply).toMatchObject({ flag: 'UO', details: 'upstream_cx_overflow', close: true });
  connections.onEnd(refused, nothing);
  expect(connections.stats().clusters[shop]).toMatchObject({ connections: 2, active: 2 });
  connections.onEnd(open[0] as Exchange, nothing);
  expect(begin().reply).toBeUndefined();
});

test('goes to another cluster before it is begun, and is counted there', () => {
  const { connections, begin } = world();
  const x = begin();
  connections.reroute(x, { subset: 'cold' });
  expect(x.cluster?.name).toBe(cold);
  expect(x.endpoint?.address).toBe('10.0.0.9');
  const { clusters } = connections.stats();
  expect(clusters[shop]?.active).toBe(0);
  expect(clusters[cold]?.active).toBe(1);
  connections.onEnd(x, nothing);
  expect(connections.stats().clusters[cold]?.active).toBe(0);
});

test('is closed where it is sent to a cluster that nobody knows', () => {
  const { connections, linked, begin, line } = world();
  const x = begin();
  const first = x.endpoint;
  connections.reroute(x, { subset: 'gone' });
  expect(x.reply).toMatchObject({ flag: 'NC', details: 'cluster_not_found', close: true });
  expect(connections.stats().clusters[shop]?.active).toBe(0);
  connections.onEnd(x, nothing);
  expect(line()).toMatchObject({ flags: 'NC', details: 'cluster_not_found', attempts: 0 });
  expect(first).toBeDefined();
  expect(linked.clusters.get(shop)?.balancing.endpoints).toHaveLength(2);
});

test('names the cluster of a target: a subset is of the same service, unless it says so', () => {
  const { connections, begin } = world();
  const x = begin();
  const own = { service: x.cluster?.service ?? '', port: x.cluster?.port ?? 0 };
  expect(connections.clusterOf(x, { subset: 'cold' })).toBe(cold);
  expect(connections.clusterOf(x, { subset: 'cold', port: own.port + 1 })).toBeUndefined();
  connections.reroute(x, { subset: 'cold' });
  expect(connections.clusterOf(x, own)).toBe(shop);
  expect(connections.clusterOf(x, { port: own.port })).toBe(cold);
});

test('has branches, each counted at its cluster with its own bytes and line', () => {
  const { connections, begin, line } = world({ cluster: { pool: { maxConnections: 1 } } });
  const x = begin();
  const branch = connections.branch(x, cold);
  expect(branch.endpoint?.address).toBe('10.0.0.9');
  expect(connections.branch(x, shop).reply).toMatchObject({ details: 'upstream_cx_overflow' });
  expect(connections.branch(x, 'nobody').reply).toMatchObject({ flag: 'NC' });
  expect(connections.stats().listeners['tcp.80']).toMatchObject({ connections: 1, active: 1 });
  connections.onBranchEnd(branch, { bytesReceived: 3, bytesSent: 20, flag: 'UC' });
  expect(line()).toMatchObject({ cluster: cold, flags: 'UC', bytes_sent: 20 });
  const branched = { bytesReceived: 3, bytesSent: 20 };
  connections.onEnd(x, { bytesReceived: 10, bytesSent: 100, branched });
  const { listeners, clusters } = connections.stats();
  expect(listeners['tcp.80']).toMatchObject({ active: 0, bytesReceived: 10, bytesSent: 100 });
  expect(clusters[shop]).toMatchObject({ active: 0, bytesReceived: 7, bytesSent: 80 });
  expect(clusters[cold]).toMatchObject({ active: 0, bytesReceived: 3, bytesSent: 20 });
});

test('speaks MongoDB where the port or a policy says so', () => {
  const plain = world();
  expect(plain.connections.mongoOf(plain.begin())).toBeUndefined();
  const declared = world({ listener: { application: 'MONGO' } });
  expect(declared.connections.mongoOf(declared.begin())).toEqual({ rules: undefined });
  const rules = { policy: 'default/db' } as MongoRules;
  const filter: PolicyFilter = { kind: 'mongo', phase: 'fault', link: () => ({ mongo: rules }) };
  for (const yields of [{}, { yields: true as const }]) {
    const ruled = world({
      filter,
      listener: { filters: [{ kind: 'mongo', config: {}, ...yields }] },
    });
    expect(ruled.connections.mongoOf(ruled.begin())?.rules).toBe(rules);
  }
});
