import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import type { Resource } from '../model/api.ts';
import type { Fault, ResourceKind } from '../model/config.ts';
import { coreKinds, istioKinds } from './index.ts';

const kinds = new Map([...istioKinds, ...coreKinds].map((kind) => [kind.kind, kind]));

function kindOf(name: string): ResourceKind {
  const kind = kinds.get(name);
  if (kind === undefined) throw new Error(`no kind ${name}`);
  return kind;
}

function resourceOf(name: string, spec: string): { kind: ResourceKind; resource: Resource } {
  const kind = kindOf(name);
  const { group, versions } = kind;
  const metadata = { name: 'one', namespace: 'shop' };
  const resource = {
    group,
    version: versions[0] ?? '',
    kind: name,
    metadata,
    spec: parse(spec, { version: '1.1' }),
  };
  return { kind, resource };
}

/** Faults of schema, else of the semantic checks, as admission asks for them. */
function faultsOf(name: string, spec: string): readonly Fault[] {
  const { kind, resource } = resourceOf(name, spec);
  const { metadata } = resource;
  const schema = kind.check({ apiVersion: 'x', kind: name, metadata, spec: resource.spec });
  return schema.length > 0 ? schema : (kind.validate?.(resource) ?? []);
}

function suite(
  name: string,
  admitted: readonly string[],
  refused: readonly (readonly [spec: string, path: string, words: string])[],
): void {
  describe(name, () => {
    it.each(admitted)('admits %s', (spec) => {
      expect(faultsOf(name, spec).filter(({ level }) => level === 'error')).toEqual([]);
    });
    it.each(refused)('refuses %s', (spec, path, words) => {
      const found = faultsOf(name, spec);
      const message = found.find((fault) => fault.path === path)?.message ?? JSON.stringify(found);
      expect(found.map((fault) => fault.path)).toContain(path);
      expect(message).toContain(words);
    });
  });
}

const to = 'route: [{destination: {host: cart}}]';

suite(
  'VirtualService',
  [
    `{hosts: ["*.shop.test", cart], http: [{${to}}]}`,
    `{http: [{${to}}]}`,
    '{hosts: [a.test], http: [{redirect: {authority: b.test, redirectCode: 308}}]}',
    '{hosts: [a.test], http: [{directResponse: {status: 204}}]}',
    '{hosts: [a.test], http: [{delegate: {name: part, namespace: team}}]}',
    `{hosts: [a.test], http: [{match: [{headers: {x-a: {}}, uri: {regex: "/v[0-9]+"}}], ${to}}]}`,
    `{hosts: ["*.bank.test"], tls: [{match: [{sniHosts: [pay.bank.test], port: 443}], ${to}}]}`,
    `{hosts: [db.test], tcp: [{match: [{destinationSubnets: [10.0.0.0/8]}], ${to}}]}`,
  ],
  [
    [`{hosts: ["*"], http: [{${to}}]}`, 'spec.hosts[0]', 'wildcard'],
    [`{hosts: [a.test, "*.test"], http: [{${to}}]}`, 'spec.hosts', 'overlap'],
    ['{hosts: [a.test]}', 'spec', 'no rule'],
    ['{hosts: [a.test], http: [{}]}', 'spec.http[0]', 'needs route'],
    [`{hosts: [a.test], http: [{${to}, timeout: 0s}]}`, 'spec.http[0].timeout', 'too short'],
    [`{hosts: [a.test], http: [{${to}, timeout: fast}]}`, 'spec.http[0].timeout', 'no duration'],
    [`{hosts: [a.test], http: [{${to}, timeuot: 1s}]}`, 'spec.http[0].timeuot', '"timeout"'],
    [
      `{hosts: [a.test], http: [{match: [{uri: {regex: "(?=a)"}}], ${to}}]}`,
      'spec.http[0].match[0].uri',
      'RE2',
    ],
    [
      `{hosts: [a.test], http: [{match: [{uri: {exact: /, prefix: /}}], ${to}}]}`,
      'spec.http[0].match[0].uri',
      'exact and prefix',
    ],
    [
      '{hosts: [a.test], http: [{route: [{destination: {host: cart}, weight: -1}]}]}',
      'spec.http[0].route[0].weight',
      'negative',
    ],
    [
      `{hosts: [a.test], http: [{${to}, retries: {attempts: 2, retryOn: "5xx, reset"}}]}`,
      'spec.http[0].retries.retryOn',
      'spaces',
    ],
    [
      '{hosts: [a.test], http: [{redirect: {uri: /, redirectCode: 304}}]}',
      'spec.http[0].redirect.redirectCode',
      '304',
    ],
    [
      `{hosts: [a.test], http: [{${to}, fault: {abort: {httpStatus: 99}}}]}`,
      'spec.http[0].fault.abort.httpStatus',
      '99',
    ],
    [
      `{hosts: [a.test], tls: [{match: [{sniHosts: [b.test]}], ${to}}]}`,
      'spec.tls[0].match[0].sniHosts[0]',
      'b.test',
    ],
    [
      `{hosts: [a.test], tls: [{match: [{sniHosts: []}], ${to}}]}`,
      'spec.tls[0].match[0].sniHosts',
      'at least one',
    ],
    [
      `{hosts: [a.test], tcp: [{match: [{destinationSubnets: [10.0.0.0/33]}], ${to}}]}`,
      'spec.tcp[0].match[0].destinationSubnets[0]',
      'CIDR',
    ],
    [
      '{hosts: [a.test], tcp: [{route: [{destination: {host: "*.db"}}]}]}',
      'spec.tcp[0].route[0].destination.host',
      'wildcard',
    ],
  ],
);

