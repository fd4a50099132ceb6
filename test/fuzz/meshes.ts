/** What must hold of every configuration: nothing throws, and the order of what was given has no say. */
import { RequestHeaderList } from '../../src/lib/header-list.ts';
import { compile, createCompiler } from '../../src/config/compile/index.ts';
import { findings } from '../../src/config/findings.ts';
import { gatewayApiOf } from '../../src/config/gateway-api/resolve.ts';
import { gatewayApiStatus } from '../../src/config/gateway-api/status.ts';
import { readConfig } from '../../src/config/pipeline.ts';
import { admit } from '../../src/config/schema.ts';
import { createFakeHost } from '../../src/host/fake-host.ts';
import type { Resource } from '../../src/model/api.ts';
import type { AdmittedResource } from '../../src/model/config.ts';
import type { ProxyScope } from '../../src/model/snapshot.ts';
import { kinds, policyCompilers } from '../../src/presets/control.ts';
import { filters } from '../../src/presets/node.ts';
import { createEngine, link } from '../../src/proxy/index.ts';
import type { LinkedSnapshot } from '../../src/proxy/index.ts';
import { readMeshConfig } from '../../src/resources/mesh-config.ts';
import { noKeys } from '../fixtures/snapshots.ts';
import { anyDocument, keyOf } from './documents.ts';
import type { Json } from './json.ts';
import { isMap } from './json.ts';
import { mutated } from './mutate.ts';
import type { Property } from './property.ts';
import { yamlOf } from './property.ts';
import { Random } from './random.ts';

const SCOPES: readonly ProxyScope[] = [
  { type: 'gateway', namespace: 'a', name: 'front', labels: { app: 'front' } },
  { type: 'gateway', namespace: 'b', name: 'r1', labels: {} },
  { type: 'sidecar-outbound', namespace: 'a', name: 'client', labels: { app: 'shop' } },
  { type: 'sidecar-outbound', namespace: 'b', name: 'other', labels: { version: 'v1' } },
  {
    type: 'sidecar-inbound',
    namespace: 'a',
    name: 'r0',
    labels: { app: 'shop', version: 'v1' },
    service: 'r0.a.svc.cluster.local',
  },
  {
    type: 'sidecar-inbound',
    namespace: 'b',
    name: 'shop',
    labels: { app: 'shop' },
    service: 'shop.test',
  },
];

const host = createFakeHost({ sleepless: true });

const engine = createEngine({ host });
const REQUESTS: readonly (readonly [number, string, string])[] = [
  [80, 'shop.test', '/a/b?q=a'],
  [8080, 'r0.a.svc.cluster.local:8080', '/a'],
  [443, 'cart.test', '/'],
];

/** As far as a request comes without waiting for anybody. */
function ask(linked: LinkedSnapshot): void {
  for (const [port, authority, target] of REQUESTS) {
    const line = { method: 'GET', scheme: 'http', authority, target } as const;
    const head = new RequestHeaderList(line, [
      ['x-a', 'a'],
      ['cookie', 't=a'],
      ['origin', 'https://a.test'],
    ]);
    const tls = port === 443 ? { tls: { sni: authority, mutual: false } } : {};
    engine.onRequest(engine.begin({ linked, head, port, peer: { ip: '192.0.2.1', ...tls } }));
  }
}

const sorted = (list: Iterable<unknown>): string[] =>
  [...list].map((one) => JSON.stringify(one) ?? '').sort();

function compiled(resources: readonly Resource[], isLinked: boolean): Record<string, unknown> {
  const all: Record<string, unknown> = {};
  for (const scope of SCOPES) {
    const result = compile({ resources, scope }, policyCompilers);
    const { named, endpoints, blobs } = result;
    all[`${scope.type} ${scope.namespace}/${scope.name}`] = {
      versions: [named.version, endpoints.version],
      blobs: sorted(blobs.map(({ name }) => name)),
      jwksUris: result.jwksUris,
      resources: sorted(result.resources),
      diagnostics: sorted(result.diagnostics),
    };
    // What can't be linked never reaches a data plane, and neither does anything after it.
    if (isLinked) ask(link(named, endpoints, noKeys, { host, filters }));
  }
  return all;
}

const statuses = (resources: readonly Resource[]): string[] => {
  const { domain } = readMeshConfig(resources).settings;
  return sorted(
    gatewayApiStatus(gatewayApiOf(resources, domain)).map(({ resource, status }) => [
      resource.kind,
      resource.metadata.namespace,
      resource.metadata.name,
      status,
    ]),
  );
};

const found = (admitted: readonly AdmittedResource[]): string[] =>
  sorted(
    findings(admitted, { kinds, policyCompilers }).map(({ place: _place, ...finding }) => finding),
  );

/** Whoever changes what was handed in changes what others see. */
function frozen<Value>(value: Value): Value {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const child of Object.values(value)) frozen(child);
  return value;
}

function difference(one: Record<string, unknown>, other: Record<string, unknown>): string {
  for (const [part, value] of Object.entries(one)) {
    const [a, b] = [JSON.stringify(value), JSON.stringify(other[part])] as const;
    if (a === b) continue;
    let at = 0;
    while (a[at] === b[at]) at++;
    const near = (text: string): string => text.slice(Math.max(0, at - 150), at + 300);
    return `${part}\n  ${near(a)}\n  ${near(b)}`;
  }
  return '';
}

