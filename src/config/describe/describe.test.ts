import { describe, expect, it } from 'vitest';
import { certificatePem, keyPem } from '../../../test/fixtures/certificates.ts';
import { kinds, policyCompilers } from '../../presets/control.ts';
import { findings } from '../findings.ts';
import { readConfig } from '../pipeline.ts';
import { describeHost, unknownHostText } from './index.ts';
import type { HostDescription, RouteView } from './model.ts';

const API = 'gateway.networking.k8s.io/v1';
const NET = 'networking.istio.io/v1';
const SECURITY = 'security.istio.io/v1';

function document(api: string, kind: string, name: string, spec: string): string {
  const [namespace, own] = name.includes('/') ? name.split('/') : ['default', name];
  return `apiVersion: ${api}\nkind: ${kind}\nmetadata: {name: ${own}, namespace: ${namespace}}\n${spec}\n`;
}
const net = (kind: string, name: string, spec: string): string =>
  document(NET, kind, name, `spec: ${spec}`);
const security = (kind: string, name: string, spec: string): string =>
  document(SECURITY, kind, name, `spec: ${spec}`);
const api = (kind: string, name: string, spec: string): string =>
  document(API, kind, name, `spec: ${spec}`);

function ask(documents: readonly string[], host: string, namespace?: string) {
  const sources = [{ file: 'a.yaml', text: documents.join('---\n') }];
  const { resources, diagnostics } = readConfig(sources, { kinds });
  expect(diagnostics.filter(({ level }) => level === 'error')).toEqual([]);
  return {
    resources: resources.map(({ resource }) => resource),
    host,
    ...(namespace === undefined ? {} : { namespace }),
    findings: findings(resources, { kinds, policyCompilers }),
  };
}

function describeIn(documents: readonly string[], host: string, namespace?: string) {
  const description = describeHost(ask(documents, host, namespace));
  if (description === undefined) throw new Error(`nobody knows ${host}`);
  return description;
}

const rule = (described: HostDescription, path: string): RouteView | undefined =>
  described.routes.find((route) => `${route.resource} ${route.path}` === path);

const service = (name: string, app = 'reviews'): string =>
  document(
    'v1',
    'Service',
    name,
    `spec: {selector: {app: ${app}}, ports: [{name: http, port: 9080, targetPort: 8080}]}`,
  );
const workload = (name: string, version: string, address: string): string =>
  net('WorkloadEntry', name, `{address: ${address}, labels: {app: reviews, version: ${version}}}`);
const reviews = [
  service('reviews'),
  workload('reviews-v1', 'v1', '10.0.0.1'),
  workload('reviews-v2', 'v2', '10.0.0.2'),
];
const subsets = net(
  'DestinationRule',
  'reviews',
  '{host: reviews, trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}, outlierDetection: {consecutive5xxErrors: 3}}, subsets: [{name: v1, labels: {version: v1}, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}}, {name: v3, labels: {version: v3}}]}',
);

