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

it('says the hosts of a virtual host at the VirtualService that delegates', async () => {
  const delegated = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: part, namespace: shop}
spec: {http: [{directResponse: {status: 200}}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: whole, namespace: shop}
spec: {hosts: [cart], http: [{match: [{uri: {prefix: /}}], delegate: {name: part}}]}
`;
  const { trace } = await ask({ host: 'cart', path: '/' }, delegated, client);
  expect(trace.map(({ origin }) => origin).slice(1)).toEqual([
    { resource: 'VirtualService shop/whole', path: 'spec.hosts' },
    { resource: 'VirtualService shop/part', path: 'spec.http[0]' },
    undefined,
  ]);
});

it('names a port where nothing listens, also where calls to it are let through', async () => {
  const { trace, outcome } = await ask({ host: 'cart', port: 81 }, '', client);
  expect(outcome).toBe('forward');
  const missing = { step: 'listener', name: 'port 81', outcome: 'not-matched' };
  expect(trace[0]).toEqual(missing);
  expect((await ask({ port: 81 }, '', client)).trace[0]).toEqual(missing);
  const other = await ask({ host: 'other.test', scheme: 'https' });
  expect(other.trace[0]?.detail).toBe('no server for other.test');
});

const MORE_SERVERS = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: more, namespace: edge}
spec:
  selector: {istio: ingressgateway}
  servers:
  - {port: {number: 444, name: mtls, protocol: HTTPS}, hosts: [m.test], tls: {mode: MUTUAL, credentialName: shop}}
  - {port: {number: 445, name: tls, protocol: TLS}, hosts: ['*.test'], tls: {mode: PASSTHROUGH}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: more, namespace: edge}
spec:
  hosts: [m.test, a.test]
  gateways: [more]
  http: [{directResponse: {status: 403}}]
  tls: [{match: [{sniHosts: [a.test]}], route: [{destination: {host: cart.shop.svc.cluster.local, port: {number: 80}}}]}]
`;
const DRY_DENY = `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: tried, namespace: edge, annotations: {istio.io/dry-run: "true"}}
spec: {action: DENY, rules: [{}]}
`;
const TOKENS = `
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: tokens, namespace: edge}
spec: {jwtRules: [{issuer: me, jwks: '{"keys":[]}'}]}
`;

it('takes an identity for a certificate, and its lack for what closes the connection', async () => {
  const request = { host: 'm.test', port: 444, scheme: 'https', path: '/' } as const;
  const bare = await ask(request, MORE_SERVERS);
  expect(bare.advice).toEqual([expect.stringContaining('wants a client certificate')]);
  const known = { ...request, peer: { principal: 'cluster.local/ns/a/sa/b' } };
  // A route that answers so on purpose needs no advice.
  expect(await ask(known, `${MORE_SERVERS}---${DRY_DENY}`)).toMatchObject({
    status: 403,
    advice: [],
  });
});

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
    [
      'a name that is none',
      { host: 'shöp', path: '/' },
      /^the authority is no host name with an optional port/,
    ],
    [
      'a target without a path',
      { ...to('*'), method: 'OPTIONS' },
      /^routes take paths, and the target/,
    ],
    [
      'the host of an absolute form',
      { ...to('http://shpo.example.com/'), host: 'shop.example.com' },
      /no virtual host takes shpo\.example\.com \(did you mean shop/,
    ],
    [
      'ALLOW policies behind a DENY that is only tried',
      { ...to('/'), method: 'POST' },
      /no ALLOW policy takes the request/,
      `${ALLOW}---${DRY_DENY}`,
    ],
    [
      'a token in a call of gRPC',
      {
        ...to('/'),
        headers: [
          ['content-type', 'application/grpc'],
          ['authorization', 'Bearer a.b.c'],
        ],
      },
      /RequestAuthentication edge\/tokens refuses the token \(Jwt header .*in header authorization, and the rule takes tokens of me\): have the issuer/,
      TOKENS,
    ],
    [
      'a token of another issuer',
      { ...to('/'), headers: [['authorization', 'Bearer e30.e30.']] },
      /issuer is not configured.*add a rule with the issuer of this one/,
      TOKENS.replace('issuer: me', 'issuer: you'),
    ],
    [
      'a server name without rule',
      { host: 'b.test', port: 445, scheme: 'https' },
      /takes server name b\.test, there are rules for a\.test/,
      MORE_SERVERS,
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