suite(
  'DestinationRule',
  [
    '{host: cart, subsets: [{name: v1, labels: {version: v1}}]}',
    '{host: "*.test", trafficPolicy: {loadBalancer: {simple: RANDOM}}}',
    '{host: cart, trafficPolicy: {connectionPool: {tcp: {connectTimeout: 250ms}}}}',
    '{host: cart, trafficPolicy: {loadBalancer: {consistentHash: {maglev: {tableSize: 131}, useSourceIp: true}}}}',
  ],
  [
    ['{host: ""}', 'spec.host', 'empty'],
    ['{host: cart, trafficPolicy: {}}', 'spec.trafficPolicy', 'empty'],
    ['{host: cart, subsets: [{name: v_1}]}', 'spec.subsets[0].name', 'v_1'],
    ['{host: cart, subsets: [{name: a}, {name: a}]}', 'spec.subsets[1].name', 'twice'],
    ['{host: cart, subsets: [{name: a, labels: {b: yes}}]}', 'spec.subsets[0].labels.b', 'true'],
    [
      '{host: cart, trafficPolicy: {loadBalancer: {simple: FASTEST}}}',
      'spec.trafficPolicy.loadBalancer.simple',
      'ROUND_ROBIN',
    ],
    [
      '{host: cart, trafficPolicy: {tls: {mode: MUTUAL}}}',
      'spec.trafficPolicy.tls.privateKey',
      'private key',
    ],
    [
      '{host: cart, trafficPolicy: {loadBalancer: {consistentHash: {maglev: {tableSize: 132}}}}}',
      'spec.trafficPolicy.loadBalancer.consistentHash.maglev.tableSize',
      'prime',
    ],
  ],
);

suite(
  'Gateway',
  [
    '{servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"], tls: {httpsRedirect: true}}]}',
    '{servers: [{port: {number: 443, name: https, protocol: HTTPS}, hosts: [shop/a.test], tls: {mode: SIMPLE, credentialName: c}}]}',
  ],
  [
    ['{selector: {a: b}}', 'spec.servers', 'at least one'],
    [
      '{servers: [{port: {number: 443, name: s, protocol: HTTPS}, hosts: [a.test]}]}',
      'spec.servers[0].tls',
      'needs TLS',
    ],
    [
      '{servers: [{port: {number: 443, name: s, protocol: HTTPS}, hosts: [a.test], tls: {mode: SIMPLE}}]}',
      'spec.servers[0].tls',
      'certificate',
    ],
    [
      '{servers: [{port: {number: 80, name: h, protocol: HTTP}, hosts: [shop]}]}',
      'spec.servers[0].hosts[0]',
      'short names',
    ],
  ],
);

