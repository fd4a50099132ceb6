/** Each code of analysis, once where it is wanted and once where it is not. */
import { readFileSync, readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Diagnostic } from '../../model/diagnostic.ts';
import { kinds } from '../../presets/control.ts';
import { readConfig } from '../pipeline.ts';
import { analyse } from './index.ts';

const document = (version: string) => (kind: string, name: string, rest: string) =>
  `apiVersion: ${version}\nkind: ${kind}\nmetadata: {name: ${name}, namespace: shop}\n${rest}`;
const net = document('networking.istio.io/v1');
const sec = document('security.istio.io/v1');
const core = document('v1');

function analysed(documents: readonly string[]): Diagnostic[] {
  const text = documents.join('\n---\n');
  const { resources, diagnostics } = readConfig([{ file: 'mesh.yaml', text }], { kinds });
  expect(diagnostics.filter(({ level }) => level === 'error')).toEqual([]);
  return analyse(resources);
}

const codesOf = (documents: readonly string[]): string[] =>
  analysed(documents).map(({ code }) => code);

const entry = (name: string, labels = 'version: v1'): string =>
  net(
    'ServiceEntry',
    name,
    `spec: {hosts: [${name}.shop.svc.cluster.local], location: MESH_INTERNAL, resolution: STATIC, ports: [{number: 80, name: http, protocol: HTTP}], endpoints: [{address: 10.0.0.1, labels: {${labels}}}]}`,
  );
const cart = entry('cart');
const rules = (name: string, spec: string): string =>
  net('VirtualService', name, `spec: {${spec}}`);
const http = (list: string): string => rules('cart', `hosts: [cart], http: [${list}]`);
const to = 'route: [{destination: {host: cart}}]';
const gateway = (name: string, servers: string, selector = 'app: edge'): string =>
  net('Gateway', name, `spec: {selector: {${selector}}, servers: [${servers}]}`);
const plain = (host: string, port = 80): string =>
  `{port: {number: ${port}, name: http, protocol: HTTP}, hosts: ["${host}"]}`;
const secure =
  '{port: {number: 443, name: https, protocol: HTTPS}, tls: {mode: SIMPLE, credentialName: cert}, hosts: [a.test]}';
const secret = (keys: string): string =>
  `apiVersion: v1\nkind: Secret\nmetadata: {name: cert, namespace: istio-system}\nstringData: {${keys}}`;
const service = (spec: string, name = 'cart'): string => core('Service', name, `spec: ${spec}`);
const bank = net(
  'ServiceEntry',
  'bank',
  'spec: {hosts: [bank.test], resolution: DNS, ports: [{number: 443, name: https, protocol: HTTPS}]}',
);
const rule = (spec: string): string => net('DestinationRule', 'rule', `spec: {${spec}}`);
const external = (name: string, port: string, more = ''): string =>
  net('ServiceEntry', name, `spec: {hosts: [db.test], resolution: DNS, ports: [${port}]${more}}`);
const policy = (labels: string): string =>
  sec('AuthorizationPolicy', 'guard', `spec: {selector: {matchLabels: {${labels}}}, rules: [{}]}`);
const attached = (name: string, spec: string): string =>
  document('lateen.io/v1')('Policy', name, `spec: {body: {maxBytes: 1}, ${spec}}`);
const cartHost = 'cart.shop.svc.cluster.local';
const mongoRoute = (where: string): string =>
  document('lateen.io/v1')(
    'Policy',
    'db',
    `spec: {mongo: {routes: [{databases: [archive], ${where}}]}}`,
  );
const login = (port: number): string =>
  document('lateen.io/v1')(
    'Policy',
    'site',
    `spec: {oidc: {issuer: "https://i.test", clientId: c, secretName: s, authorizationEndpoint: "https://i.test/a", tokenEndpoint: {host: ${cartHost}, port: ${port}, path: /token}, redirectUris: ["https://a.test/cb"]}}`,
  );
const toRoute = (section = ''): string =>
  `targetRefs: [{group: networking.istio.io, kind: VirtualService, name: cart${section}}]`;
const tokens = (labels: string): string =>
  sec(
    'RequestAuthentication',
    'tokens',
    `spec: {selector: {matchLabels: {${labels}}}, jwtRules: [{issuer: "https://i.test", jwksUri: "https://i.test/k"}]}`,
  );