describe('names', () => {
  it('reads a name as a client of the namespace does', () => {
    const all = [...reviews, service('shop/reviews', 'other')];
    const hostOf = (host: string, namespace?: string) => describeIn(all, host, namespace).host;
    expect(hostOf('reviews')).toBe('reviews.default.svc.cluster.local');
    expect(hostOf('Reviews', 'shop')).toBe('reviews.shop.svc.cluster.local');
    expect(hostOf('reviews.shop')).toBe('reviews.shop.svc.cluster.local');
    expect(hostOf('reviews.default.svc', 'shop')).toBe('reviews.default.svc.cluster.local');
    const elsewhere = describeIn(all, 'reviews.shop');
    expect(elsewhere.namespace).toBe('shop');
    expect(elsewhere.names).toContain('reviews');
  });

  it('finds what only its own namespace may see, unless another is named', () => {
    const entry = net(
      'ServiceEntry',
      'bank/vault',
      '{hosts: [vault.test], exportTo: ["."], location: MESH_EXTERNAL, resolution: DNS, ports: [{number: 443, name: tls, protocol: TLS}]}',
    );
    const found = describeIn([entry], 'vault.test');
    expect(found.namespace).toBe('bank');
    expect(found.service).toEqual({
      resource: 'ServiceEntry bank/vault',
      path: 'spec.hosts[0]',
      ports: [{ number: 443, name: 'tls', protocol: 'TLS' }],
      resolution: 'DNS',
      location: 'MESH_EXTERNAL',
      exportTo: ['.'],
      addresses: [],
      alsoDefinedBy: [],
    });
    expect(found.endpoints).toMatchObject([
      { address: 'vault.test', ports: [{ port: 443, targetPort: 443 }], ready: true },
    ]);
    expect(found.mtls).toEqual([]);
    expect(describeHost(ask([entry], 'vault.test', 'default'))).toBe(undefined);
  });

  it('finds a service that is not there by the rules that name it', () => {
    const rules = net(
      'VirtualService',
      'shop',
      '{hosts: [shop.test], http: [{route: [{destination: {host: gone}}]}]}',
    );
    for (const host of ['gone', 'gone.default', 'gone.default.svc']) {
      const described = describeIn([rules], host);
      expect(described.host).toBe('gone.default.svc.cluster.local');
      expect(described.routes).toMatchObject([{ roles: ['to'] }]);
      expect(described.findings.map(({ code }) => code)).toContain('IST0101');
    }
  });

  it('names similar hosts where nobody knows one', () => {
    const asked = ask(reviews, 'reveiws');
    expect(describeHost(asked)).toBe(undefined);
    expect(unknownHostText(asked)).toBe('nothing names host reveiws, did you mean reviews?');
    const gateway = net(
      'Gateway',
      'any',
      '{selector: {istio: x}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]}',
    );
    const other = ask([gateway], 'nobody.test');
    expect(describeHost(other)).toBe(undefined);
    expect(unknownHostText(other)).toContain('host *');
  });
});

describe('a service', () => {
  it('has its endpoints with the subsets that take them, and says which subset has none', () => {
    const {
      service: found,
      endpoints,
      ...described
    } = describeIn([...reviews, subsets], 'reviews');
    expect(found).toMatchObject({
      resource: 'Service default/reviews',
      path: 'spec',
      ports: [{ number: 9080, name: 'http', protocol: 'HTTP', targetPort: 8080 }],
    });
    expect(endpoints).toEqual([
      {
        resource: 'WorkloadEntry default/reviews-v1',
        path: 'spec',
        address: '10.0.0.1',
        ports: [{ port: 9080, targetPort: 8080 }],
        labels: { app: 'reviews', version: 'v1' },
        ready: true,
        subsets: ['v1'],
      },
      {
        resource: 'WorkloadEntry default/reviews-v2',
        path: 'spec',
        address: '10.0.0.2',
        ports: [{ port: 9080, targetPort: 8080 }],
        labels: { app: 'reviews', version: 'v2' },
        ready: true,
        subsets: [],
      },
    ]);
    expect(described.trafficPolicy).toEqual([
      {
        words: 'round robin, connect timeout 10s, outlier detection',
        ports: [9080],
        resource: 'DestinationRule default/reviews',
        path: 'spec.trafficPolicy',
      },
    ]);
    expect(described.subsets).toMatchObject([
      {
        name: 'v1',
        endpoints: 1,
        resource: 'DestinationRule default/reviews',
        path: 'spec.subsets[0]',
        trafficPolicy: [{ path: 'spec.subsets[0].trafficPolicy' }],
      },
      { name: 'v3', endpoints: 0, path: 'spec.subsets[1]' },
    ]);
    expect(described.subsets[0]?.trafficPolicy[0]?.words).toContain('TLS ISTIO_MUTUAL');
    expect(described.findings.map(({ code }) => code)).toContain('IST0173');
  });

  it('names the rule of each subset where several are joined, and the client namespace before its own', () => {
    const second = net(
      'DestinationRule',
      'reviews-more',
      '{host: reviews, subsets: [{name: v2, labels: {version: v2}}]}',
    );
    const joined = describeIn([...reviews, subsets, second], 'reviews');
    expect(joined.subsets.map((one) => `${one.name} ${one.resource} ${one.path}`)).toEqual([
      'v1 DestinationRule default/reviews spec.subsets[0]',
      'v3 DestinationRule default/reviews spec.subsets[1]',
      'v2 DestinationRule default/reviews-more spec.subsets[0]',
    ]);
    const own = net(
      'DestinationRule',
      'client/own',
      '{host: reviews.default.svc.cluster.local, subsets: [{name: mine, labels: {version: v1}}]}',
    );
    const all = [...reviews, subsets, own];
    const namesFor = (namespace: string) =>
      describeIn(all, 'reviews.default', namespace).subsets.map(({ name }) => name);
    expect(namesFor('client')).toEqual(['mine']);
    expect(namesFor('default')).toEqual(['v1', 'v3']);
  });

  it('shows endpoints of slices, those that are not ready too', () => {
    const slice = `apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: reviews-a, namespace: default, labels: {kubernetes.io/service-name: reviews}}\naddressType: IPv4\nports: [{name: http, port: 8081}]\nendpoints: [{addresses: [10.0.0.3], zone: eu, conditions: {ready: true}}, {addresses: [10.0.0.4], conditions: {ready: false}}]\n`;
    const { endpoints } = describeIn([service('reviews'), slice], 'reviews');
    expect(endpoints).toMatchObject([
      {
        resource: 'EndpointSlice default/reviews-a',
        path: 'endpoints[0]',
        address: '10.0.0.3',
        ports: [{ port: 9080, targetPort: 8081 }],
        locality: 'eu',
        ready: true,
      },
      { path: 'endpoints[1]', address: '10.0.0.4', ready: false, ports: [] },
    ]);
  });

  it('says that a Sidecar hides it, and what else has its host', () => {
    const sidecar = net('Sidecar', 'client/default', '{egress: [{hosts: ["./*"]}]}');
    const entry = net(
      'ServiceEntry',
      'other/reviews',
      '{hosts: [reviews.default.svc.cluster.local], location: MESH_INTERNAL, resolution: STATIC, ports: [{number: 9080, name: http, protocol: HTTP}]}',
    );
    const hidden = describeIn([...reviews, sidecar, entry], 'reviews.default', 'client');
    expect(hidden.service?.hidden).toContain('Sidecar client/default');
    expect(hidden.service?.alsoDefinedBy).toEqual([
      { resource: 'ServiceEntry other/reviews', path: 'spec.hosts[0]' },
    ]);
  });
});