suite(
  'ServiceEntry',
  [
    '{hosts: [api.test], ports: [{number: 443, name: tls, protocol: TLS}], resolution: DNS}',
    '{hosts: [a.test], resolution: STATIC, endpoints: [{address: 10.0.0.1}]}',
  ],
  [
    ['{hosts: ["*"]}', 'spec.hosts[0]', 'not allowed'],
    ['{hosts: [a.test], endpoints: [{address: 10.0.0.1}]}', 'spec.endpoints', 'resolution'],
    ['{hosts: ["*.a.test"], resolution: DNS}', 'spec.hosts', 'wildcard'],
    [
      '{hosts: [a.test], resolution: STATIC, endpoints: [{address: b.test}]}',
      'spec.endpoints[0].address',
      'IP address',
    ],
    [
      '{hosts: [a.test], ports: [{number: 80, name: a}, {number: 80, name: b}]}',
      'spec.ports',
      'twice',
    ],
  ],
);

suite(
  'WorkloadEntry',
  ['{address: 10.0.0.9, labels: {app: cart}, ports: {http: 8080}}', '{address: "unix:///run/a"}'],
  [
    ['{labels: {app: cart}}', 'spec.address', 'empty'],
    ['{address: 10.0.0.9, ports: {http: 70000}}', 'spec.ports', '70000'],
    ['{address: "unix:///run/a", ports: {http: 80}}', 'spec.ports', 'no ports'],
  ],
);

suite(
  'RequestAuthentication',
  ['{jwtRules: [{issuer: https://id.test, jwksUri: "https://id.test/keys"}]}'],
  [
    ['{jwtRules: [{issuer: a, jwksUri: "ftp://id.test"}]}', 'spec.jwtRules[0].jwksUri', 'scheme'],
    ['{jwtRules: [{issuer: a, jwks: "{}"}]}', 'spec.jwtRules[0].jwks', 'Key Set'],
    [
      '{jwtRules: [{issuer: a, fromHeaders: [{prefix: x}]}]}',
      'spec.jwtRules[0].fromHeaders[0].name',
      'empty',
    ],
  ],
);

suite(
  'AuthorizationPolicy',
  ['{}', '{action: DENY, rules: [{to: [{operation: {paths: ["/admin/{**}"]}}]}]}'],
  [
    ['{action: DENY}', 'spec.rules', 'never match'],
    ['{rules: [{from: [{source: {}}]}]}', 'spec.rules[0].from[0].source', 'empty'],
    [
      '{rules: [{when: [{key: request.path, values: [a]}]}]}',
      'spec.rules[0].when[0].key',
      'not known',
    ],
    ['{action: CUSTOM, rules: [{}]}', 'spec.provider', 'needs a provider'],
    [
      '{rules: [{from: [{source: {ipBlocks: [10.0.0.0/40]}}]}]}',
      'spec.rules[0].from[0].source.ipBlocks[0]',
      'CIDR',
    ],
  ],
);

suite(
  'Service',
  ['{selector: {app: cart}, ports: [{port: 80, targetPort: http, name: http}]}'],
  [
    ['{selctor: {app: cart}}', 'spec.selctor', '"selector"'],
    ['{ports: [{port: 80}, {port: 81}]}', 'spec.ports[1].name', 'several'],
    ['{ports: [{port: 80, protocol: HTTP}]}', 'spec.ports[0].protocol', 'TCP'],
    ['{type: ExternalName}', 'spec.externalName', 'needs'],
  ],
);

describe('TLS of a server', () => {
  it('says what is left out, and what lets nobody in', () => {
    const tls =
      '{mode: SIMPLE, credentialName: c, minProtocolVersion: TLSV1_3, maxProtocolVersion: TLSV1_2, cipherSuites: [AES128-SHA, X, AES128-SHA], verifyCertificateSpki: [x], verifyCertificateHash: [hash]}';
    const faults = faultsOf(
      'Gateway',
      `{servers: [{port: {number: 443, name: a, protocol: HTTPS}, hosts: ["*"], tls: ${tls}}]}`,
    );
    expect(
      faults.map(({ level, path }) => `${level} ${path.slice('spec.servers[0].tls.'.length)}`),
    ).toEqual([
      'warning cipherSuites',
      'warning cipherSuites',
      'warning maxProtocolVersion',
      'warning verifyCertificateSpki[0]',
      'warning verifyCertificateHash[0]',
    ]);
  });
});

