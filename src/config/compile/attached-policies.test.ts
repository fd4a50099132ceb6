/** Which of several Policies holds for a request, key by key. */
import { describe, expect, it } from 'vitest';
import type { PolicyCompiler } from '../../model/policy.ts';
import type { FilterConfig, Listener, ProxyScope, Route } from '../../model/snapshot.ts';
import { kinds } from '../../presets/control.ts';
import { readConfig } from '../pipeline.ts';
import { compile } from './index.ts';

/** Shows whose part it is. */
const show = (kind: string, phase: PolicyCompiler['phase']): PolicyCompiler => ({
  kind,
  phase,
  compilePart: (_part, { policy }) => ({ kind, config: policy }),
});
const compilers = [show('headers', 'headers'), show('body', 'limit')];

const document = (api: string, kind: string, name: string, rest: string): string =>
  `apiVersion: ${api}\nkind: ${kind}\nmetadata: {name: ${name}, namespace: edge${rest}\n`;
const net = (kind: string, name: string, spec: string): string =>
  document('networking.istio.io/v1', kind, name, `}\nspec: ${spec}`);
const policy = (name: string, attached: string, metadata = ''): string =>
  document('lateen.io/v1', 'Policy', name, `${metadata}}\nspec: {body: {maxBytes: 1}${attached}}`);
const rootPolicy = (name: string, attached = ''): string =>
  policy(name, attached).replace('namespace: edge', 'namespace: istio-system');
const refs = (kind: string, name: string, section = ''): string =>
  `, targetRefs: [{group: networking.istio.io, kind: ${kind}, name: ${name}${section === '' ? '' : `, sectionName: ${section}`}}]`;
const selector = ', selector: {matchLabels: {app: front}}';

const to = 'route: [{destination: {host: shop.test}}]';
const shop = net(
  'ServiceEntry',
  'shop',
  '{hosts: [shop.test], location: MESH_INTERNAL, resolution: STATIC, ports: [{number: 80, name: http, protocol: HTTP}, {number: 81, name: side, protocol: HTTP}], endpoints: [{address: 10.0.0.1}]}',
);
const server = (host: string, name: string): string =>
  `{name: ${name}, port: {number: 80, name: http, protocol: HTTP}, hosts: [${host}]}`;
const front = net(
  'Gateway',
  'front',
  `{selector: {app: front}, servers: [${server('a.test', 'one')}]}`,
);
const rules = net(
  'VirtualService',
  'all',
  `{hosts: [a.test], gateways: [front], http: [{name: first, match: [{uri: {exact: /1}}], ${to}}, {name: second, ${to}}]}`,
);

const gatewayScope: ProxyScope = {
  type: 'gateway',
  namespace: 'edge',
  name: 'front',
  labels: { app: 'front' },
};

function listenersOf(documents: readonly string[], scope = gatewayScope): readonly Listener[] {
  const text = documents.join('---\n');
  const { resources, diagnostics } = readConfig([{ file: 'a.yaml', text }], { kinds });
  expect(diagnostics.filter(({ level }) => level === 'error')).toEqual([]);
  const input = { resources: resources.map(({ resource }) => resource), scope };
  return compile(input, compilers).named.snapshot.listeners;
}

/** Whose `kind` holds for a route of a listener. */
function holder(listener: Listener | undefined, route: Route | undefined, kind = 'body'): unknown {
  const of = (filters: readonly FilterConfig[] = []): unknown =>
    filters.find((filter) => filter.kind === kind)?.config;
  return of(route?.filters) ?? of(listener?.filters);
}

const routesOf = (listener: Listener | undefined): readonly Route[] =>
  listener?.virtualHosts.flatMap(({ routes }) => routes) ?? [];

