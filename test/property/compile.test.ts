/** Compile gives the same bytes whatever the order of the resources, and never throws on what admission takes. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compile } from '../../src/config/compile/index.ts';
import { findings } from '../../src/config/findings.ts';
import { readConfig } from '../../src/config/pipeline.ts';
import type { AdmittedResource } from '../../src/model/config.ts';
import type { ProxyScope } from '../../src/model/snapshot.ts';
import { kinds, policyCompilers } from '../../src/presets/control.ts';

const HOSTS = ['shop', 'cart', 'pay'];
const host = fc.constantFrom(...HOSTS);
const namespace = fc.constantFrom('a', 'b', 'istio-system');
const created = fc.option(
  fc.constantFrom('2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z', '2025-06-01T00:00:00Z'),
  { nil: undefined },
);

interface Named {
  readonly kind: string;
  readonly namespace: string;
  readonly index: number;
  readonly created: string | undefined;
  readonly spec: unknown;
}

function resource(kind: string, spec: fc.Arbitrary<unknown>): fc.Arbitrary<Named> {
  return fc.record({ kind: fc.constant(kind), namespace, index: fc.nat(3), created, spec });
}

/** Who may see it; mostly everybody. */
const exportTo = fc.option(fc.constantFrom(['*'], ['.'], ['a'], ['a', 'b']), {
  nil: undefined,
  freq: 3,
});
const labels = fc.constantFrom({ app: 'shop' }, { app: 'shop', version: 'v1' }, { version: 'v2' });
const selector = fc.option(
  labels.map((matchLabels) => ({ matchLabels })),
  { nil: undefined },
);

/** On one of the kinds that are generated here, or on workloads. */
const attachedPolicy = fc
  .record({
    part: fc.constantFrom(
      { body: { maxBytes: 1 } },
      { body: { maxBytes: 2 }, headers: { request: { set: { a: '${request.id}' } } } },
      { access: { deny: [{ cidrs: ['10.0.0.0/8'] }] } },
    ),
    to: fc.oneof(
      labels.map((matchLabels) => ({ selector: { matchLabels } })),
      fc.constant({}),
      fc
        .record({
          kind: fc.constantFrom('VirtualService', 'Gateway', 'ServiceEntry'),
          name: fc.constantFrom('r0', 'r1'),
          section: fc.constantFrom({}, { sectionName: 'first' }, { sectionName: 'http' }),
        })
        .map(({ kind, name, section }) => ({
          targetRefs: [{ group: 'networking.istio.io', kind, name, ...section }],
        })),
    ),
  })
  .map(({ part, to }) => ({ ...part, ...to }));

const path = fc.constantFrom('/', '/a', '/a/b', '/b');
const match = fc.oneof(
  fc.record({ uri: fc.record({ prefix: path }) }),
  fc.record({ uri: fc.record({ exact: path }) }),
  fc.record({
    headers: fc.record({ 'x-user': fc.record({ regex: fc.constantFrom('a.*', '[bc]+') }) }),
  }),
);
const route = fc.record(
  {
    match: fc.array(match, { minLength: 1, maxLength: 2 }),
    route: host.map((name) => [
      { destination: { host: `${name}.test` }, weight: 90 },
      { destination: { host: `${name}.test`, subset: 'v1' }, weight: 10 },
    ]),
    name: fc.constantFrom('first', 'second'),
    rewrite: fc.constantFrom({ uri: '/z' }, { authority: 'z.test' }),
    mirrors: host.map((name) => [
      { destination: { host: `${name}.test` }, percentage: { value: 5 } },
    ]),
    headers: fc.constant({
      request: { set: { 'x-b': '1', 'x-a': '%REQ(x-q)%' }, remove: ['x-c'] },
    }),
    timeout: fc.constantFrom('1s', '0.5s'),
    retries: fc.constant({ attempts: 2, retryOn: '5xx' }),
    fault: fc.constant({ abort: { httpStatus: 418, percentage: { value: 5 } } }),
    corsPolicy: fc.constant({ allowOrigins: [{ exact: 'https://a.test' }] }),
  },
  { requiredKeys: ['route'] },
);

/** A root's rule; the delegate may be there or not, and may be one with hosts of its own. */
const handOver = fc.record(
  {
    match: fc.constant([{ uri: { prefix: '/a' } }]),
    delegate: fc.record({ name: fc.constantFrom('r0', 'r1', 'r2'), namespace }),
  },
  { requiredKeys: ['delegate'] },
);