describe('mesh settings', () => {
  const check = (mesh: string) => {
    const kind = kindOf('ConfigMap');
    const metadata = { name: 'istio', namespace: 'istio-system' };
    return kind.validate?.({
      group: '',
      version: 'v1',
      kind: 'ConfigMap',
      metadata,
      spec: {},
      data: { mesh },
    });
  };

  it('takes what this version reads', () => {
    expect(check('trustDomain: a.test\npathNormalization: {normalization: BASE}\n')).toEqual([]);
  });

  it.each([
    ['pathNormalization: {normalization: MERGE}', 'error', 'MERGE_SLASHES'],
    ['trustDomain: yes', 'error', 'trustDomain'],
    ['connectTimeout: soon', 'error', 'no duration'],
    ['[a', 'error', 'no YAML'],
    ['defaultConfig: {gatewayTopology: {numTrustedProxies: -1}}', 'error', 'numTrustedProxies'],
    ['extensionProviders: [{name: a}, {name: a}]', 'error', 'twice'],
    ['enablePrometheusMerge: true', 'info', 'no effect'],
  ])('has a finding on %s', (mesh, level, words) => {
    const found = check(mesh)?.[0];
    expect(found).toMatchObject({ level, path: 'data.mesh' });
    expect(found?.message).toContain(words);
  });
});

describe('fields whose enforcement comes later', () => {
  const paths = (name: string, spec: string) => {
    const { kind, resource } = resourceOf(name, spec);
    return (kind.notEnforced?.(resource) ?? []).map(({ path }) => path);
  };

  it('are named by path', () => {
    expect(
      paths(
        'DestinationRule',
        '{host: a, trafficPolicy: {outlierDetection: {interval: 1s}, loadBalancer: {consistentHash: {useSourceIp: true}}}, subsets: [{name: b, trafficPolicy: {retryBudget: {}}}]}',
      ),
    ).toEqual([
      'spec.trafficPolicy.outlierDetection',
      'spec.trafficPolicy.loadBalancer.consistentHash',
      'spec.subsets[0].trafficPolicy.retryBudget',
    ]);
    expect(paths('VirtualService', '{hosts: [a], tcp: [{}]}')).toEqual(['spec.tcp']);
    expect(
      paths(
        'Gateway',
        '{servers: [{port: {number: 1, name: a, protocol: TCP}, hosts: []}, {port: {number: 80, name: b, protocol: HTTP}, hosts: []}]}',
      ),
    ).toEqual(['spec.servers[0].port.protocol']);
    expect(paths('AuthorizationPolicy', '{action: CUSTOM}')).toEqual([]);
    expect(paths('AuthorizationPolicy', '{action: DENY}')).toEqual([]);
  });

  it('say who enforces them, where somebody does', () => {
    const only = (name: string, spec: string) => {
      const { kind, resource } = resourceOf(name, spec);
      return (kind.notEnforced?.(resource) ?? []).map((one) => one.only);
    };
    expect(only('VirtualService', '{hosts: [a], tls: [{}]}')).toEqual(['node']);
    expect(
      only('DestinationRule', '{host: a, trafficPolicy: {connectionPool: {tcp: {}}, tunnel: {}}}'),
    ).toEqual(['node', undefined]);
    const http =
      '{useClientProtocol: true, http2KeepAlive: {interval: 9s, timeout: 3s}, maxRetries: 1}';
    expect(
      only('DestinationRule', `{host: a, trafficPolicy: {connectionPool: {http: ${http}}}}`),
    ).toEqual(['node']);
    expect(only('PeerAuthentication', '{mtls: {mode: DISABLE}}')).toEqual(['node']);
    // A gateway worker wants another proof.
    expect(only('PeerAuthentication', '{mtls: {mode: STRICT}}')).toEqual([]);
  });
});