function expectStable(admitted: readonly AdmittedResource[], seed: number): string | undefined {
  const resources = frozen(admitted.map(({ resource }) => resource));
  const view = (list: readonly AdmittedResource[], isFirst: boolean): Record<string, unknown> => ({
    ...compiled(
      list.map(({ resource }) => resource),
      isFirst,
    ),
    statuses: statuses(list.map(({ resource }) => resource)),
    findings: found(list),
  });
  const first = view(admitted, true);
  const other = new Random(seed).shuffled(admitted);
  const fromOther = difference(first, view(other, false));
  if (fromOther !== '') return `the order of the resources has a say: ${fromOther}`;
  const again = difference(compiled(resources, false), compiled(structuredClone(resources), false));
  if (again !== '') return `compiled twice, and not the same: ${again}`;
  const kept = keptDifference(resources, seed);
  return kept === '' ? undefined : `a compiler that is kept says otherwise: ${kept}`;
}

/** One that compiled another mesh before, with all but one of these resources. */
function keptDifference(resources: readonly Resource[], seed: number): string {
  const scope = SCOPES[seed % SCOPES.length] as ProxyScope;
  const compiler = createCompiler(policyCompilers);
  const parts = (list: readonly Resource[]): Record<string, unknown> => {
    const { named, endpoints, blobs, diagnostics } = compiler.compile({ resources: list, scope });
    const names = sorted(blobs.map(({ name }) => name));
    return { named, endpoints, names, diagnostics: sorted(diagnostics) };
  };
  parts(resources.toSpliced(seed % Math.max(1, resources.length), 1));
  const kept = parts(resources);
  const { named, endpoints, blobs, diagnostics } = compile({ resources, scope }, policyCompilers);
  const names = sorted(blobs.map(({ name }) => name));
  return difference(kept, { named, endpoints, names, diagnostics: sorted(diagnostics) });
}

function seedOf(documents: Json): number {
  return Array.isArray(documents) ? documents.length * 7919 + 1 : 1;
}

/** Few kinds that meet each other say more than all of them that miss. */
const FOCUSES: readonly (readonly string[])[] = [
  ['VirtualService', 'Gateway', 'ServiceEntry', 'DestinationRule', 'Sidecar'],
  ['VirtualService', 'Service', 'WorkloadEntry', 'EndpointSlice', 'ConfigMap', 'ServiceEntry'],
  ['Gateway', 'HTTPRoute', 'GRPCRoute', 'ListenerSet', 'ReferenceGrant', 'Service', 'Secret'],
  ['Gateway', 'TLSRoute', 'TCPRoute', 'BackendTLSPolicy', 'ConfigMap', 'Service', 'GatewayClass'],
  ['AuthorizationPolicy', 'RequestAuthentication', 'PeerAuthentication', 'Service', 'Gateway'],
  ['Policy', 'Service', 'Gateway', 'HTTPRoute', 'VirtualService', 'ServiceEntry'],
];

function documentsOf(random: Random): Json[] {
  const names = random.chance(0.7) ? random.pick(FOCUSES) : undefined;
  const from = names === undefined ? undefined : kinds.filter(({ kind }) => names.includes(kind));
  const count = random.int(1, random.chance(0.2) ? 16 : 8);
  return Array.from({ length: count }, () => anyDocument(random, from));
}

export const validMeshes: Property = {
  name: 'schema-valid configurations',
  make: (random) => documentsOf(random),
  check(value, counts) {
    const documents = value as Json[];
    const place = { file: 'fuzz', line: 1, column: 1 };
    const { resources, diagnostics } = admit(
      documents.map((one) => ({ value: one as unknown, file: 'fuzz', placeOf: () => place })),
      { kinds },
    );
    counts.add('documents made', documents.length);
    counts.add('documents admitted', resources.length);
    const refused = new Set(
      diagnostics.filter(({ level }) => level === 'error').map(({ resource }) => resource),
    );
    if (resources.length < documents.length && refused.size === 0)
      return 'a document is gone without a word';
    for (const { resource } of resources) counts.add(`admitted ${keyOf(resource)}`);
    return expectStable(resources, seedOf(value));
  },
  show: yamlOf,
};

/** Documents that are there as long as nothing is said of them; a text may be a comment or swallow the next one. */
function readable(documents: readonly Json[]): number {
  if (documents.some((one) => typeof one === 'string')) return 0;
  return documents.filter((one) => isMap(one) && one['kind'] !== 'List').length;
}

export const brokenMeshes: Property = {
  name: 'broken configurations',
  make: (random) => mutated(documentsOf(random).slice(0, 8), random),
  check(value, counts) {
    const text = (value as Json[])
      .map((one) => (typeof one === 'string' ? one : JSON.stringify(one)))
      .join('\n---\n');
    const { resources, diagnostics } = readConfig([{ file: 'fuzz', text }], { kinds });
    const errors = diagnostics.filter(({ level }) => level === 'error');
    counts.add('broken documents', (value as Json[]).length);
    if (errors.length === 0 && resources.length < readable(value as Json[]))
      return 'a document is gone without a word';
    counts.add('broken documents still admitted', resources.length);
    counts.add('errors said', errors.length);
    for (const { message, place, path } of errors) {
      if (message === '') return 'an error says nothing';
      if (/\[object |\bNaN\b/.test(message)) return `an error shows no value: ${message}`;
      if (place === undefined || place.line < 1)
        return `an error has no place: ${message} ${path ?? ''}`;
    }
    return expectStable(resources, seedOf(value));
  },
  show: (value) =>
    (value as Json[])
      .map((one) => (typeof one === 'string' ? one : JSON.stringify(one)))
      .join('\n---\n'),
};