const anyResource = fc.oneof(
  resource(
    'VirtualService',
    fc.record({
      hosts: fc.oneof(
        host.map((name) => [`${name}.test`]),
        fc.constantFrom(['*.test'], ['shop.test', 'cart.test'], ['shop']),
      ),
      gateways: fc.constantFrom(['mesh'], ['a/r0'], ['mesh', 'b/r1'], ['a/r0', 'a/r1']),
      exportTo,
      http: fc.array(fc.oneof({ weight: 4, arbitrary: route }, handOver), {
        minLength: 1,
        maxLength: 3,
      }),
    }),
  ),
  resource(
    'VirtualService',
    fc.record({ exportTo, http: fc.array(route, { minLength: 1, maxLength: 2 }) }),
  ),
  resource(
    'DestinationRule',
    fc.record({
      host: host.map((name) => `${name}.test`),
      exportTo,
      workloadSelector: selector,
      subsets: fc.constantFrom(
        [],
        [{ name: 'v1', labels: { version: 'v1' } }],
        [
          { name: 'v2', labels: { version: 'v2' } },
          { name: 'v1', labels: { app: 'shop' }, trafficPolicy: { tls: { mode: 'SIMPLE' } } },
        ],
      ),
      trafficPolicy: fc.constantFrom(
        {},
        { loadBalancer: { simple: 'RANDOM' } },
        { connectionPool: { tcp: { connectTimeout: '2s' } } },
      ),
    }),
  ),
  resource(
    'ServiceEntry',
    fc.record({
      hosts: host.map((name) => [`${name}.test`]),
      location: fc.constant('MESH_INTERNAL'),
      resolution: fc.constant('STATIC'),
      ports: fc.constantFrom(
        [{ number: 80, name: 'http', protocol: 'HTTP' }],
        [{ number: 81, name: 'tcp', protocol: 'TCP' }],
      ),
      exportTo,
      endpoints: fc.constantFrom(
        [{ address: '10.0.0.1' }],
        [{ address: '10.0.0.2', labels: { version: 'v1' } }],
      ),
    }),
  ),
  resource(
    'ServiceEntry',
    fc.record({
      hosts: host.map((name) => [`${name}.test`]),
      resolution: fc.constant('STATIC'),
      ports: fc.constant([{ number: 80, name: 'http', protocol: 'HTTP' }]),
      workloadSelector: labels.map((text) => ({ labels: text })),
    }),
  ),
  resource(
    'WorkloadEntry',
    fc.record({
      address: fc.constantFrom('10.0.1.1', '10.0.1.2', '10.0.1.3'),
      labels,
      weight: fc.constantFrom(1, 2),
    }),
  ),
  resource(
    'Service',
    fc.record({ selector: labels, ports: fc.constant([{ name: 'http', port: 80 }]) }),
  ),
  resource(
    'Gateway',
    fc.record({
      selector: fc.constant({ app: 'front' }),
      servers: fc.array(
        fc.constantFrom(
          { port: { number: 80, name: 'http', protocol: 'HTTP' }, hosts: ['*'] },
          {
            port: { number: 80, name: 'web', protocol: 'HTTP' },
            hosts: ['a/shop.test', './*.test'],
          },
          {
            port: { number: 80, name: 'up', protocol: 'HTTP' },
            hosts: ['cart.test'],
            tls: { httpsRedirect: true },
          },
          {
            port: { number: 443, name: 'https', protocol: 'HTTPS' },
            hosts: ['shop.test'],
            tls: { mode: 'SIMPLE', credentialName: 'c' },
          },
        ),
        { minLength: 1, maxLength: 1 },
      ),
    }),
  ),
  resource(
    'AuthorizationPolicy',
    fc.record({
      selector,
      action: fc.constantFrom('ALLOW', 'DENY', 'AUDIT'),
      rules: fc.constantFrom(
        [{}],
        [{ to: [{ operation: { paths: ['/a*'] } }] }],
        [{ when: [{ key: 'destination.ip', values: ['10.0.1.0/24'] }] }],
      ),
    }),
  ),
  resource(
    'RequestAuthentication',
    fc.record({
      selector,
      jwtRules: fc
        .constantFrom('https://i.test', 'https://j.test')
        .map((issuer) => [{ issuer, jwksUri: `${issuer}/k` }]),
    }),
  ),
);

const modeOf = fc.constantFrom('STRICT', 'PERMISSIVE', 'DISABLE', 'UNSET');
const withMesh = fc.oneof(
  { weight: 5, arbitrary: anyResource },
  {
    weight: 1,
    arbitrary: resource(
      'PeerAuthentication',
      fc.oneof(
        fc.record({ mtls: modeOf.map((mode) => ({ mode })) }),
        fc.record({
          selector: labels.map((matchLabels) => ({ matchLabels })),
          mtls: modeOf.map((mode) => ({ mode })),
          portLevelMtls: modeOf.map((mode) => ({ 80: { mode } })),
        }),
      ),
    ),
  },
  { weight: 2, arbitrary: resource('Policy', attachedPolicy) },
  {
    weight: 1,
    arbitrary: resource(
      'Sidecar',
      fc.record(
        {
          workloadSelector: labels.map((text) => ({ labels: text })),
          outboundTrafficPolicy: fc
            .constantFrom('ALLOW_ANY', 'REGISTRY_ONLY')
            .map((mode) => ({ mode })),
          egress: fc.constantFrom(
            [{ hosts: ['*/*'] }],
            [{ hosts: ['./*'] }],
            [{ hosts: ['a/shop.test', '*/*.svc.cluster.local'] }],
          ),
        },
        { requiredKeys: ['egress'] },
      ),
    ),
  },
);

