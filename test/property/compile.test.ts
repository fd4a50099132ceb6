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
    route: host.chain((name) => fc.constant([{ destination: { host: `${name}.test` } }])),
    timeout: fc.constantFrom('1s', '0.5s'),
    retries: fc.constant({ attempts: 2, retryOn: '5xx' }),
    fault: fc.constant({ abort: { httpStatus: 418, percentage: { value: 5 } } }),
    corsPolicy: fc.constant({ allowOrigins: [{ exact: 'https://a.test' }] }),
  },
  { requiredKeys: ['route'] },
);

const anyResource = fc.oneof(
  resource(
    'VirtualService',
    fc.record({
      hosts: host.map((name) => [`${name}.test`]),
      gateways: fc.constantFrom(['mesh'], ['a/front'], ['mesh', 'b/front']),
      http: fc.array(route, { minLength: 1, maxLength: 3 }),
    }),
  ),
  resource(
    'DestinationRule',
    fc.record({
      host: host.map((name) => `${name}.test`),
      subsets: fc.constantFrom([], [{ name: 'v1', labels: { version: 'v1' } }]),
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
      endpoints: fc.constantFrom(
        [{ address: '10.0.0.1' }],
        [{ address: '10.0.0.2', labels: { version: 'v1' } }],
      ),
    }),
  ),
  resource(
    'Gateway',
    fc.record({
      selector: fc.constant({ app: 'front' }),
      servers: fc.constant([
        { port: { number: 80, name: 'http', protocol: 'HTTP' }, hosts: ['*'] },
      ]),
    }),
  ),
  resource(
    'AuthorizationPolicy',
    fc.record({
      action: fc.constantFrom('ALLOW', 'DENY', 'AUDIT'),
      rules: fc.constantFrom([{}], [{ to: [{ operation: { paths: ['/a*'] } }] }]),
    }),
  ),
  resource(
    'RequestAuthentication',
    fc.record({
      jwtRules: fc.constant([{ issuer: 'https://i.test', jwksUri: 'https://i.test/k' }]),
    }),
  ),
);

const GROUPS: Readonly<Record<string, string>> = {
  AuthorizationPolicy: 'security.istio.io/v1',
  RequestAuthentication: 'security.istio.io/v1',
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
];

const versions = (admitted: readonly AdmittedResource[]): string[] =>
  SCOPES.map((scope) => {
    const resources = admitted.map((one) => one.resource);
    const { named, endpoints } = compile({ resources, scope }, policyCompilers);
    return `${named.version} ${endpoints.version}`;
  });

describe('compile', () => {
  it('is independent of the order of the resources', () => {
    fc.assert(
      fc.property(
        fc
          .array(anyResource, { minLength: 1, maxLength: 12 })
          .chain((named) =>
            fc.tuple(
              fc.constant(admit(named)),
              fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true })),
            ),
          ),
        ([admitted, draws]) => {
          const shuffled = admitted
            .map((one) => ({ one, at: draws.next().value as number }))
            .sort((a, b) => a.at - b.at)
            .map(({ one }) => one);
          expect(versions(shuffled)).toEqual(versions(admitted));
        },
      ),
      { numRuns: 300 },
    );
  });

  it('never throws on what was admitted, and neither does analysis', () => {
    fc.assert(
      fc.property(fc.array(anyResource, { maxLength: 12 }), (named) => {
        const admitted = admit(named);
        versions(admitted);
        findings(admitted, { kinds, policyCompilers });
      }),
      { numRuns: 200 },
    );
  });
});
