import { describe, expect, test } from 'vitest';
import {
  cluster,
  clusterName,
  listener,
  noKeys,
  overlay,
  shopEndpoint,
  snapshot,
} from '../../test/fixtures/snapshots.ts';
import { createFakeHost } from '../host/fake-host.ts';
import type { Exchange } from '../model/exchange.ts';
import type { Peer } from '../model/identity.ts';
import type { PolicyFilter } from '../model/policy.ts';
import type { ConnectionRoute, Listener } from '../model/snapshot.ts';
import { decideConnection } from './connection.ts';
import { link } from './link.ts';

const origin = { resource: 'VirtualService default/shop', path: 'spec.tcp[0]' };
const toShop: ConnectionRoute = {
  destinations: [{ cluster: clusterName('shop'), weight: 1 }],
  origin,
};
const plain: Peer = { ip: '192.0.2.7' };

interface Asked {
  readonly fields?: Partial<Listener>;
  readonly peer?: Peer;
  readonly port?: number;
  readonly random?: number;
  readonly endpoints?: typeof shopEndpoint;
  readonly filter?: PolicyFilter;
}

function decided(asked: Asked = {}): Exchange {
  const { fields = {}, peer = plain, port = 80, random = 0, endpoints = shopEndpoint } = asked;
  const host = createFakeHost({ fallback: random });
  const one = listener({ protocol: 'TCP', virtualHosts: [], connections: [toShop], ...fields });
  const named = snapshot({ listeners: [one], clusters: [cluster('shop')] });
  const filters = asked.filter === undefined ? [] : [asked.filter];
  const linked = link(named, endpoints, noKeys, { host, filters });
  return decideConnection({ linked, peer, port }, host);
}

test('goes to an endpoint of the cluster that the route names', () => {
  const x = decided();
  expect(x.reply).toBeUndefined();
  expect(x.cluster?.name).toBe(clusterName('shop'));
  expect(x.endpoint).toBeDefined();
});

describe('is closed', () => {
  const closedBecause = (asked: Asked): string | undefined => {
    const { reply } = decided(asked);
    expect(reply?.close ?? true).toBe(true);
    return reply?.details;
  };

  test('where nothing listens, or no route takes it', () => {
    expect(closedBecause({ port: 81 })).toBe('no_listener');
    expect(closedBecause({ fields: { connections: [] } })).toBe('no_route');
    const byName = { ...toShop, serverNames: ['a.test'] };
    expect(closedBecause({ fields: { connections: [byName] } })).toBe('no_route');
  });

  test('where the cluster is gone, has no endpoint, or the backend can not be used', () => {
    const gone = { ...toShop, destinations: [{ cluster: 'gone', weight: 1 }] };
    expect(closedBecause({ fields: { connections: [gone] } })).toBe('cluster_not_found');
    expect(closedBecause({ endpoints: overlay({}) })).toBe('no_healthy_upstream');
    const half: ConnectionRoute = {
      ...toShop,
      destinations: [
        { cluster: clusterName('shop'), weight: 3 },
        { cluster: '', weight: 1, respond: 503 },
      ],
    };
    expect(closedBecause({ fields: { connections: [half] }, random: 0.9 })).toBe('backend_invalid');
    expect(closedBecause({ fields: { connections: [half] }, random: 0.7 })).toBeUndefined();
  });

  test('in plaintext where mutual TLS is wanted, and without a certificate that is asked for', () => {
    const strict = { direction: 'inbound', mtls: 'STRICT' } as const;
    expect(closedBecause({ fields: strict, peer: { ...plain, mutual: false } })).toBe(
      'peer_authentication',
    );
    const mutual: Partial<Listener> = {
      protocol: 'TLS',
      serverNames: ['*'],
      tls: { mode: 'MUTUAL', credentialNames: [] },
    };
    const bare = { ...plain, tls: { sni: 'a.test', mutual: false } };
    expect(closedBecause({ fields: mutual, peer: bare })).toBe('no_client_certificate');
  });

  test('where a filter refuses connections; one that only reads requests lets them be', () => {
    const filterOf = (answer: boolean | undefined): PolicyFilter => ({
      kind: 'guard',
      phase: 'authz',
      link: () => (answer === undefined ? {} : { connection: () => answer }),
    });
    const fields = { filters: [{ kind: 'guard', config: {} }] };
    expect(closedBecause({ fields, filter: filterOf(false) })).toBe('rbac_access_denied');
    const yields = { filters: [{ kind: 'guard', config: {}, yields: true as const }] };
    expect(closedBecause({ fields: yields, filter: filterOf(false) })).toBe('rbac_access_denied');
    expect(closedBecause({ fields, filter: filterOf(true) })).toBeUndefined();
    expect(closedBecause({ fields, filter: filterOf(undefined) })).toBeUndefined();
  });
});

test('to an unknown place it passes only where the mesh lets it', () => {
  const outbound = { direction: 'outbound', connections: [] } as const;
  const passes = decided({ fields: { ...outbound, unmatchedHost: 'passthrough' } });
  expect(passes.reply).toBeUndefined();
  expect(passes.cluster?.name).toBe('PassthroughCluster');
  expect(decided({ fields: { ...outbound, unmatchedHost: 'block' } }).reply?.details).toBe(
    'no_route',
  );
});