const GROUPS: Readonly<Record<string, string>> = {
  AuthorizationPolicy: 'security.istio.io/v1',
  RequestAuthentication: 'security.istio.io/v1',
  PeerAuthentication: 'security.istio.io/v1',
  Service: 'v1',
  Policy: 'lateen.io/v1',
};

function admit(named: readonly Named[]): readonly AdmittedResource[] {
  const unique = new Map(
    named.map((one) => [`${one.kind}/${one.namespace}/${one.index}`, one] as const),
  );
  const documents = [...unique.values()].map((one) =>
    JSON.stringify({
      apiVersion: GROUPS[one.kind] ?? 'networking.istio.io/v1',
      kind: one.kind,
      metadata: {
        name: `r${one.index}`,
        namespace: one.namespace,
        ...(one.created === undefined ? {} : { creationTimestamp: one.created }),
      },
      spec: one.spec,
    }),
  );
  return readConfig([{ file: 'generated', text: documents.join('\n---\n') }], { kinds }).resources;
}

const SCOPES: readonly ProxyScope[] = [
  { type: 'gateway', namespace: 'a', name: 'front', labels: { app: 'front' } },
  { type: 'sidecar-outbound', namespace: 'b', name: 'client', labels: { version: 'v1' } },
  {
    type: 'sidecar-inbound',
    namespace: 'a',
    name: 'shop',
    labels: { app: 'shop' },
    service: 'shop.test',
  },
  {
    type: 'sidecar-inbound',
    namespace: 'b',
    name: 'r0',
    labels: { app: 'shop', version: 'v1' },
    service: 'r0.b.svc.cluster.local',
  },
];

const versions = (admitted: readonly AdmittedResource[]): string[] =>
  SCOPES.map((scope) => {
    const resources = admitted.map((one) => one.resource);
    const { named, endpoints, jwksUris } = compile({ resources, scope }, policyCompilers);
    return `${named.version} ${endpoints.version} ${jwksUris.join(' ')}`;
  });

/** A mesh as admission takes it, and the same in another order. */
const shuffled = fc
  .array(withMesh, { minLength: 1, maxLength: 16 })
  .map((named) => admit(named))
  .chain((admitted) =>
    fc.tuple(
      fc.constant(admitted),
      fc.shuffledSubarray([...admitted], { minLength: admitted.length }),
    ),
  );

describe('compile', () => {
  it('is independent of the order of the resources', () => {
    fc.assert(
      fc.property(shuffled, ([admitted, others]) => {
        expect(versions(others)).toEqual(versions(admitted));
      }),
      { numRuns: 500 },
    );
  });

  it('is the same again, and after the resources went over a wire', () => {
    fc.assert(
      fc.property(fc.array(withMesh, { maxLength: 12 }), (named) => {
        const admitted = admit(named);
        const received = admitted.map((one) => ({
          ...one,
          resource: JSON.parse(JSON.stringify(one.resource)) as typeof one.resource,
        }));
        expect(versions(received)).toEqual(versions(admitted));
      }),
      { numRuns: 100 },
    );
  });

  it('finds the same mistakes in any order', () => {
    const found = (admitted: readonly AdmittedResource[]): string[] =>
      findings(admitted, { kinds, policyCompilers })
        .map(({ code, resource, path }) => [code, resource, path].join(' '))
        .sort();
    fc.assert(
      fc.property(shuffled, ([admitted, others]) => {
        expect(found(others)).toEqual(found(admitted));
      }),
      { numRuns: 200 },
    );
  });

  it('is given what was generated: admission refuses little of it', () => {
    const given = fc.sample(fc.array(withMesh, { minLength: 16, maxLength: 16 }), 50);
    const unique = given.map(
      (named) => new Set(named.map((one) => `${one.kind}/${one.namespace}/${one.index}`)).size,
    );
    const taken = given.map((named) => admit(named).length);
    const sum = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0);
    expect(sum(taken) / sum(unique)).toBeGreaterThan(0.9);
  });

  it('never throws on what was admitted, and neither does analysis', () => {
    fc.assert(
      fc.property(fc.array(withMesh, { maxLength: 12 }), (named) => {
        const admitted = admit(named);
        versions(admitted);
        findings(admitted, { kinds, policyCompilers });
      }),
      { numRuns: 200 },
    );
  });
});
