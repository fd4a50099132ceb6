import { expect, test } from 'vitest';
import {
  cluster,
  clusterName,
  endpoint,
  forward,
  listener,
  noKeys,
  overlay,
  retryPolicy,
  route,
  shopEndpoint,
  snapshot,
  virtualHost,
} from '../../test/fixtures/snapshots.ts';
import type { SnapshotParts } from '../../test/fixtures/snapshots.ts';
import { createFakeHost } from '../host/fake-host.ts';
import { link } from '../proxy/index.ts';
import { simulate } from './index.ts';
import type { SimulatedDecision, Simulation } from './index.ts';

type Rest = Partial<Omit<Simulation, 'linked' | 'host'>>;

function decide(
  parts: SnapshotParts,
  rest: Rest = {},
  endpoints = shopEndpoint,
): Promise<SimulatedDecision> {
  const host = createFakeHost({ sleepless: true });
  const linked = link(snapshot(parts), endpoints, noKeys, { host, filters: [] });
  return simulate({ linked, host, request: { host: 'shop.test', path: '/a' }, ...rest });
}

test('a forward, in the words of cases', async () => {
  const chosen = route({
    name: 'main',
    timeoutMs: 2000,
    retry: retryPolicy({ attempts: 3, perTryTimeoutMs: 500 }),
  });
  const decision = await decide(
    { listeners: [listener({ virtualHosts: [virtualHost([chosen])] })] },
    { upstream: { status: 200, headers: [['x-b', '1']] } },
  );
  expect(decision).toMatchObject({
    outcome: 'forward',
    service: 'shop',
    port: 80,
    path: '/a',
    authority: 'shop.test',
    route: 'main',
    timeout: '2s',
    retries: { attempts: 3, perTryTimeout: '0.5s', retryOn: ['connect-failure'] },
    requestHeaders: { 'x-forwarded-for': '192.0.2.1' },
    responseHeaders: { 'x-b': '1' },
    mirrors: [],
  });
});

test('shares of a split', async () => {
  const destinations = [
    { cluster: clusterName('shop', 'v1'), weight: 3 },
    { cluster: clusterName('shop', 'v2'), weight: 1 },
  ];
  const decision = await decide(
    {
      listeners: [
        listener({
          virtualHosts: [virtualHost([route({ action: forward('', { destinations }) })])],
        }),
      ],
      clusters: [cluster('shop', { subset: 'v1' }), cluster('shop', { subset: 'v2' })],
    },
    {},
    overlay({
      [clusterName('shop', 'v1')]: [endpoint('10.0.0.1')],
      [clusterName('shop', 'v2')]: [endpoint('10.0.0.2')],
    }),
  );
  expect(decision.split).toEqual({ v1: 75, v2: 25 });
  expect(decision.subset).toBe('v1');
});

test('an answer of the proxy, and a closed connection', async () => {
  const gone = await decide({ listeners: [listener({ virtualHosts: [] })] });
  expect(gone).toMatchObject({ outcome: 'respond', status: 404, flags: 'NR' });
  const closed = await decide({ listeners: [] });
  expect(closed.outcome).toBe('close');
  expect(closed.status).toBeUndefined();
});

test('the trace says why, only when asked', async () => {
  expect((await decide({})).trace).toBeUndefined();
  const { trace } = await decide({}, { trace: true });
  expect(trace?.map((step) => step.step)).toEqual([
    'listener',
    'virtual-host',
    'route',
    'cluster',
    'endpoint',
  ]);
});

test('a failing upstream is tried again', async () => {
  const chosen = route({ retry: retryPolicy({ on: ['5xx'] }) });
  const decision = await decide(
    { listeners: [listener({ virtualHosts: [virtualHost([chosen])] })] },
    { upstream: { status: 503, headers: [] } },
  );
  expect(decision.flags).toBe('URX');
});