const claimRoute = rules(
  'claims',
  `hosts: [a.test], gateways: [edge], http: [{match: [{headers: {"@request.auth.claims.plan": {exact: pro}}}], ${to}}]`,
);
const edge = gateway('edge', plain('a.test'));
const bySubset = (weights: readonly [number, number]): string =>
  http(
    `{route: [{destination: {host: cart, subset: v1}, weight: ${weights[0]}}, {destination: {host: cart, subset: v2}, weight: ${weights[1]}}]}`,
  );
const oneSubset = rule('host: cart, subsets: [{name: v1, labels: {version: v1}}]');
const twoSubsets = rule(
  'host: cart, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]',
);
const mesh = (networks: string): string =>
  `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\ndata: {mesh: "{}", meshNetworks: '${networks}'}`;

const sidecar = (name: string, labels?: string): string =>
  net(
    'Sidecar',
    name,
    `spec: {${labels === undefined ? '' : `workloadSelector: {labels: {${labels}}}, `}egress: [{hosts: ["./*"]}]}`,
  );
const telemetry = (name: string, labels?: string): string =>
  document('telemetry.istio.io/v1')(
    'Telemetry',
    name,
    `spec: {${labels === undefined ? '' : `selector: {matchLabels: {${labels}}}, `}accessLogging: [{disabled: true}]}`,
  );
const envoy = (patch: string, more = ''): string =>
  document('networking.istio.io/v1alpha3')(
    'EnvoyFilter',
    'patch',
    `spec: {${more}configPatches: [{${patch}}]}`,
  );
const pod = (labels: string): string =>
  core('Pod', 'one', 'spec: {containers: []}').replace(
    'namespace: shop',
    `namespace: shop, labels: {${labels}}`,
  );
const home = (labels: string): string =>
  core('Namespace', 'shop', '').replace('namespace: shop', `labels: {${labels}}`);

const injected = home('istio-injection: enabled');
const deployment = document('apps/v1')(
  'Deployment',
  'cart',
  'spec: {template: {metadata: {labels: {app: cart}}}}',
);
const ported = (name: string, port: string): string =>
  service(`{selector: {app: cart}, ports: [{name: http, ${port}}]}`, name);
const annotated = (annotations: string): string =>
  core('Pod', 'one', 'spec: {containers: []}').replace(
    'namespace: shop',
    `namespace: shop, annotations: {${annotations}}`,
  );
const api = document('gateway.networking.k8s.io/v1');
const apiEdge = api(
  'Gateway',
  'edge',
  'spec: {gatewayClassName: lateen, listeners: [{name: web, port: 80, protocol: HTTP}]}',
);
const httpRoute = (backend: string): string =>
  api(
    'HTTPRoute',
    'all',
    `spec: {parentRefs: [{name: edge}], rules: [{backendRefs: [{name: ${backend}, port: 80}]}]}`,
  );
const entries = net(
  'ServiceEntry',
  'cart',
  'spec: {hosts: [cart.shop.svc.cluster.local], location: MESH_INTERNAL, resolution: STATIC, ports: [{number: 80, name: http, protocol: HTTP}], endpoints: [{address: 10.0.0.1, labels: {version: v1}}, {address: 10.0.0.2, labels: {version: v2}}]}',
);

interface Pair {
  readonly found: readonly string[];
  readonly fine: readonly string[];
}

