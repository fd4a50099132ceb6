/** Which endpoints are spoken to by mutual TLS, and whom they must show. */
import { describe, expect, test } from 'vitest';
import type { Cluster, ProxyScope } from '../../model/snapshot.ts';
import { kinds } from '../../presets/control.ts';
import { readConfig } from '../pipeline.ts';
import { compile } from './index.ts';

const caller: ProxyScope = {
  type: 'sidecar-outbound',
  namespace: 'default',
  name: 'caller',
  labels: { app: 'caller' },
  service: 'caller.test',
};

interface Parts {
  readonly location?: string;
  readonly labels?: string;
  readonly account?: string;
  readonly resolution?: string;
  readonly names?: string;
  readonly more?: readonly string[];
}

const serviceEntry = ({
  location = 'MESH_INTERNAL',
  labels = 'security.istio.io/tlsMode: istio',
  account = 'api',
  resolution = 'STATIC',
  names = '',
}: Parts): string => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: api}
spec:
  hosts: [api.test]
  location: ${location}
  resolution: ${resolution}
  ports: [{number: 80, name: http, protocol: HTTP}]
  ${names}
  endpoints:
  - {address: 10.0.0.1, labels: {${labels}}, serviceAccount: ${account}}
  - {address: 10.0.0.2, labels: {version: v1}}
`;
const rule = (policy: string): string => `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: api}
spec: {host: api.test, trafficPolicy: ${policy}}
`;
const peers = (namespace: string, mode: string, selector = ''): string => `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: ${namespace}}
spec: {${selector}mtls: {mode: ${mode}}}
`;
const meshConfig = (text: string): string => `
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data: {mesh: "${text}"}
`;

function tlsOf({ more = [], ...parts }: Parts = {}, scope: ProxyScope = caller): Cluster['tls'] {
  const text = [serviceEntry(parts), ...more].join('---\n');
  const { resources, diagnostics } = readConfig([{ file: 'test', text }], { kinds });
  expect(diagnostics.filter(({ level }) => level === 'error')).toEqual([]);
  const own = resources.map(({ resource }) => resource);
  const { clusters } = compile({ resources: own, scope }, []).named.snapshot;
  return clusters.find(({ name }) => name === 'outbound|80||api.test')?.tls;
}

const AUTO = {
  mode: 'ISTIO_MUTUAL',
  isAuto: true,
  identities: ['cluster.local/ns/default/sa/api'],
};

describe('without a word on it, endpoints that say so are spoken to by mutual TLS', () => {
  test('and wanted to be the workloads of the service', () => {
    expect(tlsOf()).toEqual(AUTO);
    expect(tlsOf({ names: 'subjectAltNames: ["spiffe://cluster.local/ns/x/sa/y"]' })).toEqual({
      ...AUTO,
      subjectAltNames: ['spiffe://cluster.local/ns/x/sa/y'],
    });
    expect(tlsOf({ account: '""' })).toEqual({ mode: 'ISTIO_MUTUAL', isAuto: true });
  });

  test.each<[string, Parts]>([
    ['nobody says so', { labels: 'version: v1' }],
    ['the label says otherwise', { labels: 'security.istio.io/tlsMode: disabled' }],
    ['the service is outside', { location: 'MESH_EXTERNAL' }],
    ['the address is the client’s', { more: [rule('{loadBalancer: {simple: PASSTHROUGH}}')] }],
    ['enableAutoMtls is false', { more: [meshConfig('enableAutoMtls: false')] }],
    ['the namespace takes none', { more: [peers('default', 'DISABLE')] }],
    ['the mesh takes none', { more: [peers('istio-system', 'DISABLE')] }],
    ['a rule says DISABLE', { more: [rule('{tls: {mode: DISABLE}}')] }],
    ['a rule says nothing of a mode', { more: [rule('{tls: {}}')] }],
  ])('not where %s', (_, parts) => {
    expect(tlsOf(parts)).toBeUndefined();
  });

  test('a namespace’s word comes before the mesh’s, and a workload’s isn’t asked', () => {
    const mesh = peers('istio-system', 'DISABLE');
    expect(tlsOf({ more: [mesh, peers('default', 'PERMISSIVE')] })).toEqual(AUTO);
    const workload = peers('default', 'DISABLE', 'selector: {matchLabels: {app: api}}, ');
    expect(tlsOf({ more: [workload] })).toEqual(AUTO);
  });

  test('at gateways, too', () => {
    const gateway = { type: 'gateway', namespace: 'default', name: 'g', labels: {} } as const;
    const route = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: api}
spec: {hosts: ['*'], gateways: [g], http: [{route: [{destination: {host: api.test}}]}]}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: g}
spec: {servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]}
`;
    expect(tlsOf({ more: [route] }, gateway)).toEqual(AUTO);
  });
});

test('a rule’s mode wins', () => {
  const of = (policy: string): Cluster['tls'] => tlsOf({ more: [rule(policy)] });
  expect(of('{tls: {mode: SIMPLE}}')).toEqual({ mode: 'SIMPLE' });
  const { isAuto: _, ...asked } = AUTO;
  expect(of('{tls: {mode: ISTIO_MUTUAL}}')).toEqual(asked);
  const named = '{tls: {mode: ISTIO_MUTUAL, subjectAltNames: [x]}}';
  expect(of(named)).toEqual({ ...asked, subjectAltNames: ['x'] });
});

test('the application behind a sidecar is spoken to in clear, whatever rules say to others', () => {
  const own: ProxyScope = { ...caller, type: 'sidecar-inbound', service: 'api.test' };
  expect(tlsOf({}, own)).toBeUndefined();
  expect(tlsOf({ more: [rule('{tls: {mode: ISTIO_MUTUAL}}')] }, own)).toBeUndefined();
});