describe('of several Policies', () => {
  const levels: readonly (readonly [name: string, text: string])[] = [
    ['istio-system/mesh', rootPolicy('mesh')],
    ['istio-system/mesh-selected', rootPolicy('mesh-selected', selector)],
    ['edge/namespace', policy('namespace', '')],
    ['edge/workload', policy('workload', selector)],
    ['edge/gateway', policy('gateway', refs('Gateway', 'front'))],
    ['edge/server', policy('server', refs('Gateway', 'front', 'one'))],
    ['edge/route', policy('route', refs('VirtualService', 'all'))],
    ['edge/rule', policy('rule', refs('VirtualService', 'all', 'first'))],
  ];

  it.each(levels.map(([name], index) => [name, index] as const))(
    '%s holds where nothing more specific is attached',
    (name, index) => {
      const given = levels.slice(0, index + 1).map(([, text]) => text);
      // Whatever is applied first.
      for (const order of [given, [...given].reverse()]) {
        const [listener] = listenersOf([shop, front, rules, ...order]);
        expect(holder(listener, routesOf(listener)[0])).toBe(name);
      }
    },
  );

  it('each key has its own holder, and a rule is reached by its own name alone', () => {
    const heads = policy('heads', refs('VirtualService', 'all', 'second')).replace(
      'body: {maxBytes: 1}',
      'headers: {response: {remove: [server]}}',
    );
    const [listener] = listenersOf([shop, front, rules, policy('namespace', ''), heads]);
    const [first, second] = routesOf(listener);
    expect([holder(listener, first), holder(listener, first, 'headers')]).toEqual([
      'edge/namespace',
      undefined,
    ]);
    expect([holder(listener, second), holder(listener, second, 'headers')]).toEqual([
      'edge/namespace',
      'edge/heads',
    ]);
  });

  it('the oldest holds, then the first by name', () => {
    const at = (time: string): string => `, creationTimestamp: "2026-01-0${time}T00:00:00Z"`;
    const [listener] = listenersOf([
      shop,
      front,
      rules,
      policy('a', '', at('2')),
      policy('z', '', at('1')),
    ]);
    expect(holder(listener, undefined)).toBe('edge/z');
    const [same] = listenersOf([shop, front, rules, policy('b', ''), policy('a', '')]);
    expect(holder(same, undefined)).toBe('edge/a');
  });

  it('another namespace, other labels and other targets are no concern of theirs', () => {
    const elsewhere = policy('other', '').replace('namespace: edge', 'namespace: other');
    const [listener] = listenersOf([
      shop,
      front,
      rules,
      elsewhere,
      policy('labels', ', selector: {matchLabels: {app: cart}}'),
      policy('target', refs('Gateway', 'back')),
      policy('section', refs('VirtualService', 'all', 'third')),
    ]);
    for (const route of [undefined, ...routesOf(listener)])
      expect(holder(listener, route)).toBeUndefined();
  });
});

describe('a Policy on a Gateway', () => {
  it('holds for the whole listener where no other Gateway shares it', () => {
    const [listener] = listenersOf([shop, front, rules, policy('p', refs('Gateway', 'front'))]);
    expect(listener?.filters).toEqual([{ kind: 'body', config: 'edge/p', yields: true }]);
    expect(routesOf(listener).every(({ filters }) => filters.length === 0)).toBe(true);
  });

  it('holds for its own routes alone where one does', () => {
    const back = net(
      'Gateway',
      'back',
      `{selector: {app: front}, servers: [${server('b.test', 'two')}]}`,
    );
    const other = net(
      'VirtualService',
      'b',
      `{hosts: [b.test], gateways: [back], http: [{${to}}]}`,
    );
    const [listener] = listenersOf([
      shop,
      front,
      back,
      rules,
      other,
      policy('namespace', ''),
      policy('p', refs('Gateway', 'front')),
    ]);
    const byHost = Object.fromEntries(
      listener?.virtualHosts.map(({ domains, routes }) => [
        domains[0],
        holder(listener, routes[0]),
      ]) ?? [],
    );
    expect(byHost).toEqual({ 'a.test': 'edge/p', 'b.test': 'edge/namespace' });
  });
});

describe('a Policy on a service', () => {
  it('holds before its workloads, of a port for that port, and where no port is declared', () => {
    const scope: ProxyScope = {
      type: 'sidecar-inbound',
      namespace: 'edge',
      name: 'shop-1',
      labels: {},
      service: 'shop.test',
    };
    const listeners = listenersOf(
      [
        shop,
        policy('all', refs('ServiceEntry', 'shop')),
        policy('side', refs('ServiceEntry', 'shop', 'side')),
      ],
      scope,
    );
    expect(listeners.map((listener) => [listener.port, holder(listener, undefined)])).toEqual([
      [80, 'edge/all'],
      [81, 'edge/side'],
      [0, 'edge/all'],
    ]);
  });
});