/** What brings a code, and what is nearly the same and doesn't. */
const pairs: Readonly<Record<string, Pair | readonly Pair[]>> = {
  IST0002: {
    found: [
      net(
        'Sidecar',
        'old',
        'spec: {outboundTrafficPolicy: {mode: ALLOW_ANY, egressProxy: {host: a.test, port: {number: 80}}}}',
      ),
    ],
    fine: [sidecar('new')],
  },
  IST0101: [
    {
      found: [cart, http('{route: [{destination: {host: nobody}}]}')],
      fine: [cart, http(`{${to}}`)],
    },
    {
      found: [gateway('edge', secure)],
      fine: [gateway('edge', secure), secret('tls.crt: a, tls.key: b')],
    },
    {
      found: [cart, attached('a', toRoute())],
      fine: [cart, http(`{${to}}`), attached('a', toRoute())],
    },
    {
      found: [cart, http(`{name: one, ${to}}`), attached('a', toRoute(', sectionName: two'))],
      fine: [cart, http(`{name: one, ${to}}`), attached('a', toRoute(', sectionName: one'))],
    },
    { found: [cart, login(81)], fine: [cart, login(80)] },
    {
      found: [cart, mongoRoute('host: nobody.shop.svc.cluster.local')],
      fine: [cart, mongoRoute(`host: ${cartHost}`)],
    },
    {
      found: [cart, mongoRoute(`host: ${cartHost}, port: 81`)],
      fine: [cart, mongoRoute(`host: ${cartHost}, port: 80`)],
    },
    {
      found: [cart, oneSubset, mongoRoute(`host: ${cartHost}, subset: v2`)],
      fine: [cart, oneSubset, mongoRoute(`host: ${cartHost}, subset: v1`)],
    },
    {
      found: [cart, oneSubset, mongoRoute('subset: v2')],
      fine: [cart, oneSubset, mongoRoute('subset: v1')],
    },
  ],
  IST0103: {
    found: [home('istio-injection: enabled'), pod('app: cart')],
    fine: [home('istio-injection: disabled'), pod('app: cart')],
  },
  IST0116: {
    found: [
      injected,
      deployment,
      ported('one', 'port: 80'),
      ported('two', 'port: 80, protocol: UDP'),
    ],
    fine: [injected, deployment, ported('one', 'port: 80'), ported('two', 'port: 80')],
  },
  IST0135: {
    found: [annotated('sidecar.istio.io/inject: "true"')],
    fine: [annotated('sidecar.istio.io/rewriteAppHTTPProbers: "true"')],
  },
  IST0137: {
    found: [
      injected,
      deployment,
      ported('one', 'port: 80, targetPort: 8080'),
      ported('two', 'port: 81, targetPort: 8080'),
    ],
    fine: [
      injected,
      deployment,
      ported('one', 'port: 80, targetPort: 8080'),
      ported('two', 'port: 81, targetPort: 8081'),
    ],
  },
  IST0171: [
    {
      found: [
        `${cart}\nstatus: {conditions: [{type: Accepted, status: "False", reason: Invalid}]}`,
      ],
      fine: [`${cart}\nstatus: {conditions: [{type: Accepted, status: "True"}]}`],
    },
    {
      found: [apiEdge, httpRoute('nobody')],
      fine: [apiEdge, service('{ports: [{port: 80}]}'), httpRoute('cart')],
    },
  ],
  IST0109: [
    {
      found: [cart, http(`{${to}}`), rules('other', `hosts: [cart], http: [{${to}}]`)],
      fine: [cart, http(`{${to}}`), rules('other', `hosts: [pay.test], http: [{${to}}]`)],
    },
    {
      found: [
        cart,
        rules('a', `hosts: [x.test], exportTo: [front, back], http: [{${to}}]`),
        rules('b', `hosts: [x.test], exportTo: [back], http: [{${to}}]`),
      ].map((text) => text.replace('location: MESH_INTERNAL', 'exportTo: ["*"]')),
      fine: [
        cart,
        rules('a', `hosts: [x.test], exportTo: [front], http: [{${to}}]`),
        rules('b', `hosts: [x.test], exportTo: [back], http: [{${to}}]`),
      ],
    },
  ],
  IST0110: {
    found: [cart, sidecar('one', 'version: v1'), sidecar('two', 'version: v1')],
    fine: [
      cart,
      entry('pay', 'version: v2'),
      sidecar('one', 'version: v1'),
      sidecar('two', 'version: v2'),
    ],
  },
  IST0111: {
    found: [sidecar('one'), sidecar('two')],
    fine: [sidecar('one'), sidecar('two').replace('namespace: shop', 'namespace: other')],
  },
  IST0118: {
    found: [service('{ports: [{port: 80, name: web}]}')],
    fine: [service('{ports: [{port: 80, name: http-web}]}')],
  },
  IST0123: {
    found: [
      core('Namespace', 'a', '').replace(
        'namespace: shop',
        'labels: {istio-injection: enabled, istio.io/rev: x}',
      ),
    ],
    fine: [core('Namespace', 'a', '').replace('namespace: shop', 'labels: {istio.io/rev: x}')],
  },
  IST0125: {
    found: [
      service('{}').replace(
        'namespace: shop',
        'annotations: {networking.istio.io/exportTo: "., Front"}',
      ),
    ],
    fine: [
      service('{}').replace(
        'namespace: shop',
        'annotations: {networking.istio.io/exportTo: "., front"}',
      ),
    ],
  },
  IST0126: [
    {
      found: [mesh('{networks: {west: {endpoints: [{fromRegistry: c7}]}}}')],
      fine: [mesh('{networks: {west: {endpoints: [{fromRegistry: Kubernetes}]}}}')],
    },
    {
      found: [mesh('{networks: {west: {endpoints: [{fromRegistry: c7}, null]}}}')],
      fine: [mesh('{networks: {west: null, east: {endpoints: 5}}}')],
    },
    {
      found: [mesh('{networks: {west: {endpoints: [5, {fromRegistry: c7}]}}}')],
      fine: [mesh('{networks: [')],
    },
  ],
  IST0127: [
    // A gateway nobody knows all labels of is meant by who names one of those known.
    {
      found: [edge, policy('app: nobody')],
      fine: [edge, policy('app: edge, tier: outer')],
    },
    { found: [edge, policy('tier: outer')], fine: [cart, policy('version: v1')] },
    { found: [cart, policy('app: nobody')], fine: [cart, policy('version: v1')] },
    // A Service without registered workloads may have any.
    {
      found: [policy('app: cart, tier: b')],
      fine: [service('{selector: {app: cart}}'), policy('app: cart, tier: b')],
    },
    {
      found: [service('{selector: {app: other}}'), policy('app: cart')],
      fine: [edge, policy('app: edge').replace('namespace: shop', 'namespace: elsewhere')],
    },
  ],
  IST0128: {
    found: [bank, rule('host: bank.test, trafficPolicy: {tls: {mode: SIMPLE}}')],
    fine: [
      bank,
      rule('host: bank.test, trafficPolicy: {tls: {mode: SIMPLE, caCertificates: system}}'),
    ],
  },
  IST0129: {
    found: [
      bank,
      rule(
        'host: bank.test, trafficPolicy: {portLevelSettings: [{port: {number: 443}, tls: {mode: SIMPLE}}]}',
      ),
    ],
    fine: [
      bank,
      rule(
        'host: bank.test, trafficPolicy: {portLevelSettings: [{port: {number: 443}, tls: {mode: DISABLE}}]}',
      ),
    ],
  },
  IST0130: [
    {
      found: [cart, http(`{${to}}, {match: [{uri: {prefix: /a}}], ${to}}`)],
      fine: [cart, http(`{match: [{uri: {prefix: /a}}], ${to}}, {${to}}`)],
    },
    {
      found: [
        cart,
        http(
          `{match: [{uri: {exact: /a}}], ${to}}, {match: [{name: again, uri: {exact: /a}}], ${to}}`,
        ),
      ],
      fine: [
        cart,
        http(`{match: [{uri: {exact: /a}}], ${to}}, {match: [{uri: {exact: /b}}], ${to}}`),
      ],
    },
    // A root without match hands on what its delegate takes, and no more.
    {
      found: [cart, http(`{${to}}, {${to}}`)],
      fine: [
        cart,
        http(`{delegate: {name: d}}, {${to}}`),
        rules('d', `http: [{match: [{uri: {prefix: /a}}], ${to}}]`),
      ],
    },
    {
      found: [
        cart,
        rules(
          't',
          'hosts: [cart], tcp: [{route: [{destination: {host: cart}}]}, {route: [{destination: {host: cart}}]}]',
        ),
      ],
      fine: [
        cart,
        rules(
          't',
          'hosts: [cart], tcp: [{match: [{port: 5}], route: [{destination: {host: cart}}]}, {route: [{destination: {host: cart}}]}]',
        ),
      ],
    },
  ],
  IST0131: {
    found: [
      cart,
      http(
        `{match: [{uri: {prefix: /a}}], ${to}}, {match: [{uri: {prefix: /a/b}}, {uri: {prefix: /c}}], ${to}}`,
      ),
    ],
    fine: [
      cart,
      http(
        `{match: [{uri: {prefix: /a/b}}], ${to}}, {match: [{uri: {prefix: /a}}, {uri: {prefix: /c}}], ${to}}`,
      ),
    ],
  },
  IST0132: [
    {
      found: [cart, edge, rules('v', `hosts: [b.test], gateways: [edge], http: [{${to}}]`)],
      fine: [cart, edge, rules('v', `hosts: [a.test], gateways: [edge], http: [{${to}}]`)],
    },
    {
      found: [
        cart,
        gateway('edge', plain('other/a.test')),
        rules('v', `hosts: [a.test], gateways: [edge], http: [{${to}}]`),
      ],
      fine: [
        cart,
        edge,
        rules('v', `hosts: [a.test, cart], gateways: [mesh, edge], http: [{${to}}]`),
      ],
    },
  ],
  IST0134: {
    found: [external('db', '{number: 5432, name: tcp, protocol: TCP}')],
    fine: [external('db', '{number: 5432, name: tcp, protocol: TCP}', ', addresses: [240.0.0.1]')],
  },
  IST0140: {
    found: [
      cart,
      oneSubset,
      http('{route: [{destination: {host: cart, subset: v1}}]}'),
      edge,
      rules('in', `hosts: [a.test], gateways: [edge], http: [{${to}}]`),
    ],
    fine: [
      cart,
      oneSubset,
      http(`{${to}}`),
      edge,
      rules('in', `hosts: [a.test], gateways: [edge], http: [{${to}}]`),
    ],
  },
  IST0145: [
    {
      found: [edge, gateway('two', plain('a.test'))],
      fine: [edge, gateway('two', plain('b.test'))],
    },
    {
      found: [edge, gateway('two', plain('a.test'), 'app: edge, tier: outer')],
      fine: [edge, gateway('two', plain('a.test'), 'app: inner')],
    },
    {
      found: [edge, gateway('two', plain('*'))],
      fine: [gateway('one', plain('a/x.test')), gateway('two', plain('b/x.test'))],
    },
  ],
  IST0149: {
    found: [cart, edge, claimRoute],
    fine: [cart, edge, claimRoute, tokens('app: edge')],
  },
  IST0150: {
    found: [service('{type: ExternalName, externalName: a.test, ports: [{port: 443, name: tcp}]}')],
    fine: [
      service('{type: ExternalName, externalName: a.test, ports: [{port: 443, name: https}]}'),
    ],
  },
  IST0151: {
    found: [envoy('applyTo: HTTP_FILTER, patch: {operation: INSERT_BEFORE, value: {name: x}}')],
    fine: [
      envoy(
        'applyTo: HTTP_FILTER, patch: {operation: INSERT_BEFORE, value: {name: x}}',
        'priority: 5, ',
      ),
    ],
  },
  IST0152: {
    found: [envoy('applyTo: CLUSTER, patch: {operation: REPLACE, value: {name: x}}')],
    fine: [envoy('applyTo: VIRTUAL_HOST, patch: {operation: REPLACE, value: {name: x}}')],
  },
  IST0153: {
    found: [envoy('applyTo: HTTP_ROUTE, patch: {operation: ADD, value: {name: x}}')],
    fine: [envoy('applyTo: CLUSTER, patch: {operation: ADD, value: {name: x}}')],
  },
  IST0154: {
    found: [envoy('applyTo: HTTP_ROUTE, patch: {operation: REMOVE}')],
    fine: [envoy('applyTo: CLUSTER, patch: {operation: REMOVE}')],
  },
  IST0155: {
    found: [
      envoy(
        'applyTo: HTTP_FILTER, match: {proxy: {proxyVersion: "^1.*"}}, patch: {operation: INSERT_AFTER, value: {name: x}}',
      ),
    ],
    fine: [envoy('applyTo: HTTP_FILTER, patch: {operation: INSERT_AFTER, value: {name: x}}')],
  },
  IST0159: {
    found: [cart, telemetry('one', 'version: v1'), telemetry('two', 'version: v1')],
    fine: [cart, telemetry('one', 'version: v1'), telemetry('two')],
  },
  IST0160: {
    found: [telemetry('one'), telemetry('two')],
    fine: [telemetry('one')],
  },
  IST0161: {
    found: [gateway('edge', secure), secret('certificate.pem: a')],
    fine: [gateway('edge', secure), secret('cert: a, key: b')],
  },
  IST0162: [
    {
      found: [
        edge,
        service('{selector: {app: edge}, ports: [{port: 80, targetPort: 8080, name: http}]}'),
      ],
      fine: [
        edge,
        service('{selector: {app: edge}, ports: [{port: 8000, targetPort: 80, name: http}]}'),
      ],
    },
    {
      found: [
        edge,
        service('{selector: {app: edge}, ports: [{port: 80, name: udp, protocol: UDP}]}'),
      ],
      fine: [
        edge,
        service('{selector: {app: edge}, ports: [{port: 81, targetPort: web, name: http}]}'),
      ],
    },
  ],
  IST0166: {
    found: [
      pod('app: edge, gateway.networking.k8s.io/gateway-name: edge'),
      telemetry('one', 'app: edge'),
    ],
    fine: [pod('app: edge'), telemetry('one', 'app: edge')],
  },
  IST0167: {
    found: [home('istio.io/dataplane-mode: ambient'), sidecar('one')],
    fine: [home('istio-injection: enabled'), sidecar('one')],
  },
  IST0173: {
    found: [cart, twoSubsets],
    fine: [cart, oneSubset],
  },
  IST0174: {
    found: [rule('host: nobody')],
    fine: [cart, rule('host: "*.shop.svc.cluster.local"')],
  },
  IST0177: {
    found: [
      external('a', '{number: 8443, name: http, protocol: HTTP}'),
      external('b', '{number: 8443, name: https, protocol: HTTPS}'),
    ],
    fine: [
      external('a', '{number: 8443, name: https, protocol: HTTPS}'),
      external('b', '{number: 8443, name: https, protocol: https}'),
    ],
  },
  LAT0104: {
    found: [cart, http(`{${to}, retries: {attempts: 2, retryOn: connect-failure}}`)],
    fine: [cart, http(`{${to}, retries: {attempts: 2, retryOn: "connect-failure,503"}}`)],
  },
  LAT0111: {
    found: [entries, twoSubsets, bySubset([100, 0])],
    fine: [entries, twoSubsets, bySubset([90, 10])],
  },
  LAT0112: [
    {
      found: [cart, http(`{${to}, retries: {attempts: 2, retryOn: "connect-failure,503"}}`)],
      fine: [cart, http(`{${to}, retries: {attempts: 2, retryOn: connect-failure}}`)],
    },
    {
      found: [
        cart,
        http(`{match: [{method: {exact: POST}}], ${to}, retries: {attempts: 1, retryOn: 5xx}}`),
      ],
      fine: [
        cart,
        http(`{match: [{method: {exact: GET}}], ${to}, retries: {attempts: 1, retryOn: 5xx}}`),
      ],
    },
  ],
  LAT0105: {
    found: [
      cart,
      http(`{${to}, timeout: 2s, retries: {attempts: 2, perTryTimeout: 1s, retryOn: 5xx}}`),
    ],
    fine: [
      cart,
      http(`{${to}, timeout: 3s, retries: {attempts: 2, perTryTimeout: 1s, retryOn: 5xx}}`),
    ],
  },
  LAT0106: [
    {
      found: [
        cart,
        http(`{match: [{uri: {prefix: /a}}], ${to}}, {match: [{uri: {exact: /a/b}}], ${to}}`),
      ],
      fine: [
        cart,
        http(`{match: [{uri: {prefix: /a}}], ${to}}, {match: [{uri: {exact: /b}}], ${to}}`),
      ],
    },
    {
      found: [
        cart,
        http(
          `{match: [{uri: {prefix: /a}}], ${to}}, {match: [{uri: {prefix: /a/b}, headers: {x: {exact: z}}}], ${to}}`,
        ),
      ],
      fine: [
        cart,
        http(
          `{match: [{uri: {prefix: /a}, method: {exact: GET}}], ${to}}, {match: [{uri: {prefix: /a/b}, headers: {x: {exact: z}}}], ${to}}`,
        ),
      ],
    },
  ],
  LAT0107: {
    found: [cart, twoSubsets, bySubset([90, 10])],
    fine: [cart, twoSubsets, bySubset([100, 0])],
  },
  LAT0108: {
    found: [cart, tokens('app: nobody')],
    fine: [cart, tokens('version: v1')],
  },
  LAT0120: [
    {
      found: [cart, http(`{${to}}`), attached('a', toRoute()), attached('b', toRoute())],
      fine: [
        cart,
        http(`{name: one, ${to}}`),
        attached('a', toRoute()),
        attached('b', toRoute(', sectionName: one')),
        attached('c', 'selector: {}'),
      ],
    },
    {
      found: [
        cart,
        attached('a', 'selector: {matchLabels: {version: v1}}'),
        attached('b', 'selector: {matchLabels: {version: v1}}'),
      ],
      fine: [
        cart,
        entry('shop', 'version: v2'),
        attached('a', 'selector: {matchLabels: {version: v1}}'),
        attached('b', 'selector: {matchLabels: {version: v2}}'),
        attached('c', 'selector: {}'),
      ],
    },
  ],
};

