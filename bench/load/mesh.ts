/** What Lateen is configured by for each kind of work, through the same config path as everybody's. */
import { readFileSync } from 'node:fs';
import { compile } from '../../src/config/compile/index.ts';
import { readConfig } from '../../src/config/pipeline.ts';
import type { CompileResult } from '../../src/model/config.ts';
import type { NamedSnapshot, ProxyScope } from '../../src/model/snapshot.ts';
import type { TrustSettings } from '../../src/model/trust.ts';
import { kinds, policyCompilers } from '../../src/presets/control.ts';
import type { Configuration } from '../../node-adapter/index.ts';
import { deliveryOf } from '../../test/fixtures/delivery.ts';
import type { Delivery } from '../../test/fixtures/delivery.ts';
import { HOSTS, ISSUER, ORIGIN, SERVICE } from './contract.ts';
import type { Place, Scene } from './contract.ts';

export const scope: ProxyScope = {
  type: 'gateway',
  namespace: 'default',
  name: 'front',
  labels: { app: 'front' },
};

const FILTERS_OF_ROUTE = `corsPolicy: {allowOrigins: [{exact: "https://other.example.com"}, {exact: "${ORIGIN}"}], allowMethods: [GET], allowCredentials: true}, headers: {request: {set: {x-route: gold, x-client: "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"}, add: {x-via: lateen}, remove: [x-debug]}, response: {set: {x-served-by: lateen}, add: {x-kind: item}, remove: [x-internal]}}`;

function virtualService(name: string, host: string, http: string): string {
  return `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ${name}}
spec: {hosts: ["${host}"], gateways: [front], ${http}}`;
}

function rulesOf(scene: Scene, mark: string): readonly string[] {
  const route = `route: [{destination: {host: ${SERVICE}}}]`;
  if (scene.work === 'tcp') return [virtualService('all', '*', `tcp: [{${route}}]`)];
  if (scene.work !== 'filters' && scene.work !== 'routes')
    return [virtualService('all', '*', `http: [{${route}}]`)];
  const each = scene.work === 'filters' ? `, ${FILTERS_OF_ROUTE}` : '';
  const marked = mark === '' ? each : `, headers: {request: {set: {x-mark: "${mark}"}}}`;
  return Array.from({ length: HOSTS }, (_, host) => {
    const routes = Array.from(
      { length: scene.routes / HOSTS },
      (_unused, index) => `{match: [{uri: {prefix: /v1/item${index}/}}], ${route}${marked}}`,
    );
    return virtualService(`h${host}`, `h${host}.example.com`, `http: [${routes.join(', ')}]`);
  });
}

function policies(jwks: string): readonly string[] {
  return [
    `apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: people}
spec: {jwtRules: [{issuer: "${ISSUER}", jwks: '${jwks}', forwardOriginalToken: true}]}`,
    `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: open}
spec: {action: ALLOW, rules: [{from: [{source: {requestPrincipals: ["${ISSUER}/*"]}}], to: [{operation: {paths: ["/v1/*"], methods: [GET, HEAD]}}], when: [{key: "request.auth.claims[groups]", values: [shoppers]}]}]}`,
    `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: closed}
spec: {action: DENY, rules: [{to: [{operation: {paths: ["/internal/*"], methods: [TRACE]}}]}]}`,
  ];
}

/** Who may call, by what mutual TLS proved. */
const IDENTITIES: readonly string[] = [
  `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: callers}
spec: {action: ALLOW, rules: [{from: [{source: {principals: ["cluster.local/ns/default/sa/*"]}}], to: [{operation: {methods: [GET, HEAD]}}]}]}`,
  `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: strangers}
spec: {action: DENY, rules: [{from: [{source: {notNamespaces: [default]}}]}, {to: [{operation: {paths: ["/internal/*"]}}]}]}`,
];

/** As a mesh of some age has it: some of what was certified holds no more. */
function trustOf({ credentials }: Place): TrustSettings {
  const root = readFileSync(credentials.authority, 'utf8');
  const serials = Array.from({ length: 100 }, (_, index) => (0xabcdef + index).toString(16));
  return {
    roots: { 'cluster.local': [root] },
    tokenKeys: {},
    denied: { serials, identities: ['cluster.local/ns/default/sa/gone'] },
  };
}

/** As files of a gateway whose port is the place's. `mark` makes another configuration of the same size. */
export function meshText(scene: Scene, place: Place, mark = ''): string {
  const { port, upstream, credentials } = place;
  const http = scene.isHttp2 === true ? 'HTTP2' : 'HTTP';
  const protocol = scene.work === 'tcp' ? 'TCP' : http;
  const tls = ', tls: {mode: ISTIO_MUTUAL, minProtocolVersion: TLSV1_3}';
  const isSecure = scene.work === 'tls';
  return [
    `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: shop}
spec: {hosts: [${SERVICE}], location: MESH_INTERNAL, resolution: STATIC, ports: [{number: 80, targetPort: ${upstream}, name: main, protocol: ${protocol}}], endpoints: [{address: 127.0.0.1}]}`,
    `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: front}
spec: {selector: {app: front}, servers: [{port: {number: ${port}, name: main, protocol: ${isSecure ? 'HTTPS' : protocol}}, hosts: ["*"]${isSecure ? tls : ''}}]}`,
    ...rulesOf(scene, mark),
    ...(scene.work === 'filters' ? policies(credentials.jwks) : []),
    ...(isSecure ? IDENTITIES : []),
  ].join('\n---\n');
}

/** No kind configures a local rate limit yet: it is put in by hand, and bench/limit.ts is what enforces it. */
function withLimit(named: NamedSnapshot): NamedSnapshot {
  const limit = { kind: 'bench-limit', config: { size: 1e9, perSecond: 1e9 } };
  const listeners = named.snapshot.listeners.map((listener) => ({
    ...listener,
    filters: [...listener.filters, limit],
  }));
  return { ...named, snapshot: { ...named.snapshot, listeners } };
}

function compiledOf(scene: Scene, place: Place, mark: string): CompileResult {
  const text = meshText(scene, place, mark);
  const { resources, diagnostics } = readConfig([{ file: 'bench', text }], { kinds });
  const fault = diagnostics.find(({ level }) => level === 'error');
  if (fault !== undefined) throw new Error(fault.message);
  const own = resources.map(({ resource }) => resource);
  const trust = scene.work === 'tls' ? trustOf(place) : undefined;
  return compile({ resources: own, scope, trust }, policyCompilers);
}

/** As a control plane sends it. */
export function deliveredBy(scene: Scene, place: Place, mark: string): Delivery {
  return deliveryOf(compiledOf(scene, place, mark), {});
}

export function configurationOf(scene: Scene, place: Place, mark = ''): Configuration {
  const compiled = compiledOf(scene, place, mark);
  return {
    named: scene.work === 'filters' ? withLimit(compiled.named) : compiled.named,
    endpoints: compiled.endpoints,
    keys: { version: 'none', sets: {} },
  };
}