describe('rules of VirtualServices', () => {
  const split = net(
    'VirtualService',
    'reviews',
    '{hosts: [reviews], http: [{name: jason, match: [{headers: {end-user: {exact: jason}}, uri: {prefix: /r}}], route: [{destination: {host: reviews, subset: v1}}]}, {route: [{destination: {host: reviews, subset: v1}, weight: 90}, {destination: {host: reviews, subset: v3}, weight: 10}], timeout: 1s}, {route: [{destination: {host: reviews}}]}]}',
  );

  it('stand with match, weights, and what they are in force at', () => {
    const described = describeIn([...reviews, subsets, split], 'reviews');
    expect(rule(described, 'VirtualService default/reviews spec.http[0]')).toEqual({
      resource: 'VirtualService default/reviews',
      path: 'spec.http[0]',
      name: 'jason',
      roles: ['for', 'to'],
      hosts: ['reviews.default.svc.cluster.local'],
      match: 'path prefix /r, header end-user = jason',
      action: 'forward',
      destinations: [{ host: 'reviews.default.svc.cluster.local', subset: 'v1', weight: 100 }],
      attachments: [{ parent: 'mesh', accepted: true, inForce: true }],
    });
    expect(rule(described, 'VirtualService default/reviews spec.http[1]')).toMatchObject({
      match: 'everything',
      action: 'forward, timeout 1s',
      destinations: [{ weight: 90 }, { weight: 10, subset: 'v3' }],
    });
    const last = rule(described, 'VirtualService default/reviews spec.http[2]')?.attachments[0];
    expect(last).toMatchObject({ inForce: false });
    expect(last?.reason).toContain('an earlier rule takes everything');
  });

  it('give way to an older VirtualService, and to what is not exported', () => {
    const rival = net(
      'VirtualService',
      'zz-rival',
      '{hosts: [reviews], http: [{route: [{destination: {host: reviews}}]}]}',
    );
    const hidden = net(
      'VirtualService',
      'far/hidden',
      '{hosts: [reviews.default.svc.cluster.local], exportTo: ["."], http: [{route: [{destination: {host: reviews.default.svc.cluster.local}}]}]}',
    );
    const described = describeIn([...reviews, subsets, split, rival, hidden], 'reviews');
    const reasonOf = (name: string) =>
      rule(described, `VirtualService ${name} spec.http[0]`)?.attachments[0]?.reason;
    expect(reasonOf('default/zz-rival')).toBe('VirtualService default/reviews counts for the host');
    expect(reasonOf('far/hidden')).toBe('not exported to namespace default');
  });

  it('are found where they send traffic or copies, delegates with their root', () => {
    const edge = net(
      'Gateway',
      'edge',
      '{selector: {istio: edge}, servers: [{name: web, port: {number: 80, name: http, protocol: HTTP}, hosts: ["*.example.com"]}]}',
    );
    const root = net(
      'VirtualService',
      'root',
      '{hosts: [shop.example.com], gateways: [edge, gone], http: [{match: [{uri: {prefix: /reviews}}], delegate: {name: team, namespace: team}}, {route: [{destination: {host: other}}], mirror: {host: reviews}, mirrorPercentage: {value: 5}}]}',
    );
    const team = net(
      'VirtualService',
      'team/team',
      '{http: [{route: [{destination: {host: reviews.default.svc.cluster.local}}]}]}',
    );
    const lonely = net(
      'VirtualService',
      'team/lonely',
      '{http: [{route: [{destination: {host: reviews.default.svc.cluster.local}}]}]}',
    );
    const all = [...reviews, edge, root, team, lonely];
    const described = describeIn(all, 'reviews');
    expect(rule(described, 'VirtualService team/team spec.http[0]')).toMatchObject({
      roles: ['to'],
      root: 'VirtualService default/root',
      hosts: ['shop.example.com'],
      match: 'path prefix /reviews',
      attachments: [
        { parent: 'Gateway default/edge', accepted: true, inForce: true },
        { parent: 'Gateway default/gone', accepted: false, inForce: false },
      ],
    });
    expect(rule(described, 'VirtualService default/root spec.http[1]')).toMatchObject({
      roles: ['mirror'],
      destinations: [{ weight: 100 }, { mirrorPercent: 5 }],
    });
    expect(rule(described, 'VirtualService team/lonely spec.http[0]')?.attachments).toEqual([]);
    expect(described.gateways).toMatchObject([
      { resource: 'Gateway default/edge', path: 'spec.servers[0]', takesHost: false, name: 'web' },
    ]);
    const outside = describeIn(all, 'shop.example.com');
    expect(outside.service).toBe(undefined);
    expect(outside.routes.map(({ roles }) => roles)).toEqual([['for'], ['for']]);
    expect(outside.gateways).toMatchObject([{ takesHost: true, accepted: true }]);
    expect(outside.findings.map(({ code }) => code)).toContain('IST0101');
  });

  it('for any host at a gateway are not for a service, but lead to it', () => {
    const any = net(
      'Gateway',
      'any',
      '{selector: {istio: edge}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]}',
    );
    const all = net(
      'VirtualService',
      'all',
      '{hosts: ["*"], gateways: [any], http: [{match: [{uri: {exact: /x}}], redirect: {uri: /y}}, {route: [{destination: {host: reviews}}]}]}',
    );
    const described = describeIn([...reviews, any, all], 'reviews');
    expect(described.routes).toMatchObject([
      { path: 'spec.http[1]', roles: ['to'], attachments: [{ inForce: true }] },
    ]);
    expect(described.gateways).toMatchObject([{ takesHost: false }]);
    expect(describeIn([any, all], '*').routes).toHaveLength(2);
  });
});