const cases = Object.entries(pairs).flatMap(([code, given]) =>
  [given].flat().map((pair, index): [string, string, Pair] => [`${code} ${index}`, code, pair]),
);

function codesIn(text: string, quote: RegExp): string[] {
  const pattern = new RegExp(`${quote.source}((?:IST|LAT)\\d{4})${quote.source}`, 'g');
  return [...text.matchAll(pattern)].map(([, code]) => code ?? '');
}

/** Codes of a row's first cell: `A`, `A, B`, or `A to B`. */
function explained(cell: string): string[] {
  const listed = codesIn(cell, /\b/);
  const [first = '', last = ''] = listed;
  if (!cell.includes(' to ')) return listed;
  const [from, upTo] = [first, last].map((code) => Number(code.slice(3)));
  return Array.from(
    { length: (upTo ?? 0) - (from ?? 0) + 1 },
    (_, index) => first.slice(0, 3) + String((from ?? 0) + index).padStart(4, '0'),
  );
}

describe('codes', () => {
  it.each(cases)(
    '%s is found where it is meant and nowhere else',
    (_name, code, { found, fine }) => {
      expect(codesOf(found)).toContain(code);
      expect(codesOf(fine)).not.toContain(code);
    },
  );

  it.each(cases)('%s says what, where and what to do', (_name, code, { found }) => {
    const finding = analysed(found).find((one) => one.code === code);
    expect(finding?.message).not.toBe('');
    expect(finding?.message.slice(0, 2)).toMatch(/^(?:[a-z0-9"]|[A-Z]{2}|[A-Z][a-z])/);
    expect(finding?.resource).toMatch(/^\w+ [\w-]+\/[\w-]+$/);
    expect(finding?.path).toMatch(/^(?:spec|metadata|data|status)\b/);
    expect(finding?.place?.file).toBe('mesh.yaml');
    expect(finding?.remedy).not.toBe('');
  });

  it('are all tried here, and explained in docs/errors.md', () => {
    const folder = new URL('.', import.meta.url);
    const sources = readdirSync(folder).filter((name) => /^(?!.*\.test).*\.ts$/.test(name));
    const emitted = new Set(
      sources.flatMap((name) => codesIn(readFileSync(new URL(name, folder), 'utf8'), /'/)),
    );
    expect([...emitted].sort()).toEqual(Object.keys(pairs).sort());
    const page = readFileSync(new URL('../../../docs/errors.md', import.meta.url), 'utf8');
    const rows = page.split('\n').flatMap((line) => explained(line.split(' | ')[0] ?? ''));
    for (const code of emitted) expect(rows).toContain(code);
  });
});

describe('suppression', () => {
  const bad = http('{route: [{destination: {host: nobody}}]}');
  const silenced = (codes: string): string =>
    bad.replace('namespace: shop', `annotations: {galley.istio.io/analyze-suppress: "${codes}"}`);

  it('silences the codes named, or all, on that resource', () => {
    expect(codesOf([bad])).toEqual(['IST0101']);
    expect(codesOf([silenced('IST0130,IST0101')])).toEqual([]);
    expect(codesOf([silenced('*')])).toEqual([]);
    expect(codesOf([silenced('IST0130')])).toEqual(['IST0101']);
  });
});
