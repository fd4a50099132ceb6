/**
 * npm run bench: the engine without sockets, and compile. Medians of rounds, in one process, ratios beside them.
 * Heads are header lists here; a driver's own head costs on top.
 */
import { createFakeHost } from '../src/host/fake-host.ts';
import { compile } from '../src/config/compile/index.ts';
import { readConfig } from '../src/config/pipeline.ts';
import { RequestHeaderList, ResponseHeaderList } from '../src/lib/header-list.ts';
import { kinds, policyCompilers } from '../src/presets/control.ts';
import { filters } from '../src/presets/node.ts';
import { createEngine, link } from '../src/proxy/index.ts';
import type { LinkedSnapshot } from '../src/proxy/index.ts';

const ROUNDS = 15;
const PER_ROUND = 4000;
const HOSTS = 10;

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

/** `count` routes over ten hosts: prefixes, every third with a header condition, and RBAC in front. */
function meshOf(count: number): string {
  const service =
    'apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: shop}\nspec: {hosts: [shop.default.svc.cluster.local], location: MESH_INTERNAL, resolution: STATIC, ports: [{number: 80, name: http, protocol: HTTP}], endpoints: [{address: 127.0.0.1}, {address: 127.0.0.2}]}';
  const gateway =
    'apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: front}\nspec: {selector: {app: front}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]}';
  const policy =
    'apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: closed}\nspec: {action: DENY, rules: [{to: [{operation: {paths: ["/internal/*"], methods: [TRACE]}}]}]}';
  const rules = Array.from({ length: HOSTS }, (_, host) => {
    const routes = Array.from({ length: count / HOSTS }, (_unused, index) => {
      const header = index % 3 === 0 ? ', headers: {x-tier: {exact: gold}}' : '';
      return `{match: [{uri: {prefix: /v1/item${index}/}${header}}], route: [{destination: {host: shop}}], headers: {request: {set: {x-route: "${index}"}}}}`;
    });
    return `apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: rules-${host}}\nspec: {hosts: [h${host}.example.com], gateways: [front], http: [${routes.join(', ')}]}`;
  });
  return [service, gateway, policy, ...rules].join('\n---\n');
}

function linkMesh(count: number): LinkedSnapshot {
  const { resources } = readConfig([{ file: 'bench', text: meshOf(count) }], { kinds });
  const scope = {
    type: 'gateway',
    namespace: 'default',
    name: 'front',
    labels: { app: 'front' },
  } as const;
  const compiled = compile(
    { resources: resources.map(({ resource }) => resource), scope },
    policyCompilers,
  );
  return link(
    compiled.named,
    compiled.endpoints,
    { version: 'none', sets: {} },
    { host: createFakeHost(), filters },
  );
}

const FIELDS: readonly (readonly [string, string])[] = [
  ['user-agent', 'bench/1.0'],
  ['accept', 'application/json'],
  ['accept-encoding', 'gzip'],
  ['x-tier', 'gold'],
];

/** Microseconds for one request: head to forward, response head to deliver, log line. */
function measure(count: number): number {
  const linked = linkMesh(count);
  const host = { ...createFakeHost(), log: () => undefined };
  const engine = createEngine({ host });
  const perHost = count / HOSTS;
  const rounds: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const begun = performance.now();
    for (let i = 0; i < PER_ROUND; i++) {
      const line = {
        method: 'GET',
        scheme: 'http',
        authority: `h${i % HOSTS}.example.com`,
        target: `/v1/item${i % perHost}/x?y=1`,
      } as const;
      const x = engine.begin({
        linked,
        head: new RequestHeaderList(line, FIELDS),
        peer: { ip: '192.0.2.7' },
        port: 80,
      });
      if (engine.onRequest(x) !== 'forward') throw new Error(`not forwarded: ${x.details}`);
      engine.onResponse(x, new ResponseHeaderList(200, []));
      engine.onEnd(x);
    }
    rounds.push(((performance.now() - begun) * 1000) / PER_ROUND);
  }
  return median(rounds.slice(3));
}

function compileMs(count: number): number {
  const services = Array.from(
    { length: count },
    (_, index) =>
      `apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: v${index}}\nspec: {hosts: [s${index}.example.com], http: [{match: [{uri: {prefix: /a}}], route: [{destination: {host: shop}}]}, {route: [{destination: {host: shop}}]}]}`,
  );
  const { resources } = readConfig(
    [{ file: 'bench', text: `${meshOf(10)}\n---\n${services.join('\n---\n')}` }],
    { kinds },
  );
  const list = resources.map(({ resource }) => resource);
  const scope = {
    type: 'sidecar-outbound',
    namespace: 'default',
    name: 'client',
    labels: {},
  } as const;
  const rounds = Array.from({ length: 5 }, () => {
    const begun = performance.now();
    compile({ resources: list, scope }, policyCompilers);
    return performance.now() - begun;
  });
  return median(rounds);
}

const few = measure(10);
const many = measure(10_000);
console.log(`node ${process.version}, ${ROUNDS} rounds of ${PER_ROUND}`);
console.log(`engine, 10 routes:     ${few.toFixed(2)} us a request`);
console.log(
  `engine, 10,000 routes: ${many.toFixed(2)} us a request, ${(many / few).toFixed(2)} x of 10`,
);
console.log(`compile of 1,000 VirtualServices: ${compileMs(1000).toFixed(0)} ms`);