it('takes a rule for TLS to be for its server names', () => {
  const entry = net(
    'ServiceEntry',
    'outside',
    '{hosts: [a.test, b.test], location: MESH_EXTERNAL, resolution: DNS, ports: [{number: 443, name: tls, protocol: TLS}]}',
  );
  const rules = net(
    'VirtualService',
    'outside',
    '{hosts: [a.test, b.test], tls: [{match: [{sniHosts: [a.test]}], route: [{destination: {host: a.test}}]}, {match: [{sniHosts: [b.test], port: 443}], route: [{destination: {host: a.test}}]}]}',
  );
  expect(describeIn([entry, rules], 'a.test').routes).toMatchObject([
    {
      path: 'spec.tls[0]',
      roles: ['for', 'to'],
      match: 'server name a.test',
      action: 'forward TLS',
      attachments: [{ parent: 'mesh', inForce: true }],
    },
    { path: 'spec.tls[1]', roles: ['to'], match: 'server name b.test, port 443' },
  ]);
});

describe('the Gateway API', () => {
  const gateway = api(
    'Gateway',
    'infra/edge',
    '{gatewayClassName: lateen, listeners: [{name: web, port: 80, protocol: HTTP, hostname: "*.example.com", allowedRoutes: {namespaces: {from: All}}}, {name: tls, port: 443, protocol: HTTPS, hostname: "*.example.com", tls: {certificateRefs: [{name: good}, {name: gone}]}, allowedRoutes: {namespaces: {from: Same}}}]}',
  );
  const secret = `apiVersion: v1\nkind: Secret\nmetadata: {name: good, namespace: infra}\nstringData:\n  tls.crt: |\n${certificatePem.replaceAll(/^/gm, '    ')}\n  tls.key: |\n${keyPem.replaceAll(/^/gm, '    ')}\n`;
  const route = api(
    'HTTPRoute',
    'shop',
    '{parentRefs: [{name: edge, namespace: infra, sectionName: web}, {name: edge, namespace: infra, sectionName: tls}, {name: nobody}], hostnames: [shop.example.com], rules: [{name: main, matches: [{path: {type: Exact, value: /a}, method: GET}], backendRefs: [{name: reviews, port: 9080, weight: 3}, {name: secret, namespace: bank, port: 80}], filters: [{type: RequestMirror, requestMirror: {backendRef: {name: reviews, port: 9080}, percent: 10}}]}]}',
  );
  const all = [...reviews, gateway, secret, route];

  it('says of each parent whether it takes the route', () => {
    const described = describeIn(all, 'shop.example.com');
    const found = rule(described, 'HTTPRoute default/shop spec.rules[0]');
    expect(found).toMatchObject({
      name: 'main',
      roles: ['for'],
      match: 'path = /a, method = GET',
      hosts: ['shop.example.com'],
    });
    expect(found?.destinations).toMatchObject([
      { host: 'reviews.default.svc.cluster.local', port: 9080, weight: 3 },
      { host: 'secret.bank.svc.cluster.local', weight: 1 },
      { host: 'reviews.default.svc.cluster.local', mirrorPercent: 10 },
    ]);
    expect(found?.destinations[1]?.refusal).toContain('RefNotPermitted');
    expect(found?.attachments).toMatchObject([
      { parent: 'Gateway infra/edge (web)', accepted: true, inForce: true },
      { parent: 'Gateway infra/edge (tls)', accepted: false, inForce: false },
      { parent: 'Gateway default/nobody', accepted: false, inForce: false },
    ]);
    expect(found?.attachments[1]?.reason).toContain('NotAllowedByListeners');
    expect(describeIn(all, 'reviews').routes[0]?.roles).toEqual(['to', 'mirror']);
  });

  it('shows certificates by name and date, and nothing of the keys', () => {
    const described = describeIn(all, 'shop.example.com');
    expect(described.gateways).toMatchObject([
      { name: 'web', path: 'spec.listeners[0]', protocol: 'HTTP', takesHost: true },
      {
        name: 'tls',
        tlsMode: 'Terminate',
        accepted: true,
        certificates: [
          {
            secret: 'infra/good',
            exists: true,
            names: ['conformance', '*.example'],
            notAfter: '2046-11-19T12:45:36Z',
          },
          { secret: 'infra/gone', exists: false },
        ],
      },
    ]);
    expect(JSON.stringify(described)).not.toContain('BEGIN');
    expect(JSON.stringify(described)).not.toContain('MIG');
  });

  it('knows routes whose parent is the service, before those of a VirtualService', () => {
    const mesh = api(
      'HTTPRoute',
      'mesh',
      '{parentRefs: [{group: "", kind: Service, name: reviews}], rules: [{backendRefs: [{name: reviews, port: 9080}]}]}',
    );
    const old = net(
      'VirtualService',
      'old',
      '{hosts: [reviews], http: [{route: [{destination: {host: reviews}}]}]}',
    );
    const described = describeIn([...reviews, mesh, old], 'reviews');
    expect(rule(described, 'HTTPRoute default/mesh spec.rules[0]')).toMatchObject({
      roles: ['for', 'to'],
      attachments: [{ parent: 'Service default/reviews', accepted: true, inForce: true }],
    });
    expect(rule(described, 'VirtualService default/old spec.http[0]')?.attachments).toEqual([
      {
        parent: 'mesh',
        accepted: true,
        inForce: false,
        reason: 'routes of the Gateway API for the service come first',
      },
    ]);
  });

  it('has GRPCRoutes and TLSRoutes by what they match', () => {
    const grpc = api(
      'GRPCRoute',
      'calls',
      '{parentRefs: [{name: edge, namespace: infra}], hostnames: [rpc.example.com], rules: [{matches: [{method: {service: a.B, method: C}}], backendRefs: [{name: reviews, port: 9080}]}]}',
    );
    const pass = api(
      'Gateway',
      'infra/pass',
      '{gatewayClassName: lateen, listeners: [{name: pass, port: 8443, protocol: TLS, hostname: db.example.com, tls: {mode: Passthrough}, allowedRoutes: {namespaces: {from: All}}}]}',
    );
    const tls = api(
      'TLSRoute',
      'db',
      '{parentRefs: [{name: pass, namespace: infra}], hostnames: [db.example.com], rules: [{backendRefs: [{name: reviews, port: 9080}]}]}',
    );
    const described = describeIn([...all, grpc, pass, tls], 'reviews');
    expect(rule(described, 'GRPCRoute default/calls spec.rules[0]')).toMatchObject({
      match: 'call a.B/C',
      attachments: [{ inForce: true }],
    });
    expect(rule(described, 'TLSRoute default/db spec.rules[0]')).toMatchObject({
      match: 'server name db.example.com',
      attachments: [{ inForce: true }],
    });
  });
});