describe('a Policy on a VirtualService', () => {
  const root = net(
    'VirtualService',
    'all',
    '{hosts: [a.test], gateways: [front], http: [{name: first, delegate: {name: inner}}]}',
  );
  const inner = net('VirtualService', 'inner', `{http: [{name: deep, ${to}}]}`);

  it.each([
    ['the root', [refs('VirtualService', 'all')], 'edge/p0'],
    [
      'the delegate, before the root',
      [refs('VirtualService', 'all', 'first'), refs('VirtualService', 'inner')],
      'edge/p1',
    ],
    [
      'the rule of the delegate',
      [refs('VirtualService', 'inner'), refs('VirtualService', 'inner', 'deep')],
      'edge/p1',
    ],
  ])('reaches delegated rules by %s', (_name, targets, expected) => {
    const policies = targets.map((target, index) => policy(`p${index}`, target));
    const [listener] = listenersOf([shop, front, root, inner, ...policies]);
    expect(holder(listener, routesOf(listener)[0])).toBe(expected);
  });

  it('holds for callers in the mesh too', () => {
    const scope: ProxyScope = {
      type: 'sidecar-outbound',
      namespace: 'other',
      name: 'c',
      labels: {},
    };
    const mesh = net('VirtualService', 'all', `{hosts: [shop.test], http: [{${to}}]}`);
    const listeners = listenersOf([shop, mesh, policy('p', refs('VirtualService', 'all'))], scope);
    const [listener] = listeners.filter(({ port }) => port === 80);
    expect(holder(listener, routesOf(listener)[0])).toBe('edge/p');
  });
});

describe('a Policy in the Gateway API', () => {
  const api = (kind: string, name: string, spec: string): string =>
    document('gateway.networking.k8s.io/v1', kind, name, `}\nspec: ${spec}`);
  const apiRefs = (kind: string, name: string, section = ''): string =>
    refs(kind, name, section).replace('networking.istio.io', 'gateway.networking.k8s.io');
  const listening = (name: string, host: string): string =>
    `{name: ${name}, port: 80, protocol: HTTP, hostname: ${host}}`;
  const service =
    'apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: edge}\nspec: {ports: [{port: 80, name: http}]}\n';
  const web = api(
    'Gateway',
    'web',
    `{gatewayClassName: lateen, listeners: [${listening('one', 'a.test')}, ${listening('two', 'b.test')}]}`,
  );
  const backend = 'backendRefs: [{name: web, port: 80}]';
  const route = api(
    'HTTPRoute',
    'r',
    `{parentRefs: [{name: web}], rules: [{name: deep, matches: [{path: {value: /deep}}], ${backend}}, {${backend}}]}`,
  );
  const scope: ProxyScope = { ...gatewayScope, name: 'web', labels: {} };
  const heldBy = (...policies: readonly string[]): Record<string, unknown[]> => {
    const [listener] = listenersOf([service, web, route, ...policies], scope);
    return Object.fromEntries(
      listener?.virtualHosts.map(({ domains, routes }) => [
        domains[0],
        routes.map((one) => holder(listener, one)),
      ]) ?? [],
    );
  };

  it('holds for the Gateway, one of its listeners, a route and one of its rules', () => {
    const gateway = policy('gateway', apiRefs('Gateway', 'web'));
    const one = policy('one', apiRefs('Gateway', 'web', 'one'));
    const routed = policy('route', apiRefs('HTTPRoute', 'r'));
    const rule = policy('rule', apiRefs('HTTPRoute', 'r', 'deep'));
    const both = (first: unknown, second: unknown): unknown[] => [first, second];
    expect(heldBy(gateway)).toEqual({
      'a.test': both('edge/gateway', 'edge/gateway'),
      'b.test': both('edge/gateway', 'edge/gateway'),
    });
    expect(heldBy(gateway, one)).toEqual({
      'a.test': both('edge/one', 'edge/one'),
      'b.test': both('edge/gateway', 'edge/gateway'),
    });
    expect(heldBy(gateway, one, rule)).toEqual({
      'a.test': both('edge/rule', 'edge/one'),
      'b.test': both('edge/rule', 'edge/gateway'),
    });
    expect(heldBy(gateway, one, routed, rule)).toEqual({
      'a.test': both('edge/rule', 'edge/route'),
      'b.test': both('edge/rule', 'edge/route'),
    });
  });

  it('is of the other Gateway where both have the name', () => {
    expect(heldBy(policy('istio', refs('Gateway', 'web')))['a.test']).toEqual([
      undefined,
      undefined,
    ]);
  });
});
