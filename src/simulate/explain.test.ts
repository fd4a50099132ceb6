import { describe, expect, it } from 'vitest';
import { readConfig } from '../config/pipeline.ts';
import { placesOf } from '../config/source-map.ts';
import type { ProxyScope } from '../model/snapshot.ts';
import { kinds, policyCompilers } from '../presets/control.ts';
import type { Explanation } from './explain.ts';
import { explain } from './explain.ts';
import type { SimulatedRequest } from './index.ts';

const client: ProxyScope = { type: 'sidecar-outbound', namespace: 'shop', name: 'c', labels: {} };
const gateway: ProxyScope = {
  type: 'gateway',
  namespace: 'edge',
  name: 'front',
  labels: { istio: 'ingressgateway' },
};

const MESH = `
apiVersion: v1
kind: Service
metadata: {name: cart, namespace: shop}
spec: {selector: {app: cart}, ports: [{name: http, port: 80}]}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: cart-1, namespace: shop}
spec: {address: 10.0.0.1, labels: {app: cart, version: v1}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: cart, namespace: shop}
spec:
  host: cart
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: front, namespace: edge}
spec:
  selector: {istio: ingressgateway}
  servers:
  - {port: {number: 80, name: http, protocol: HTTP}, hosts: [shop.example.com]}
  - {port: {number: 443, name: https, protocol: HTTPS}, hosts: [shop.example.com], tls: {mode: SIMPLE, credentialName: shop}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: front, namespace: shop}
spec:
  hosts: [shop.example.com]
  gateways: [edge/front]
  http:
  - match:
    - {uri: {prefix: /cart}, headers: {x-canary: {exact: "yes"}}}
    - {uri: {prefix: /v2}}
    route: [{destination: {host: cart, subset: v2}}]
  - match: [{uri: {prefix: /v3}}]
    route: [{destination: {host: cart, subset: v3}}]
  - match: [{uri: {prefix: /lost}}]
    route: [{destination: {host: kart.shop.svc.cluster.local}}]
  - match: [{uri: {exact: /}}]
    route: [{destination: {host: cart, subset: v1}}]
`;

async function ask(
  request: SimulatedRequest,
  more = '',
  scope: ProxyScope = gateway,
): Promise<Explanation> {
  const sources = [
    { file: 'mesh.yaml', text: MESH },
    { file: 'more.yaml', text: more },
  ];
  const { resources, diagnostics } = readConfig(sources, { kinds });
  expect(diagnostics.filter(({ level }) => level === 'error')).toEqual([]);
  return explain({
    resources: resources.map(({ resource }) => resource),
    scope,
    request,
    policyCompilers,
    nowMs: 0,
    placeOf: placesOf(resources),
  });
}

const to = (path: string): SimulatedRequest => ({ host: 'shop.example.com', path });

describe('a trace', () => {
  it('names resource, path and line of every step', async () => {
    const { trace, outcome, advice } = await ask(to('/'));
    expect(outcome).toBe('forward');
    expect(advice).toEqual([]);
    expect(
      trace.map(({ step, outcome: came, detail, origin, place }) =>
        [step, came, origin?.path, place?.line, detail]
          .filter((part) => part !== undefined)
          .join(' '),
      ),
    ).toEqual([
      'listener matched spec.servers[0] 27',
      'virtual-host matched spec.hosts 34 domain shop.example.com takes shop.example.com',
      'route not-matched spec.http[0].match[0] 38 path is "/", want prefix /cart',
      'route not-matched spec.http[0].match[1] 39 path is "/", want prefix /v2',
      'route not-matched spec.http[1] 41 path is "/", want prefix /v3',
      'route not-matched spec.http[2] 43 path is "/", want prefix /lost',
      'route matched spec.http[3] 45',
      'cluster chosen spec.subsets[0] 18',
      'endpoint chosen of 10.0.0.1:80',
    ]);
  });

  it('says which wildcard took a host, in the words of what was asked', async () => {
    const wild = `apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: wild, namespace: shop}\nspec: {hosts: ['*.test', '*.b.test'], ports: [{number: 80, name: http, protocol: HTTP}], location: MESH_EXTERNAL, resolution: NONE}`;
    const { trace } = await ask({ host: 'a.b.test:80', path: '/' }, wild, client);
    expect(trace.find(({ step }) => step === 'virtual-host')?.detail).toBe(
      'domain *.b.test takes a.b.test',
    );
  });
});

const DENY = `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: no-bots, namespace: edge}
spec: {action: DENY, rules: [{when: [{key: "request.headers[user-agent]", values: [bot*]}]}]}
`;
const ALLOW = `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: readers, namespace: edge}
spec: {rules: [{to: [{operation: {methods: [GET]}}]}, {from: [{source: {ipBlocks: [10.0.0.0/8]}}]}]}
`;

describe('advice', () => {
  it.each<[string, SimulatedRequest, RegExp, string?]>([
    [
      'another port',
      { ...to('/'), port: 81 },
      /nothing listens on port 81, this proxy has 80, 443/,
    ],
    [
      'another server name',
      { ...to('/'), scheme: 'https', host: 'other.example.com' },
      /port 443 speaks TLS for the server names shop\.example\.com/,
    ],
    [
      'a host with a slip',
      { host: 'shpo.example.com', path: '/' },
      /no virtual host takes shpo\.example\.com \(did you mean shop\.example\.com\?\).*hosts of a VirtualService/,
    ],
    [
      'a header that is missing',
      to('/cart'),
      /none of 5 routes.*nearest is route 0 \(header x-canary is absent, want exact yes\)/,
    ],
    [
      'a subset without endpoint',
      to('/v2'),
      /subset v2 selects none of the 1 endpoints of cart\.shop.*app=cart,version=v1/,
    ],
    ['a subset that is not there', to('/v3'), /has no subset v3, it has v1, v2/],
    ['a service that is not there', to('/lost'), /no service kart\.shop.*did you mean cart\.shop/],
    [
      'a DENY policy',
      { ...to('/'), headers: [['user-agent', 'bot/1']] },
      /AuthorizationPolicy edge\/no-bots refuses \(DENY rule 0 matches\).*spec\.rules\[0\]/,
      DENY,
    ],
    [
      'ALLOW policies that do not match',
      { ...to('/'), method: 'POST' },
      /no ALLOW policy takes the request.*edge\/readers: rule 0: method is "POST", want GET; rule 1: source address is "192\.0\.2\.1", want 10\.0\.0\.0\/8/,
      ALLOW,
    ],
  ])('on %s', async (_name, request, wanted, more) => {
    const { advice, outcome } = await ask(request, more);
    expect(outcome).not.toBe('forward');
    expect(advice.join('\n')).toMatch(wanted);
  });

  it('on a host outside the registry, where only that may be called', async () => {
    const closed = `apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {name: default, namespace: shop}\nspec: {outboundTrafficPolicy: {mode: REGISTRY_ONLY}}`;
    const { advice, status } = await ask({ host: 'api.example.net', path: '/' }, closed, client);
    expect(status).toBe(502);
    expect(advice[0]).toMatch(/apply a ServiceEntry for api\.example\.net/);
  });
});