describe('policies', () => {
  it('are those of its workloads, with the mTLS that comes of them', () => {
    const all = [
      ...reviews,
      security('PeerAuthentication', 'istio-system/mesh', '{mtls: {mode: STRICT}}'),
      security(
        'PeerAuthentication',
        'v2',
        '{selector: {matchLabels: {version: v2}}, mtls: {mode: PERMISSIVE}, portLevelMtls: {8080: {mode: DISABLE}}}',
      ),
      security(
        'AuthorizationPolicy',
        'v1',
        '{selector: {matchLabels: {version: v1}}, action: DENY, rules: [{to: [{operation: {methods: [GET]}}]}]}',
      ),
      security('AuthorizationPolicy', 'other', '{selector: {matchLabels: {app: other}}}'),
      security(
        'RequestAuthentication',
        'far/jwt',
        '{jwtRules: [{issuer: a.test, jwksUri: "https://a.test/keys"}]}',
      ),
      document(
        'telemetry.istio.io/v1',
        'Telemetry',
        'logs',
        'spec: {accessLogging: [{disabled: true}]}',
      ),
      document(
        'networking.istio.io/v1alpha3',
        'EnvoyFilter',
        'patch',
        'spec: {workloadSelector: {labels: {version: v2}}, configPatches: []}',
      ),
      document('lateen.io/v1', 'Policy', 'limits', 'spec: {body: {maxBytes: 1}}'),
      net('Sidecar', 'default', '{egress: [{hosts: ["./*"]}]}'),
    ];
    const { mtls, policies } = describeIn(all, 'reviews');
    expect(mtls).toEqual([
      { workloads: 'app=reviews,version=v1', mode: 'STRICT', ports: {} },
      { workloads: 'app=reviews,version=v2', mode: 'PERMISSIVE', ports: { 8080: 'DISABLE' } },
    ]);
    const v1 = 'workload app=reviews,version=v1';
    const v2 = 'workload app=reviews,version=v2';
    const seen = policies.map(({ resource, path, action, holdsFor, enforced }) => [
      `${resource} ${path}`,
      action,
      holdsFor,
      enforced,
    ]);
    expect(seen).toEqual([
      ['AuthorizationPolicy default/v1 spec.selector', 'DENY, 1 rule', [v1], true],
      ['Telemetry default/logs spec', 'not enforced', [v1, v2], false],
      ['EnvoyFilter default/patch spec.workloadSelector', 'not enforced', [v2], false],
      ['PeerAuthentication istio-system/mesh spec', 'mTLS STRICT', [v1, v2], true],
      ['Sidecar default/default spec', 'imports ./*', [v1, v2], true],
      [
        'PeerAuthentication default/v2 spec.selector',
        'mTLS PERMISSIVE, port 8080 DISABLE',
        [v2],
        true,
      ],
      ['Policy default/limits spec', 'body', [v1, v2], true],
    ]);
    expect(policies.find(({ enforced }) => !enforced)?.reason).toContain('access log');
  });

  it('are those of gateways and routes that lead to it, and of its backends', () => {
    const all = [
      ...reviews,
      api(
        'Gateway',
        'edge',
        '{gatewayClassName: lateen, listeners: [{name: web, port: 80, protocol: HTTP}]}',
      ),
      api(
        'HTTPRoute',
        'shop',
        '{parentRefs: [{name: edge}], rules: [{backendRefs: [{name: reviews, port: 9080}]}]}',
      ),
      api(
        'BackendTLSPolicy',
        'tls',
        '{targetRefs: [{group: "", kind: Service, name: reviews}], validation: {wellKnownCACertificates: System, hostname: reviews.test}}',
      ),
      security(
        'AuthorizationPolicy',
        'edge',
        '{targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: edge}], rules: [{}]}',
      ),
      document(
        'lateen.io/v1',
        'Policy',
        'of-route',
        'spec: {targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: shop}], body: {maxBytes: 1}}',
      ),
    ];
    const { policies } = describeIn(all, 'reviews');
    expect(policies).toEqual([
      {
        resource: 'AuthorizationPolicy default/edge',
        path: 'spec.targetRefs',
        action: 'ALLOW, 1 rule',
        holdsFor: ['Gateway default/edge'],
        enforced: true,
      },
      {
        resource: 'Policy default/of-route',
        path: 'spec.targetRefs',
        action: 'body',
        holdsFor: ['HTTPRoute default/shop spec.rules[0]'],
        enforced: true,
      },
      {
        resource: 'BackendTLSPolicy default/tls',
        path: 'spec.targetRefs',
        action: 'gateways speak TLS to it, server name reviews.test',
        holdsFor: ['reviews.default.svc.cluster.local'],
        enforced: true,
      },
    ]);
  });

  it('ask it where it is an external authorizer', () => {
    const settings = `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\ndata:\n  mesh: |\n    extensionProviders:\n    - name: gate\n      envoyExtAuthzHttp: {service: reviews.default.svc.cluster.local, port: 9080}\n`;
    const custom = security(
      'AuthorizationPolicy',
      'ask',
      '{action: CUSTOM, provider: {name: gate}, rules: [{}]}',
    );
    const described = describeIn([...reviews, settings, custom], 'reviews');
    expect(described.routes).toMatchObject([
      {
        resource: 'ConfigMap istio-system/istio',
        path: 'data.mesh',
        name: 'gate',
        roles: ['ext_authz'],
        attachments: [{ parent: 'AuthorizationPolicy default/ask' }],
      },
    ]);
  });
});

it('says the same whatever the order of the resources', () => {
  const all = [
    ...reviews,
    subsets,
    net(
      'VirtualService',
      'a',
      '{hosts: [reviews], http: [{route: [{destination: {host: reviews}}]}]}',
    ),
    net(
      'VirtualService',
      'b',
      '{hosts: [reviews], http: [{route: [{destination: {host: reviews}}]}]}',
    ),
  ];
  const forward = describeIn(all, 'reviews');
  const backward = describeIn(all.toReversed(), 'reviews');
  const { findings: _a, ...one } = forward;
  const { findings: _b, ...other } = backward;
  expect(other).toEqual(one);
});
